"""Every criterion on a card that does not exist: tensors without values, on which nothing can be
read, and which do not mix with those of the CPU.
"""

from types import SimpleNamespace

import pytest
import torch
from torch._subclasses import FakeTensorMode

from criterions.batch_pairs import BucketLoss, OrderLoss
from criterions.contrastive_loss import ContrastiveLoss
from criterions.emd_loss import EMDLoss
from criterions.joint_loss import JointLoss
from criterions.ranking_loss import RankingLoss
from criterions.regress_loss import RegressLoss
from tests.waits import waits

CARD = "cuda"
CRITERIA = {
    "rank": lambda: RankingLoss(0.5),
    "hard pairs": lambda: RankingLoss(0.5, hard_share=0.3),
    "contrastive": ContrastiveLoss,
    "emd": EMDLoss,
    "regress": lambda: RegressLoss("huber", 2.0),
    "emd+rank": lambda: JointLoss([EMDLoss(), OrderLoss(0.5)], (1, 1)),
    "emd+siamese": lambda: JointLoss([EMDLoss(), BucketLoss()], (1, 1)),
}


def targets(device):
    better, worse = torch.arange(8, device=device), torch.arange(8, device=device).flip(0)
    return {
        "better": better, "worse": worse, "margin": torch.ones(8, device=device),
        "first": better, "second": worse, "same": better > 3,
        "mos": torch.rand(8, device=device), "probs": torch.rand(8, 5, device=device),
        "bucket": better // 3,
    }  # fmt: skip


@pytest.mark.parametrize("name", CRITERIA)
def test_a_criterion_never_waits_for_the_device(name):
    waited = []
    with FakeTensorMode(), waits(waited):
        scores = torch.rand(8, device=CARD, requires_grad=True)
        logits = torch.rand(8, 5, device=CARD, requires_grad=True)
        given = targets(CARD)
        loss = CRITERIA[name]()(SimpleNamespace(scores=scores, logits=logits), given)
    assert loss.device.type == CARD and loss.shape == () and waited == []


def test_what_would_be_waited_for_is_seen():
    for ask in (
        lambda values: bool((values > 0).all()),
        lambda values: values[values > 0],
        lambda values: values.cpu(),
        lambda values: float(values.sum()),
        lambda values: values.unique(),
        lambda values: torch.equal(values, values),
    ):
        waited = []
        with waits(waited):
            ask(torch.rand(3))
        assert waited, ask

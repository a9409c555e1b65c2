"""Losses over all pairs of a step's images, against loops over every two of them."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from criterions.batch_pairs import BucketLoss, OrderLoss, bucket_loss, order_loss
from criterions.emd_loss import EMDLoss, emd_loss
from criterions.joint_loss import JointLoss


def loop_order(scores, voted, share):
    losses = [
        max(0.0, share * (voted[i] - voted[j]) - (scores[i] - scores[j]))
        for i, j in itertools.permutations(range(len(voted)), 2)
        if voted[i] > voted[j]
    ]
    return float(np.mean(losses)) if losses else 0.0


def loop_buckets(scores, bucket):
    same, other = [], []
    for i, j in itertools.combinations(range(len(bucket)), 2):
        d = abs(scores[i] - scores[j])
        (same if bucket[i] == bucket[j] else other).append(
            d**2 if bucket[i] == bucket[j] else max(1 - d, 0.0) ** 2
        )
    return float(np.mean([np.mean(kind) for kind in (same, other) if kind]))


def drawn(count=17):
    rng = np.random.default_rng(count)
    voted = rng.integers(0, 12, count) / 2.0 + 1  # with ties
    return rng.normal(4, 1, count), voted, voted.astype(np.int64)


@pytest.mark.parametrize("count", [1, 2, 3, 16, 17, 40])
@pytest.mark.parametrize("share", [0.5, 1.3])
def test_all_ordered_pairs_equal_the_loop(share, count):
    scores, voted, _ = drawn(count)
    got = order_loss(torch.tensor(scores), torch.tensor(voted), share).item()
    assert got == pytest.approx(loop_order(scores, voted, share), abs=1e-12)


@pytest.mark.parametrize("count", [2, 3, 16, 17, 40])
def test_pairs_by_bucket_equal_the_loop(count):
    scores, _, bucket = drawn(count)
    got = bucket_loss(torch.tensor(scores), torch.tensor(bucket)).item()
    assert got == pytest.approx(loop_buckets(scores, bucket), abs=1e-12)


@pytest.mark.parametrize("bucket", [[3, 3, 3], [1, 2, 3]], ids=["one bucket", "all their own"])
def test_one_kind_of_pairs_is_the_whole_loss(bucket):
    scores = [3.0, 3.4, 4.1]
    got = bucket_loss(torch.tensor(scores, dtype=torch.float64), torch.tensor(bucket)).item()
    assert got == pytest.approx(loop_buckets(scores, bucket), abs=1e-12) and got > 0


def test_gradients_are_those_of_finite_differences():
    scores, voted, bucket = map(torch.tensor, drawn())
    scores.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: order_loss(s, voted, 0.7), scores)
    assert torch.autograd.gradcheck(lambda s: bucket_loss(s, bucket), scores, atol=1e-7)


@pytest.mark.parametrize(
    "loss",
    [
        lambda s: order_loss(s, torch.full((2,), 3.0), 0.5),
        lambda s: order_loss(s, torch.tensor([3.0, 3.0 + 1e-6]), 0.5),  # rounding
        lambda s: bucket_loss(s[:1], torch.tensor([4])),
    ],
    ids=["a tie", "a tie but for rounding", "one image"],
)
def test_no_pair_is_a_loss_of_0_that_can_be_differentiated(loss):
    scores = torch.tensor([1.0, 2.0], requires_grad=True)
    value = loss(scores)
    value.backward()
    assert value.item() == 0 and scores.grad.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: order_loss(torch.zeros(3), torch.zeros(2), 0.5), "differ in shape"),
        (lambda: order_loss(torch.zeros(3, 1), torch.zeros(3), 0.5), "squeeze"),
        (lambda: bucket_loss(torch.zeros(3), torch.zeros(2, dtype=torch.int64)), "differ in shape"),
        (lambda: order_loss(torch.zeros(3), torch.zeros(3), 0.0), "share 0.0"),
        (lambda: JointLoss([EMDLoss()], (1, 1)), "2 weights for 1 losses"),
        (lambda: JointLoss([EMDLoss(), BucketLoss()], (1, -1)), "none below 0"),
        (lambda: JointLoss([EMDLoss(), BucketLoss()], (0, 0)), "one above it"),
    ],
)
def test_what_does_not_fit_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


@pytest.mark.parametrize("weights", [(1, 1), (0.3, 2), (1, 0)])
def test_a_joint_loss_is_the_weighted_sum(weights):
    rng = np.random.default_rng(3)
    logits, probs = torch.tensor(rng.normal(size=(8, 5))), torch.tensor(rng.dirichlet([1] * 5, 8))
    bins = np.arange(1, 6)
    scores, voted = torch.softmax(logits, 1).numpy() @ bins, probs.numpy() @ bins
    prediction = SimpleNamespace(scores=torch.tensor(scores), logits=logits)
    targets = {"probs": probs, "bucket": torch.tensor(np.round(voted).astype(np.int64))}
    emd = emd_loss(logits, probs).item()
    for other, expected in (
        (OrderLoss(0.5), loop_order(scores, voted, 0.5)),
        (BucketLoss(), loop_buckets(scores, np.round(voted))),
    ):
        got = JointLoss([EMDLoss(), other], weights)(prediction, targets).item()
        assert got == pytest.approx(weights[0] * emd + weights[1] * expected, abs=1e-9)

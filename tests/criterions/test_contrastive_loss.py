"""Contrastive loss against a plain loop over pairs."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from criterions.contrastive_loss import ContrastiveLoss, contrastive_loss


def loop(scores, first, second, same, margin=1.0):
    total = 0.0
    for a, b, y in zip(first, second, same, strict=True):
        d = abs(scores[a] - scores[b])
        total += y * d**2 + (1 - y) * max(margin - d, 0.0) ** 2
    return total / len(first)


def drawn(seed=0, pairs=40):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 9, size=(2, pairs))
    return rng.normal(5, 0.7, size=9), first, second, rng.random(pairs) < 0.5


@pytest.mark.parametrize("margin", [0.3, 1.0, 2.5])
def test_equals_the_loop_over_pairs(margin):
    arrays = drawn()
    got = contrastive_loss(*map(torch.tensor, arrays), margin).item()
    assert got == pytest.approx(loop(*arrays, margin), abs=1e-12)


def test_gradients_are_those_of_finite_differences():
    scores, first, second, same = map(torch.tensor, drawn(1))
    apart = first != second  # the distance to itself has a corner at 0
    rest = (first[apart], second[apart], same[apart])
    assert torch.autograd.gradcheck(
        lambda s: contrastive_loss(s, *rest), scores.requires_grad_(), atol=1e-7
    )


def test_it_pulls_together_and_pushes_apart_up_to_the_margin():
    scores = torch.tensor([4.0, 4.6, 5.8], requires_grad=True)
    first, second = torch.tensor([0, 0, 1]), torch.tensor([1, 2, 2])
    gradients = []
    for same in ([True, False, False], [False, False, False]):
        loss = contrastive_loss(scores, first, second, torch.tensor(same))
        gradients.append(torch.autograd.grad(loss, scores)[0])
    assert gradients[0][0] < 0 < gradients[0][1] and gradients[1][0] > 0 > gradients[1][1]
    assert gradients[0][2] == gradients[1][2] == 0  # 1.2 and 1.8 away: far enough


def test_the_recipe_s_margin_is_the_default_and_half_precision_is_widened():
    scores, first, second, same = (torch.tensor(x) for x in drawn(2))
    prediction = SimpleNamespace(scores=scores.bfloat16(), logits=scores[:, None])
    targets = {"first": first, "second": second, "same": same}
    found = ContrastiveLoss()(prediction, targets)
    assert found.dtype == torch.float32
    rounded = scores.bfloat16().double().numpy()
    assert found.item() == pytest.approx(
        loop(rounded, *(x.numpy() for x in (first, second, same))), rel=1e-5
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scores": torch.zeros(3, 1)}, "squeeze"),
        ({"second": torch.zeros(2, dtype=torch.int64)}, "differ in shape"),
        ({"first": torch.zeros(3)}, "int64"),
        ({"same": torch.zeros(3)}, "bool is wanted"),
        ({"same": torch.zeros(3, 1, dtype=torch.bool)}, "differ in shape"),
        ({name: torch.zeros(0, dtype=torch.int64) for name in ("first", "second")}
         | {"same": torch.zeros(0, dtype=torch.bool)}, "no pairs"),
        ({"margin": 0.0}, "already optimal"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(change, said):
    positions = torch.tensor([0, 1, 2])
    asked = {"scores": torch.zeros(3), "first": positions, "second": positions.flip(0),
             "same": torch.ones(3, dtype=torch.bool), **change}  # fmt: skip
    with pytest.raises(ValueError, match=said):
        contrastive_loss(**asked)


def test_other_targets_are_named():
    prediction = SimpleNamespace(scores=torch.zeros(2), logits=torch.zeros(2, 1))
    with pytest.raises(ValueError, match="siamese.*'mos'.*not 'first'"):
        ContrastiveLoss()(prediction, {"mos": torch.zeros(2)})

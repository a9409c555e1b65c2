"""Margin ranking against a plain loop over pairs, and the traps of earlier toolkits."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from criterions.ranking_loss import RankingLoss, ranking_loss


def loop(scores, better, worse, margins):
    total = 0.0
    for b, w, margin in zip(better, worse, margins, strict=True):
        total += max(0.0, margin - (scores[b] - scores[w]))
    return total / len(better)


@pytest.mark.parametrize("margin", [0.1, 1.0, 10.0])
def test_equals_the_loop_over_pairs(margin):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=7)
    better, worse = rng.integers(0, 7, size=(2, 20))
    got = ranking_loss(
        torch.tensor(scores), torch.tensor(better), torch.tensor(worse), margin
    ).item()
    assert got == pytest.approx(loop(scores, better, worse, [margin] * 20), abs=1e-12)


@pytest.mark.parametrize(("share", "count"), [(1.0, 20), (0.5, 10), (0.13, 3), (0.001, 1)])
def test_hard_pairs_are_those_with_the_largest_loss(share, count):
    rng = np.random.default_rng(1)
    scores, margins = rng.normal(size=7), rng.uniform(0.1, 2, 20)
    better, worse = rng.integers(0, 7, size=(2, 20))
    tensors = [torch.tensor(array) for array in (scores, better, worse, margins)]
    single = [loop(scores, [b], [w], [m]) for b, w, m in zip(better, worse, margins, strict=True)]
    expected = sum(sorted(single)[-count:]) / count
    assert ranking_loss(*tensors, share).item() == pytest.approx(expected, abs=1e-12)
    scores = tensors[0].requires_grad_()
    assert torch.autograd.gradcheck(lambda s: ranking_loss(s, *tensors[1:], share), scores)


def test_of_equally_hard_pairs_the_earlier_counts():
    scores = torch.zeros(6, requires_grad=True)
    ranking_loss(scores, torch.tensor([0, 2, 4]), torch.tensor([1, 3, 5]), 1.0, 0.4).backward()
    assert scores.grad.tolist() == [-1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("share", [0, -0.5, 1.01, float("nan")])
def test_a_share_is_above_0_and_at_most_1(share):
    with pytest.raises(ValueError, match="at most 1"):
        RankingLoss(1.0, share)
    with pytest.raises(ValueError, match="at most 1"):
        ranking_loss(torch.zeros(2), torch.tensor([0]), torch.tensor([1]), 1.0, share)


def test_wrong_order_far_from_zero_still_has_a_gradient():
    scores = torch.tensor([-50.0, 50.0], requires_grad=True)
    ranking_loss(scores, torch.tensor([0]), torch.tensor([1]), 1.0).backward()
    assert scores.grad.tolist() == [-1.0, 1.0]


def test_a_constant_output_is_not_optimal():
    scores = torch.zeros(4, requires_grad=True)
    loss = ranking_loss(scores, torch.tensor([0, 1]), torch.tensor([2, 3]), 0.5)
    loss.backward()
    assert loss.item() == 0.5 and scores.grad.abs().sum() > 0


@pytest.mark.parametrize("margin", [0, 0.0, -1.0, float("nan"), float("inf")])
def test_margin_must_be_above_zero(margin):
    with pytest.raises(ValueError, match="above 0"):
        RankingLoss(margin)
    with pytest.raises(ValueError, match="above 0"):
        ranking_loss(torch.zeros(2), torch.tensor([0]), torch.tensor([1]), margin)
    # One of a tensor is heard of by the loss: a card would be waited for.
    pairs, margins = torch.tensor([0, 1]), torch.tensor([1.0, margin])
    assert ranking_loss(torch.zeros(2), pairs, pairs, margins).isnan()
    assert ranking_loss(torch.zeros(2), pairs, pairs, margins, 0.5).isnan()


def test_no_pairs():
    none = torch.empty(0, dtype=torch.int64)
    with pytest.raises(ValueError, match="no pairs"):
        ranking_loss(torch.zeros(2), none, none, 1.0)


def test_shapes_are_checked_before_arithmetic():
    one, two = torch.tensor([0]), torch.tensor([0, 1])
    with pytest.raises(ValueError, match=r"scores: shape \(2, 1\)"):
        ranking_loss(torch.zeros(2, 1), one, one, 1.0)
    with pytest.raises(ValueError, match=r"better \(1,\) and worse \(2,\)"):
        ranking_loss(torch.zeros(2), one, two, 1.0)
    with pytest.raises(ValueError, match=r"margin \(1,\) and better \(2,\)"):
        ranking_loss(torch.zeros(2), two, two, torch.ones(1))
    with pytest.raises(ValueError, match="int64"):
        ranking_loss(torch.zeros(2), one.float(), one, 1.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_are_widened(dtype):
    scores = torch.tensor([1.0, 0.0], dtype=dtype)
    assert ranking_loss(scores, torch.tensor([0]), torch.tensor([1]), 1.001).dtype == torch.float32


def test_module_takes_the_margin_of_the_targets_first():
    prediction = SimpleNamespace(scores=torch.tensor([1.0, 0.0]), logits=None)
    targets = {"better": torch.tensor([0]), "worse": torch.tensor([1])}
    criterion = RankingLoss(margin=3.0)
    assert criterion(prediction, targets).item() == 2.0
    targets["margin"] = torch.tensor([1.5])
    assert criterion(prediction, targets).item() == 0.5
    two = {"better": torch.tensor([0, 1]), "worse": torch.tensor([1, 0])}
    assert criterion(prediction, two).item() == 3.0
    assert RankingLoss(3.0, hard_share=0.5)(prediction, two).item() == 4.0


def test_module_names_the_missing_target():
    prediction = SimpleNamespace(scores=torch.zeros(2), logits=None)
    with pytest.raises(ValueError, match="not 'better'"):
        RankingLoss(1.0)(prediction, {"mos": torch.zeros(2)})


def test_nothing_is_made_on_the_cpu():
    positions = torch.zeros(3, dtype=torch.int64, device="meta")
    loss = ranking_loss(torch.zeros(4, device="meta"), positions, positions, 1.0)
    assert loss.device.type == "meta"

"""Earth mover's distance against the paper's formula in NumPy, and its gradient at a match."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import wasserstein_distance

from criterions.emd_loss import EMDLoss, emd_loss


def paper(probs, target, r):
    """Eq. 1 bin by bin, with the cumulative sums written out."""
    rows = []
    for p, t in zip(probs, target, strict=True):
        bins = len(p)
        terms = [abs(sum(p[: k + 1]) - sum(t[: k + 1])) ** r for k in range(bins)]
        rows.append((sum(terms) / bins) ** (1 / r))
    return float(np.mean(rows))


def example(n, bins, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, bins)), rng.dirichlet(np.ones(bins), size=n)


@pytest.mark.parametrize("r", [1, 1.5, 2, 3])
@pytest.mark.parametrize(("n", "bins"), [(1, 2), (3, 5), (7, 10)])
def test_equals_the_papers_formula(n, bins, r):
    logits, target = example(n, bins)
    got = emd_loss(torch.tensor(logits), torch.tensor(target), r).item()
    assert got == pytest.approx(paper(softmax(logits, axis=1), target, r), abs=1e-12)


def test_order_one_is_scipys_wasserstein_distance_over_the_bins():
    logits, target = example(1, 10)
    bins = np.arange(1, 11)
    expected = wasserstein_distance(bins, bins, softmax(logits[0]), target[0]) / 10
    assert emd_loss(torch.tensor(logits), torch.tensor(target), 1).item() == pytest.approx(expected)


def test_short_last_batch():
    criterion = EMDLoss()
    for n in (4, 3, 1):
        logits, target = example(n, 5)
        prediction = SimpleNamespace(scores=None, logits=torch.tensor(logits))
        expected = paper(softmax(logits, axis=1), target, 2)
        assert criterion(prediction, {"probs": torch.tensor(target)}).item() == pytest.approx(
            expected
        )


@pytest.mark.parametrize("r", [1, 1.5, 2, 3])
def test_gradient_is_zero_and_finite_at_an_exact_match(r):
    # Four equal bins: the softmax of zeros is exactly 1/4 each in binary.
    logits = torch.zeros(2, 4, requires_grad=True)
    loss = emd_loss(logits, torch.full((2, 4), 0.25), r)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros(2, 4))


def test_one_exact_match_does_not_disturb_the_other_rows():
    logits = torch.tensor([[0.0, 0, 0, 0], [1.0, 0, 0, 0]], requires_grad=True)
    emd_loss(logits, torch.full((2, 4), 0.25)).backward()
    assert logits.grad.isfinite().all()
    assert logits.grad[0].abs().sum() == 0 and logits.grad[1].abs().sum() > 0


@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-7, 1e-20])
def test_gradient_stays_bounded_close_to_a_match(distance):
    logits = torch.zeros(1, 4)
    logits[0, 0] = distance
    logits.requires_grad_()
    emd_loss(logits, torch.full((1, 4), 0.25)).backward()
    assert logits.grad.isfinite().all() and logits.grad.abs().max() <= 1


@pytest.mark.parametrize("r", [1, 2, 3])
def test_gradient_away_from_a_match(r):
    logits, target = example(3, 6)
    checked = torch.tensor(logits, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: emd_loss(x, torch.tensor(target), r), checked)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(dtype):
    logits, target = example(4, 10)
    low = torch.tensor(logits).to(dtype)
    got = emd_loss(low, torch.tensor(target, dtype=torch.float32))
    assert got.dtype == torch.float32
    expected = paper(softmax(low.double().numpy(), axis=1), target, 2)
    assert got.item() == pytest.approx(expected, abs=1e-6)


def test_extreme_logits_stay_finite():
    logits = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    loss = emd_loss(logits, torch.tensor([[0.0, 0.0, 1.0]]))
    loss.backward()
    assert loss.item() == pytest.approx((2 / 3) ** 0.5) and logits.grad.isfinite().all()


@pytest.mark.parametrize("r", [0, 0.5, -1, float("nan"), float("inf")])
def test_order_below_one_is_refused(r):
    with pytest.raises(ValueError, match="at least 1"):
        EMDLoss(r)


def test_shapes_are_checked_before_arithmetic():
    with pytest.raises(ValueError, match=r"logits \(2, 5\) and target \(2, 10\)"):
        emd_loss(torch.zeros(2, 5), torch.zeros(2, 10))
    with pytest.raises(ValueError, match=r"shape \(5,\)"):
        emd_loss(torch.zeros(5), torch.zeros(5))
    with pytest.raises(ValueError, match="one bin"):
        emd_loss(torch.zeros(2, 1), torch.ones(2, 1))
    with pytest.raises(ValueError, match="no images"):
        emd_loss(torch.zeros(0, 5), torch.zeros(0, 5))


def test_nothing_is_made_on_the_cpu():
    # The meta device refuses to meet tensors of another one, as an accelerator does.
    logits = torch.zeros(3, 5, device="meta", requires_grad=True)
    loss = emd_loss(logits, torch.zeros(3, 5, device="meta"))
    loss.backward()
    assert loss.device.type == logits.grad.device.type == "meta"

"""Regression losses against their formulas in NumPy, and the (N, 1) trap."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from criterions.regress_loss import RegressLoss, regress_loss


def huber(error):
    size = np.abs(error)
    return np.where(size <= 1, 0.5 * error**2, size - 0.5)


ORACLES = {"l1": np.abs, "l2": np.square, "huber": huber}


@pytest.mark.parametrize("kind", ORACLES)
@pytest.mark.parametrize("scale", [1.0, 25.0])
def test_equals_the_formula(kind, scale):
    rng = np.random.default_rng(0)
    scores, mos = rng.normal(50, 30, size=(2, 40))
    got = regress_loss(torch.tensor(scores), torch.tensor(mos), kind, scale).item()
    assert got == pytest.approx(ORACLES[kind]((scores - mos) / scale).mean(), rel=1e-12)


@pytest.mark.parametrize("kind", ORACLES)
def test_gradient(kind):
    scores = torch.tensor([0.2, 4.0, -3.0], dtype=torch.float64, requires_grad=True)
    mos = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: regress_loss(s, mos, kind, 2.0), scores)


def test_a_column_against_a_vector_is_refused_not_broadcast():
    mos = torch.tensor([1.0, 3.0, 5.0])
    with pytest.raises(ValueError, match=r"scores \(3, 1\) and mos \(3,\)"):
        regress_loss(mos[:, None], mos)
    with pytest.raises(ValueError, match=r"scores \(3,\) and mos \(3, 1\)"):
        regress_loss(mos, mos[:, None])
    with pytest.raises(ValueError, match=r"scores: shape \(3, 1\)"):
        regress_loss(mos[:, None], mos[:, None])


def test_no_images():
    with pytest.raises(ValueError, match="no images"):
        regress_loss(torch.zeros(0), torch.zeros(0))


def test_settings_are_checked_when_the_module_is_made():
    with pytest.raises(ValueError, match="l1, l2, huber"):
        RegressLoss(kind="mse")
    for scale in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="above 0"):
            RegressLoss(scale=scale)


def test_module_uses_its_kind_and_scale():
    prediction = SimpleNamespace(scores=torch.tensor([4.0, 8.0]), logits=None)
    loss = RegressLoss("l2", scale=2.0)(prediction, {"mos": torch.tensor([2.0, 2.0])})
    assert loss.item() == pytest.approx((1 + 9) / 2)


def test_integer_and_double_targets_take_the_type_of_the_scores():
    scores = torch.tensor([1.0, 2.0])
    for dtype in (torch.int64, torch.float64):
        loss = regress_loss(scores, torch.tensor([2, 4], dtype=dtype))
        assert loss.dtype == torch.float32 and loss.item() == 1.5


def test_half_precision_scores_are_widened():
    scores = torch.tensor([60.0, 61.0], dtype=torch.bfloat16)
    assert regress_loss(scores, torch.tensor([60.1, 60.9])).item() == pytest.approx(0.1, abs=1e-5)


@pytest.mark.parametrize("kind", ORACLES)
def test_nothing_is_made_on_the_cpu(kind):
    scores = torch.zeros(3, device="meta")
    assert regress_loss(scores, torch.zeros(3, device="meta"), kind).device.type == "meta"

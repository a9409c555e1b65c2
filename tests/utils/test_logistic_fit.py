"""Logistic fits against curves that are known, SciPy's curve_fit from many starts, and no data."""

import math
import warnings

import numpy as np
import pytest
from scipy.optimize import curve_fit

from utils import logistic_fit
from utils.logistic_fit import KINDS, fit_logistic


def four(x, b1, b2, b3, b4):
    """VQEG's formula as it is written."""
    return b2 + (b1 - b2) / (1 + np.exp(-(x - b3) / np.abs(b4)))


def five(x, b1, b2, b3, b4, b5):
    return b1 * (0.5 - 1 / (1 + np.exp(b2 * (x - b3)))) + b4 * x + b5


FORMULAS = {"4p": four, "5p": five}


def rmse(a, b):
    return math.sqrt(np.mean((a - b) ** 2))


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("4p", (4.6, 1.2, 55.0, 6.0)), ("5p", (2.0, 0.3, 60.0, 0.04, 0.5))],
)
def test_a_curve_without_noise_is_found_again(kind, parameters):
    x = np.random.default_rng(0).uniform(20, 90, 200)
    found = fit_logistic(kind, x, FORMULAS[kind](x, *parameters))
    assert found.failed is None and found.n == 200
    assert found.parameters == pytest.approx(parameters, rel=1e-3)
    assert found(x) == pytest.approx(FORMULAS[kind](x, *parameters), abs=1e-5)
    assert found(x) == pytest.approx(FORMULAS[kind](x, *found.parameters))


SHAPES = {
    "sigmoid": lambda u: 1 + 4 / (1 + np.exp(-(u - 1) / 0.7)),
    "falling": lambda u: 5 - 3 / (1 + np.exp(-u)),
    "bend": lambda u: np.exp(u),
    "cube": lambda u: u**3,
}


def many_starts(kind, x, y, starts=12):
    """RMSE of the best of many curve_fits; infinite where all fail."""
    rng, best = np.random.default_rng(9), math.inf
    for _ in range(starts):
        centre, width = rng.choice(x), x.std() * rng.uniform(0.1, 1)
        start = (y.max(), y.min(), centre, width)
        if kind == "5p":
            start = (rng.choice([-1, 1]) * np.ptp(y), 1 / width, centre, 0, y.mean())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found, _ = curve_fit(FORMULAS[kind], x, y, start, maxfev=3000)
            except RuntimeError:
                continue
        best = min(best, rmse(FORMULAS[kind](x, *found), y))
    return best


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_start_of_curve_fit_does_better(kind, shape):
    rng = np.random.default_rng(1)
    u = rng.normal(0, 1.2, 150)
    y = SHAPES[shape](u) + rng.normal(0, 0.2, 150)
    x = 50 + 10 * u
    found = fit_logistic(kind, x, y)
    assert found.failed is None
    assert rmse(found(x), y) <= many_starts(kind, x, y) * 1.001


def test_units_do_not_matter():
    rng = np.random.default_rng(2)
    x = rng.normal(size=80)
    y = SHAPES["sigmoid"](x) + rng.normal(0, 0.1, 80)
    for kind in KINDS:
        plain = fit_logistic(kind, x, y)(x)
        assert fit_logistic(kind, 1e-6 * x - 3, 1e4 * y)(1e-6 * x - 3) == pytest.approx(
            1e4 * plain, rel=1e-3
        )


def test_many_images_are_all_fitted():
    rng = np.random.default_rng(3)
    x = rng.normal(size=5000)
    y = SHAPES["sigmoid"](x) + rng.normal(0, 0.3, 5000)
    found = fit_logistic("4p", x, y)
    best, _ = curve_fit(four, x, y, (5, 1, 1, 0.7))
    assert found.parameters == pytest.approx(best, rel=1e-3)


def test_outliers_of_the_predictions_do_not_hide_the_curve():
    rng = np.random.default_rng(4)
    x = np.append(rng.normal(size=100), [1e4, 2e4])
    y = np.append(SHAPES["sigmoid"](x[:100]), [5.0, 5.0])
    assert rmse(fit_logistic("4p", x, y)(x), y) < 0.01


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1.0, 2, 3, 4], [1.0, 2, 3, 4], "4 parameters need more than 4 images, not 4"),
        ([], [], "not 0"),
        ([2.0] * 9, range(9), "constant prediction"),
        (range(9), [0.3] * 9, "constant mos"),
        ([1.0, 2, 3] * 3, range(9), "as many different predictions, not 3"),
        ([1.0, np.nan, *range(7)], range(9), r"prediction\[1\] is not finite"),
        (range(9), [1.0, 2, np.inf, *range(6)], r"mos\[2\] is not finite"),
    ],
)
def test_a_fit_that_does_not_exist_says_why_and_maps_to_nan(x, y, reason):
    found = fit_logistic("4p", list(x), list(y))
    assert found.failed and pytest.importorskip("re").search(reason, found.failed)
    assert np.isnan(found([1.0, 2.0])).all() and found.parameters == ()


def test_a_fit_that_does_not_converge_is_reported(monkeypatch):
    class Stuck:
        status, nfev, cost, x = 0, 300, 1.0, np.array([0.0, 0.0])

    monkeypatch.setattr(logistic_fit, "least_squares", lambda *a, **k: Stuck)
    found = fit_logistic("5p", np.arange(20.0), np.arange(20.0) ** 2)
    assert found.failed == "did not converge in 300 steps" and np.isnan(found([1.0])).all()


def test_what_is_odd_is_said():
    rng = np.random.default_rng(5)
    x = rng.normal(size=300)
    noise = rng.normal(0, 0.05, 300)
    falls = fit_logistic("4p", x, 3 - np.tanh(x) + noise)
    assert falls.remark == "falls: higher predictions go with lower MOS"
    assert "not monotone" in fit_logistic("5p", x, np.sin(1.5 * x) + noise).remark
    assert "step" in fit_logistic("4p", x, np.sign(x) + noise).remark
    assert "straight line" in fit_logistic("4p", x, x + 1e-3 * noise).remark
    assert fit_logistic("4p", x, np.tanh(x) + noise).remark is None


def test_shapes():
    with pytest.raises(ValueError, match=r"predictions \(3,\) and mos \(4,\)"):
        fit_logistic("4p", np.arange(3.0), np.arange(4.0))

"""Logistic fits against curves that are known, SciPy's least squares from many starts, straight
lines, and no data.
"""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import curve_fit, least_squares
from scipy.special import expit

from utils.statistics.logistic_fit import KINDS, fit_logistic


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


def free(kind, x, y, p):
    """(residuals, their slopes) of a logistic in free parameters: b1, b2, b3, log b4 and b1, log
    1 / b2, b3, b4, b5.
    """
    centre, narrow = p[2], np.exp(-p[3 if kind == "4p" else 1])
    z = (x - centre) * narrow
    s = expit(z)
    steep = (p[0] - p[1] if kind == "4p" else p[0]) * s * (1 - s)
    if kind == "4p":
        slopes = [s, 1 - s, -steep * narrow, -steep * z]
        return p[1] + (p[0] - p[1]) * s - y, np.stack(slopes, axis=1)
    slopes = [s - 0.5, -steep * z, -steep * narrow, x, np.ones_like(x)]
    return p[0] * (s - 0.5) + p[3] * x + p[4] - y, np.stack(slopes, axis=1)


def many_starts(kind, x, y, starts=16):
    """RMSE of the best of SciPy's least squares from free starts, without limits."""
    rng, best, line = np.random.default_rng(9), math.inf, np.polyfit(x, y, 1)[0]
    for _ in range(starts):
        centre, log = rng.choice(x), np.log(x.std()) + rng.uniform(-3, 1.5)
        start = (y.max(), y.min(), centre, log)
        if kind == "5p":
            rise = rng.choice([-1, 1]) * np.ptp(y)
            start = (rise, log, centre, rng.choice([0, line]), y.mean())
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                found = least_squares(
                    lambda p: free(kind, x, y, p)[0], start, lambda p: free(kind, x, y, p)[1],
                    method="lm", max_nfev=200,
                )  # fmt: skip
            except ValueError:  # a start that ran to infinity
                continue
        if np.isfinite(found.cost):
            best = min(best, math.sqrt(2 * found.cost / len(x)))
    return best


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_start_of_least_squares_does_better(kind, shape):
    rng = np.random.default_rng(1)
    u = rng.normal(0, 1.2, 150)
    y = SHAPES[shape](u) + rng.normal(0, 0.2, 150)
    x = 50 + 10 * u
    found = fit_logistic(kind, x, y)
    assert found.failed is None
    assert rmse(found(x), y) <= many_starts(kind, x, y) * 1.0001


KINDS_OF_DATA = ("linear", "weak", "noisy", "clustered", "falling", "heavy tails")
CASES = 60  # of each kind of data
NEAR = 1.0005  # of the RMSE of the best of 16 starts
STRAIGHT = 1e-6  # of the standard deviation of MOS: how much worse than a straight line
# RMSE of `many_starts`, 4p and 5p, a line a case: tests/benchmarks/bench_logistic_fit.py --write.
KNOWN = Path(__file__).with_name("logistic_oracle.txt")


def case(kind, number, images=40):
    """(x, y) of a random data set."""
    rng = np.random.default_rng([KINDS_OF_DATA.index(kind), number])
    x, noise = rng.normal(size=(2, images))
    if kind in ("linear", "weak", "noisy"):
        return x, {"linear": 3.0, "weak": 0.3, "noisy": 0.0}[kind] * x + noise
    if kind == "clustered":
        clusters = rng.integers(0, rng.integers(2, 5), images)
        return clusters + 0.15 * x, (clusters > 0) + 0.2 * clusters + 0.3 * noise
    if kind == "falling":
        return x, -2 * np.tanh(rng.uniform(0.5, 2) * x) + 0.5 * noise
    x, noise = rng.standard_t(2, (2, images))
    return x, np.tanh(x) + 0.3 * noise


def known():
    """RMSE (kinds of data, CASES, 2)."""
    return np.loadtxt(KNOWN).reshape(len(KINDS_OF_DATA), CASES, 2)


@pytest.mark.parametrize("data", KINDS_OF_DATA)
def test_random_data_are_fitted_as_well_as_by_sixteen_free_starts(data):
    """360 data sets, both logistics, none of which fails."""
    for number, best in enumerate(known()[KINDS_OF_DATA.index(data)]):
        x, y = case(data, number)
        four, five = (fit_logistic(kind, x, y) for kind in KINDS)
        assert four.failed is None and five.failed is None
        errors = [rmse(fit(x), y) for fit in (four, five)]
        assert (errors <= best * NEAR).all(), (number, errors, best)
        allowed = STRAIGHT * y.std()
        assert errors[1] <= errors[0] + allowed
        assert max(errors) <= rmse(np.polyval(np.polyfit(x, y, 1), x), y) + allowed


def test_the_table_of_sixteen_starts_is_what_they_find():
    for row, data in enumerate(KINDS_OF_DATA):
        for number in range(5 * row, CASES, 30):
            again = [many_starts(kind, *case(data, number)) for kind in KINDS]
            assert known()[row, number] == pytest.approx(again, rel=1e-4)


def plcc(kind, x, y):
    return np.corrcoef(fit_logistic(kind, x, y)(x), y)[0, 1]


def test_linear_data_and_two_clusters_have_their_fit():
    """The two data sets of issue 12: "did not converge", and a step not narrow enough."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=300)
    y = 3 * x + rng.normal(size=300)
    assert plcc("5p", x, y) == pytest.approx(0.95093, abs=1e-5)
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    y = (x > 0) + 0.1 * rng.normal(size=300)
    assert plcc("5p", x, y) == pytest.approx(0.9815, abs=1e-4)
    assert plcc("4p", x, y) > 0.9812


@pytest.mark.parametrize("images", [5, 6, 30, 700])
@pytest.mark.parametrize("kind", KINDS)
def test_a_straight_line_and_two_values_are_fitted_exactly(images, kind):
    x = 1e6 + np.linspace(-1, 1, images + 1)  # also five images for five parameters and one more
    line = fit_logistic(kind, x, 2 - 3 * x)
    assert rmse(line(x), 2 - 3 * x) < 3 * STRAIGHT
    assert "straight line: its width is not determined" in line.remark
    x = np.arange(images + 1) % 2.0
    both = fit_logistic(kind, x, 5 - x)
    assert rmse(both(x), 5 - x) < STRAIGHT and "not determined" in both.remark


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
        ([1.0, np.nan, *range(7)], range(9), r"prediction\[1\] is not finite"),
        (range(9), [1.0, 2, np.inf, *range(6)], r"mos\[2\] is not finite"),
    ],
)
def test_a_fit_that_does_not_exist_says_why_and_maps_to_nan(x, y, reason):
    found = fit_logistic("4p", list(x), list(y))
    assert found.failed and pytest.importorskip("re").search(reason, found.failed)
    assert np.isnan(found([1.0, 2.0])).all() and found.parameters == ()


def test_a_flat_valley_is_said():
    """An exponential is one end of a logistic, as far away as it may be."""
    x = np.random.default_rng(6).normal(size=200)
    found = fit_logistic("4p", x, np.exp(x))
    assert rmse(found(x), np.exp(x)) < 1e-4
    assert found.remark == "the best point of a flat valley: its parameters are not determined"


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

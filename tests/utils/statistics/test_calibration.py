"""Calibration groups against SciPy's interval of a mean; the interval of a fitted logistic against
finite differences and simulated repetitions.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from utils.statistics import calibration as module
from utils.statistics.calibration import calibration, fit_band
from utils.statistics.logistic_fit import LogisticFit, fit_logistic


def test_groups_are_neighbours_and_intervals_those_of_student():
    rng = np.random.default_rng(0)
    x = rng.normal(size=103)
    y = x + rng.normal(size=103)
    found = calibration(x, y, 10)
    assert found.images.sum() == 103 and set(found.images) == {10, 11}
    order, start = np.argsort(x), 0
    for n, size in enumerate(found.images):
        part = order[start : start + size]
        start += size
        low, high = stats.t.interval(0.95, size - 1, y[part].mean(), stats.sem(y[part]))
        wanted = [x[part].mean(), y[part].mean(), low, high]
        got = [found.predicted[n], found.voted[n], found.low[n], found.high[n]]
        assert got == pytest.approx(wanted)


def test_fewer_images_than_groups():
    found = calibration([3.0, 1.0], [1.0, 2.0])
    assert found.predicted.tolist() == [1, 3] and found.voted.tolist() == [2, 1]
    assert np.isnan(found.low).all() and np.isnan(found.high).all()


def test_shapes():
    with pytest.raises(ValueError, match=r"predictions \(2,\) and mos \(3,\)"):
        calibration([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="above 0"):
        calibration([], [])


# ---- the band of a fit

TRUE = LogisticFit("4p", (80.0, 20.0, 0.5, 0.15), 0)


def sample(seed: int, groups: int, per_group: int, within: float, between: float):
    """Predictions, MOS and clusters about TRUE; images of a cluster share a part of their error."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(groups), per_group)
    x = rng.uniform(0, 1, len(clusters))
    y = TRUE(x) + within * rng.normal(size=len(x)) + between * rng.normal(size=groups)[clusters]
    return x, y, clusters


@pytest.mark.parametrize("kind", ["4p", "5p"])
def test_slopes_are_those_of_finite_differences(kind):
    x, y, _ = sample(0, 60, 1, 3, 0)
    fit = fit_logistic(kind, x, y)
    found = module._slopes(fit, x)
    for place in range(len(fit.parameters)):
        step = 1e-6 * max(abs(fit.parameters[place]), 1)
        moved = [list(fit.parameters), list(fit.parameters)]
        moved[0][place] += step
        moved[1][place] -= step
        up, down = (LogisticFit(kind, tuple(p), fit.n)(x) for p in moved)
        assert np.allclose(found[:, place], (up - down) / (2 * step), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("per_group", "between"), [(1, 0.0), (5, 4.0)])
def test_covers_the_true_curve_about_as_often_as_it_says(per_group, between):
    at = np.array([0.3, 0.5, 0.7])
    inside = []
    for seed in range(120):
        x, y, clusters = sample(seed, 40, per_group, 4, between)
        low, high = fit_band(fit_logistic("4p", x, y), x, y, clusters, at)
        inside.append((low <= TRUE(at)) & (TRUE(at) <= high))
    # 360 answers that hang together: 0.95 within four standard errors of 120 independent ones.
    assert 0.87 <= np.mean(inside) <= 0.995


def test_shared_errors_widen_the_band():
    x, y, clusters = sample(1, 30, 8, 1, 5)
    fit = fit_logistic("4p", x, y)
    widths = [
        np.subtract(*fit_band(fit, x, y, owner, np.array([0.5]))[::-1])[0]
        for owner in (clusters, np.arange(len(x)))
    ]
    assert widths[0] > 1.5 * widths[1]


def test_no_band_without_a_fit_or_with_few_clusters():
    x, y, clusters = sample(2, 10, 3, 1, 1)
    failed = LogisticFit("4p", (), 30, "did not converge")
    for fit, owner in ((failed, clusters), (fit_logistic("4p", x, y), clusters % 4)):
        low, high = fit_band(fit, x, y, owner, [0.2, 0.4])
        assert np.isnan(low).all() and np.isnan(high).all() and low.shape == (2,)

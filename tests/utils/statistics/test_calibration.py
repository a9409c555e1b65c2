"""Calibration groups against SciPy's interval of a mean."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from utils.statistics.calibration import calibration


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

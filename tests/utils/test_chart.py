"""What a chart is made of, its csv, its ticks."""

from __future__ import annotations

import csv
import io
import math
from decimal import Decimal

import numpy as np
import pytest

from tests.contents import HOSTILE
from utils.chart import (
    Band,
    Bars,
    Chart,
    Level,
    Line,
    Points,
    Ranges,
    Upright,
    chart_csv,
    ticks,
)
from utils.chart_axes import tick_labels


def read(chart):
    return list(csv.DictReader(io.StringIO(chart_csv(chart))))


def test_the_csv_holds_every_number():
    """Points that are nan or beyond the axes too; float32 comes back exactly."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 6000)).astype(np.float32)
    y[7] = np.nan
    titles = [f"{HOSTILE}, {i}" for i in range(6000)]
    marks = (
        Points(x, y, 'a, "b"', titles),
        Line([1, 2], [3, 4]),
        Band([1, 2], [3, 4], [5, math.inf], "band"),
        Bars([0, 1, 3], [7, 8], "bars"),
        Ranges(["q", "r"], [0.5, 0.6], [0.4, math.nan], [0.7, math.nan], "ranges"),
        Upright(23, "best"),
        Level(1 / 3),
    )
    rows = read(Chart("t", "x", "y", marks, x_range=(0, 1)))
    assert [row["label"] for row in rows[:6000]] == titles
    assert {row["series"] for row in rows[:6000]} == {'a, "b"'}
    for name, values in (("x", x), ("y", y)):
        found = np.array([row[name] for row in rows[:6000]], np.float32)
        np.testing.assert_array_equal(found, values)
    assert [list(row.values()) for row in rows[6000:]] == [
        ["line", "1", "3", "", "", ""],
        ["line", "2", "4", "", "", ""],
        ["band", "1", "", "3", "5", ""],
        ["band", "2", "", "4", "inf", ""],
        ["bars", "", "7", "0", "1", ""],
        ["bars", "", "8", "1", "3", ""],
        ["ranges", "0.5", "", "0.4", "0.7", "q"],
        ["ranges", "0.6", "", "nan", "nan", "r"],
        ["best", "23", "", "", "", ""],
        ["level", "", "0.333333333", "", "", ""],
    ]


def test_a_csv_can_be_written_whatever_a_file_is_called():
    text = chart_csv(Chart("t", "x", "y", (Points([1], [2], "p", ["a\udcff.png"]),)))
    assert text.encode("utf-8").endswith(b"p,1,2,,,a\\udcff.png\n")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Points([1, 2], [1]),
        lambda: Points([1, 2], [1, 2], titles=["one"]),
        lambda: Line([[1, 2]], [[1, 2]]),
        lambda: Band([1], [1], [1, 2]),
        lambda: Bars([0, 1], [1, 2]),
        lambda: Ranges(["a"], [1, 2], [0, 0], [3, 3]),
    ],
)
def test_arrays_that_do_not_belong_together_are_named(make):
    with pytest.raises(ValueError, match="Points|Line|Band|Bars|Ranges"):
        make()


def step_of(found):
    """The exact step, from the shortest decimals of the ticks."""
    exact = [Decimal(repr(tick)) for tick in found]
    steps = {b - a for a, b in zip(exact, exact[1:], strict=False)}
    assert len(steps) == 1, found
    return steps.pop()


def count_of(low, high, step):
    """How many multiples of a step lie in a range."""
    first = (Decimal(low) / step).to_integral_value("ROUND_CEILING")
    last = (Decimal(high) / step).to_integral_value("ROUND_FLOOR")
    return int(last - first) + 1


def test_ticks_cover_any_range_in_round_steps():
    rng = np.random.default_rng(1)
    for _ in range(2000):
        span = 10.0 ** rng.uniform(-9, 12)
        low = float(rng.normal() * span * 10 ** rng.uniform(-1, 2))
        high, most = low + span, int(rng.integers(5, 12))
        found = ticks(low, high, most)
        assert 2 <= len(found) <= most and found == sorted(set(found))
        step = step_of(found)
        digit = step.normalize().as_tuple().digits
        assert digit in ((1,), (2,), (5,))
        assert all(Decimal(repr(tick)) % step == 0 for tick in found)
        near = 1e-6 * float(step)
        assert low - near <= found[0] < low + float(step) + near
        assert high - float(step) - near < found[-1] <= high + near
        finer = step / (Decimal("2.5") if digit == (5,) else 2)  # the next smaller round step
        assert count_of(low, high, finer) > most - 2  # two ends may lie there but for rounding


def test_ticks_of_ranges_that_are_none():
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(1, 0) == ticks(0, 1)
    assert ticks(3, 3) == [3]
    assert ticks(math.nan, 1) == ticks(0, math.inf) == ticks(-1.7e308, 1.7e308) == []
    assert ticks(0, 5e-324) == [0]


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.123, 0.127), (-4e7, 9e7), (1e-9, 4e-8), (1000000, 1000007)]
)
def test_labels_of_ticks_are_their_values(low, high):
    found = ticks(low, high)
    labels = tick_labels(found)
    np.testing.assert_allclose([float(label) for label in labels], found, rtol=1e-12, atol=0)
    assert max(map(len, labels)) <= 8


def test_labels_share_their_decimals_and_stay_short():
    assert tick_labels([0.5, 1.0, 1.5]) == ["0.5", "1.0", "1.5"]
    assert tick_labels([0.0, 20000.0, 40000.0]) == ["0", "20000", "40000"]
    assert tick_labels([0.0, 1e-8, 2e-8]) == ["0", "1e-8", "2e-8"]
    assert tick_labels([2e12, 4e12]) == ["2e12", "4e12"]
    assert tick_labels([7.0]) == ["7"]

"""What a chart is made of, and its csv."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from tests.contents import HOSTILE
from utils.drawing.chart import Band, Bars, Chart, Level, Line, Points, Ranges, Upright


def test_the_csv_holds_every_number():
    """Points that are nan too; float32 comes back exactly."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 6000)).astype(np.float32)
    y[7] = np.nan
    titles = [f"{HOSTILE}, {i}" for i in range(5999)] + ["a\udcff.png"]
    marks = (
        Points(x, y, 'a, "b"', titles),
        Line([1, 2], [3, 4]),
        Band([1, 2], [3, 4], [5, math.inf], "band"),
        Bars([0, 1, 3], [7, 8], "bars"),
        Ranges(["q", "r"], [0.5, 0.6], [0.4, math.nan], [0.7, math.nan], "ranges"),
        Upright(23, "best"),
        Level(1 / 3),
    )
    text = Chart("t", "x", "y", marks).csv()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["label"] for row in rows[:6000]] == [*titles[:-1], "a\\udcff.png"]
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

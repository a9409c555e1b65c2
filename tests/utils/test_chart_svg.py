"""Where the marks of a chart stand, read back from the SVG through the labels of its axes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.chart_reader import TENTH, Seen, close
from utils.chart import Band, Bars, Chart, Level, Line, Points, Ranges, Upright
from utils.chart_svg import svg


@pytest.mark.parametrize("scale", [1.0, -3e-7, 4e9])
def test_points_stand_where_the_ticks_say(scale):
    data = np.random.default_rng(2).normal(3, 1, (40, 2)) * [1, scale]
    seen = Seen(Chart("t", "x", "y", (Points(*data.T, "p"),)))
    close(seen, seen.circles(), data)
    left, top, right, bottom = seen.plot()
    at = seen.circles()
    assert at[:, 0].min() >= left and at[:, 0].max() <= right
    assert at[:, 1].min() >= top and at[:, 1].max() <= bottom
    assert at[np.argmax(data[:, 1]), 1] == at[:, 1].min()  # larger is higher


def test_lines_bands_and_straight_lines_stand_where_the_ticks_say():
    x, y = np.array([1.0, 2.0, 4.0, 7.0]), np.array([0.5, 2.5, 1.5, 3.5])
    marks = (Line(x, y, "l"), Band(x, y - 0.5, y + 1, "b", 1), Upright(3, "u", 2), Level(2, "v", 3))
    seen = Seen(Chart("t", "x", "y", marks))
    (line,) = seen.paths("c0")
    close(seen, line, np.stack([x, y], 1))
    (band,) = seen.paths("c1", "fill:")
    low, high = np.stack([x, y - 0.5], 1), np.stack([x, y + 1], 1)
    close(seen, band, np.concatenate([low, high[::-1]]))
    left, top, right, bottom = seen.plot()
    (upright,), (level,) = seen.paths("c2"), seen.paths("c3")
    assert sorted(upright[:, 1]) == [top, bottom] and sorted(level[:, 0]) == [left, right]
    np.testing.assert_allclose(seen.values(upright)[:, 0], 3, atol=0.05)
    np.testing.assert_allclose(seen.values(level)[:, 1], 2, atol=0.05)


def test_bars_stand_on_nothing_and_reach_their_heights():
    edges, heights = np.array([0.0, 1.0, 3.0, 4.0]), np.array([2.0, 5.0, 3.0])
    seen = Seen(
        Chart("t", "x", "y", (Bars(edges, heights, "h"), Bars(edges, heights, "o", 1, True)))
    )
    bars = seen.paths("c0", "fill:")
    for bar, height, first, last in zip(bars, heights, edges[:-1], edges[1:], strict=True):
        found = seen.values(bar)
        across, up = 1.2 * seen.per_pixel()[0], 0.3 * seen.per_pixel()[1]  # a gap of one pixel
        assert abs(found[:, 0].min() - first) < across and abs(found[:, 0].max() - last) < across
        assert abs(found[:, 1].min()) < up and abs(found[:, 1].max() - height) < up
    (steps,) = seen.paths("c1")
    expected = [(0, 0), (0, 2), (1, 2), (1, 5), (3, 5), (3, 3), (4, 3), (4, 0)]
    close(seen, steps, np.array(expected, float))
    titles = [title.text for title in seen.root.iter("title")]
    assert titles == ["h: 0 to 1: 2", "h: 1 to 3: 5", "h: 3 to 4: 3"]


def test_a_forest_plot_has_a_row_for_each_label():
    names = [f"distortion {i}" for i in range(24)]
    rng = np.random.default_rng(3)
    values = rng.uniform(0.3, 0.9, 24)
    lows, highs = values - rng.uniform(0.01, 0.1, 24), values + 0.05
    lows[3] = highs[3] = np.nan
    seen = Seen(Chart("t", "SRCC", "", (Ranges(names, values, lows, highs, "m"),)))
    rows = {w: float(t.get("y")) for t, w in seen.texts if t.get("text-anchor") == "end"}
    assert list(rows) == names and np.all(np.diff(list(rows.values())) >= 18)  # a line of text each
    dots = seen.circles()
    assert dots[:, 1].tolist() == list(rows.values())
    to_value = np.poly1d(np.polyfit(*np.array(seen.ticks("middle")).T, 1))
    np.testing.assert_allclose(to_value(dots[:, 0]), values, atol=0.001)
    flat = [p for p in seen.paths("c0") if p[0, 1] == p[1, 1]]
    known = [i for i in range(24) if i != 3]
    assert [p[0, 1] for p in flat] == [rows[names[i]] for i in known]
    ends = to_value(np.array([p[:, 0] for p in flat]))
    np.testing.assert_allclose(ends, np.stack([lows, highs], 1)[known], atol=0.001)
    assert "not drawn" not in seen.markup  # an interval that is not known is no fault


def test_two_models_share_rows():
    marks = [Ranges(["a", "b"], [v, v], [0, 0], [9, 9], str(v), v) for v in (1, 2)]
    seen = Seen(Chart("t", "x", "", (*marks, Ranges(["c", "b"], [3, 3], [0, 0], [9, 9], "3", 3))))
    rows = {w: float(t.get("y")) for t, w in seen.texts if t.get("text-anchor") == "end"}
    assert list(rows) == ["a", "b", "c"]
    for colour, labels in (("--c1", "ab"), ("--c2", "ab"), ("--c3", "cb")):
        heights = seen.circles(colour)[:, 1]
        half = (rows["b"] - rows["a"]) / 2
        assert all(abs(at - rows[k]) < half for at, k in zip(heights, labels, strict=True))
    assert (
        len({at for c in "123" for at in seen.circles(f"--c{c}")[:, 1]}) == 6
    )  # none hides another


def test_the_diagonal_is_where_x_is_y():
    data = np.random.default_rng(4).uniform([0, 1], [5, 9], (30, 2))
    seen = Seen(Chart("t", "x", "y", (Points(*data.T),), diagonal=True))
    (line,) = [p for p in seen.paths("soft") if len(p) == 2 and np.all(p[0] != p[1])]
    found = seen.values(line)
    np.testing.assert_allclose(found[:, 0], found[:, 1], atol=0.05)


# ---- axes that are given


def test_what_lies_beyond_the_axes_is_cut():
    x = np.linspace(0, 10, 60)
    y = 10 * np.sin(x)
    marks = (
        Points([1, 3, 5], [0, 0, 7], "", ()),
        Line(x, y, "", 1),
        Band(x, y - 3, y + 3, "", 2),
        Bars([0, 4, 6], [9, 2], "", 3),
        Upright(9, "", 4),
    )
    seen = Seen(Chart("t", "x", "y", marks, x_range=(2, 8), y_range=(-5, 5)))
    left, top, right, bottom = seen.plot()
    drawn = [*seen.paths("c1"), *seen.paths("c2", "fill:"), *seen.paths("c3", "fill:")]
    assert len(seen.paths("c1")) == 2  # it leaves and comes back
    for points in drawn:
        assert np.all(points >= [left - TENTH, top - TENTH])
        assert np.all(points <= [right + TENTH, bottom + TENTH])
    for line in seen.paths("c1"):
        across, up = seen.values(line).T
        np.testing.assert_allclose(up, np.interp(across, x, y), atol=0.15)
        assert {round(up[0]), round(up[-1])} == {5, -5}  # up to the very edge
    (band,) = seen.paths("c2", "fill:")
    x_in, low_in, high_in = (np.interp(np.linspace(2, 8, 601), x, v) for v in (x, y - 3, y + 3))
    height = np.clip(high_in, -5, 5) - np.clip(low_in, -5, 5)
    expected = float(np.sum((height[1:] + height[:-1]) / 2 * np.diff(x_in)))
    assert area(seen.values(band)) == pytest.approx(expected, rel=0.01)
    assert not seen.paths("c4")
    outside = int(((x < 2) | (x > 8) | (np.abs(y) > 5)).sum())
    assert (
        seen.said[-1] == f"{outside + 3} values beyond the axes are not drawn"
    )  # 2 points, 1 line


def area(points):
    """Of a polygon (N, 2), by Gauss's formula."""
    x, y = points.T
    return abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) / 2


def test_a_thin_line_is_thinner():
    x, y = np.array([0.0, 1.0]), np.array([0.0, 1.0])
    drawn = svg(Chart("t", "x", "y", (Line(x, y, "a"), Line(x, y + 1, "b", thin=True))))
    widths = [float(w) for w in re.findall(r'stroke-width[=:]"?([0-9.]+)', drawn)]
    assert {2.2, 1.2} <= set(widths)

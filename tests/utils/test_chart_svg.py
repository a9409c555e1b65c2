"""Where the marks of a chart stand, read back from the SVG through the labels of its axes."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import ImageFont

from tests.contents import HOSTILE
from utils.chart import Band, Bars, Chart, Level, Line, Points, Ranges, Upright
from utils.chart_svg import svg

TENTH = 0.051  # coordinates are rounded to 0.1


class Seen:
    """A chart's SVG as XML: circles, paths and texts, and the scales that its ticks say."""

    def __init__(self, chart, **size):
        self.markup = svg(chart, **size)
        self.root = ElementTree.fromstring(self.markup)
        self.box = [float(v) for v in self.root.get("viewBox").split()]
        self.texts = [(t, "".join(t.itertext())) for t in self.root.iter("text")]
        self.said = [words for _, words in self.texts]

    def circles(self, colour="--c"):
        """(N, 2), of this colour, those of the legend left out."""
        groups = [g for g in self.root.iter("g") if colour in g.get("style")]
        found = [(float(c.get("cx")), float(c.get("cy"))) for g in groups for c in g]
        top = self.plot()[1]
        return np.array([at for at in found if at[1] > top - 0.2]).reshape(-1, 2)

    def paths(self, colour, part="stroke:"):
        """Of each path of this colour its points (N, 2), those of the legend left out."""
        styled = [p for p in self.root.iter("path") if part in p.get("style")]
        found = [corners(p) for p in styled if f"var(--{colour}," in p.get("style")]
        top = self.plot()[1]
        return [points for points in found if points[:, 1].max() > top]

    def plot(self):
        """left, top, right, bottom: the axes are the one path of three corners."""
        axes = [corners(p) for p in self.root.iter("path") if "--soft" in p.get("style")]
        (corner,) = [points for points in axes if len(points) == 3]
        return *corner.min(axis=0), *corner.max(axis=0)

    def ticks(self, anchor):
        """(position, value) of each number along an axis: "middle" is x, "end" is y."""
        side = "x" if anchor == "middle" else "y"
        marked = [(t, w) for t, w in self.texts if t.get("text-anchor") == anchor]
        return [(float(t.get(side)), float(w)) for t, w in marked if is_number(w)]

    def values(self, points):
        """Data of pixels (N, 2)."""
        scales = [np.polyfit(*np.array(self.ticks(anchor)).T, 1) for anchor in ("middle", "end")]
        return np.stack([np.polyval(s, points[:, i]) for i, s in enumerate(scales)], axis=1)

    def per_pixel(self):
        """How much data a pixel is, along x and y."""
        scales = [np.polyfit(*np.array(self.ticks(anchor)).T, 1) for anchor in ("middle", "end")]
        return np.abs([scale[0] for scale in scales])


def is_number(words):
    try:
        return math.isfinite(float(words))
    except ValueError:
        return False


def corners(path):
    numbers = re.findall(r"-?\d+(?:\.\d+)?", path.get("d"))
    return np.array(numbers, float).reshape(-1, 2)


def close(seen, points, data):
    """Whether points stand where the ticks say, each within the rounding of both."""
    assert points.shape == data.shape
    assert np.all(np.abs(seen.values(points) - data) <= 4 * TENTH * seen.per_pixel())


RNG = np.random.default_rng(0)


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


# ---- names


def test_every_name_is_text():
    marks = (
        Points([1], [2], HOSTILE, [HOSTILE]),
        Line([1, 2], [2, 3], HOSTILE, 1),
        Band([1, 2], [2, 3], [3, 4], HOSTILE, 2),
        Bars([0, 1], [1], HOSTILE, 3),
        Upright(1, HOSTILE, 4),
        Level(1, HOSTILE, 5),
    )
    chart = Chart(HOSTILE, HOSTILE, HOSTILE, marks)
    forest = Chart(HOSTILE, HOSTILE, HOSTILE, (Ranges([HOSTILE], [1], [0], [2], HOSTILE),))
    for seen in (Seen(chart), Seen(forest)):
        names = {element.tag for element in seen.root.iter()}
        assert names <= {"svg", "g", "path", "circle", "text", "title"}
        given = {name for element in seen.root.iter() for name in element.attrib}
        assert "id" not in given and not any(name.startswith("on") for name in given)
        assert "<img" not in seen.markup and "url(" not in seen.markup
        assert seen.root.get("aria-label").count(HOSTILE) >= 3
    words = "".join(Seen(chart).root.itertext())
    assert words.count(HOSTILE) == 11  # a title, two axes, six names, a point, a bar


def test_a_name_that_xml_cannot_hold():
    seen = Seen(Chart("a\x00\udcff\u202e", "x", "y", (Ranges(["\x1b\n"], [1], [0], [2], "\x07"),)))
    assert seen.said[0] == "a\\x00\\udcff\\u202e" and "\\x1b\\n" in seen.said
    seen.markup.encode("utf-8")


def test_long_names_are_shortened_and_kept_whole():
    name = "a_distortion_with_a_very_long_name_" * 4
    seen = Seen(Chart(name, name, name, (Ranges([name], [1], [0], [2], name),)))
    shown = [(t, t.findtext("title")) for t, words in seen.texts if "…" in words]
    assert len(shown) == 5 and {whole for _, whole in shown} == {name}
    two = Seen(Chart("some words " * 6, "x", "y", ()))
    assert " ".join(two.said[:2]) == ("some words " * 6).strip()


# ---- values that cannot be drawn


def test_values_that_are_not_finite_are_counted():
    nan, inf = math.nan, math.inf
    marks = (
        Points([1, nan, 3, 4], [1, 2, inf, 4]),  # two
        Line([1, 2, 3, nan, 4, 5], [1, nan, 3, nan, 4, 5], "", 1),  # one, and a break that is meant
        Band([1, 2, 3], [0, nan, 0], [1, 1, 1], "", 2),  # one
        Bars([0, 1, 2], [1, nan], "", 3),  # one
        Upright(nan),  # one
        Level(-inf),  # one
    )
    seen = Seen(Chart("t", "x", "y", marks))
    assert seen.said[-1] == "7 values that are not finite are not drawn"
    close(seen, seen.circles("--c0"), np.array([[1.0, 1], [4, 4]]))
    # The lone first place of the line is a dot; the rest are two strokes, not joined.
    assert len(seen.circles("--c1")) == 2 and [len(p) for p in seen.paths("c1")] == [2]
    assert "nan" not in seen.markup and "inf" not in seen.markup.replace("finite", "")
    one = Seen(Chart("t", "x", "", (Ranges("abc", [1, nan, 3], [0, 0, -inf], [2, 2, 3]),)))
    assert one.said[-1] == "2 values that are not finite are not drawn" and len(one.circles()) == 2


@pytest.mark.parametrize(
    "marks",
    [
        (),
        (Points([], []),),
        (Points([math.nan], [1]), Line([], []), Band([], [], []), Bars([0], [])),
        (Ranges([], [], [], []),),
    ],
)
def test_a_chart_of_nothing_says_so(marks):
    seen = Seen(Chart("Title", "across", "up", marks, diagonal=True))
    assert "no values" in seen.said and not len(seen.circles())
    assert {"Title", "across", "up"} <= set(seen.said)


@pytest.mark.parametrize("value", [0.0, 3.0, -0.25, 1e300, 1e-310, -7e15])
def test_a_constant_stands_in_the_middle(value):
    seen = Seen(Chart("t", "x", "y", (Points([value] * 3, [value] * 3),)))
    left, top, right, bottom = seen.plot()
    np.testing.assert_allclose(seen.circles()[:, 0], (left + right) / 2, atol=TENTH * 2)
    np.testing.assert_allclose(seen.circles()[:, 1], (top + bottom) / 2, atol=TENTH * 2)


@pytest.mark.parametrize("given", [(0, 0), (math.nan, 1), (-math.inf, math.inf), (2, 1)])
def test_a_range_that_is_none_still_draws(given):
    marks = (Points([0, 1], [0, 1]), Line([0, 1], [0, 1], "", 1))
    seen = Seen(Chart("t", "x", "y", marks, x_range=given, y_range=given))
    assert seen.ticks("middle") and seen.ticks("end")


def test_values_far_apart():
    seen = Seen(Chart("t", "x", "y", (Line([1e-12, 1], [-1e300, 1e300], "", 0, dots=True),)))
    close(seen, seen.circles(), np.array([[1e-12, -1e300], [1, 1e300]]))
    far = Chart("t", "x", "y", (Line([-1e300, 1e300], [-1e300, 1e300]),), (0, 1e-9), (0, 1))
    assert ElementTree.fromstring(svg(far)) is not None


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


# ---- very many


def test_of_very_many_points_every_nth_is_drawn_and_said():
    x = np.arange(20_001.0)
    titles = [str(i) for i in range(20_001)]
    seen = Seen(Chart("t", "x", "y", (Points(x, x % 7, "p", titles),)))
    assert seen.said[-1] == "every 5th of 20,001 points is drawn"
    drawn = [float(title.text) for title in seen.root.iter("title")]
    assert drawn == list(range(0, 20_001, 5)) and len(seen.circles()) == len(drawn)
    np.testing.assert_allclose(seen.values(seen.circles())[:, 0], drawn, atol=10)
    few = Seen(Chart("t", "x", "y", (Points(x[:5000], x[:5000]),)))
    assert len(few.circles()) == 5000 and "every" not in few.markup


def test_of_a_very_long_line_the_end_is_kept():
    x = np.arange(10_007.0)
    seen = Seen(Chart("t", "x", "y", (Line(x, x),)))
    assert seen.said[-1] == "every 3rd of 10,007 points of a line is drawn"
    (line,) = seen.paths("c0")
    assert len(line) == 3337
    np.testing.assert_allclose(seen.values(line[[0, -1]])[:, 0], [0, 10_006], atol=5)


def test_of_very_many_rows_every_nth_is_drawn_and_said():
    names, values = [f"row {i}" for i in range(450)], np.arange(450.0)
    seen = Seen(Chart("t", "x", "", (Ranges(names, values, values, values),)))
    assert seen.said[-1] == "every 3rd of 450 rows is drawn"
    assert [t for t in seen.said if t.startswith("row")] == names[::3]
    assert len(seen.circles()) == 150


# ---- it can be read


EPOCHS = np.arange(1, 31)
RUNS = tuple(Line(EPOCHS, EPOCHS**0.5 + i, f"run {i}", i) for i in range(6))
ROWS = Ranges([f"name {i}" * 4 for i in range(30)], *RNG.normal(size=(3, 30)), "n")
READ = [
    Chart("A title", "epoch", "SRCC", (*RUNS, Upright(17, "best epoch"))),
    Chart("", "", "", (Points(RNG.normal(0, 1e-7, 9), RNG.normal(1e9, 3, 9)),)),
    Chart("t", "x", "y", (Points([1000001, 1000009], [-0.00001, 0.00001], "p"),), diagonal=True),
    Chart("SRCC by distortion", "SRCC", "distortion", (ROWS,)),
    Chart("t " * 99, "x " * 99, "y " * 99, (Bars(EPOCHS, EPOCHS[1:], "b " * 99),), y_range=(3, 20)),
    Chart("t", "x", "y", (Line(EPOCHS, EPOCHS * math.nan),), x_range=(123456.5, 123457.5)),
]


@pytest.mark.parametrize("chart", READ)
@pytest.mark.parametrize("size", [(520, 340), (360, 240), (900, 500)])
def test_no_text_leaves_the_picture_or_lies_on_another(chart, size):
    seen = Seen(chart, width=size[0], height=size[1])
    _, _, width, height = seen.box
    assert width == size[0] and height >= size[1]
    boxes = []
    for text, whole in seen.texts:
        words = whole.removeprefix(text.findtext("title") or "")
        fontsize = float(re.search(r"font-size:([\d.]+)px", text.get("style"))[1])
        assert fontsize >= 13
        boxes.append(box_of(text, ImageFont.load_default(fontsize).getlength(words), fontsize))
    for n, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0 and top >= 0 and right <= width and bottom <= height, seen.said[n]
        for m, other in enumerate(boxes[:n]):
            apart = left >= other[2] or right <= other[0] or top >= other[3] or bottom <= other[1]
            assert apart, (seen.said[n], seen.said[m])
    plot = seen.plot()
    there = [box for box, words in zip(boxes, seen.said, strict=True) if words != "no values"]
    for left, top, right, bottom in there:  # nothing is written over the data
        assert left >= plot[2] or right <= plot[0] or top >= plot[3] or bottom <= plot[1]


def box_of(text, long, fontsize):
    x, y = float(text.get("x")), float(text.get("y"))
    high = 0.45 * fontsize
    if text.get("transform"):
        return x - high, y - long / 2, x + high, y + long / 2
    share = {None: 0, "middle": 0.5, "end": 1}[text.get("text-anchor")]
    return x - share * long, y - high, x + (1 - share) * long, y + high


def test_epochs_have_no_halves():
    seen = Seen(Chart("t", "epoch", "loss", (Line([1, 2, 3], [0.3, 0.2, 0.1], "train"),)))
    assert [value for _, value in seen.ticks("middle")] == [1, 2, 3]
    one = Seen(Chart("t", "epoch", "loss", (Line([7], [0.3], "train"),)))
    assert [value for _, value in one.ticks("middle")] == [7] and len(one.circles()) == 1


def test_colours_are_the_page_s():
    marks = tuple(Points([i], [i], f"p{i}", (), i) for i in range(9))
    seen = Seen(Chart("t", "x", "y", marks, diagonal=True))
    styles = " ".join(e.get("style", "") for e in seen.root.iter())
    assert len(re.findall(r"(?:fill|stroke):(?!none)", styles)) == len(re.findall("var", styles))
    found = dict(re.findall(r"var\(--(\w+),(#\w{6})\)", styles))
    assert found["c0"] == "#0072b2" and found["c7"] == "#f0e442" and found["ink"] == "#1f2328"
    assert set(found) == {"ink", "soft", "line", *(f"c{i}" for i in range(8))}
    assert len(seen.circles("--c0")) == 2  # the ninth colour is the first again


def test_a_name_stands_once_in_the_legend():
    line, band = Line([1, 2], [1, 2], "fit", 1), Band([1, 2], [0, 1], [2, 3], "fit", 1)
    seen = Seen(Chart("t", "x", "y", (line, band, Points([1], [1]))))
    assert seen.said.count("fit") == 1

"""What a chart says: names, remarks on what is not drawn, and that all of it can be read."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import ImageFont

from tests.chart_reader import TENTH, Seen, close
from tests.contents import HOSTILE
from utils.chart import Band, Bars, Chart, Level, Line, Points, Ranges, Upright
from utils.chart_svg import svg

RNG = np.random.default_rng(0)


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
    words = "".join(Seen(chart, width=900).root.itertext())
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
    Chart("t", "x", "y", (Points([0.1234561, 0.1234568], [1, 2]),), x_range=(0.1234561, 0.1234568)),
    Chart("t", "x", "y", (Line(EPOCHS, EPOCHS * math.nan),), x_range=(123456.5, 123457.5)),
]


@pytest.mark.parametrize("chart", READ)
@pytest.mark.parametrize("size", [(520, 340), (200, 160), (360, 240), (900, 500)])
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

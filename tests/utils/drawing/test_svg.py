"""Charts drawn for pages: where marks stand, read back from the SVG through the numbers along its
axes; what is said of values that are not drawn; that it is a part of a page.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.chart_reader import TENTH, Seen, close
from tests.contents import HOSTILE
from utils.drawing.chart import Band, Bars, Chart, Level, Line, Points, Ranges, Upright
from utils.drawing.render import svg

ROOT = Path(__file__).resolve().parents[3]
X, Y = np.array([1.0, 2.0, 4.0, 7.0]), np.array([0.5, 2.5, 1.5, 3.5])


@pytest.mark.parametrize("scale", [1.0, -0.03, 4e3])
def test_points_stand_where_the_ticks_say(scale):
    data = np.random.default_rng(2).normal(3, 1, (40, 2)) * [1, scale]
    titles = [f"image {i}" for i in range(40)]
    seen = Seen(Chart("t", "x", "y", (Points(*data.T, "p", titles),)))
    close(seen, seen.circles(), data)
    assert [title.text for title in seen.root.iter("title")] == titles
    left, top, right, bottom = seen.plot
    at = seen.circles()
    assert at[:, 0].min() >= left and at[:, 0].max() <= right
    assert at[:, 1].min() >= top and at[:, 1].max() <= bottom


def test_lines_bands_and_straight_lines_stand_where_the_ticks_say():
    marks = (Line(X, Y, "l"), Band(X, Y - 0.5, Y + 1, "b", 1), Upright(3, "u", 2), Level(2, "v", 3))
    seen = Seen(Chart("t", "x", "y", marks))
    (line,) = seen.paths("c0")
    close(seen, line, np.stack([X, Y], 1))
    (band,) = seen.paths("c1", "fill:")
    data = np.concatenate([np.stack([X, Y - 0.5], 1), np.stack([X, Y + 1], 1)])
    for corner in data:
        assert np.abs(seen.values(band) - corner).max(axis=1).min() < 0.02
    left, top, right, bottom = seen.plot
    (upright,), (level,) = seen.paths("c2"), seen.paths("c3")
    assert sorted(upright[:, 1]) == [top, bottom] and sorted(level[:, 0]) == [left, right]
    np.testing.assert_allclose(seen.values(upright)[:, 0], 3, atol=0.05)
    np.testing.assert_allclose(seen.values(level)[:, 1], 2, atol=0.05)


def test_bars_stand_on_nothing_and_reach_their_heights():
    edges, heights = np.array([0.0, 1.0, 3.0, 4.0]), np.array([2.0, 5.0, 3.0])
    marks = Bars(edges, heights, "h"), Bars(edges, heights, "o", 1, outline=True)
    seen = Seen(Chart("t", "x", "y", marks))
    bars = seen.paths("c0", "fill:")
    for bar, height, first, last in zip(bars, heights, edges[:-1], edges[1:], strict=True):
        x, y = seen.values(bar).T
        assert first < x.min() < first + 0.1 and last - 0.1 < x.max() < last  # a gap between them
        assert abs(y.min()) < 0.03 and abs(y.max() - height) < 0.03
    (steps,) = seen.paths("c1")
    expected = [(0, 0), (0, 2), (1, 2), (1, 5), (3, 5), (3, 3), (4, 3), (4, 0)]
    found = seen.values(steps)
    kept = np.concatenate([[True], np.abs(np.diff(found, axis=0)).max(axis=1) > 0.05])
    np.testing.assert_allclose(found[kept], expected, atol=0.05)
    titles = [title.text for title in seen.root.iter("title")]
    assert titles == ["h: 0 to 1: 2", "h: 1 to 3: 5", "h: 3 to 4: 3"]


def test_a_forest_plot_has_a_row_for_each_label():
    rng = np.random.default_rng(3)
    names, values = [f"distortion {i}" for i in range(24)], rng.uniform(0.3, 0.9, 24)
    lows, highs = values - rng.uniform(0.01, 0.1, 24), values + 0.05
    lows[3] = highs[3] = np.nan
    other = Ranges(names[::-1], values[::-1], lows[::-1], highs[::-1], "other", 1)
    seen = Seen(Chart("t", "SRCC", "", (Ranges(names, values, lows, highs, "m"), other)))
    rows = {w: float(t.get("y")) - 0.35 * 13.5 for t, w in seen.texts if w in names}
    assert list(rows) == names and np.all(np.diff(list(rows.values())) >= 18)  # a line of text each
    to_value = np.poly1d(np.polyfit(*np.array(seen.ticks("x")).T, 1))
    ends = {}
    for colour, order in (("c0", names), ("c1", names[::-1])):
        dots = seen.circles(f"--{colour},")
        of = [values[names.index(name)] for name in order]
        np.testing.assert_allclose(to_value(dots[:, 0]), of, atol=0.002)
        apart = dots[:, 1] - [rows[name] for name in order]
        assert np.ptp(apart) < 0.3 and 2 < abs(apart[0]) < 9  # beside each other in a row
        flat = [p for p in seen.paths(colour) if len(p) == 2 and p[0, 1] == p[1, 1]]
        ends[colour] = sorted(to_value(p[0, 0]) for p in flat)
    known = sorted(np.delete(lows, 3))
    np.testing.assert_allclose(ends["c0"], known, atol=0.002)
    np.testing.assert_allclose(ends["c1"], known, atol=0.002)
    assert "not drawn" not in seen.markup  # an interval that is not known is no fault


def test_the_diagonal_is_where_x_is_y():
    data = np.random.default_rng(4).uniform([0, 1], [5, 9], (30, 2))
    seen = Seen(Chart("t", "x", "y", (Points(*data.T),), diagonal=True))
    (line,) = [p for p in seen.paths("soft") if len(p) == 2 and np.all(p[0] != p[1])]
    found = seen.values(line)
    np.testing.assert_allclose(found[:, 0], found[:, 1], atol=0.05)


def test_what_lies_beyond_the_axes_is_cut_and_counted():
    x = np.linspace(0, 10, 60)
    y = 10 * np.sin(x)
    marks = (
        Points([1, 3, 5], [0, 0, 7]), Line(x, y, "", 1), Band(x, y - 3, y + 3, "", 2),
        Bars([0, 4, 6], [9, 2], "", 3), Upright(9, "", 4),
    )  # fmt: skip
    seen = Seen(Chart("t", "x", "y", marks, x_range=(2, 8), y_range=(-5, 5)))
    assert len(seen.circles("--c0")) == 1
    for part in seen.root.iter():  # all but dots, axes and text are cut at the axes
        style = part.get("style", "")
        if part.tag == "path" and re.search(r"var\(--c[1-4]", style):
            above = [g for g in seen.root.iter("g") if part in list(g)]
            assert "clip-path" in part.attrib or "clip-path" in above[0].attrib
    outside = int(((x < 2) | (x > 8) | (np.abs(y) > 5)).sum())
    assert (
        seen.said[-1] == f"{outside + 3} values beyond the axes are not drawn"
    )  # 2 points, 1 line


# ---- values that cannot be drawn, and very many


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
    seen = Seen(Chart("t", "x", "y", marks, remarks=["a remark"]))
    assert seen.said[-2:] == ["a remark", "7 values that are not finite are not drawn"]
    close(seen, seen.circles("--c0"), np.array([[1.0, 1], [4, 4]]))
    assert len(seen.circles("--c1")) == 2  # the lone places of the line
    assert "nan" not in seen.markup and "inf" not in seen.markup.replace("finite", "")
    one = Seen(Chart("t", "x", "", (Ranges("abc", [1, nan, 3], [0, 0, -inf], [2, 2, 3]),)))
    assert one.said[-1] == "2 values that are not finite are not drawn" and len(one.circles()) == 2


@pytest.mark.parametrize(
    "marks",
    [
        (),
        (Points([], []),),
        (
            Points([math.nan], [1], "p"),
            Line([], [], "l"),
            Band([], [], [], "b"),
            Bars([0], [], "h"),
        ),
        (Ranges([], [], [], []),),
    ],
)
def test_a_chart_of_nothing_says_so(marks):
    seen = Seen(Chart("Title", "across", "up", marks, diagonal=True))
    assert "no values" in seen.said and not len(seen.circles())
    assert {"Title", "across", "up"} <= set(seen.said)


@pytest.mark.parametrize("value", [0.0, 3.0, -0.25, 1e300, 1e-310, -7e15])
def test_a_constant_stands_in_the_middle(value):
    seen = Seen(Chart("t", "x", "y", (Points([value] * 3, [value] * 3), Line([value], [value]))))
    left, top, right, bottom = seen.plot
    np.testing.assert_allclose(seen.circles()[:, 0], (left + right) / 2, atol=TENTH * 2)
    np.testing.assert_allclose(seen.circles()[:, 1], (top + bottom) / 2, atol=TENTH * 2)


@pytest.mark.parametrize("given", [(0, 0), (math.nan, 1), (-math.inf, math.inf), (2, 1)])
def test_a_range_that_is_none_still_draws(given):
    marks = (Points([0, 1], [0, 1]), Line([0, 1e300], [-1e300, 1], "", 1))
    seen = Seen(Chart("t", "x", "y", marks, x_range=given, y_range=given))
    assert seen.root.tag == "svg"


def test_of_very_many_every_nth_is_drawn_and_said():
    x = np.arange(20_001.0)
    marks = (Points(x, x % 7, "p", [str(i) for i in range(20_001)]), Line(x[:10_007], x[:10_007]))
    seen = Seen(Chart("t", "x", "y", marks))
    assert seen.said[-3:-1] == [
        "every 5th of 20,001 points is drawn", "every 3rd of 10,007 points of a line is drawn",
    ]  # fmt: skip
    drawn = [float(title.text) for title in seen.root.iter("title")]
    assert drawn == list(range(0, 20_001, 5)) and len(seen.circles()) == len(drawn)
    assert len(seen.markup) < 500_000
    names, values = [f"row {i}" for i in range(450)], np.arange(450.0)
    seen = Seen(Chart("t", "x", "", (Ranges(names, values, values, values),)))
    assert seen.said[-1] == "every 3rd of 450 rows is drawn"
    assert [t for t in seen.said if t.startswith("row")] == names[::3]


# ---- a part of a page


def everything(name):
    marks = (
        Points([1], [2], name, [name]), Line([1, 2], [2, 3], name, 1, dots=True),
        Band([1, 2], [2, 3], [3, 4], name, 2), Bars([0, 1], [1], name, 3),
        Upright(1, name, 4), Level(1, name, 5),
    )  # fmt: skip
    forest = Chart(name, name, name, (Ranges([name], [1], [0], [2], name),))
    return [Chart(name, name, name, marks, remarks=[name]), forest]


@pytest.mark.parametrize(
    "name", [HOSTILE, "$x^2$ \\alpha 名前 🎉", "a\x00\udcff\u202e\n", "long " * 40]
)
def test_every_name_is_text_and_none_is_warned_of(name):
    """Warnings are errors: no glyph that matplotlib's font lacks is heard of."""
    for chart in everything(name):
        seen = Seen(chart, width=900)
        assert {e.tag for e in seen.root.iter()} <= {
            "svg", "g", "path", "circle", "text", "title", "defs", "clipPath", "rect",
        }  # fmt: skip
        attributes = {key for e in seen.root.iter() for key in e.attrib}
        assert not any(key.startswith(("on", "{")) or "href" in key for key in attributes)
        seen.markup.encode("utf-8")
    whole = "".join(Seen(everything(name)[0], width=2000).root.itertext())
    shown = name.encode("unicode_escape").decode() if not name.isprintable() else name
    if not name.startswith("long"):
        assert whole.count(shown) >= 10  # a title, two axes, six names, a point, a bar, a remark


def test_what_is_shortened_is_said_whole():
    name = "a_distortion_with_a_very_long_name_" * 4
    seen = Seen(everything(name)[1])
    cut = [t.findtext("title") for t, words in seen.texts if "…" in words]
    assert len(cut) == 5 and set(cut) == {name}


def test_colours_are_the_page_s_and_ids_are_the_chart_s():
    marks = tuple(Points([i], [i], f"p{i}", (), i) for i in range(9))
    chart = Chart("t", "x", "y", (*marks, Line([0, 9], [0, 9])), diagonal=True)
    seen = Seen(chart)
    styles = " ".join(e.get("style", "") for e in seen.root.iter())
    assert len(re.findall(r"(?:fill|stroke):(?!none)", styles)) == len(re.findall("var", styles))
    found = dict(re.findall(r"var\(--(\w+),(#\w{6})\)", styles))
    assert found["c0"] == "#0072b2" and found["c7"] == "#f0e442" and found["ink"] == "#1f2328"
    assert set(found) == {"ink", "soft", "line", *(f"c{i}" for i in range(8))}
    assert len(seen.circles("--c0")) == 2  # the ninth colour is the first again
    ids = {e.get("id") for e in seen.root.iter() if e.get("id")}
    assert ids and all(re.fullmatch(r"ident-\d+", each) for each in ids)
    assert set(re.findall(r"url\(#(.*?)\)", seen.markup)) <= ids
    assert seen.root.get("aria-label").startswith("t; y over x; p0")


def test_a_chart_is_the_same_whoever_draws_it(monkeypatch):
    """In another thread, beside others, and whatever a user's matplotlib is set to."""
    import matplotlib

    chart = Chart("t", "x", "y", (Points(X, Y, "p"), Line(X, Y, "l", 1), Band(X, Y, Y + 1)))
    first, found = svg(chart, "a"), []
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 40)
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "path")
    threads = [threading.Thread(target=lambda: found.append(svg(chart, "a"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [first] * 4 and matplotlib.rcParams["font.size"] == 40


def test_no_mode_waits_for_matplotlib():
    """--help, and every mode until it draws."""
    code = (
        "import importlib, sys; import config; from applications import MODES, load\n"
        "for mode in MODES: load(mode)\n"
        "assert 'torch' in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_matplotlib_is_asked_for_when_something_is_drawn():
    code = (
        "import sys; import utils.drawing.render as render; from utils.drawing.chart import Chart; "
        "assert 'matplotlib' not in sys.modules; sys.modules['matplotlib'] = None\n"
        "try: render.svg(Chart('t', '', '', ()), 'a')\n"
        "except ValueError as error: assert 'pip install -r requirements.txt' in str(error)\n"
        "else: raise SystemExit('drawn without')\n"
        "del sys.modules['matplotlib']; render.png(Chart('t', '', '', ()))\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True)

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

from tests.chart_reader import Seen
from tests.contents import HOSTILE
from utils.drawing.chart import Band, Bars, Chart, Level, Line, Points, Ranges, Upright
from utils.drawing.render import pdf, png, svg, svg_file

ROOT = Path(__file__).resolve().parents[3]
X, Y = np.array([1.0, 2.0, 4.0, 7.0]), np.array([0.5, 2.5, 1.5, 3.5])
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("scale", [1.0, -0.03, 4e3])
def test_points_stand_where_the_ticks_say(scale):
    data = np.random.default_rng(2).normal(3, 1, (40, 2)) * [1, scale]
    titles = [f"image {i}" for i in range(40)]
    seen = Seen(Chart("t", "x", "y", (Points(*data.T, "p", titles),)))
    at = seen.points("c0")
    seen.close(at, data)
    assert seen.titles == titles
    assert np.all(at > seen.plot[:2]) and np.all(at < seen.plot[2:])


def test_lines_bands_and_straight_lines_stand_where_the_ticks_say():
    marks = (Line(X, Y, "l"), Band(X, Y - 0.5, Y + 1, "b", 1), Upright(3, "u", 2), Level(2, "v", 3))
    seen = Seen(Chart("t", "x", "y", marks, diagonal=True))
    seen.close(seen.paths("c0")[0], np.stack([X, Y], 1))
    (band,) = seen.paths("c1", "fill")
    for corner in [*np.stack([X, Y - 0.5], 1), *np.stack([X, Y + 1], 1)]:
        assert np.abs(seen.values(band) - corner).max(axis=1).min() < 0.02
    left, top, right, bottom = seen.plot
    (upright,), (level,) = seen.paths("c2"), seen.paths("c3")
    assert sorted(upright[:, 1]) == [top, bottom] and sorted(level[:, 0]) == [left, right]
    np.testing.assert_allclose(seen.values(upright)[:, 0], 3, atol=0.02)
    np.testing.assert_allclose(seen.values(level)[:, 1], 2, atol=0.02)
    (diagonal,) = [p for p in seen.paths("soft") if np.all(p[0] != p[1])]
    np.testing.assert_allclose(*seen.values(diagonal).T, atol=0.02)


def test_bars_stand_on_nothing_and_reach_their_heights():
    edges, heights = np.array([0.0, 1.0, 3.0, 4.0]), np.array([2.0, 5.0, 3.0])
    seen = Seen(
        Chart("t", "x", "y", (Bars(edges, heights, "h"), Bars(edges, heights, "o", 1, True)))
    )
    bars = seen.paths("c0", "fill")
    for bar, height, first, last in zip(bars, heights, edges[:-1], edges[1:], strict=True):
        x, y = seen.values(bar).T
        assert first < x.min() < first + 0.1 and last - 0.1 < x.max() < last  # a gap between them
        assert abs(y.min()) < 0.03 and abs(y.max() - height) < 0.03
    expected = [(0, 0), (0, 2), (1, 2), (1, 5), (3, 5), (3, 3), (4, 3), (4, 0)]
    np.testing.assert_allclose(seen.values(seen.paths("c1")[0]), expected, atol=0.05)
    assert seen.titles == ["h: 0 to 1: 2", "h: 1 to 3: 5", "h: 3 to 4: 3"]


def test_a_forest_plot_has_a_row_for_each_label():
    rng = np.random.default_rng(3)
    names, values = [f"distortion {i}" for i in range(24)], rng.uniform(0.3, 0.9, 24)
    lows, highs = values - rng.uniform(0.01, 0.1, 24), values + 0.05
    lows[3] = highs[3] = np.nan
    other = Ranges(names[::-1], values[::-1], lows[::-1], highs[::-1], "other", 1)
    seen = Seen(Chart("t", "SRCC", "", (Ranges(names, values, lows, highs, "m"), other)))
    assert [said for said in seen.said if said in names] == names
    rows = [path[0, 1] for path in seen.paths("line") if path[0, 1] == path[1, 1]]
    assert np.all(np.diff(rows) >= 18)  # a line of text each
    to_value = np.poly1d(np.polyfit(*np.array(seen.ticks("x")).T, 1))
    for colour, order in (("c0", slice(None)), ("c1", slice(None, None, -1))):
        dots = seen.points(colour)
        np.testing.assert_allclose(to_value(dots[:, 0]), values[order], atol=0.002)
        apart = dots[:, 1] - rows[order]
        assert np.ptp(apart) < 0.3 and 2 < abs(apart[0]) < 9  # beside each other in a row
        ends = max(seen.paths(colour), key=len)
        found = to_value(ends[:, 0][~np.isnan(ends[:, 0])]).reshape(-1, 2)
        known = np.delete(np.stack([lows, highs], 1)[order], 3 if colour == "c0" else 20, axis=0)
        np.testing.assert_allclose(found, known, atol=0.002)
    assert "not drawn" not in seen.markup  # an interval that is not known is no fault


def test_names_fill_the_rows_of_a_legend():
    names = ["95% interval of the 4-parameter fit", "images", "4-parameter fit", "5-parameter fit"]
    seen = Seen(Chart("t", "x", "y", [Line(X, Y, name, i) for i, name in enumerate(names)]))
    x, y = np.array([[float(t.get(n)) for t in seen.texts if t.text in names] for n in "xy"])
    assert y[0] == y[1] < y[2] == y[3] and x[0] == x[2] < x[3] < x[1] < 440


def test_a_band_does_not_stretch_the_axes():
    """A fit that knows nothing beyond its images has an interval from -30 to 30 there."""
    x = np.linspace(0, 1, 20)
    marks = Band(x, x - 30, x + 30, "", 1), Points(x, 1 + 3 * x)
    seen = Seen(Chart("t", "x", "y", marks))
    low, high = seen.values(np.array(seen.plot).reshape(2, 2)[::-1])[:, 1]
    assert (low, high) == pytest.approx((-0.5, 5.5), abs=0.05)  # half of the points' 3 around them
    (alone,) = Seen(Chart("t", "x", "y", marks[:1])).paths("c1", "fill")
    assert alone[:, 1].max() < 310  # what is to be seen is all of it


# ---- values that cannot be drawn, and very many


def test_values_that_are_not_finite_are_counted():
    marks = (
        Points([1, NAN, 3, 4], [1, 2, INF, 4]),  # two
        Line([1, 2, 3, NAN, 4, 5], [1, NAN, 3, NAN, 4, 5], "", 1),  # one, and a break that is meant
        Band([1, 2, 3], [0, NAN, 0], [1, 1, 1], "", 2),  # one
        Bars([0, 1, 2], [1, NAN], "", 3),  # one
        Level(-INF),  # one
    )
    seen = Seen(Chart("t", "x", "y", marks, remarks=["a remark"]))
    assert ["a remark", "6 values that are not finite are not drawn"] == seen.said[-2:]
    seen.close(seen.points("c0"), np.array([[1.0, 1], [4, 4]]))
    assert len(seen.points("c1")) == 2  # the lone places of the line
    assert "nan" not in seen.markup and "inf" not in seen.markup.replace("finite", "")
    one = Seen(Chart("t", "x", "", (Ranges("abc", [1, NAN, 3], [0, 0, -INF], [2, 2, 3]),)))
    assert one.said[-1] == "2 values that are not finite are not drawn"
    assert len(one.points("c0")) == 2


NOTHING = (Points([NAN], [1], "p"), Line([], [], "l"), Band([], [], [], "b"), Bars([0], [], "h"))


@pytest.mark.parametrize(
    "marks", [(), NOTHING, (Ranges([], [], [], []),), (Bars([0], [], "o", outline=True),)]
)
def test_a_chart_of_nothing_says_so(marks):
    seen = Seen(Chart("Title", "across", "up", marks, diagonal=True))
    assert {"no values", "Title", "across", "up"} <= set(seen.said)


@pytest.mark.parametrize("value", [0.0, 3.0, -0.25, 1e300, 1e-310, -7e15])
def test_a_constant_stands_in_the_middle(value):
    seen = Seen(Chart("t", "x", "y", (Points([value] * 3, [value] * 3), Line([value], [value]))))
    left, top, right, bottom = seen.plot
    middle = np.tile([(left + right) / 2, (top + bottom) / 2], (4, 1))
    np.testing.assert_allclose(seen.points("c0"), middle, atol=0.2)
    Seen(Chart("t", "x", "y", (Line([0, 1e300], [-1e300, value]),)))


def test_of_very_many_every_nth_is_drawn_and_said():
    x = np.arange(20_001.0)
    marks = (Points(x, x % 7, "p", [str(i) for i in range(20_001)]), Line(x[:10_007], x[:10_007]))
    seen = Seen(Chart("t", "x", "y", marks))
    told = ["one in 5 of 20,001 points is drawn", "one in 3 of 10,007 points of a line is drawn"]
    assert seen.said[-3:-1] == told
    assert seen.titles == [str(i) for i in range(0, 20_001, 5)]
    names = [f"row {i}" for i in range(450)]
    seen = Seen(Chart("t", "x", "", (Ranges(names, *[np.arange(450.0)] * 3),)))
    assert seen.said[-1] == "one in 3 of 450 rows is drawn"
    assert [said for said in seen.said if said.startswith("row")] == names[::3]


# ---- a part of a page


@pytest.mark.parametrize(
    "name", [HOSTILE, "$x^2$ \\alpha 名前 🎉", "a\x00\udcff\u202e\n", "long " * 40]
)
def test_every_name_is_text_and_none_is_warned_of(name):
    """Warnings are errors: no glyph that matplotlib's font lacks is heard of."""
    marks = (
        Points([1], [2], name, [name]), Line([1, 2], [2, 3], name, 1, dots=True),
        Band([1, 2], [2, 3], [3, 4], name, 2), Bars([0, 1], [1], name, 3),
        Upright(1, name, 4), Level(1, name, 5),
    )  # fmt: skip
    chart = Chart(name, name, name, marks, remarks=[name])
    seen = Seen(chart, width=2000)
    assert {e.tag for e in seen.root.iter()} <= {
        "svg", "g", "path", "use", "text", "title", "defs", "clipPath", "rect",
    }  # fmt: skip
    assert not any(key.startswith(("on", "{")) for e in seen.root.iter() for key in e.attrib)
    assert png(chart) and pdf(chart) and svg_file(chart)
    Seen(Chart(name, name, name, (Ranges([name], [1], [0], [2], name),)))
    if not name.startswith("long"):
        shown = name.encode("unicode_escape").decode() if not name.isprintable() else name
        assert "".join(seen.root.itertext()).count(shown) >= 10


def test_colours_are_the_page_s_and_ids_are_the_chart_s():
    marks = tuple(Points([i], [i], f"p{i}", (), i) for i in range(9))
    chart = Chart("t", "x", "y", (*marks, Line([0, 9], [0, 9])), diagonal=True)
    seen = Seen(chart)
    styles = " ".join(e.get("style", "") for e in seen.root.iter())
    assert len(re.findall("#", styles)) == len(re.findall(r"var\(--\w+,#\w{6}\)", styles)) > 20
    found = dict(re.findall(r"var\(--(\w+),(#\w{6})\)", styles))
    assert found["c0"] == "#0072b2" and found["c7"] == "#f0e442" and found["ink"] == "#1f2328"
    assert set(found) == {"ink", "soft", "line", *(f"c{i}" for i in range(8))}
    assert len(seen.points("c0")) == 2  # the ninth colour is the first again
    ids = [set(re.findall(r' id="(.*?)"', svg(chart, ident))) for ident in ("a", "b")]
    assert ids[0] and not ids[0] & ids[1]
    assert {u.get("href")[1:] for u in seen.root.iter("use")} <= {
        e.get("id") for e in seen.root.iter()
    }
    assert seen.root.get("aria-label").startswith("t; y over x; p0")


def test_a_chart_is_the_same_whoever_draws_it(monkeypatch):
    """In another thread, beside others, whatever a user's matplotlib is set to, on any day."""
    import matplotlib

    chart = Chart("t", "x", "y", (Points(X, Y, "p"), Line(X, Y, "l", 1), Band(X, Y, Y + 1)))

    def drawn():
        return svg(chart, "a"), png(chart), pdf(chart), svg_file(chart)

    first, found = drawn(), []
    assert not any(re.search(rb"20\d\d-|CreationDate", file) for file in first[1:])
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 40)
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "path")
    threads = [threading.Thread(target=lambda: found.append(drawn())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [first] * 3 and matplotlib.rcParams["font.size"] == 40


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

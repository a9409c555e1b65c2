"""The marks of a chart on matplotlib's axes, with their ticks and their entries in the legend."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from utils.drawing.canvas import SHADES, TEXT, Canvas, text_width
from utils.drawing.chart import (
    COLOURS,
    MOST_POINTS,
    Band,
    Bars,
    Chart,
    Floats,
    Level,
    Line,
    Mark,
    Points,
    Ranges,
    Upright,
    drawable,
    every,
)
from utils.drawing.limits import limits, seen, whole_numbers

_ORDER = (Band, Bars, Points, Level, Upright, Line, Ranges)  # what lies lower first
# Up to so many points: their radius, their opacity. Where many lie, the crowd is darker.
_DOTS = ((30, 4.4, 0.8), (300, 3.6, 0.7), (1500, 2.8, 0.5), (math.inf, 2.2, 0.35))
_DASH = (0, (3.0, 2.0))
_MOST_TICKS, _APART = 8, 14.0  # ticks of an axis; least pixels between their labels

Entries = list[tuple[str, tuple[Any, ...]]]  # names, each with the artists that stand for it


def draw_marks(canvas: Canvas, axes: Any, chart: Chart) -> Entries:
    """All marks of a chart on axes whose limits are set here; what the legend says of them."""
    x, y = limits(chart)
    axes.set_xlim(*x)
    axes.set_ylim(*y)
    found: dict[tuple[str, int], list[Any]] = {}
    forest = [mark for mark in chart.marks if isinstance(mark, Ranges)]
    order = {mark: _ORDER.index(type(mark)) + 2 for mark in chart.marks}
    made: Iterable[Any]
    for mark in chart.marks:
        if isinstance(mark, Points):
            made = _scatter(canvas, axes, chart, mark)
        elif isinstance(mark, Line):
            made = _line(canvas, axes, mark)
        elif isinstance(mark, Band):
            made = _band(axes, mark)
        elif isinstance(mark, Bars):
            made = _bars(canvas, axes, chart, mark)
        elif isinstance(mark, Ranges):
            made = _forest(canvas, axes, chart, mark, forest.index(mark), len(forest))
        else:
            straight = axes.axvline if isinstance(mark, Upright) else axes.axhline
            at = mark.columns()[0][0]
            made = [
                straight(at if drawable(at) else math.nan, lw=1.7, ls=_DASH, color=_shade(mark))
            ]
        artists = list(made)
        for artist in artists:
            artist.set_zorder(order[mark])
        if mark.name:
            found.setdefault((mark.name, mark.colour), []).extend(artists)
    if chart.straight():
        low, high = max(x[0], y[0]), min(x[1], y[1])
        ends = [low, high] if low < high else []
        found["y = x", -1] = axes.plot(ends, ends, color=SHADES["soft"], lw=1.2, zorder=1.9)
    return [(name, tuple(made)) for (name, _), made in found.items()]


def _shade(mark: Any) -> str:
    return COLOURS[mark.colour % len(COLOURS)]


def _dots(
    canvas: Canvas, axes: Any, mark: Mark, x: Floats, y: Floats, radius: float, **given: Any
) -> Any:
    look = {"ls": "", "marker": "o", "ms": 2 * radius, "mew": 0, "color": _shade(mark)}
    (made,) = axes.plot(x, y, clip_on=False, **look, **given)
    made.set_gid(f"m{len(canvas.titles)}")
    canvas.titles[made.get_gid()] = ()
    return made


def _scatter(canvas: Canvas, axes: Any, chart: Chart, mark: Points) -> Iterator[Any]:
    total = chart.scattered()
    kept = np.flatnonzero(seen(mark, *limits(chart)))[:: every(total, MOST_POINTS)]
    _, radius, opacity = next(size for size in _DOTS if total <= size[0])
    made = _dots(canvas, axes, mark, mark.x[kept], mark.y[kept], radius, alpha=opacity)
    canvas.titles[made.get_gid()] = [mark.titles[i] for i in kept] if mark.titles else ()
    yield made


def _thinned(mark: Line | Band) -> list[Floats]:
    """The columns with nan where they break; of very many places every n-th, and the last."""
    kept = drawable(*mark.columns())
    columns = [np.where(kept, column, np.nan) for column in mark.columns()]
    nth = every(len(mark.x), MOST_POINTS)
    if nth > 1:
        chosen = np.unique(np.append(np.arange(0, len(mark.x), nth), len(mark.x) - 1))
        columns = [column[chosen] for column in columns]
    return columns


def _line(canvas: Canvas, axes: Any, mark: Line) -> Iterator[Any]:
    x, y = _thinned(mark)
    look = {"lw": 1.2 if mark.thin else 2.2, "color": _shade(mark)}
    yield from axes.plot(x, y, ls=_DASH if mark.dashed else "-", **look)
    known = np.concatenate([[False], np.isfinite(x), [False]])
    alone = known[1:-1] & ~known[:-2] & ~known[2:]  # a lone epoch would not be seen
    within = (y >= min(axes.get_ylim())) & (y <= max(axes.get_ylim()))
    within &= (x >= min(axes.get_xlim())) & (x <= max(axes.get_xlim()))
    shown = (alone | (known[1:-1] & mark.dots)) & within
    if shown.any():
        yield _dots(canvas, axes, mark, x[shown], y[shown], 3.4)


def _band(axes: Any, mark: Band) -> Iterator[Any]:
    x, low, high = _thinned(mark)
    bottom, top = sorted(axes.get_ylim())
    far = 100 * (top - bottom)  # an SVG holds the whole outline, also what is cut off
    low, high = (np.clip(ends, bottom - far, top + far) for ends in (low, high))
    yield axes.fill_between(x, low, high, color=_shade(mark), alpha=0.2, lw=0)
    known = np.concatenate([[False], np.isfinite(x), [False]])
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    if alone.any():
        yield axes.vlines(x[alone], low[alone], high[alone], color=_shade(mark), lw=4)


def _bars(canvas: Canvas, axes: Any, chart: Chart, mark: Bars) -> Iterator[Any]:
    colour = _shade(mark)
    if mark.outline:
        heights = np.where(drawable(*mark.columns()), mark.heights, np.nan)
        up = np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
        yield from axes.plot(np.repeat(mark.edges, 2), up, color=colour, lw=2.2)
        return
    filled = sum(isinstance(m, Bars) and not m.outline for m in chart.marks)
    shown = seen(mark, *limits(chart))
    first, last, heights = (column[shown] for column in mark.columns())
    look = {"color": colour, "alpha": 0.85 if filled < 2 else 0.45}
    # Neighbours are told apart by a gap, as long as there is room for one.
    thin = len(first) > 100
    made = axes.bar(first, heights, last - first, align="edge", lw=0 if thin else 1, **look)
    said = zip(made.patches, first, last, heights, strict=True)
    for number, (patch, start, end, height) in enumerate(said):
        patch.set_zorder(_ORDER.index(Bars) + 2)
        patch.set_edgecolor("none")
        if not thin:
            gap = 0.06 * (end - start)
            patch.set_x(start + gap / 2)
            patch.set_width(end - start - gap)
        patch.set_gid(f"m{len(canvas.titles)}-{number}")
        prefix = f"{mark.name}: " if mark.name else ""
        canvas.titles[patch.get_gid()] = [f"{prefix}{start:.6g} to {end:.6g}: {height:.6g}"]
    yield axes.fill_between([], [], color=colour, alpha=look["alpha"], lw=0)  # for the legend


def _forest(
    canvas: Canvas, axes: Any, chart: Chart, mark: Ranges, place: int, count: int
) -> Iterator[Any]:
    """place: which of `count` marks this is; they stand a little above each other in a row."""
    rows = {label: row for row, label in enumerate(chart.labels())}
    aside = (place - (count - 1) / 2) * 0.8 / count
    at = np.array([rows.get(label, math.nan) for label in mark.labels]) + aside
    shown, colour = seen(mark, *limits(chart)) & np.isfinite(at), _shade(mark)
    known = mark.whole() & np.isfinite(at)
    low, high, row = mark.lows[known], mark.highs[known], at[known]
    gap = np.full(len(row), math.nan)
    x, y = np.stack([low, high, gap], 1).ravel(), np.stack([row, row, gap], 1).ravel()
    yield from axes.plot(x, y, color=colour, lw=2)
    yield from axes.plot(x, y, color=colour, ls="", marker="|", ms=8, mew=2)
    yield _dots(canvas, axes, mark, mark.values[shown], at[shown], 4.2)


# ---- ticks


def ticks(axis: Any, length: float, whole: bool, across: bool) -> tuple[Floats, list[str]]:
    """As many round numbers of matplotlib's as leave space between their labels, and these.

    length: pixels of the axis. whole: no halves.
    """
    from matplotlib.ticker import MaxNLocator

    low, high = sorted(axis.get_view_interval())
    found: Any = np.empty(0)
    labels = [""]
    for most in range(_MOST_TICKS, 0, -1):
        locator = MaxNLocator(most, steps=[1, 2, 5, 10], integer=whole, min_n_ticks=1)
        found = locator.tick_values(low, high)
        found = found[(found >= low) & (found <= high)]
        labels = axis.get_major_formatter().format_ticks(found)
        needed = max(map(_width, labels), default=0) + _APART if across else 1.6 * TEXT
        if len(found) < 2 or needed * (len(found) - 1) <= length * np.ptp(found) / (high - low):
            break
    return found, labels


def grid(axes: Any, across: Sequence[float] | Floats, heights: Sequence[float] | Floats) -> None:
    """Pale lines at these x and at these y, under everything."""
    look = {"color": SHADES["line"], "lw": 1, "zorder": 0}
    gap = math.nan
    for places, ends, upright in (
        (across, axes.get_ylim(), True),
        (heights, axes.get_xlim(), False),
    ):
        along, aside = np.tile([*ends, gap], len(places)), np.repeat(places, 3)
        axes.plot(*((aside, along) if upright else (along, aside)), **look)


def _width(label: str) -> float:
    return text_width(label, TEXT)


def whole_axis(marks: Sequence[Mark], side: int) -> bool:
    """Whether an axis, 0 for x and 1 for y, has whole numbers alone; the edges of bars are none."""
    if side == 0 and any(isinstance(mark, Bars) for mark in marks):
        return False
    values = [mark.reach()[side] for mark in marks]
    return bool(values) and whole_numbers(np.concatenate(values))

"""The marks of a chart on matplotlib's axes, with their entries in the legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from utils.drawing.chart import (
    COLOURS,
    MOST_POINTS,
    Band,
    Bars,
    Bools,
    Chart,
    Floats,
    Level,
    Line,
    Mark,
    Points,
    Ranges,
    Upright,
    every,
)
from utils.drawing.figure import (
    ROW,
    SHADES,
    name,
    place,
    said_as,
    shorten,
    text_width,
    write,
)

_ORDER = (Band, Bars, Points, Level, Upright, Line, Ranges)  # what lies lower first
# Up to so many points: their diameter, their opacity. Where many lie, the crowd is darker.
_DOTS = ((30, 8.8, 0.8), (300, 7.2, 0.7), (1500, 5.6, 0.5), (math.inf, 4.4, 0.35))
_NAMES = 0.5  # of the width at most for the labels of a forest plot

Entries = list[tuple[str, tuple[Any, ...]]]  # names, each with the artists that stand for it
Sign = TypeVar("Sign")
Box = tuple[float, float, float, float]  # left, top, right, bottom


def plot(figure: Any, chart: Chart, box: Box) -> Entries:
    """The chart's marks on axes of their own, with what is written beside these, within the box;
    what a legend says of them.
    """
    left, top, right, bottom = box
    bottom -= ROW * (1 + bool(chart.x_label)) + 6
    axes = figure.add_axes((0, 0, 1, 1))
    axes.xaxis.set_visible(False)  # matplotlib's own ticks take as long as all the rest
    axes.yaxis.set_visible(False)
    entries = _marks(axes, chart)
    y_label, wide = _ticks(axes, chart, "y", bottom - top, right - left)
    start, end = left + wide + (ROW if y_label else 0) + 10, right - 14
    x_label, _ = _ticks(axes, chart, "x", end - start, 0)
    corner, far = place(figure, start, bottom), place(figure, end, top)
    axes.set_position((*corner, far[0] - corner[0], far[1] - corner[1]))
    if chart.empty():
        write(figure, (start + end) / 2, (top + bottom) / 2, "no values", ha="center")
    if chart.inset:
        ground = {"fc": SHADES["paper"], "ec": "none", "alpha": 0.8, "pad": 3}
        corner, sides = (start + 8, top + 7), {"ha": "left", "va": "top"}
        if _crowded(axes, chart):
            corner, sides = (end - 8, bottom - 8), {"ha": "right", "va": "bottom"}
        look: dict[str, Any] = {"bbox": ground, "zorder": 9, **sides}
        write(figure, *corner, "\n".join(chart.inset), "ink", **look)
    label = shorten(x_label, end - start)
    write(figure, (start + end) / 2, bottom + ROW + 4, label, "ink", ha="center")
    label = shorten(y_label, bottom - top)
    write(figure, left, (top + bottom) / 2, label, "ink", va="center", rotation=90)
    return entries


def _crowded(axes: Any, chart: Chart) -> bool:
    """Whether more points lie in the upper left corner than in the lower right one."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    count = 0
    for mark in chart.marks:
        if isinstance(mark, Points):
            x, y = (mark.x - left) / (right - left), (mark.y - low) / (high - low)
            count += int(((x < 0.35) & (y > 0.6)).sum() - ((x > 0.65) & (y < 0.4)).sum())
    return count > 0


def legend_rows(entries: Sequence[tuple[str, Sign]], room: float) -> list[list[tuple[str, Sign]]]:
    """The entries of a legend of this width, as many in a row as fit."""
    rows: list[list[tuple[str, Sign]]] = []
    left = 0.0
    for entry in entries:
        wide = 43 + text_width(entry[0])
        if wide > left:
            rows.append([])
            left = room + 20  # the last one of a row needs no gap behind it
        rows[-1].append(entry)
        left -= wide
    return rows


def legend(figure: Any, entries: Entries, x: float, y: float, room: float) -> None:
    """The names of a chart with their signs in rows below y."""
    for row in legend_rows(entries, room):
        made = figure.legend(
            [signs for _, signs in row], [" "] * len(row), loc="upper left", ncols=len(row),
            bbox_to_anchor=place(figure, x, y),
        )  # fmt: skip
        for text, (said, _) in zip(made.get_texts(), row, strict=True):
            name(text, shorten(said, room - 43))
        y += ROW


def _ticks(axes: Any, chart: Chart, side: str, length: float, room: float) -> tuple[str, float]:
    """Round numbers along an axis of so many pixels, whole ones where all values are, or the names
    of a forest's rows, with the grid. The axis's label, with the power of ten that its numbers are
    in units of, if any; how many pixels of `room` the names need.
    """
    from matplotlib.ticker import MaxNLocator

    edges = side == "x" and any(isinstance(mark, Bars) for mark in chart.marks)
    axis = getattr(axes, f"{side}axis")
    values, label = chart.along(side), getattr(chart, f"{side}_label")
    at: Any
    if side == "y" and (names := [shorten(row, _NAMES * room) for row in chart.rows()]):
        at = np.arange(len(names))
    elif chart.empty():
        return label, 0.0
    else:
        whole = bool(np.all((values == np.round(values)) & (np.abs(values) < 1e9)))
        each = 27 if side == "y" else 40 if 4 < np.ptp([*values, 0]) < 1e4 else 48  # pixels
        locator = MaxNLocator(min(8, max(2, int(length / each))), steps=[1, 2, 5, 10],
                              min_n_ticks=1, integer=whole and not edges)  # fmt: skip
        low, high = axis.get_view_interval()
        at = locator.tick_values(low, high)
        at = at[(at >= low) & (at <= high)]
        names = axis.get_major_formatter().format_ticks(at)
        power = axis.get_major_formatter().get_offset()
        label = f"{label} ({power})" if power else label
    upright = side == "x"
    beside = axes.get_xaxis_text1_transform(5) if upright else axes.get_yaxis_text1_transform(7)
    for spot, words in zip(at, names, strict=True):
        text = axes.text(*((spot, 0) if upright else (0, spot)), "", color=SHADES["soft"],
                         transform=beside[0], va=beside[1], ha=beside[2])  # fmt: skip
        name(text, words)
    look = {"color": SHADES["line"], "lw": 1, "zorder": 0}
    if not upright:
        axes.hlines(at, 0, 1, transform=axes.get_yaxis_transform(), **look)
    elif not edges:
        axes.vlines(at, 0, 1, transform=axes.get_xaxis_transform(), **look)
    return label, max(map(text_width, names), default=0.0)


def _marks(axes: Any, chart: Chart) -> Entries:
    """All marks, bands last: they do not widen the axes by more than half of what others reach,
    because where a fit knows little, its interval would leave nothing to be seen of the points.
    """
    found: dict[tuple[str, int], list[Any]] = {}
    for mark in sorted(chart.marks, key=lambda mark: isinstance(mark, Band)):
        for artist in _DRAWN[type(mark)](axes, chart, mark, COLOURS[mark.colour % len(COLOURS)]):
            artist.set_zorder(_ORDER.index(type(mark)) + 2)
            if mark.name:
                found.setdefault((mark.name, mark.colour), []).append(artist)
    if any(isinstance(mark, Bars) for mark in chart.marks):
        axes.margins(x=0)
    (low, high), rows = axes.get_ylim(), chart.rows()
    if any(isinstance(mark, Band) for mark in chart.marks) and (known := _beside_bands(chart)):
        low, high = max(low, known[0]), min(high, known[1])
    if chart.y_range:
        low, high = min(low, *chart.y_range), max(high, *chart.y_range)
    axes.set_ylim(*((len(rows) - 0.5, -0.5) if rows else (low, high)))  # the first row is on top
    left, right = axes.get_xlim()
    if chart.x_range:
        left, right = min(left, *chart.x_range), max(right, *chart.x_range)
    axes.set_xlim(left, right)
    if chart.diagonal and not chart.empty():
        low, high = max(low, axes.get_xlim()[0]), min(high, axes.get_xlim()[1])
        ends = [low, high] if low < high else []
        found["y = x", -1] = axes.plot(ends, ends, color=SHADES["soft"], lw=1.2, zorder=1.9)
    return [(key[0], tuple(found[key])) for key in chart.legend() if key in found]


def _beside_bands(chart: Chart) -> tuple[float, float] | None:
    """What the y axis reaches at most for the sake of bands; None where they stand alone."""
    others = [mark.along("y") for mark in chart.marks if not isinstance(mark, Band)]
    values = np.concatenate([np.empty(0), *others])
    half = 0.5 * np.ptp(values) if values.size else 0.0
    return (values.min() - half, values.max() + half) if half else None


def _thinned(mark: Line | Band) -> tuple[list[Floats], Bools]:
    """The columns with nan where they break; of very many places every n-th, and the last. Which
    of the places stand alone, where a line would not be seen.
    """
    kept = mark.drawn()
    chosen = np.arange(0, len(kept), every(len(kept), MOST_POINTS))
    chosen = np.union1d(chosen, np.arange(len(kept))[-1:])
    known = np.concatenate([[False], kept[chosen], [False]])
    columns = [np.where(kept, column, np.nan)[chosen] for column in mark.table().values()]
    return columns, known[1:-1] & ~known[:-2] & ~known[2:]


def _points(axes: Any, chart: Chart, mark: Points, colour: str) -> list[Any]:
    total = chart.scattered()
    kept = np.flatnonzero(mark.drawn())[:: every(total, MOST_POINTS)]
    _, size, opacity = next(look for look in _DOTS if total <= look[0])
    (made,) = axes.plot(
        mark.x[kept], mark.y[kept], "o", ms=size, mew=0, color=colour, alpha=opacity
    )
    if mark.titles:  # an id that becomes the titles of a page's points
        made.set_gid(said_as(mark.titles[i] for i in kept))
    return [made]


def _line(axes: Any, chart: Chart, mark: Line, colour: str) -> list[Any]:
    (x, y), alone = _thinned(mark)
    dots = np.flatnonzero(alone | mark.dots & ~np.isnan(x)).tolist()
    look = {"lw": 1.2 if mark.thin else 2.2, "ls": "--" if mark.dashed else "-"}
    return axes.plot(x, y, marker="o" if dots else "", ms=6.8, mew=0, markevery=dots or None,
                     color=colour, **look)  # fmt: skip


def _band(axes: Any, chart: Chart, mark: Band, colour: str) -> list[Any]:
    (x, *ends), alone = _thinned(mark)
    if known := _beside_bands(chart):  # an SVG holds the whole outline, also what is cut off
        far = 100 * (known[1] - known[0])
        ends = [np.clip(end, known[0] - far, known[1] + far) for end in ends]
    made = axes.fill_between(x, *ends, color=colour, alpha=0.2, lw=0)
    lone = [end[alone] for end in (x, *ends)]
    return [made, axes.vlines(*lone, color=colour, lw=4, alpha=0.2)] if alone.any() else [made]


def _bars(axes: Any, chart: Chart, mark: Bars, colour: str) -> list[Any]:
    if mark.outline:
        heights = np.where(mark.drawn(), mark.heights, np.nan)
        known = bool(len(heights) and np.isfinite(mark.edges).all())
        return [axes.stairs(heights, mark.edges, color=colour, lw=2.2)] if known else []
    low, high, heights = (c[mark.drawn()] for c in (mark.lows, mark.highs, mark.heights))
    filled = sum(isinstance(m, Bars) and not m.outline for m in chart.marks)
    alpha = 0.85 if filled < 2 else 0.45
    made = axes.bar((low + high) / 2, heights, 0.94 * (high - low), color=colour, alpha=alpha)
    prefix = f"{mark.name}: " if mark.name else ""
    for patch, a, b, height in zip(made, low, high, heights, strict=True):
        patch.set_gid(said_as([f"{prefix}{a:.6g} to {b:.6g}: {height:.6g}"]))
        patch.set_zorder(_ORDER.index(Bars) + 2)
    return [axes.fill_between([], [], color=colour, alpha=alpha, lw=0)]  # for the legend


def _forest(axes: Any, chart: Chart, mark: Ranges, colour: str) -> list[Any]:
    """Several of a chart stand a little above each other in a row."""
    beside = [other for other in chart.marks if isinstance(other, Ranges)]
    aside = (beside.index(mark) - (len(beside) - 1) / 2) * 0.8 / len(beside)
    rows = {label: row + aside for row, label in enumerate(chart.rows())}
    at = np.array([rows.get(label, math.nan) for label in mark.texts()])
    known = np.isfinite(at) & mark.drawn()
    ends = np.where(np.isfinite(mark.lows + mark.highs) & known, [mark.lows, mark.highs], np.nan)
    gap = np.full(len(at), math.nan)
    x, y = np.stack([*ends, gap], 1).ravel(), np.stack([at, at, gap], 1).ravel()
    made = axes.plot(x, y, color=colour, lw=2, marker="|", ms=8, mew=2)
    return made + axes.plot(mark.values[known], at[known], "o", ms=8.4, mew=0, color=colour)


def _straight(axes: Any, chart: Chart, mark: Upright | Level, colour: str) -> list[Any]:
    (at,) = mark.table().values()
    line = axes.axvline if isinstance(mark, Upright) else axes.axhline
    return [line(one, lw=1.7, ls="--", color=colour) for one in at[mark.drawn()]]


_DRAWN: dict[type[Mark], Any] = {
    Points: _points, Line: _line, Band: _band, Bars: _bars, Ranges: _forest,
    Upright: _straight, Level: _straight,
}  # fmt: skip

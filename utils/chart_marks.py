"""The marks of a chart as shapes within its axes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from utils.chart import (
    COLOURS,
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
)
from utils.chart_axes import (
    Axis,
    Bools,
    drawable,
    every,
    rows,
    runs,
    thinned,
)
from utils.chart_shapes import Area, Box, Dots, Figure, Stroke, cut_area, cut_line

MOST_POINTS = 5000  # of all scatters together, and of each line
MOST_STRONG = 8  # lines; of more, those without a name are thin
# Up to so many points: their radius, their opacity. Where many lie, the crowd is darker.
_DOTS = ((30, 4.4, 0.8), (300, 3.6, 0.7), (1500, 2.8, 0.5), (math.inf, 2.2, 0.35))
_ORDER = (Band, Bars, Points, Level, Upright, Line, Ranges)  # what lies lower first


def colour(mark: Mark) -> str:
    return f"c{mark.colour % len(COLOURS)}"


def mark_shapes(chart: Chart, x: Axis, y: Axis) -> list[Figure]:
    """All marks, from the lowest to the uppermost."""
    scatter = every(scattered(chart), MOST_POINTS)
    filled = sum(isinstance(mark, Bars) and not mark.outline for mark in chart.marks)
    many = sum(isinstance(mark, Line) for mark in chart.marks) > MOST_STRONG
    forest = [mark for mark in chart.marks if isinstance(mark, Ranges)]
    shown = {label: row for row, label in enumerate(thinned(rows(chart)))}
    shapes: list[Figure] = []
    for mark in sorted(chart.marks, key=lambda mark: _ORDER.index(type(mark))):
        if isinstance(mark, Points):
            shapes += _scatter(mark, x, y, scatter, scattered(chart))
        elif isinstance(mark, Line):
            shapes += _line(mark, x, y, 1.2 if many and not mark.name else 2.2)
        elif isinstance(mark, Band):
            shapes += _band(mark, x, y)
        elif isinstance(mark, Bars):
            shapes += _steps(mark, x, y) if mark.outline else _bars(mark, x, y, filled)
        elif isinstance(mark, Ranges):
            shapes += _forest(mark, x, y, shown, forest.index(mark), len(forest))
        else:
            shapes += _straight(mark, x, y)
    return [shape for shape in shapes if len(shape.points)]


def diagonal(x: Axis, y: Axis) -> list[Figure]:
    """y = x, as far as both axes reach."""
    low, high = max(x.low, y.low), min(x.high, y.high)
    if low >= high:
        return []
    ends = np.array([low, high])
    return [Stroke(_placed(x, y, ends, ends), "soft", 1.2)]


# ---- one mark


def _scatter(mark: Points, x: Axis, y: Axis, nth: int, total: int) -> list[Figure]:
    chosen = np.flatnonzero(seen(mark, x, y))[::nth]
    titles = [mark.titles[i] for i in chosen] if mark.titles else ()
    _, radius, opacity = next(size for size in _DOTS if total <= size[0])
    points = _placed(x, y, mark.x[chosen], mark.y[chosen])
    return [Dots(points, colour(mark), radius, opacity, titles)]


def _line(mark: Line, x: Axis, y: Axis, width: float) -> Iterator[Figure]:
    nth = every(len(mark.x), MOST_POINTS)
    for run in runs(drawable(mark.x, mark.y)):
        points = _sparse(_placed(x, y, mark.x[run], mark.y[run]), nth)
        if len(points) > 1:
            for part in cut_line(points, _box(x, y)):
                yield Stroke(part, colour(mark), width, mark.dashed)
        if mark.dots or len(points) == 1:  # a lone epoch would not be seen
            inside = x.holds(mark.x[run]) & y.holds(mark.y[run])
            dots = _sparse(_placed(x, y, mark.x[run], mark.y[run])[inside], nth)
            yield Dots(dots, colour(mark), 3.4)


def _band(mark: Band, x: Axis, y: Axis) -> Iterator[Figure]:
    nth = every(len(mark.x), MOST_POINTS)
    for run in runs(drawable(mark.x, mark.low, mark.high)):
        low = _sparse(_placed(x, y, mark.x[run], mark.low[run]), nth)
        high = _sparse(_placed(x, y, mark.x[run], mark.high[run]), nth)
        if len(low) == 1:
            yield from (Stroke(p, colour(mark), 4) for p in _cut(np.concatenate([low, high]), x, y))
        else:
            outline = cut_area(np.concatenate([low, high[::-1]]), _box(x, y))
            yield Area(outline, colour(mark), 0.2)


def _bars(mark: Bars, x: Axis, y: Axis, filled: int) -> Iterator[Figure]:
    base, prefix = float(_within(y, 0.0)), f"{mark.name}: " if mark.name else ""
    for i in np.flatnonzero(seen(mark, x, y)):
        first, last, height = mark.edges[i], mark.edges[i + 1], mark.heights[i]
        left, right = sorted(x.place(_within(x, np.array([first, last]))).tolist())
        gap = 0.5 if right - left > 4 else 0.0  # so that neighbours are told apart
        ends = y.place(np.array([base, _within(y, height)])).tolist()
        corners = [(left + gap, ends[0]), (left + gap, ends[1])]
        corners += [(right - gap, ends[1]), (right - gap, ends[0])]
        title = f"{prefix}{first:.6g} to {last:.6g}: {height:.6g}"
        yield Area(np.array(corners), colour(mark), 0.85 if filled < 2 else 0.45, title)


def _steps(mark: Bars, x: Axis, y: Axis) -> Iterator[Figure]:
    for run in runs(drawable(mark.edges[:-1], mark.edges[1:], mark.heights)):
        edges, heights = mark.edges[run.start : run.stop + 1], mark.heights[run]
        up = np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
        for part in _cut(_placed(x, y, np.repeat(edges, 2), up), x, y):
            yield Stroke(part, colour(mark), 2.2)


def _forest(
    mark: Ranges, x: Axis, y: Axis, shown: dict[str, int], place: int, count: int
) -> Iterator[Figure]:
    """place: which of `count` marks this is; they stand a little above each other in a row."""
    pitch = abs(float(y.place(1.0) - y.place(0.0)))
    aside = (place - (count - 1) / 2) * min(9.0, 0.8 * pitch / count)
    dots = []
    for label, value, low, high in zip(
        mark.labels, mark.values, mark.lows, mark.highs, strict=True
    ):
        if label not in shown or not drawable(value):
            continue
        at = float(y.place(shown[label])) + aside
        if drawable(low, high):
            yield from _interval(mark, x, at, low, high)
        if x.holds(value):
            dots.append([float(x.place(value)), at])
    yield Dots(np.array(dots).reshape(-1, 2), colour(mark), 4.2)


def _straight(mark: Upright | Level, x: Axis, y: Axis) -> Iterator[Figure]:
    """From one side of the plot to the other."""
    if isinstance(mark, Upright) and x.holds(mark.x):
        at = float(x.place(mark.x))
        ends = np.array([[at, y.start], [at, y.end]])
    elif isinstance(mark, Level) and y.holds(mark.y):
        at = float(y.place(mark.y))
        ends = np.array([[x.start, at], [x.end, at]])
    else:
        return
    yield Stroke(ends, colour(mark), 1.7, dashed=True)


def _interval(mark: Ranges, x: Axis, at: float, low: float, high: float) -> Iterator[Figure]:
    """A line with a cap at each end that lies within the axis."""
    low, high = min(low, high), max(low, high)
    if high < x.low or low > x.high:
        return
    left, right = x.place(_within(x, np.array([low, high]))).tolist()
    yield Stroke(np.array([[left, at], [right, at]]), colour(mark), 2.0)
    for end, pixel in ((low, left), (high, right)):
        if x.holds(end):
            yield Stroke(np.array([[pixel, at - 4], [pixel, at + 4]]), colour(mark), 2.0)


# ---- geometry


def scattered(chart: Chart) -> int:
    """How many points of scatters could be drawn."""
    return sum(int(drawable(m.x, m.y).sum()) for m in chart.marks if isinstance(m, Points))


def seen(mark: Points | Bars, x: Axis, y: Axis) -> Bools:
    """(N,): the points within the axes; the bars of which some part is."""
    if isinstance(mark, Points):
        return drawable(mark.x, mark.y) & x.holds(mark.x) & y.holds(mark.y)
    first, last = mark.edges[:-1], mark.edges[1:]
    low, high = np.minimum(mark.heights, 0), np.maximum(mark.heights, 0)
    there = drawable(first, last, mark.heights)
    across = (np.maximum(first, last) > x.low) & (np.minimum(first, last) < x.high)
    return there & across & (high >= y.low) & (low <= y.high)


def _placed(x: Axis, y: Axis, across: Floats, up: Floats) -> Floats:
    return np.stack([x.place(across), y.place(up)], axis=1)


def _box(x: Axis, y: Axis) -> Box:
    return x.start, min(y.start, y.end), x.end, max(y.start, y.end)


def _cut(points: Floats, x: Axis, y: Axis) -> list[Floats]:
    return cut_line(points, _box(x, y))


def _within(axis: Axis, values: Floats | float) -> Floats:
    return np.clip(np.asarray(values, np.float64), axis.low, axis.high)


def _sparse(points: Floats, nth: int) -> Floats:
    """Every n-th, and the last: a curve ends where it ends."""
    if nth == 1 or not len(points):
        return points
    return points[np.unique(np.append(np.arange(0, len(points), nth), len(points) - 1))]

"""The marks of a chart as shapes within its axes, and what has to be said about those left out."""

from __future__ import annotations

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
    MOST_ROWS,
    Axis,
    Bools,
    Range,
    drawable,
    every,
    missing,
    rows,
    runs,
    thinned,
)
from utils.chart_shapes import Area, Box, Dots, Shape, Stroke, cut_area, cut_line

MOST_POINTS = 5000  # of all scatters together, and of each line
_ORDER = (Band, Bars, Points, Level, Upright, Line, Ranges)  # what lies lower first


def colour(mark: Mark) -> str:
    return f"c{mark.colour % len(COLOURS)}"


def mark_shapes(chart: Chart, x: Axis, y: Axis) -> list[Shape]:
    """All marks, from the lowest to the uppermost."""
    scatter = every(_points(chart), MOST_POINTS)
    filled = sum(isinstance(mark, Bars) and not mark.outline for mark in chart.marks)
    forest = [mark for mark in chart.marks if isinstance(mark, Ranges)]
    shown = {label: row for row, label in enumerate(thinned(rows(chart)))}
    shapes: list[Shape] = []
    for mark in sorted(chart.marks, key=lambda mark: _ORDER.index(type(mark))):
        if isinstance(mark, Points):
            shapes += _scatter(mark, x, y, scatter, _points(chart))
        elif isinstance(mark, Line):
            shapes += _line(mark, x, y)
        elif isinstance(mark, Band):
            shapes += _band(mark, x, y)
        elif isinstance(mark, Bars):
            shapes += _steps(mark, x, y) if mark.outline else _bars(mark, x, y, filled)
        elif isinstance(mark, Ranges):
            shapes += _forest(mark, x, y, shown, forest.index(mark), len(forest))
        elif isinstance(mark, Upright):
            if x.holds(mark.x):
                ends = [[float(x.place(mark.x)), y.start], [float(x.place(mark.x)), y.end]]
                shapes.append(Stroke(np.array(ends), colour(mark), 1.7, dashed=True))
        elif y.holds(mark.y):
            ends = [[x.start, float(y.place(mark.y))], [x.end, float(y.place(mark.y))]]
            shapes.append(Stroke(np.array(ends), colour(mark), 1.7, dashed=True))
    return shapes


def diagonal(x: Axis, y: Axis) -> list[Shape]:
    """y = x, as far as both axes reach."""
    low, high = max(x.low, y.low), min(x.high, y.high)
    if low >= high:
        return []
    ends = np.array([low, high])
    return [Stroke(_placed(x, y, ends, ends), "soft", 1.2)]


# ---- one mark


def _scatter(mark: Points, x: Axis, y: Axis, nth: int, total: int) -> list[Shape]:
    chosen = np.flatnonzero(_seen(mark, x, y))[::nth]
    titles = [mark.titles[i] for i in chosen] if mark.titles else ()
    radius, opacity = (3.6, 0.7) if total <= 300 else (2.8, 0.5) if total <= 1500 else (2.2, 0.35)
    points = _placed(x, y, mark.x[chosen], mark.y[chosen])
    return [Dots(points, colour(mark), radius, opacity, titles)]


def _line(mark: Line, x: Axis, y: Axis) -> Iterator[Shape]:
    kept = drawable(mark.x, mark.y)
    nth = every(int(kept.sum()), MOST_POINTS)
    for run in runs(kept):
        points = _sparse(_placed(x, y, mark.x[run], mark.y[run]), nth)
        if len(points) > 1:
            for part in cut_line(points, _box(x, y)):
                yield Stroke(part, colour(mark), 2.2, mark.dashed)
        if mark.dots or len(points) == 1:  # a lone epoch would not be seen
            inside = x.holds(mark.x[run]) & y.holds(mark.y[run])
            dots = _sparse(_placed(x, y, mark.x[run], mark.y[run])[inside], nth)
            yield Dots(dots, colour(mark), 3.4)


def _band(mark: Band, x: Axis, y: Axis) -> Iterator[Shape]:
    kept = drawable(mark.x, mark.low, mark.high)
    nth = every(int(kept.sum()), MOST_POINTS)
    for run in runs(kept):
        low = _sparse(_placed(x, y, mark.x[run], mark.low[run]), nth)
        high = _sparse(_placed(x, y, mark.x[run], mark.high[run]), nth)
        if len(low) == 1:
            yield from (Stroke(p, colour(mark), 4) for p in _cut(np.concatenate([low, high]), x, y))
        else:
            outline = cut_area(np.concatenate([low, high[::-1]]), _box(x, y))
            yield Area(outline, colour(mark), 0.2)


def _bars(mark: Bars, x: Axis, y: Axis, filled: int) -> Iterator[Shape]:
    base, prefix = float(_within(y, 0.0)), f"{mark.name}: " if mark.name else ""
    for i in np.flatnonzero(_seen(mark, x, y)):
        first, last, height = mark.edges[i], mark.edges[i + 1], mark.heights[i]
        left, right = sorted(x.place(_within(x, np.array([first, last]))).tolist())
        gap = 0.5 if right - left > 4 else 0.0  # so that neighbours are told apart
        ends = y.place(np.array([base, _within(y, height)])).tolist()
        corners = [(left + gap, ends[0]), (left + gap, ends[1])]
        corners += [(right - gap, ends[1]), (right - gap, ends[0])]
        title = f"{prefix}{first:.6g} to {last:.6g}: {height:.6g}"
        yield Area(np.array(corners), colour(mark), 0.85 if filled < 2 else 0.45, title)


def _steps(mark: Bars, x: Axis, y: Axis) -> Iterator[Shape]:
    for run in runs(drawable(mark.edges[:-1], mark.edges[1:], mark.heights)):
        edges, heights = mark.edges[run.start : run.stop + 1], mark.heights[run]
        up = np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
        for part in _cut(_placed(x, y, np.repeat(edges, 2), up), x, y):
            yield Stroke(part, colour(mark), 2.2)


def _forest(
    mark: Ranges, x: Axis, y: Axis, shown: dict[str, int], place: int, count: int
) -> Iterator[Shape]:
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


def _interval(mark: Ranges, x: Axis, at: float, low: float, high: float) -> Iterator[Shape]:
    """A line with a cap at each end that lies within the axis."""
    low, high = min(low, high), max(low, high)
    if high < x.low or low > x.high:
        return
    left, right = x.place(_within(x, np.array([low, high]))).tolist()
    yield Stroke(np.array([[left, at], [right, at]]), colour(mark), 2.0)
    for end, pixel in ((low, left), (high, right)):
        if x.holds(end):
            yield Stroke(np.array([[pixel, at - 4], [pixel, at + 4]]), colour(mark), 2.0)


# ---- what is left out


def notes(chart: Chart, x: Range, y: Range) -> list[str]:
    """What is said under a chart: values that are missing, beyond its axes, or thinned out."""
    said = []
    count = sum(map(missing, chart.marks))
    if count:
        said.append(f"{_values(count)} not finite {_are(count)} not drawn")
    across, up = Axis(*x, 0, 1), Axis(*y, 0, 1)
    count = sum(_beyond(mark, across, up) for mark in chart.marks)
    if count:
        said.append(f"{count:,} value{'s' * (count != 1)} beyond the axes {_are(count)} not drawn")
    said += _sparsely(_points(chart), MOST_POINTS, "points")
    lines = [int(drawable(m.x, m.y).sum()) for m in chart.marks if isinstance(m, Line)]
    said += _sparsely(max(lines, default=0), MOST_POINTS, "points of a line")
    said += _sparsely(len(rows(chart)), MOST_ROWS, "rows")
    return said


def _values(count: int) -> str:
    return f"{count:,} values that are" if count != 1 else "1 value that is"


def _are(count: int) -> str:
    return "are" if count != 1 else "is"


def _sparsely(total: int, most: int, what: str) -> list[str]:
    nth = every(total, most)
    ending = {2: "nd", 3: "rd"}.get(nth % 10 if nth % 100 not in (12, 13) else 0, "th")
    ending = "st" if nth % 10 == 1 and nth % 100 != 11 else ending
    return [f"every {nth:,}{ending} of {total:,} {what} is drawn"] if nth > 1 else []


def _beyond(mark: Mark, x: Axis, y: Axis) -> int:
    if isinstance(mark, Band):
        return 0
    if isinstance(mark, Upright | Level):
        at, axis = (mark.x, x) if isinstance(mark, Upright) else (mark.y, y)
        return int(drawable(at) & ~axis.holds(at))
    if isinstance(mark, Ranges):
        return int((drawable(mark.values) & ~x.holds(mark.values)).sum())
    if isinstance(mark, Bars):
        there = drawable(mark.edges[:-1], mark.edges[1:], mark.heights)
        return int((there & ~_seen(mark, x, y)).sum())
    return int((drawable(mark.x, mark.y) & ~(x.holds(mark.x) & y.holds(mark.y))).sum())


# ---- geometry


def _points(chart: Chart) -> int:
    """How many points of scatters could be drawn."""
    return sum(int(drawable(m.x, m.y).sum()) for m in chart.marks if isinstance(m, Points))


def _seen(mark: Points | Bars, x: Axis, y: Axis) -> Bools:
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

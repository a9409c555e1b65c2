"""What the axes of a chart reach, and what is said under it of values that are not drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from utils.drawing.chart import (
    MOST_POINTS,
    MOST_ROWS,
    Band,
    Bars,
    Bools,
    Chart,
    Floats,
    Line,
    Mark,
    Points,
    Ranges,
    Upright,
    drawable,
    every,
)

Range = tuple[float, float]


def limits(chart: Chart) -> tuple[Range, Range]:
    """What the x axis and the y axis reach. An end that is given counts where it can be drawn.

    A band reaches at most half of what the other marks do beyond them: where a fit knows little,
    its interval would leave nothing to be seen of the points.
    """
    bars = any(isinstance(mark, Bars) for mark in chart.marks)
    bands = [mark for mark in chart.marks if isinstance(mark, Band)]
    x, y = _reached([mark for mark in chart.marks if mark not in bands])
    if bands:
        wide_x, wide_y = _reached(bands)
        half = 0.5 * np.ptp(y) if y.size and np.ptp(y) else math.inf
        low, high = (y.min() - half, y.max() + half) if y.size else (-math.inf, math.inf)
        x, y = np.append(x, wide_x), np.append(y, np.clip(wide_y, low, high))
    across, up = _natural(x, tight=bars), _natural(y, tight=False)
    if bars and y.size and y.min() == 0 < y.max():
        up = 0.0, up[1]  # bars stand on the axis
    if count := len(chart.labels()):
        up = count - 0.5, -0.5  # the first row stands on top
        return _given(chart.x_range, across), up
    return _given(chart.x_range, across), _given(chart.y_range, up)


def _reached(marks: Iterable[Mark]) -> tuple[Floats, Floats]:
    pairs = [mark.reach() for mark in marks] or [(np.empty(0), np.empty(0))]
    x, y = (np.concatenate(values) for values in zip(*pairs, strict=True))
    return x, y


def whole_numbers(values: Floats) -> bool:
    """Whether all are whole numbers, as epochs and levels are."""
    return bool(values.size) and bool(np.all((np.abs(values) < 1e9) & (values == np.round(values))))


def _natural(values: Floats, tight: bool) -> Range:
    """Around the values, with some space unless tight."""
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if _same(low, high):
        around = 0.5 if whole_numbers(values) else abs(low) * 0.05
        return _widened(low, high, around)
    space = 0.0 if tight else 0.045 * (high - low)
    if whole_numbers(values):
        space = min(space, 0.5)
    return low - space, high + space


def _given(given: Range | None, natural: Range) -> Range:
    if given is None:
        return natural
    ends = [float(g) if drawable(g) else n for g, n in zip(given, natural, strict=True)]
    low, high = min(ends), max(ends)
    return _widened(low, high, abs(low) * 0.05) if _same(low, high) else (low, high)


def _same(low: float, high: float) -> bool:
    """Whether nothing between could be told apart."""
    return high - low <= max(1e-12 * max(abs(low), abs(high)), 1e-290)


def _widened(low: float, high: float, around: float) -> Range:
    around = around if around > 1e-280 else 0.5
    return low - around, high + around


# ---- what is said under a chart


def seen(mark: Mark, x: Range, y: Range) -> Bools:
    """(N,): the places of a mark that lie within the axes; the bars of which some part does."""
    kept = drawable(*mark.columns())
    if isinstance(mark, Bars):
        first, last, height = mark.columns()
        low, high = np.minimum(height, 0), np.maximum(height, 0)
        across = (np.maximum(first, last) > x[0]) & (np.minimum(first, last) < x[1])
        return kept & across & (high >= y[0]) & (low <= y[1])
    if isinstance(mark, Points | Line):
        return kept & _within(mark.x, x) & _within(mark.y, y)
    if isinstance(mark, Band):
        return kept
    return kept & _within(mark.columns()[0], x if isinstance(mark, Ranges | Upright) else y)


def _within(values: Floats, ends: Range) -> Bools:
    return (values >= ends[0]) & (values <= ends[1])


def notes(chart: Chart, x: Range, y: Range) -> list[str]:
    """The chart's own remarks; values that are missing, beyond its axes, or thinned out."""
    said = list(chart.remarks)
    if count := sum(mark.missing() for mark in chart.marks):
        which = "values that are" if count != 1 else "value that is"
        said.append(f"{count:,} {which} not finite {_are(count)} not drawn")
    hidden = (drawable(*mark.columns()) & ~seen(mark, x, y) for mark in chart.marks)
    if count := sum(int(found.sum()) for found in hidden):
        said.append(f"{count:,} value{'s' * (count != 1)} beyond the axes {_are(count)} not drawn")
    longest = max((len(m.x) for m in chart.marks if isinstance(m, Line | Band)), default=0)
    rows = {label for m in chart.marks if isinstance(m, Ranges) for label in m.labels}
    said += _sparsely(chart.scattered(), MOST_POINTS, "points")
    said += _sparsely(longest, MOST_POINTS, "points of a line")
    said += _sparsely(len(rows), MOST_ROWS, "rows")
    return said


def _are(count: int) -> str:
    return "are" if count != 1 else "is"


def _sparsely(total: int, most: int, what: str) -> list[str]:
    nth = every(total, most)
    last = nth % 10 if nth % 100 not in (11, 12, 13) else 0
    ending = {1: "st", 2: "nd", 3: "rd"}.get(last, "th")
    return [f"every {nth:,}{ending} of {total:,} {what} is drawn"] if nth > 1 else []

"""What is said under a chart: how many of its values are not drawn, and why."""

from __future__ import annotations

import numpy as np

from utils.chart import Band, Bars, Chart, Level, Line, Mark, Points, Ranges, Upright
from utils.chart_axes import MOST_ROWS, Axis, Range, drawable, every, rows
from utils.chart_marks import MOST_POINTS, scattered, seen


def notes(chart: Chart, x: Range, y: Range) -> list[str]:
    """What is said under a chart: values that are missing, beyond its axes, or thinned out."""
    said = []
    count = sum(map(_missing, chart.marks))
    if count:
        said.append(f"{_not_finite(count)} not finite {_are(count)} not drawn")
    across, up = Axis(*x, 0, 1), Axis(*y, 0, 1)
    count = sum(_beyond(mark, across, up) for mark in chart.marks)
    if count:
        said.append(f"{count:,} value{'s' * (count != 1)} beyond the axes {_are(count)} not drawn")
    said += _sparsely(scattered(chart), MOST_POINTS, "points")
    longest = max((len(m.x) for m in chart.marks if isinstance(m, Line | Band)), default=0)
    said += _sparsely(longest, MOST_POINTS, "points of a line")
    said += _sparsely(len(rows(chart)), MOST_ROWS, "rows")
    return said


def _not_finite(count: int) -> str:
    return f"{count:,} values that are" if count != 1 else "1 value that is"


def _are(count: int) -> str:
    return "are" if count != 1 else "is"


def _sparsely(total: int, most: int, what: str) -> list[str]:
    nth = every(total, most)
    last = nth % 10 if nth % 100 not in (11, 12, 13) else 0
    ending = {1: "st", 2: "nd", 3: "rd"}.get(last, "th")
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
        return int((there & ~seen(mark, x, y)).sum())
    return int((drawable(mark.x, mark.y) & ~(x.holds(mark.x) & y.holds(mark.y))).sum())


def _missing(mark: Mark) -> int:
    """How many places of a mark cannot be drawn. A break of a line or band (all of it nan) is meant
    to be none; an interval that is not known (nan) is none either, an infinite one is.
    """
    if isinstance(mark, Points):
        return int((~drawable(mark.x, mark.y)).sum())
    if isinstance(mark, Line | Band):
        arrays = (mark.x, mark.y) if isinstance(mark, Line) else (mark.x, mark.low, mark.high)
        break_ = np.logical_and.reduce([np.isnan(array) for array in arrays])
        return int((~drawable(*arrays) & ~break_).sum())
    if isinstance(mark, Bars):
        return int((~drawable(mark.edges[:-1], mark.edges[1:], mark.heights)).sum())
    if isinstance(mark, Ranges):
        kept, unknown = drawable(mark.values), np.isnan(mark.lows) | np.isnan(mark.highs)
        return int((~kept).sum() + (kept & ~unknown & ~drawable(mark.lows, mark.highs)).sum())
    return int(not drawable(mark.x if isinstance(mark, Upright) else mark.y))

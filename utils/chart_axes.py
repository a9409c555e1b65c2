"""The axes of a chart: which values can be drawn, what range they take, where a value stands, and
what is written at a tick.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from utils.chart import Band, Bars, Chart, Floats, Line, Mark, Points, Ranges, Upright, ticks

MOST_TICKS = 8
MOST_ROWS = 200  # of a forest plot
_LARGEST = 1e300  # sums and differences of what is drawn stay finite

Bools = NDArray[np.bool_]
Range = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """low stands at `start`, high at `end`: pixels, or units of an SVG."""

    low: float
    high: float
    start: float
    end: float

    def place(self, values: Floats | float) -> Floats:
        with np.errstate(over="ignore"):
            share = (np.asarray(values, np.float64) - self.low) / (self.high - self.low)
        # What lies further off than this is cut all the same, and cutting can count with it.
        return self.start + np.clip(share, -1e7, 1e7) * (self.end - self.start)

    def holds(self, values: Floats | float) -> Bools:
        values = np.asarray(values, np.float64)
        return (values >= self.low) & (values <= self.high)


# ---- which values there are


def drawable(*arrays: Floats | float) -> Bools:
    """(N,): where all arrays are finite, and within 1e300."""
    return np.logical_and.reduce([np.abs(array) <= _LARGEST for array in arrays])


def runs(kept: Bools) -> list[slice]:
    """The stretches of neighbours that are kept."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]]).astype(np.int8)))
    return [slice(a, b) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]


def reach(mark: Mark) -> tuple[Floats, Floats]:
    """Every x and every y that a mark wants to show."""
    if isinstance(mark, Points | Line):
        kept = drawable(mark.x, mark.y)
        return mark.x[kept], mark.y[kept]
    if isinstance(mark, Band):
        kept = drawable(mark.x, mark.low, mark.high)
        return mark.x[kept], np.concatenate([mark.low[kept], mark.high[kept]])
    if isinstance(mark, Bars):
        kept = drawable(mark.edges[:-1], mark.edges[1:], mark.heights)
        x = np.concatenate([mark.edges[:-1][kept], mark.edges[1:][kept]])
        return x, np.append(mark.heights[kept], 0.0) if kept.any() else x
    if isinstance(mark, Ranges):
        kept = drawable(mark.values)
        whole = kept & drawable(mark.lows, mark.highs)
        return np.concatenate([mark.values[kept], mark.lows[whole], mark.highs[whole]]), np.empty(0)
    at = np.atleast_1d(np.float64(mark.x if isinstance(mark, Upright) else mark.y))
    at, none = at[drawable(at)], np.empty(0)
    return (at, none) if isinstance(mark, Upright) else (none, at)


def rows(chart: Chart) -> list[str]:
    """The labels of a forest plot, each once, in their order; none of any other chart."""
    labels = (label for mark in chart.marks if isinstance(mark, Ranges) for label in mark.labels)
    return list(dict.fromkeys(labels))


def thinned(items: Sequence[str], most: int = MOST_ROWS) -> Sequence[str]:
    """All of them, or every n-th."""
    return items[:: every(len(items), most)]


def every(count: int, most: int) -> int:
    """The n of "every n-th" that leaves `most` of `count` or fewer."""
    return max(1, math.ceil(count / most))


# ---- their range


def ranges(chart: Chart) -> tuple[Range, Range]:
    """What the x axis and the y axis reach. An end that is given counts where it can be drawn."""
    reached = [reach(mark) for mark in chart.marks]
    x, y = (np.concatenate([pair[i] for pair in reached] or [np.empty(0)]) for i in (0, 1))
    bars = any(isinstance(mark, Bars) for mark in chart.marks)
    across, up = _natural(x, tight=bars), _natural(y, tight=False)
    if bars and y.size and y.min() == 0 < y.max():
        up = (0.0, up[1])  # bars stand on the axis
    return _given(chart.x_range, across), _given(chart.y_range, up)


def _natural(values: Floats, tight: bool) -> Range:
    """Around the values, with some space unless tight."""
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if _same(low, high):
        around = 0.5 if is_whole(values) else abs(low) * 0.05
        return _widened(low, high, around)
    space = 0.0 if tight else 0.045 * (high - low)
    if is_whole(values):
        space = min(space, 0.5)
    return low - space, high + space


def _given(given: tuple[float, float] | None, natural: Range) -> Range:
    if given is None:
        return natural
    ends = [float(g) if drawable(g) else n for g, n in zip(given, natural, strict=True)]
    low, high = min(ends), max(ends)
    return _widened(low, high, abs(low) * 0.05) if _same(low, high) else (low, high)


def _same(low: float, high: float) -> bool:
    """Whether nothing between could be told apart."""
    return high - low <= max(1e-12 * max(abs(low), abs(high)), 1e-300)


def _widened(low: float, high: float, around: float) -> Range:
    around = around if around > 1e-290 else 0.5
    return low - around, high + around


def is_whole(values: Floats) -> bool:
    """Whether all are whole numbers, as epochs and levels are."""
    return bool(values.size) and bool(np.all((np.abs(values) < 1e9) & (values == np.round(values))))


# ---- what is written at it


def axis_ticks(low: float, high: float, most: int, whole: bool) -> list[float]:
    found = ticks(low, high, most)
    return [tick for tick in found if tick.is_integer()] or found if whole else found


def fitting_ticks(
    axis: Axis, whole: bool, room: Callable[[list[str]], float]
) -> tuple[list[float], list[str]]:
    """As many ticks as leave space between their labels; room: what the labels need each."""
    for most in range(MOST_TICKS, 2, -1):
        found = axis_ticks(axis.low, axis.high, most, whole)
        labels = tick_labels(found)
        if len(found) < 2 or np.min(np.abs(np.diff(axis.place(np.array(found))))) >= room(labels):
            break
    return found, labels


def tick_labels(found: Sequence[float]) -> list[str]:
    """Ticks as text, with as many digits as their step needs, and all with the same number of
    decimals: 0.50, 0.75. Very large and very small ones are written as 2e-9.
    """
    if len(found) < 2:
        return [f"{tick:.6g}" for tick in found]
    largest, step = max(map(abs, found)), min(b - a for a, b in zip(found, found[1:], strict=False))
    place = math.floor(math.log10(step) + 1e-9)
    if 1e-4 <= step and largest < 1e6:
        return [f"{tick:.{max(0, -place)}f}" for tick in found]
    digits = max(1, math.floor(math.log10(largest) + 1e-9) - place + 1)
    return [_short(f"{tick:.{digits}g}") for tick in found]


def _short(text: str) -> str:
    """1e-09 as 1e-9."""
    number, letter, exponent = text.partition("e")
    return number + letter + (str(int(exponent)) if letter else "")

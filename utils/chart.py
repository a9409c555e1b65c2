"""A chart, described once: what is drawn, and its numbers as a csv. `utils/chart_svg.py` draws it
for a page, `utils/chart_png.py` for TensorBoard.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]  # a mark takes whatever becomes one, a list too

# Colours that stay apart for colour-blind eyes (Okabe and Ito); a mark's `colour` is a place here.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
CSV_HEADER = ("series", "x", "y", "low", "high", "label")


@dataclass(frozen=True, eq=False)
class Points:
    """A scatter. x, y: (N,). titles: N lines of text, each said when the pointer rests on its
    point, or none.
    """

    x: Floats
    y: Floats
    name: str = ""
    titles: Sequence[str] = ()
    colour: int = 0

    def __post_init__(self) -> None:
        _arrays(self, "x", "y")
        if len(self.titles) not in (0, len(self.x)):
            raise ValueError(f"Points: {len(self.x)} points, but {len(self.titles)} titles")


@dataclass(frozen=True, eq=False)
class Line:
    """x, y: (N,), joined in their order. A place that is not finite breaks the line; where both x
    and y are nan, the break is meant, and not counted as a value that is missing.
    """

    x: Floats
    y: Floats
    name: str = ""
    colour: int = 0
    dashed: bool = False
    dots: bool = False

    def __post_init__(self) -> None:
        _arrays(self, "x", "y")


@dataclass(frozen=True, eq=False)
class Band:
    """The area between low and high over x, all (N,); broken like a Line."""

    x: Floats
    low: Floats
    high: Floats
    name: str = ""
    colour: int = 0

    def __post_init__(self) -> None:
        _arrays(self, "x", "low", "high")


@dataclass(frozen=True, eq=False)
class Bars:
    """A histogram: edges (B+1,), heights (B,) from 0. outline: steps without a filling, so that
    several can be told apart.
    """

    edges: Floats
    heights: Floats
    name: str = ""
    colour: int = 0
    outline: bool = False

    def __post_init__(self) -> None:
        _arrays(self, "edges")
        _arrays(self, "heights")
        if len(self.edges) != len(self.heights) + 1:
            raise ValueError(f"Bars: {len(self.heights)} heights, but {len(self.edges)} edges")


@dataclass(frozen=True, eq=False)
class Ranges:
    """A forest plot: a row per label (first on top), a dot at its value with the interval from low
    to high, all (N,). A nan interval leaves the dot alone. Several of them share rows by label.
    """

    labels: Sequence[str]
    values: Floats
    lows: Floats
    highs: Floats
    name: str = ""
    colour: int = 0

    def __post_init__(self) -> None:
        _arrays(self, "values", "lows", "highs")
        object.__setattr__(self, "labels", tuple(map(str, self.labels)))
        if len(self.labels) != len(self.values):
            raise ValueError(f"Ranges: {len(self.labels)} labels, but {len(self.values)} values")


@dataclass(frozen=True)
class Upright:
    """A vertical line, as at the best epoch."""

    x: float
    name: str = ""
    colour: int = 0


@dataclass(frozen=True)
class Level:
    """A horizontal line, as at 0 of residuals."""

    y: float
    name: str = ""
    colour: int = 0


Mark = Points | Line | Band | Bars | Ranges | Upright | Level


@dataclass(frozen=True, eq=False)
class Chart:
    """marks: drawn areas first, then bars, points, lines. x_range, y_range: (low, high) in place of
    what the marks reach; what lies beyond is counted under the chart. diagonal: a thin y = x.
    """

    title: str
    x_label: str
    y_label: str
    marks: tuple[Mark, ...]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    diagonal: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", tuple(self.marks))


def _arrays(mark: object, *names: str) -> None:
    """The fields as float64 (N,), of one length. ValueError for others."""
    made = [np.array(getattr(mark, name), dtype=np.float64) for name in names]
    if any(array.ndim != 1 or array.shape != made[0].shape for array in made):
        shapes = ", ".join(f"{n} {a.shape}" for n, a in zip(names, made, strict=True))
        raise ValueError(f"{type(mark).__name__}: expected arrays (N,) of one length, got {shapes}")
    for name, array in zip(names, made, strict=True):
        object.__setattr__(mark, name, array)


# ---- its numbers


def chart_csv(chart: Chart) -> str:
    """Every number that the chart is made of, drawn or not. A bar reaches from low to high, y is
    its height; a series without a name is called by its kind.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for mark in chart.marks:
        series = mark.name or type(mark).__name__.lower()
        for *numbers, label in _rows(mark):
            writer.writerow([series, *("" if n is None else f"{n:.9g}" for n in numbers), label])
    # A file name can be any bytes; what UTF-8 cannot hold is written as an escape.
    return written.getvalue().encode("utf-8", "backslashreplace").decode("utf-8")


def _rows(
    mark: Mark,
) -> Iterator[tuple[float | None, float | None, float | None, float | None, str]]:
    """x, y, low, high, label."""
    if isinstance(mark, Points):
        titles = mark.titles or [""] * len(mark.x)
        yield from ((x, y, None, None, t) for x, y, t in zip(mark.x, mark.y, titles, strict=True))
    elif isinstance(mark, Line):
        yield from ((x, y, None, None, "") for x, y in zip(mark.x, mark.y, strict=True))
    elif isinstance(mark, Band):
        places = zip(mark.x, mark.low, mark.high, strict=True)
        yield from ((x, None, low, high, "") for x, low, high in places)
    elif isinstance(mark, Bars):
        bars = zip(mark.heights, mark.edges[:-1], mark.edges[1:], strict=True)
        yield from ((None, height, low, high, "") for height, low, high in bars)
    elif isinstance(mark, Ranges):
        rows = zip(mark.values, mark.lows, mark.highs, mark.labels, strict=True)
        yield from ((value, None, low, high, label) for value, low, high, label in rows)
    elif isinstance(mark, Upright):
        yield mark.x, None, None, None, ""
    else:
        yield None, mark.y, None, None, ""


# ---- its axes


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round numbers from low to high, at most `most` (3 or more): the multiples in that range of
    1, 2 or 5 times a power of ten, for the smallest such step.

    [] where low or high is not finite; [low] where they are equal, or as good as that.
    """
    low, high = float(min(low, high)), float(max(low, high))
    if not (math.isfinite(low) and math.isfinite(high - low)):
        return []
    if high - low < 1e-300:
        return [low]
    start = math.floor(math.log10((high - low) / most)) - 1
    steps = ((factor, power) for power in itertools.count(start) for factor in (1, 2, 5))
    for factor, power in steps:
        first, last = _multiples(low, high, factor, power)
        if last - first < most:
            break
    return list(dict.fromkeys(_multiple(i, factor, power) for i in range(first, last + 1)))


def _multiples(low: float, high: float, factor: int, power: int) -> tuple[int, int]:
    """First and last i with low <= i * factor * 10^power <= high, but for rounding."""
    slack = 1e-9 * (high - low)
    step = _multiple(1, factor, power)
    return math.ceil((low - slack) / step), math.floor((high + slack) / step)


def _multiple(i: int, factor: int, power: int) -> float:
    # Read from text, so that 3 * 0.1 is 0.3.
    return float(f"{i * factor}e{power}")

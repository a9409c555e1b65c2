"""A chart, described once: what is drawn, and its numbers as a csv. SVG, PNG and PDF are made from
the same description; nothing here needs matplotlib.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from utils.text import csv_of

Floats = NDArray[np.float64]  # a mark takes whatever becomes one, a list too
Bools = NDArray[np.bool_]

# Colours that stay apart for colour-blind eyes (Okabe and Ito); a mark's `colour` is a place here.
# Black is not quite black: matplotlib leaves #000000 out of an SVG, and pages replace it by name.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#010101", "#f0e442")
CSV_HEADER = ("series", "x", "y", "low", "high", "label")
MOST_POINTS = 5000  # drawn of all scatters together, and of each line
MOST_ROWS = 200  # drawn of a forest plot
_LARGEST = 1e300  # sums and differences of what is drawn stay finite


def drawable(*columns: Floats) -> Bools:
    """Where all of the columns, each (N,), are finite and within 1e300."""
    return np.logical_and.reduce([np.abs(column) <= _LARGEST for column in columns])


class Mark:
    """One series of a chart. Its numbers become float64 arrays of one length (N,).

    columns: the attributes that are the csv's x, y, low, high and label; "" for those it has not.
    ends: the axis along which low and high lie.
    """

    columns: ClassVar[tuple[str, str, str, str, str]]
    ends: ClassVar[str] = ""
    name: str
    colour: int

    def __post_init__(self) -> None:
        made = {n: np.atleast_1d(np.array(getattr(self, n), float)) for n in self.columns[:4] if n}
        shapes = {name: array.shape for name, array in made.items()}
        if self.texts():
            shapes[self.columns[4]] = (len(self.texts()),)
        if len(set(shapes.values())) != 1 or any(len(shape) != 1 for shape in shapes.values()):
            told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            kind = type(self).__name__
            raise ValueError(f"{kind}: expected arrays (N,) of one length, got {told}")
        for name, array in made.items():
            object.__setattr__(self, name, array)

    def texts(self) -> Sequence[str]:
        """The csv's labels: N, or none."""
        return getattr(self, self.columns[4], ())

    def table(self) -> dict[str, Floats]:
        """Those of the csv's columns x, y, low and high that the mark has."""
        places = zip(CSV_HEADER[1:5], self.columns[:4], strict=True)
        return {column: getattr(self, name) for column, name in places if name}

    def drawn(self) -> Bools:
        """(N,): which places can be drawn."""
        return drawable(*self.table().values())

    def missing(self) -> int:
        """How many places cannot be drawn. Where all of a place is nan, a break is meant."""
        meant = np.logical_and.reduce([np.isnan(column) for column in self.table().values()])
        return int((~self.drawn() & ~meant).sum())

    def along(self, axis: str) -> Floats:
        """Every number that is drawn along the axis x or y."""
        names = (axis, "low", "high") if axis == self.ends else (axis,)
        found = [column[self.drawn()] for name, column in self.table().items() if name in names]
        numbers = np.concatenate([np.empty(0), *found])
        return numbers[drawable(numbers)]


@dataclass(frozen=True, eq=False)
class Points(Mark):
    """A scatter. x, y: (N,). titles: N texts of one line, each said when the pointer rests on its
    point, or none.
    """

    columns = ("x", "y", "", "", "titles")
    x: Floats
    y: Floats
    name: str = ""
    titles: Sequence[str] = ()
    colour: int = 0


@dataclass(frozen=True, eq=False)
class Line(Mark):
    """x, y: (N,), joined in their order; a place that is not finite breaks the line. dots: each
    place has one. thin: one of many about a strong one.
    """

    columns = ("x", "y", "", "", "")
    x: Floats
    y: Floats
    name: str = ""
    colour: int = 0
    dashed: bool = False
    dots: bool = False
    thin: bool = False


@dataclass(frozen=True, eq=False)
class Band(Mark):
    """The area between low and high over x, all (N,); broken like a Line."""

    columns, ends = ("x", "", "low", "high", ""), "y"
    x: Floats
    low: Floats
    high: Floats
    name: str = ""
    colour: int = 0


@dataclass(frozen=True, eq=False)
class Bars(Mark):
    """A histogram: edges (B+1,), heights (B,) from 0. outline: steps without a filling, so that
    several can be told apart.
    """

    columns, ends = ("", "heights", "lows", "highs", ""), "x"
    edges: Floats
    heights: Floats
    name: str = ""
    colour: int = 0
    outline: bool = False
    lows: Floats = field(init=False)
    highs: Floats = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lows", self.edges[:-1])
        object.__setattr__(self, "highs", self.edges[1:])
        super().__post_init__()


@dataclass(frozen=True, eq=False)
class Ranges(Mark):
    """A forest plot: a row per label (first on top), a dot at its value with the interval from low
    to high, all (N,). A nan interval leaves the dot alone. Several of them share rows by label.
    """

    columns, ends = ("values", "", "lows", "highs", "labels"), "x"
    labels: Sequence[str]
    values: Floats
    lows: Floats
    highs: Floats
    name: str = ""
    colour: int = 0

    def drawn(self) -> Bools:
        return drawable(self.values)

    def missing(self) -> int:
        """An interval that is not known (nan) is none that is missing, an infinite one is."""
        endless = (np.abs(self.lows) > _LARGEST) | (np.abs(self.highs) > _LARGEST)
        return int((~self.drawn() | endless).sum())


@dataclass(frozen=True, eq=False)
class Upright(Mark):
    """A vertical line, as at the best epoch."""

    columns = ("x", "", "", "", "")
    x: Floats | float
    name: str = ""
    colour: int = 0


@dataclass(frozen=True, eq=False)
class Level(Mark):
    """A horizontal line, as at 0 of residuals."""

    columns = ("", "y", "", "", "")
    y: Floats | float
    name: str = ""
    colour: int = 0


@dataclass(frozen=True, eq=False)
class Chart:
    """marks: drawn areas first, then bars, points, lines. y_range, x_range: (low, high) that an
    axis holds at least, so that several charts, or both axes of one, have one scale. diagonal: a
    thin y = x. remarks: sentences under the chart, before those on values that are not drawn.
    inset: short lines in the upper left corner of the axes, or in the lower right one where fewer
    points lie there.
    """

    title: str
    x_label: str
    y_label: str
    marks: Sequence[Mark]
    y_range: tuple[float, float] | None = None
    x_range: tuple[float, float] | None = None
    diagonal: bool = False
    remarks: Sequence[str] = ()
    inset: Sequence[str] = ()

    def csv(self) -> str:
        """Every number that the chart is made of, drawn or not. A bar reaches from low to high, y
        is its height; a series without a name is called by its kind.
        """
        rows: list[Iterable[str]] = [CSV_HEADER]
        for mark in self.marks:
            table = mark.table()
            columns = [
                [f"{n:.9g}" for n in table[name]] if name in table else repeat("")
                for name in CSV_HEADER[1:5]
            ]
            series = repeat(mark.name or type(mark).__name__.lower())
            rows += zip(series, *columns, mark.texts() or repeat(""), strict=False)
        # A file name can be any bytes; what UTF-8 cannot hold is written as an escape.
        return csv_of(rows).encode("utf-8", "backslashreplace").decode("utf-8")

    def words(self) -> str:
        """The chart in words, for those who cannot see it."""
        names = dict.fromkeys(mark.name for mark in self.marks if mark.name)
        axes = " over ".join(filter(None, (self.y_label, self.x_label)))
        return "; ".join(filter(None, (self.title, axes, ", ".join(names), ", ".join(self.inset))))

    def labels(self) -> list[str]:
        """The rows of a forest plot, in their order; none of any other chart."""
        texts = (mark.texts() for mark in self.marks if isinstance(mark, Ranges))
        return list(dict.fromkeys(chain.from_iterable(texts)))

    def rows(self) -> list[str]:
        """Those of the labels that are drawn."""
        labels = self.labels()
        return labels[:: every(len(labels), MOST_ROWS)]

    def legend(self) -> list[tuple[str, int]]:
        """(name, colour) of each entry of the legend; marks that have both in common share one."""
        found = dict.fromkeys((mark.name, mark.colour) for mark in self.marks if mark.name)
        return [*found, ("y = x", -1)] if self.diagonal and not self.empty() else list(found)

    def empty(self) -> bool:
        """Whether no mark has anything that could be drawn."""
        return not self.along("x").size and not self.along("y").size

    def along(self, axis: str) -> Floats:
        """Every number that its marks draw along the axis x or y."""
        return np.concatenate([np.empty(0), *(mark.along(axis) for mark in self.marks)])

    def scattered(self) -> int:
        """How many points of scatters could be drawn."""
        return sum(int(mark.drawn().sum()) for mark in self.marks if isinstance(mark, Points))

    def notes(self) -> list[str]:
        """The chart's remarks, and what is said of values that are missing or thinned out."""
        said = list(self.remarks)
        if count := sum(mark.missing() for mark in self.marks):
            which = "values that are not finite are" if count > 1 else "value that is not finite is"
            said.append(f"{count:,} {which} not drawn")
        joined = [mark.x.size for mark in self.marks if isinstance(mark, Line | Band)]
        for total, most, what in (
            (self.scattered(), MOST_POINTS, "points"),
            (max(joined, default=0), MOST_POINTS, "points of a line"),
            (len(self.labels()), MOST_ROWS, "rows"),
        ):
            if (nth := every(total, most)) > 1:
                said.append(f"one in {nth:,} of {total:,} {what} is drawn")
        return said


def every(count: int, most: int) -> int:
    """The n of "every n-th" that leaves `most` of `count` or fewer."""
    return max(1, math.ceil(count / most))

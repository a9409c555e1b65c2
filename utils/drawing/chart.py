"""A chart, described once: what is drawn, and its numbers as a csv. SVG, PNG and PDF are made from
the same description; nothing here needs matplotlib.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]  # a mark takes whatever becomes one, a list too
Bools = NDArray[np.bool_]
Row = tuple[float | None, float | None, float | None, float | None, str]

# Colours that stay apart for colour-blind eyes (Okabe and Ito); a mark's `colour` is a place here.
# Black is not quite black: matplotlib leaves #000000 out of an SVG, and pages replace it by name.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#010101", "#f0e442")
CSV_HEADER = ("series", "x", "y", "low", "high", "label")
MOST_POINTS = 5000  # drawn of all scatters together, and of each line
MOST_ROWS = 200  # drawn of a forest plot
_LARGEST = 1e300  # sums and differences of what is drawn stay finite


def drawable(*columns: Floats | float) -> Bools:
    """Where all of the columns, each (N,), are finite and within 1e300."""
    return np.logical_and.reduce([np.abs(column) <= _LARGEST for column in columns])


class Mark:
    """One series of a chart. Its numbers become float64 arrays of one length (N,)."""

    name: str
    colour: int

    def columns(self) -> tuple[Floats, ...]:
        """What has to be finite, place by place, for a place to be drawn."""
        raise NotImplementedError

    def rows(self) -> Iterator[Row]:
        """x, y, low, high, label of each row of the csv."""
        raise NotImplementedError

    def reach(self) -> tuple[Floats, Floats]:
        """Every x and every y that the mark wants to show."""
        x, y = (column[drawable(*self.columns())] for column in self.columns())
        return x, y

    def missing(self) -> int:
        """How many places cannot be drawn. Where all of a place is nan, a break is meant."""
        gaps = np.logical_and.reduce([np.isnan(column) for column in self.columns()])
        return int((~drawable(*self.columns()) & ~gaps).sum())

    def _arrays(self, *names: str) -> None:
        made = [np.array(getattr(self, name), dtype=np.float64) for name in names]
        if any(array.ndim != 1 or array.shape != made[0].shape for array in made):
            shapes = ", ".join(f"{n} {a.shape}" for n, a in zip(names, made, strict=True))
            kind = type(self).__name__
            raise ValueError(f"{kind}: expected arrays (N,) of one length, got {shapes}")
        for name, array in zip(names, made, strict=True):
            object.__setattr__(self, name, array)


@dataclass(frozen=True, eq=False)
class Points(Mark):
    """A scatter. x, y: (N,). titles: N texts of one line, each said when the pointer rests on its
    point, or none.
    """

    x: Floats
    y: Floats
    name: str = ""
    titles: Sequence[str] = ()
    colour: int = 0

    def __post_init__(self) -> None:
        self._arrays("x", "y")
        if len(self.titles) not in (0, len(self.x)):
            raise ValueError(f"Points: {len(self.x)} points, but {len(self.titles)} titles")

    def columns(self) -> tuple[Floats, ...]:
        return self.x, self.y

    def rows(self) -> Iterator[Row]:
        titles = self.titles or [""] * len(self.x)
        yield from ((x, y, None, None, t) for x, y, t in zip(self.x, self.y, titles, strict=True))

    def missing(self) -> int:
        return int((~drawable(self.x, self.y)).sum())


@dataclass(frozen=True, eq=False)
class Line(Mark):
    """x, y: (N,), joined in their order. A place that is not finite breaks the line; where both x
    and y are nan, the break is meant, and not counted as a value that is missing. thin: one of many
    about a strong one.
    """

    x: Floats
    y: Floats
    name: str = ""
    colour: int = 0
    dashed: bool = False
    dots: bool = False
    thin: bool = False

    def __post_init__(self) -> None:
        self._arrays("x", "y")

    def columns(self) -> tuple[Floats, ...]:
        return self.x, self.y

    def rows(self) -> Iterator[Row]:
        yield from ((x, y, None, None, "") for x, y in zip(self.x, self.y, strict=True))


@dataclass(frozen=True, eq=False)
class Band(Mark):
    """The area between low and high over x, all (N,); broken like a Line."""

    x: Floats
    low: Floats
    high: Floats
    name: str = ""
    colour: int = 0

    def __post_init__(self) -> None:
        self._arrays("x", "low", "high")

    def columns(self) -> tuple[Floats, ...]:
        return self.x, self.low, self.high

    def rows(self) -> Iterator[Row]:
        places = zip(self.x, self.low, self.high, strict=True)
        yield from ((x, None, low, high, "") for x, low, high in places)

    def reach(self) -> tuple[Floats, Floats]:
        x, low, high = (column[drawable(*self.columns())] for column in self.columns())
        return x, np.concatenate([low, high])


@dataclass(frozen=True, eq=False)
class Bars(Mark):
    """A histogram: edges (B+1,), heights (B,) from 0. outline: steps without a filling, so that
    several can be told apart.
    """

    edges: Floats
    heights: Floats
    name: str = ""
    colour: int = 0
    outline: bool = False

    def __post_init__(self) -> None:
        self._arrays("edges")
        self._arrays("heights")
        if len(self.edges) != len(self.heights) + 1:
            raise ValueError(f"Bars: {len(self.heights)} heights, but {len(self.edges)} edges")

    def columns(self) -> tuple[Floats, ...]:
        return self.edges[:-1], self.edges[1:], self.heights

    def rows(self) -> Iterator[Row]:
        bars = zip(*self.columns(), strict=True)
        yield from ((None, height, low, high, "") for low, high, height in bars)

    def reach(self) -> tuple[Floats, Floats]:
        first, last, heights = (column[drawable(*self.columns())] for column in self.columns())
        return np.concatenate([first, last]), np.append(heights, 0.0)[: 2 * len(heights)]


@dataclass(frozen=True, eq=False)
class Ranges(Mark):
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
        self._arrays("values", "lows", "highs")
        object.__setattr__(self, "labels", tuple(map(str, self.labels)))
        if len(self.labels) != len(self.values):
            raise ValueError(f"Ranges: {len(self.labels)} labels, but {len(self.values)} values")

    def columns(self) -> tuple[Floats, ...]:
        return (self.values,)

    def rows(self) -> Iterator[Row]:
        rows = zip(self.values, self.lows, self.highs, self.labels, strict=True)
        yield from ((value, None, low, high, label) for value, low, high, label in rows)

    def whole(self) -> Bools:
        """(N,): where a value and both ends of its interval can be drawn."""
        return drawable(self.values, self.lows, self.highs)

    def reach(self) -> tuple[Floats, Floats]:
        ends = [self.lows[self.whole()], self.highs[self.whole()]]
        return np.concatenate([self.values[drawable(self.values)], *ends]), np.empty(0)

    def missing(self) -> int:
        """An interval that is not known (nan) is none that is missing, an infinite one is."""
        kept, unknown = drawable(self.values), np.isnan(self.lows) | np.isnan(self.highs)
        return int((~kept).sum() + (kept & ~unknown & ~self.whole()).sum())


@dataclass(frozen=True, eq=False)
class Upright(Mark):
    """A vertical line, as at the best epoch."""

    x: float
    name: str = ""
    colour: int = 0

    def columns(self) -> tuple[Floats, ...]:
        return (np.array([self.x], dtype=np.float64),)

    def rows(self) -> Iterator[Row]:
        yield self.x, None, None, None, ""

    def reach(self) -> tuple[Floats, Floats]:
        (x,) = self.columns()
        return x[drawable(x)], np.empty(0)

    def missing(self) -> int:
        return int(not drawable(self.x))


@dataclass(frozen=True, eq=False)
class Level(Mark):
    """A horizontal line, as at 0 of residuals."""

    y: float
    name: str = ""
    colour: int = 0

    def columns(self) -> tuple[Floats, ...]:
        return (np.array([self.y], dtype=np.float64),)

    def rows(self) -> Iterator[Row]:
        yield None, self.y, None, None, ""

    def reach(self) -> tuple[Floats, Floats]:
        (y,) = self.columns()
        return np.empty(0), y[drawable(y)]

    def missing(self) -> int:
        return int(not drawable(self.y))


@dataclass(frozen=True, eq=False)
class Chart:
    """marks: drawn areas first, then bars, points, lines. x_range, y_range: (low, high) in place of
    what the marks reach; what lies beyond is counted under the chart. diagonal: a thin y = x.
    remarks: sentences under the chart, before those on values that are not drawn.
    """

    title: str
    x_label: str
    y_label: str
    marks: Sequence[Mark]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    diagonal: bool = False
    remarks: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", tuple(self.marks))

    def csv(self) -> str:
        """Every number that the chart is made of, drawn or not. A bar reaches from low to high, y
        is its height; a series without a name is called by its kind.
        """
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\n")
        writer.writerow(CSV_HEADER)
        for mark in self.marks:
            series = mark.name or type(mark).__name__.lower()
            for *numbers, label in mark.rows():
                writer.writerow(
                    [series, *("" if n is None else f"{n:.9g}" for n in numbers), label]
                )
        # A file name can be any bytes; what UTF-8 cannot hold is written as an escape.
        return written.getvalue().encode("utf-8", "backslashreplace").decode("utf-8")

    def words(self) -> str:
        """The chart in words, for those who cannot see it."""
        names = dict.fromkeys(mark.name for mark in self.marks if mark.name)
        axes = " over ".join(filter(None, (self.y_label, self.x_label)))
        return "; ".join(filter(None, (self.title, axes, ", ".join(names))))

    def labels(self) -> list[str]:
        """The rows of a forest plot that are drawn, in their order; none of any other chart."""
        labels = (label for m in self.marks if isinstance(m, Ranges) for label in m.labels)
        found = list(dict.fromkeys(labels))
        return found[:: every(len(found), MOST_ROWS)]

    def legend(self) -> list[str]:
        """The names of the legend. Marks of one name and colour share an entry."""
        names = [name for name, _ in dict.fromkeys((m.name, m.colour) for m in self.marks) if name]
        return [*names, "y = x"] if self.straight() else names

    def straight(self) -> bool:
        """Whether y = x is drawn."""
        return self.diagonal and not self.labels() and not self.empty()

    def scattered(self) -> int:
        """How many points of scatters could be drawn."""
        points = (mark for mark in self.marks if isinstance(mark, Points))
        return sum(int(drawable(*mark.columns()).sum()) for mark in points)

    def empty(self) -> bool:
        """Whether no mark has anything that could be drawn."""
        return not any(part.size for mark in self.marks for part in mark.reach())


def every(count: int, most: int) -> int:
    """The n of "every n-th" that leaves `most` of `count` or fewer."""
    return max(1, math.ceil(count / most))

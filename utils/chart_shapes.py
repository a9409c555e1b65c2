"""What a chart is drawn with: strokes, areas, dots and text, in pixels or units of an SVG; and how
strokes and areas are cut off at the axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.chart import COLOURS, Floats

# What the names of colours stand for on a light page; --ink, --soft, --line as utils/html_page.py.
SHADES = {"ink": "#1f2328", "soft": "#59636e", "line": "#d1d9e0"}
SHADES.update({f"c{number}": shade for number, shade in enumerate(COLOURS)})

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, eq=False)
class Stroke:
    """points: (N, 2), joined. colour: a name of SHADES."""

    points: Floats
    colour: str
    width: float = 1.0
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class Area:
    """A polygon (N, 2). title: said when the pointer rests on it."""

    points: Floats
    colour: str
    opacity: float = 1.0
    title: str = ""


@dataclass(frozen=True, eq=False)
class Dots:
    """Circles around (N, 2). titles: one each, or none."""

    points: Floats
    colour: str
    radius: float
    opacity: float = 1.0
    titles: Sequence[str] = ()


@dataclass(frozen=True)
class Text:
    """y: the middle of the line. whole: what was shortened. upwards: turned to the left by 90
    degrees, around its middle.
    """

    x: float
    y: float
    words: str
    size: float
    anchor: str = "start"  # or middle, end
    colour: str = "soft"
    whole: str = ""
    upwards: bool = False
    bold: bool = False


Figure = Stroke | Area | Dots
Shape = Figure | Text


@dataclass(frozen=True)
class Drawing:
    width: float
    height: float
    shapes: tuple[Shape, ...]


def cut_line(points: Floats, box: Box) -> list[Floats]:
    """The parts of a line (N, 2) within a box (Liang and Barsky 1984, for all segments at once)."""
    if _inside(points, box):
        return [points]
    left, top, right, bottom = box
    start, move = points[:-1], np.diff(points, axis=0)
    first, last = np.zeros(len(start)), np.ones(len(start))
    kept = np.ones(len(start), dtype=bool)
    for side, sign, limit in ((0, -1, left), (0, 1, right), (1, -1, top), (1, 1, bottom)):
        speed, space = sign * move[:, side], sign * (limit - start[:, side])
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = space / speed
        first = np.where(speed < 0, np.fmax(first, crossing), first)
        last = np.where(speed > 0, np.fmin(last, crossing), last)
        kept &= (speed != 0) | (space >= 0)
    kept &= first <= last
    parts: list[list[Floats]] = []
    for i in np.flatnonzero(kept):
        begins = start[i] + first[i] * move[i]
        if not parts or i == 0 or not kept[i - 1] or last[i - 1] < 1 or first[i] > 0:
            parts.append([begins])
        parts[-1].append(start[i] + last[i] * move[i])
    return [np.array(part) for part in parts]


def cut_area(points: Floats, box: Box) -> Floats:
    """The polygon (N, 2) within a box (Sutherland and Hodgman 1974); (0, 2) where nothing is."""
    if _inside(points, box):
        return points
    left, top, right, bottom = box
    corners = list(points)
    for side, sign, limit in ((0, -1, left), (0, 1, right), (1, -1, top), (1, 1, bottom)):
        given, corners = corners, []
        for here, after in zip(given, given[1:] + given[:1], strict=True):
            space, space_after = sign * (limit - here[side]), sign * (limit - after[side])
            if space >= 0:
                corners.append(here)
            if space * space_after < 0:
                corners.append(here + space / (space - space_after) * (after - here))
    return np.array(corners).reshape(-1, 2)


def _inside(points: Floats, box: Box) -> bool:
    left, top, right, bottom = box
    low, high = np.array([left, top]) - 0.01, np.array([right, bottom]) + 0.01
    return bool(np.all((points >= low) & (points <= high)))

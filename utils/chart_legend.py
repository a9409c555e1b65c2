"""The legend of a chart: each name once, with the signs of its marks, in rows above the plot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from utils.chart import Band, Bars, Chart, Floats, Level, Mark, Points, Ranges, Upright
from utils.chart_marks import colour
from utils.chart_shapes import Area, Dots, Shape, Stroke, Text
from utils.chart_text import TEXT, Fonts, fitted, length

_ROW = 22.0
_SIGN, _GAP, _APART = 24.0, 7.0, 18.0  # width of a sign; space to its name; to the next entry


def legend(
    chart: Chart, left: float, top: float, room: float, fonts: Fonts
) -> tuple[list[Shape], float]:
    """Its shapes, and its height: 0 where no mark has a name."""
    shapes: list[Shape] = []
    across, row = 0.0, -1
    for name, marks in _entries(chart):
        text = fitted(Text(0, 0, name, TEXT), room - _SIGN - _GAP, fonts)
        wide = _SIGN + _GAP + length(text.words, fonts)
        if row < 0 or across + wide > room:
            across, row = 0.0, row + 1
        x, y = left + across, top + (row + 0.5) * _ROW
        for mark in marks:
            shapes += _sign(mark, x, y)
        shapes.append(replace(text, x=x + _SIGN + _GAP, y=y))
        across += wide + _APART
    return shapes, (row + 1) * _ROW


def _entries(chart: Chart) -> list[tuple[str, list[Mark | None]]]:
    """Names with their marks; None is the diagonal. Marks of one name and colour share an entry."""
    found: dict[tuple[str, int], list[Mark | None]] = {}
    for mark in chart.marks:
        if mark.name:
            found.setdefault((mark.name, mark.colour), []).append(mark)
    if chart.diagonal:
        found["y = x", -1] = [None]
    return [(name, marks) for (name, _), marks in found.items()]


def _sign(mark: Mark | None, left: float, middle: float) -> list[Shape]:
    """What stands before a name."""
    flat = np.array([[left, middle], [left + _SIGN, middle]])
    centre = np.array([[left + _SIGN / 2, middle]])
    if mark is None:
        return [Stroke(flat, "soft", 1.2)]
    shade = colour(mark)
    if isinstance(mark, Points):
        return [Dots(centre, shade, 4.2, 0.8)]
    if isinstance(mark, Band):
        return [Area(_block(left, middle), shade, 0.3)]
    if isinstance(mark, Bars):
        corners = _block(left, middle)
        if mark.outline:
            return [Stroke(np.concatenate([corners, corners[:1]]), shade, 2.2)]
        return [Area(corners, shade, 0.7)]
    if isinstance(mark, Ranges):
        return [Stroke(flat, shade, 2.0), Dots(centre, shade, 4.2)]
    if isinstance(mark, Upright):
        ends = centre + np.array([[0.0, -8.0], [0.0, 8.0]])
        return [Stroke(ends, shade, 1.7, dashed=True)]
    if isinstance(mark, Level):
        return [Stroke(flat, shade, 1.7, dashed=True)]
    dots = [Dots(centre, shade, 3.4)] if mark.dots else []
    return [Stroke(flat, shade, 2.2, mark.dashed), *dots]


def _block(left: float, middle: float) -> Floats:
    right, top, bottom = left + _SIGN, middle - 5, middle + 5
    return np.array([[left + 2, top], [right - 2, top], [right - 2, bottom], [left + 2, bottom]])

"""Where everything of a chart stands: title, legend, axes, marks, remarks. One layout, whatever it
is then drawn with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from utils.chart import Band, Bars, Chart, Level, Mark, Points, Ranges, Upright
from utils.chart_axes import (
    MOST_TICKS,
    Axis,
    Range,
    axis_ticks,
    fitting_ticks,
    is_whole,
    ranges,
    reach,
    rows,
    thinned,
    tick_labels,
)
from utils.chart_marks import colour, diagonal, mark_shapes, notes
from utils.chart_shapes import Area, Dots, Drawing, Shape, Stroke, Text
from utils.report import shorten

TITLE, TEXT, SMALL = 17.0, 14.0, 13.0
_EDGE, _LINE, _ENTRY = 12.0, 19.0, 22.0  # margin; line of text; line of the legend
_SWATCH, _GAP, _APART = 24.0, 7.0, 18.0  # of the legend: sign, space to its name, to the next
_ROW, _BESIDE = 20.0, 9.0  # a row of a forest plot, and what each further mark adds
_LOWEST = 130.0  # of a plot, whatever stands above and below
_NAMES = 0.42  # of the width at most for the labels of a forest plot


class Font(Protocol):
    def getlength(self, text: str) -> float: ...


Fonts = Callable[[float], Font]


def draw(chart: Chart, width: float, height: float, fonts: Fonts) -> Drawing:
    """The shapes of a chart. It grows beyond `height` where its rows or its legend need that.

    fonts: gives a font of a size, which tells how wide a text is.
    """
    x_range, y_range = ranges(chart)
    labels = thinned(rows(chart))
    room = width - 2 * _EDGE
    above, top = _head(chart, room, fonts)
    said = [line for note in notes(chart, x_range, y_range) for line in _wrap(note, room, fonts)]
    below = 6 + _LINE + (_LINE if chart.x_label else 0) + _LINE * len(said) + 8
    forest = sum(isinstance(mark, Ranges) for mark in chart.marks)
    tall = len(labels) * (_ROW + _BESIDE * max(0, forest - 1)) if labels else _LOWEST
    bottom = max(height - below, top + max(tall, _LOWEST))
    y = Axis(-0.5, len(labels) - 0.5, top, bottom) if labels else Axis(*y_range, bottom, top)
    beside, left = _beside(chart, y, labels, width, fonts)
    x, ticks, words = _across(chart, x_range, left, width, fonts)
    shapes: list[Shape] = [*above, *beside, *_grid(chart, x, y, ticks, beside)]
    shapes += _below(chart, x, bottom, ticks, words, fonts)
    for number, line in enumerate(said):
        line_y = bottom + below - 8 - _LINE * (len(said) - number - 0.5)
        shapes.append(Text(_EDGE, line_y, line, SMALL))
    if chart.diagonal and not labels:
        shapes += diagonal(x, y)
    shapes += mark_shapes(chart, x, y)
    if not _any(chart):
        shapes.append(Text((x.start + x.end) / 2, (top + bottom) / 2, "no values", TEXT, "middle"))
    return Drawing(width, round(bottom + below), tuple(shapes))


def _any(chart: Chart) -> bool:
    return any(part.size for mark in chart.marks for part in reach(mark))


# ---- above


def _head(chart: Chart, room: float, fonts: Fonts) -> tuple[list[Shape], float]:
    """Title and legend, and where the plot begins."""
    shapes: list[Shape] = []
    top = 6.0
    if chart.title:
        title = _fit(chart.title, TITLE, room / 1.08, fonts)  # bold letters are wider
        whole = chart.title if title != chart.title else ""
        shapes.append(Text(_EDGE, top + 12, title, TITLE, colour="ink", whole=whole, bold=True))
        top += 26
    across, line = 0.0, 0
    for name, marks in _entries(chart):
        shown = _fit(name, TEXT, room - _SWATCH - _GAP, fonts)
        wide = _SWATCH + _GAP + fonts(TEXT).getlength(shown)
        if across and across + wide > room:
            across, line = 0.0, line + 1
        left, middle = _EDGE + across, top + (line + 0.5) * _ENTRY
        for mark in marks:
            shapes += _sign(mark, left, middle)
        whole = name if shown != name else ""
        shapes.append(Text(left + _SWATCH + _GAP, middle, shown, TEXT, whole=whole))
        across += wide + _APART
    return shapes, top + (line + 1) * _ENTRY * bool(across) + 10


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
    flat = np.array([[left, middle], [left + _SWATCH, middle]])
    centre = np.array([[left + _SWATCH / 2, middle]])
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


def _block(left: float, middle: float) -> np.ndarray:
    right, top, bottom = left + _SWATCH, middle - 5, middle + 5
    return np.array([[left + 2, top], [right - 2, top], [right - 2, bottom], [left + 2, bottom]])


# ---- beside and below


def _beside(
    chart: Chart, y: Axis, labels: Sequence[str], width: float, fonts: Fonts
) -> tuple[list[Shape], float]:
    """Labels of the y axis, and where the plot begins."""
    places: list[float] = [float(row) for row in range(len(labels))]
    shown, whole = list(labels), [""] * len(labels)
    if labels:
        shown = [_fit(label, TEXT, _NAMES * width, fonts) for label in labels]
        whole = [a if a != b else "" for a, b in zip(labels, shown, strict=True)]
    elif _any(chart) or chart.y_range:
        values = np.concatenate([reach(mark)[1] for mark in chart.marks] or [np.empty(0)])
        most = int(np.clip(abs(y.start - y.end) // 32, 3, MOST_TICKS))
        places = axis_ticks(y.low, y.high, most, is_whole(values))
        shown, whole = tick_labels(places), [""] * len(places)
    names = _EDGE + (_LINE + 4 if chart.y_label else 0)
    left = names + max((fonts(TEXT).getlength(word) for word in shown), default=0) + 8
    shapes: list[Shape] = [
        Text(left - 8, float(y.place(place)), word, TEXT, "end", whole=all_of_it)
        for place, word, all_of_it in zip(places, shown, whole, strict=True)
    ]
    if chart.y_label:
        room, middle = abs(y.start - y.end), (y.start + y.end) / 2
        words = _fit(chart.y_label, TEXT, room, fonts)
        left_out = chart.y_label if words != chart.y_label else ""
        shapes.append(Text(_EDGE + 8, middle, words, TEXT, "middle", "ink", left_out, upwards=True))
    return shapes, left


def _across(
    chart: Chart, x_range: Range, left: float, width: float, fonts: Fonts
) -> tuple[Axis, list[float], list[str]]:
    """The x axis with its ticks and their labels, none of which leaves the picture."""
    values = np.concatenate([reach(mark)[0] for mark in chart.marks] or [np.empty(0)])
    bars = any(isinstance(mark, Bars) for mark in chart.marks)
    x = Axis(*x_range, left, width - _EDGE - 2)
    if not _any(chart) and not chart.x_range:
        return x, [], []
    whole = is_whole(values) and not bars

    def room(labels: list[str]) -> float:
        return max(map(fonts(TEXT).getlength, labels)) + 14

    found, words = fitting_ticks(x, whole, room)
    if found:
        over = float(x.place(found[-1])) + fonts(TEXT).getlength(words[-1]) / 2 - (width - 4)
        x = Axis(*x_range, left, x.end - max(0.0, over))
    return x, found, words


def _grid(
    chart: Chart, x: Axis, y: Axis, ticks: Sequence[float], beside: Sequence[Shape]
) -> list[Shape]:
    """Pale lines at the ticks, upright ones where places along x are read too; then the axes."""
    top, bottom = min(y.start, y.end), max(y.start, y.end)
    shapes: list[Shape] = [
        Stroke(np.array([[x.start, mark.y], [x.end, mark.y]]), "line")
        for mark in beside
        if isinstance(mark, Text) and not mark.upwards
    ]
    if not any(isinstance(mark, Bars) for mark in chart.marks):
        places = (float(x.place(tick)) for tick in ticks)
        shapes += [Stroke(np.array([[place, top], [place, bottom]]), "line") for place in places]
    corner = np.array([[x.start, top], [x.start, bottom], [x.end, bottom]])
    return [*shapes, Stroke(corner, "soft", 1.2)]


def _below(
    chart: Chart,
    x: Axis,
    bottom: float,
    ticks: Sequence[float],
    words: Sequence[str],
    fonts: Fonts,
) -> list[Shape]:
    shapes: list[Shape] = []
    for tick, word in zip(ticks, words, strict=True):
        at = float(x.place(tick))
        shapes.append(Stroke(np.array([[at, bottom], [at, bottom + 4]]), "soft", 1.2))
        shapes.append(Text(at, bottom + 14, word, TEXT, "middle"))
    if chart.x_label:
        shown = _fit(chart.x_label, TEXT, x.end - x.start, fonts)
        whole = chart.x_label if shown != chart.x_label else ""
        middle = (x.start + x.end) / 2
        shapes.append(Text(middle, bottom + 6 + 1.5 * _LINE, shown, TEXT, "middle", "ink", whole))
    return shapes


def _fit(words: str, size: float, room: float, fonts: Fonts) -> str:
    return shorten(words, fonts(size), int(room))


def _wrap(words: str, room: float, fonts: Fonts) -> list[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and fonts(SMALL).getlength(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines

"""Where everything of a chart stands: title, legend, axes, marks, remarks. One layout, whatever it
is then drawn with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.chart import Bars, Chart, Floats, Ranges
from utils.chart_axes import (
    MOST_TICKS,
    Axis,
    axis_ticks,
    fitting_ticks,
    is_whole,
    ranges,
    reach,
    rows,
    thinned,
    tick_labels,
)
from utils.chart_legend import legend
from utils.chart_marks import diagonal, mark_shapes
from utils.chart_notes import notes
from utils.chart_shapes import Drawing, Shape, Stroke, Text
from utils.chart_text import SMALL, TEXT, TITLE_LINE, Fonts, fitted, length, titled, wrapped

_EDGE, _LINE = 12.0, 19.0  # margin; a line of text
_ROW, _FURTHER = 20.0, 9.0  # a row of a forest plot, and what each mark but the first adds to it
_LOWEST = 0.5  # of the height at least for the plot, whatever stands above and below
_NAMES = 0.46  # of the width at most for the labels of a forest plot
_APART = (14, 32)  # least space between the labels of the x axis; between ticks of the y axis


@dataclass(frozen=True)
class _Side:
    """An axis with what is written along it."""

    axis: Axis
    texts: list[Text]
    places: list[float]  # pixels of its ticks


def draw(chart: Chart, width: float, height: float, fonts: Fonts) -> Drawing:
    """The shapes of a chart. It grows beyond `height` where its rows or its legend need that.

    fonts: gives a font of a size, which tells how wide a text is.
    """
    room, labels = width - 2 * _EDGE, thinned(rows(chart))
    x_range, y_range = ranges(chart)
    y_range = (-0.5, len(labels) - 0.5) if labels else y_range
    title = titled(chart.title, _EDGE, 6, room, fonts)
    top = 10 + TITLE_LINE * len(title)
    names, high = legend(chart, _EDGE, top, room, fonts)
    top += high + 10
    said = notes(chart, x_range, y_range)
    remarks = [line for note in said for line in wrapped(note, SMALL, room, fonts)]
    below = 6 + _LINE * (1 + bool(chart.x_label) + len(remarks)) + 8
    bottom = max(height - below, top + _least(chart, len(labels), height))
    ends = (top, bottom) if labels else (bottom, top)  # the first row stands on top
    y, left = _upwards(chart, Axis(*y_range, *ends), labels, width, fonts)
    x = _across(chart, Axis(*x_range, left, width - _EDGE - 2), bottom, width, fonts)
    shapes: list[Shape] = [*title, *names, *_grid(chart, x, y), *y.texts, *x.texts]
    for number, line in enumerate(reversed(remarks)):
        middle = bottom + below - 8 - _LINE * (number + 0.5)
        shapes.append(Text(_EDGE, middle, line, SMALL))
    if not _any(chart):
        middle = (x.axis.start + x.axis.end) / 2
        shapes.append(Text(middle, (top + bottom) / 2, "no values", TEXT, "middle"))
    elif chart.diagonal and not labels:
        shapes += diagonal(x.axis, y.axis)
    shapes += mark_shapes(chart, x.axis, y.axis)
    return Drawing(width, round(bottom + below), tuple(shapes))


def _least(chart: Chart, labels: int, height: float) -> float:
    """The least height of the plot."""
    forest = sum(isinstance(mark, Ranges) for mark in chart.marks)
    return max(_LOWEST * height, labels * (_ROW + _FURTHER * (forest - 1)))


def _any(chart: Chart) -> bool:
    return any(part.size for mark in chart.marks for part in reach(mark))


def _values(chart: Chart, side: int) -> Floats:
    """All that reach along x (0) or y (1)."""
    return np.concatenate([reach(mark)[side] for mark in chart.marks] or [np.empty(0)])


def _upwards(
    chart: Chart, axis: Axis, labels: Sequence[str], width: float, fonts: Fonts
) -> tuple[_Side, float]:
    """The y axis, and where the plot begins beside it."""
    ticks: list[float] = []
    words: list[str] = []
    if labels:
        ticks, words = [float(row) for row in range(len(labels))], list(labels)
    elif _any(chart) or chart.y_range:
        most = int(np.clip(abs(axis.start - axis.end) // _APART[1], 3, MOST_TICKS))
        ticks = axis_ticks(axis.low, axis.high, most, is_whole(_values(chart, 1)))
        words = tick_labels(ticks)
    places = axis.place(np.array(ticks)).tolist()
    texts = [Text(0, at, word, TEXT, "end") for at, word in zip(places, words, strict=True)]
    texts = [fitted(text, _NAMES * width, fonts) for text in texts]
    left = _EDGE + (_LINE + 5 if chart.y_label else 0) + 8
    left += max((length(text.words, fonts) for text in texts), default=0)
    texts = [Text(left - 8, t.y, t.words, TEXT, "end", whole=t.whole) for t in texts]
    if chart.y_label:
        middle, room = (axis.start + axis.end) / 2, abs(axis.start - axis.end)
        label = Text(_EDGE + 8, middle, chart.y_label, TEXT, "middle", "ink", upwards=True)
        texts.append(fitted(label, room, fonts))
    return _Side(axis, texts, places), left


def _across(chart: Chart, axis: Axis, bottom: float, width: float, fonts: Fonts) -> _Side:
    """The x axis, made shorter where the label of its last tick would leave the picture."""
    ticks: list[float] = []
    words: list[str] = []
    if _any(chart) or chart.x_range:
        bars = any(isinstance(mark, Bars) for mark in chart.marks)
        whole = is_whole(_values(chart, 0)) and not bars
        ticks, words = fitting_ticks(axis, whole, lambda labels: _room(labels, fonts))
    if ticks:
        over = float(axis.place(ticks[-1])) + length(words[-1], fonts) / 2 - (width - 3)
        axis = Axis(axis.low, axis.high, axis.start, axis.end - max(0.0, over))
    places = axis.place(np.array(ticks)).tolist()
    down = bottom + 6 + _LINE / 2
    texts = [Text(at, down, word, TEXT, "middle") for at, word in zip(places, words, strict=True)]
    if chart.x_label:
        middle = (axis.start + axis.end) / 2
        label = Text(middle, down + _LINE, chart.x_label, TEXT, "middle", "ink")
        texts.append(fitted(label, axis.end - axis.start, fonts))
    return _Side(axis, texts, places)


def _room(labels: Sequence[str], fonts: Fonts) -> float:
    return max(length(label, fonts) for label in labels) + _APART[0]


def _grid(chart: Chart, x: _Side, y: _Side) -> list[Shape]:
    """Pale lines at the ticks, upright ones where there are no bars; then the axes."""
    left, right = x.axis.start, x.axis.end
    top, bottom = sorted((y.axis.start, y.axis.end))
    shapes: list[Shape] = [Stroke(np.array([[left, at], [right, at]]), "line") for at in y.places]
    if not any(isinstance(mark, Bars) for mark in chart.marks):
        shapes += [Stroke(np.array([[at, top], [at, bottom]]), "line") for at in x.places]
    shapes += [Stroke(np.array([[at, bottom], [at, bottom + 4]]), "soft", 1.2) for at in x.places]
    corner = np.array([[left, top], [left, bottom], [right, bottom]])
    return [*shapes, Stroke(corner, "soft", 1.2)]

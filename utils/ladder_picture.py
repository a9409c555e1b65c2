"""Scores against levels: one panel per distortion, one line per photograph. Needs Pillow alone."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.files.writing import write_atomic
from utils.report import shorten
from utils.statistics.ladders import Floats, Ladders

_INK, _GREY, _PAPER, _GRID = "#1f2328", "#656d76", "#ffffff", "#e6e9ed"
# Colours that stay apart for colour-blind eyes (Okabe and Ito); one photograph is paler than all.
_LINE, _MEAN, _FAULT = "#a6cbe3", "#0072b2", "#d55e00"
_PLOT = (250, 156)  # pixels of a panel's plot: width, height
_BESIDE, _ABOVE, _BELOW = 22, 34, 30  # pixels around a plot
_MARGIN, _AXIS = 24, 48
_TITLE, _TEXT, _SMALL = 26, 14, 12  # font sizes, pixels
_SMOOTH = 3  # lines are drawn this much larger, then made smaller
_MOST_PANELS, _MOST_LINES, _MOST_TICKS = 48, 40, 8
_NOTE = 22  # pixels from one line of the legend to the next

Line = tuple[Floats, Floats]  # levels, scores


@dataclass(frozen=True)
class _Scale:
    """What the edges of every plot stand for."""

    levels: tuple[float, float]
    scores: tuple[float, float]

    def points(self, line: Line, left: int, top: int) -> list[tuple[float, float]]:
        """Pixels of a line, in a plot whose upper left corner is given."""
        (first, last), (low, high) = self.levels, self.scores
        x = left + (line[0] - first) / (last - first) * _PLOT[0]
        y = top + (high - line[1]) / (high - low) * _PLOT[1]
        return list(zip(x.tolist(), y.tolist(), strict=True))


def ladder_picture(
    found: Ladders, figures: dict[str, float], path: str | os.PathLike[str], title: str
) -> None:
    """A PNG with a panel for each distortion of `found`, all on one scale; figures: what stands
    beside the name of each, its pair accuracy.

    Each line is a photograph (the mean where it has several images at a level), orange where the
    score does not fall; the strong line is the mean of all photographs. Of more than 40 lines of a
    panel, or 48 panels, every n-th is drawn, and the picture says so. ValueError without a ladder.
    """
    if not len(found):
        raise ValueError("ladders: none to draw: no image of level 1 or more")
    kinds = _every(len(found.distortions), _MOST_PANELS)
    panels = [_lines(found, kind) for kind in kinds]
    means = [_mean(found, kind) for kind in kinds]
    scale = _scale([line for panel in panels for line in panel] + means)
    columns = min(8, math.ceil(math.sqrt(1.4 * len(kinds))))
    columns = math.ceil(len(kinds) / math.ceil(len(kinds) / columns))  # as few empty places
    places = [_place(number, columns) for number in range(len(kinds))]
    size = _size(len(kinds), columns)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_TITLE)
    title = shorten(title, font, size[0] - 2 * _MARGIN)
    draw.text((_MARGIN, _MARGIN), title, fill=_INK, font=font)
    for (left, top), panel, mean in zip(places, panels, means, strict=True):
        sheet.paste(_plot(panel, mean, scale), (left, top))
    for number, (kind, place) in enumerate(zip(kinds, places, strict=True)):
        name = str(found.distortions[kind])
        _labels(draw, place, name, figures.get(name, math.nan), scale, number % columns == 0)
    drawn = max(map(len, panels))
    photographs = int(np.bincount(found.distortion).max())
    _legend(draw, size, _notes(len(found.distortions), len(kinds), photographs, drawn))
    write_atomic(Path(path), lambda file: sheet.save(file, format="PNG"))


# ---- what is drawn


def _every(count: int, most: int) -> list[int]:
    """0..count-1, or `most` of them, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()


def _lines(found: Ladders, kind: int) -> list[Line]:
    """The photographs of a distortion, each level once."""
    ladders = np.flatnonzero(found.distortion == kind)
    starts = np.searchsorted(found.ladder, ladders, "left")
    stops = np.searchsorted(found.ladder, ladders, "right")
    return [
        found.by_level(found.image[starts[i] : stops[i]]) for i in _every(len(ladders), _MOST_LINES)
    ]


def _mean(found: Ladders, kind: int) -> Line:
    return found.by_level(found.image[found.distortion[found.ladder] == kind])


def _scale(lines: Sequence[Line]) -> _Scale:
    levels = np.concatenate([line[0] for line in lines])
    scores = np.concatenate([line[1] for line in lines])
    low, high = float(scores.min()), float(scores.max())
    # A constant network draws flat lines through the middle.
    space = 0.06 * (high - low) or max(abs(high) * 0.05, 0.5)
    first, last = float(levels.min()), float(levels.max())
    around = min(0.05 * (last - first), 0.5) or 0.5
    return _Scale((first - around, last + around), (low - space, high + space))


# ---- where it is drawn


def _place(number: int, columns: int) -> tuple[int, int]:
    """Upper left corner of the plot of a panel."""
    row, column = divmod(number, columns)
    top = _MARGIN + _TITLE + 24 + 2 * _NOTE + 10
    return (
        _MARGIN + _AXIS + column * (_PLOT[0] + _BESIDE),
        top + _ABOVE + row * (_PLOT[1] + _ABOVE + _BELOW),
    )


def _size(panels: int, columns: int) -> tuple[int, int]:
    left, _ = _place(columns - 1, columns)
    _, top = _place(panels - 1, columns)
    return max(left + _PLOT[0] + _MARGIN, 640), top + _PLOT[1] + _BELOW + _MARGIN


# ---- how it is drawn


def _plot(lines: Sequence[Line], mean: Line, scale: _Scale) -> Image.Image:
    """Grid and lines of one panel; drawn larger and made smaller, which smooths the lines."""
    canvas = Image.new("RGB", (_PLOT[0] * _SMOOTH, _PLOT[1] * _SMOOTH), _PAPER)
    draw = ImageDraw.Draw(canvas)
    for tick in _ticks(*scale.scores):
        _, y = _pixels(scale, (np.zeros(1), np.array([tick])))[0]
        draw.line((0, y, canvas.width, y), fill=_GRID, width=_SMOOTH)
    draw.line((0, 0, 0, canvas.height), fill=_GREY, width=2 * _SMOOTH)
    draw.line(
        (0, canvas.height - 1, canvas.width, canvas.height - 1), fill=_GREY, width=2 * _SMOOTH
    )
    for line in lines:
        draw.line(_pixels(scale, line), fill=_LINE, width=4, joint="curve")
    for line in lines:  # above all lines, so that a single fault is seen
        points = _pixels(scale, line)
        for place in np.flatnonzero(np.diff(line[1]) >= 0):
            draw.line(points[place : place + 2], fill=_FAULT, width=4)
    points = _pixels(scale, mean)
    if len(lines) > 1:  # a single one is its own mean, and shows its faults
        draw.line(points, fill=_MEAN, width=8, joint="curve")
    for x, y in points:
        draw.ellipse((x - 10, y - 10, x + 10, y + 10), fill=_MEAN, outline=_PAPER, width=2)
    return canvas.resize(_PLOT, Image.Resampling.LANCZOS)


def _pixels(scale: _Scale, line: Line) -> list[tuple[float, float]]:
    return [(x * _SMOOTH, y * _SMOOTH) for x, y in scale.points(line, 0, 0)]


def _labels(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    name: str,
    figure: float,
    scale: _Scale,
    first_column: bool,
) -> None:
    """Name and figure above a plot, levels below it, scores beside the first of a row."""
    left, top = place
    text, small = ImageFont.load_default(_TEXT), ImageFont.load_default(_SMALL)
    shown = "n/a" if math.isnan(figure) else f"{figure:.3f}"
    draw.text((left + _PLOT[0], top - 26), shown, fill=_GREY, font=text, anchor="ra")
    room = int(_PLOT[0] - text.getlength(shown) - 12)
    draw.text((left, top - 26), shorten(name.replace("_", " "), text, room), fill=_INK, font=text)
    for level in _level_ticks(scale):
        x, _ = scale.points((np.array([level]), np.zeros(1)), left, top)[0]
        draw.line((x, top + _PLOT[1], x, top + _PLOT[1] + 4), fill=_GREY)
        draw.text((x, top + _PLOT[1] + 6), f"{level:g}", fill=_GREY, font=small, anchor="ma")
    for score in _ticks(*scale.scores) if first_column else ():
        _, y = scale.points((np.zeros(1), np.array([score])), left, top)[0]
        draw.text((left - 7, y), f"{score:g}", fill=_GREY, font=small, anchor="rm")


def _level_ticks(scale: _Scale) -> list[float]:
    """The whole levels within the scale, or every n-th of them."""
    first, last = math.ceil(scale.levels[0]), math.floor(scale.levels[1])
    ticks = _ticks(first, last, _MOST_TICKS) if first < last else [float(first)]
    return [tick for tick in ticks if tick.is_integer()]


def _ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers between low and high: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _notes(kinds: int, panels: int, photographs: int, drawn: int) -> str:
    said = "score (upwards) against level (to the right); beside a name: its pair accuracy"
    if panels < kinds:
        said += f"; {panels} of {kinds} distortions shown"
    if drawn < photographs:
        said += f"; {drawn} of {photographs} photographs shown"
    return said


def _legend(draw: ImageDraw.ImageDraw, size: tuple[int, int], notes: str) -> None:
    text = ImageFont.load_default(_TEXT)
    top = _MARGIN + _TITLE + 16
    room = size[0] - 2 * _MARGIN
    draw.text((_MARGIN, top), shorten(notes, text, room), fill=_GREY, font=text)
    x, y = _MARGIN, top + _NOTE
    for colour, width, words in _entries():
        draw.line((x, y + 9, x + 26, y + 9), fill=colour, width=width)
        draw.text((x + 33, y), words, fill=_GREY, font=text)
        x += 33 + int(text.getlength(words)) + 24


def _entries() -> Iterator[tuple[str, int, str]]:
    yield _LINE, 2, "a photograph"
    yield _FAULT, 2, "its score does not fall"
    yield _MEAN, 4, "mean of all photographs"

"""Predicted against voted histograms: one panel per image, drawn with Pillow."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from utils.files.writing import write_atomic
from utils.report import shorten
from utils.statistics.metrics import distribution_mean, distribution_std, emd_of_each
from utils.text import printable

_INK, _GREY, _PAPER, _FRAME, _GRID = "#1f2328", "#656d76", "#ffffff", "#d0d7de", "#e6e9ed"
# Colours that stay apart for colour-blind eyes (Okabe and Ito); the votes are a paler area.
_VOTED, _PREDICTED = "#9ccbeb", "#d55e00"
_PHOTO = (232, 156)  # pixels of the place of a thumbnail: width, height
_PLOT = (232, 104)  # pixels of a plot: width, height
_NAME, _SHARE, _BINS, _FIGURES = 26, 22, 24, 46  # pixels of the lines of text
_MARGIN, _GAP, _COLUMNS = 24, 28, 4
_TITLE, _TEXT, _SMALL = 26, 14, 12  # font sizes, pixels
_LINE, _NOTE = 20, 22  # pixels from one line of a panel, and of the legend, to the next
_MOST_TICKS = 12

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def evenly_spread(distances: Floats, most: int = 12) -> tuple[Ints, Ints]:
    """(indices, places from 0) of up to `most` of N images, best to worst: the smallest distance,
    the largest, and those at equal steps of rank between.
    """
    order = np.argsort(distances, kind="stable")
    count = min(len(order), most)
    places = np.unique(np.linspace(0, len(order) - 1, count).round().astype(np.int64))
    return order[places], places


def histogram_picture(
    images: Iterable[Image.Image],
    names: Sequence[str],
    places: Sequence[str],
    probs: Floats,
    votes: Floats,
    path: str | os.PathLike[str],
    title: str,
    note: str,
) -> None:
    """A PNG with a panel for each of M images: thumbnail, predicted and voted histogram (M, K),
    mean and standard deviation of both, and their EMD (r = 1). A panel's own largest share is as
    high as its plot, and stands above it.

    images: asked for one at a time. places: what stands before each name. note: a line below the
    title. ValueError without an image.
    """
    if not len(names):
        raise ValueError("histograms: none to draw")
    columns = min(_COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    size = _size(columns, rows)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    _head(draw, size[0], title, note)
    voted, predicted = _spreads(votes), _spreads(probs)
    distances = emd_of_each(probs, votes, 1)
    for number, image in enumerate(images):
        x, y = _corner(*divmod(number, columns))
        _heading(draw, (x, y), f"{places[number]}  {printable(names[number])}", distances[number])
        _photo(sheet, (x, y + _NAME), image)
        plot = (x, y + _NAME + _PHOTO[1] + _SHARE)
        _plot(draw, plot, votes[number], probs[number])
        below = plot[1] + _PLOT[1] + _BINS
        _figures(draw, (x, below), voted[number], predicted[number])
    write_atomic(Path(path), lambda file: sheet.save(file, format="PNG"))


def _spreads(histograms: Floats) -> list[str]:
    pairs = zip(distribution_mean(histograms), distribution_std(histograms), strict=True)
    return [f"{mean:.2f} ± {std:.2f}" for mean, std in pairs]


# ---- where it is drawn


def _corner(row: int, column: int) -> tuple[int, int]:
    """Upper left corner of a panel."""
    high = _NAME + _PHOTO[1] + _SHARE + _PLOT[1] + _BINS + _FIGURES
    top = _MARGIN + _TITLE + 18 + 2 * _NOTE + 12
    return _MARGIN + column * (_PLOT[0] + _GAP), top + row * (high + _GAP)


def _size(columns: int, rows: int) -> tuple[int, int]:
    right, bottom = _corner(rows, columns)
    return max(right - _GAP + _MARGIN, 640), bottom - _GAP + _MARGIN


# ---- how it is drawn


def _head(draw: ImageDraw.ImageDraw, width: int, title: str, note: str) -> None:
    font, text = ImageFont.load_default(_TITLE), ImageFont.load_default(_TEXT)
    room = width - 2 * _MARGIN
    draw.text((_MARGIN, _MARGIN), shorten(printable(title), font, room), fill=_INK, font=font)
    y = _MARGIN + _TITLE + 14
    draw.text((_MARGIN, y), shorten(note, text, room), fill=_GREY, font=text)
    y += _NOTE
    draw.rectangle((_MARGIN, y + 3, _MARGIN + 26, y + 14), fill=_VOTED)
    draw.text((_MARGIN + 33, y), "voted", fill=_GREY, font=text)
    x = _MARGIN + 33 + int(text.getlength("voted")) + 24
    draw.line((x, y + 9, x + 26, y + 9), fill=_PREDICTED, width=3)
    draw.text((x + 33, y), "predicted", fill=_GREY, font=text)


def _heading(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], name: str, distance: float
) -> None:
    text = ImageFont.load_default(_TEXT)
    figure = f"EMD {distance:.3f}"
    right = corner[0] + _PLOT[0]
    draw.text((right, corner[1]), figure, fill=_GREY, font=text, anchor="ra")
    room = int(_PLOT[0] - text.getlength(figure) - 12)
    draw.text(corner, shorten(name, text, room), fill=_INK, font=text)


def _photo(sheet: Image.Image, corner: tuple[int, int], image: Image.Image) -> None:
    """The image in the middle of its place, no larger than it is."""
    image = image.copy()
    image.thumbnail(_PHOTO, Image.Resampling.LANCZOS)
    x = corner[0] + (_PHOTO[0] - image.width) // 2
    y = corner[1] + (_PHOTO[1] - image.height) // 2
    sheet.paste(image, (x, y))
    box = (x, y, x + image.width - 1, y + image.height - 1)
    ImageDraw.Draw(sheet).rectangle(box, outline=_FRAME)


def _plot(draw: ImageDraw.ImageDraw, corner: tuple[int, int], votes: Floats, probs: Floats) -> None:
    """Bars of the votes (K,), an outline of the prediction (K,) over them, bins below."""
    left, bottom = corner[0], corner[1] + _PLOT[1]
    bins, top_share = len(votes), float(max(votes.max(), probs.max()))
    small, step = ImageFont.load_default(_SMALL), math.ceil(bins / _MOST_TICKS)
    draw.line((left, corner[1], left + _PLOT[0], corner[1]), fill=_GRID, width=1)
    edges = [left + round(k * _PLOT[0] / bins) for k in range(bins + 1)]
    space = max(1, _PLOT[0] // bins // 8) if bins <= 40 else 0
    outline: list[tuple[int, int]] = []
    for k, (vote, prob) in enumerate(zip(votes, probs, strict=True)):
        first, last = edges[k], edges[k + 1]
        if vote > 0:
            top = bottom - max(1, round(vote / top_share * _PLOT[1]))
            right = max(first + space, last - 1 - space)
            draw.rectangle((first + space, top, right, bottom), fill=_VOTED)
        height = bottom - round(prob / top_share * _PLOT[1])
        outline += [(first, height), (last, height)]
    draw.line((left, bottom, left + _PLOT[0], bottom), fill=_GREY, width=1)
    draw.line(outline, fill=_PREDICTED, width=3 if bins <= 40 else 1)
    share = f"{100 * top_share:.0f} %"
    draw.text((left, corner[1] - 4), share, fill=_GREY, font=small, anchor="ls")
    for k in range(0, bins, step):
        middle = (edges[k] + edges[k + 1]) / 2
        draw.text((middle, bottom + 5), str(k + 1), fill=_GREY, font=small, anchor="ma")


def _figures(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], voted: str, predicted: str
) -> None:
    text = ImageFont.load_default(_TEXT)
    for line, (name, figure) in enumerate((("voted", voted), ("predicted", predicted))):
        y = corner[1] + line * _LINE
        draw.text((corner[0], y), name, fill=_GREY, font=text)
        draw.text((corner[0] + _PLOT[0], y), figure, fill=_INK, font=text, anchor="ra")

"""Pictures of results: predictions against targets, images by score, a batch as it is trained on.

Sheets need Pillow alone; `scatter_picture` needs matplotlib (requirements-quickstart.txt).
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.drawing.chart import COLOURS
from utils.files.writing import write_atomic
from utils.imaging.images import read_image
from utils.statistics.metrics import plcc, srcc

_INK, _GREY, _PAPER, _FRAME = "#1f2328", "#656d76", "#ffffff", "#d0d7de"
_MARKERS = "os^Dvp*X"
_MARGIN, _GAP = 24, 14  # pixels
_TITLE, _TEXT = 26, 15  # font sizes, pixels
_LINE = 20  # pixels from one line of a caption to the next
_MOST_COLUMNS = 8


def scatter_picture(
    predictions: Sequence[float] | np.ndarray,
    targets: Sequence[float] | np.ndarray,
    path: str | os.PathLike[str],
    title: str,
    x_label: str = "target (mean opinion score)",
    y_label: str = "prediction",
    groups: Sequence[str] | None = None,
) -> None:
    """Predictions (N,) over targets (N,) as a PNG, with SRCC, PLCC and N; one colour per group.

    ValueError for arrays of other shapes, or without matplotlib.
    """
    predictions, targets = np.asarray(predictions, float), np.asarray(targets, float)
    if predictions.ndim != 1 or predictions.shape != targets.shape or not len(predictions):
        shapes = f"{predictions.shape} and {targets.shape}"
        raise ValueError(f"predictions and targets: expected two arrays (N,), got {shapes}")
    if groups is not None and len(groups) != len(predictions):
        raise ValueError(f"groups: expected {len(predictions)}, got {len(groups)}")
    figure, axes = _figure()
    kinds = list(dict.fromkeys(groups)) if groups is not None else [None]
    for number, kind in enumerate(kinds):
        chosen = [kind is None or group == kind for group in groups or [None] * len(predictions)]
        axes.scatter(
            targets[chosen],
            predictions[chosen],
            s=34,
            marker=_MARKERS[number % len(_MARKERS)],
            color=COLOURS[number % len(COLOURS)],
            alpha=0.75,
            linewidths=0,
            label=kind,
        )
    # Beside the points, never over them.
    beside = {"transform": axes.transAxes, "va": "top", "fontsize": 12, "color": _INK}
    figures = f"SRCC {srcc(predictions, targets):.3f}\nPLCC {plcc(predictions, targets):.3f} (raw)"
    axes.text(1.03, 1, f"{figures}\n{len(predictions)} images", linespacing=1.5, **beside)
    if groups is not None:
        place = {"loc": "upper left", "bbox_to_anchor": (1.0, 0.84), "handletextpad": 0.3}
        axes.legend(**place, frameon=False, fontsize=12, labelcolor=_INK, borderaxespad=0.3)
    axes.set_title(title, fontsize=15, color=_INK, pad=14, loc="left", fontweight="bold", wrap=True)
    axes.set_xlabel(x_label, fontsize=12, color=_INK)
    axes.set_ylabel(y_label, fontsize=12, color=_INK)
    write_atomic(Path(path), lambda file: figure.savefig(file, format="png", dpi=130))


def _figure():
    try:
        from matplotlib.figure import Figure
    except ImportError:
        remedy = "pip install -r requirements-quickstart.txt"
        raise ValueError(f"this picture needs matplotlib: {remedy}") from None
    # Figure alone, without pyplot: no window system, nothing global to clean up.
    figure = Figure(figsize=(9.2, 6.2), layout="constrained", facecolor=_PAPER)
    axes = figure.subplots()
    axes.grid(True, color=_FRAME, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GREY)
    axes.tick_params(colors=_GREY, labelsize=11)
    return figure, axes


def sorted_sheet(
    paths: Sequence[str | os.PathLike[str]],
    scores: Sequence[float] | np.ndarray,
    path: str | os.PathLike[str],
    title: str,
    names: Sequence[str] | None = None,
    limit: int = 48,
    side: int = 190,
) -> None:
    """A PNG of the images sorted by score, best first, with place, score and name under each.

    names: what stands under an image in place of its file name. Of more than `limit` images every
    n-th is shown, best and worst included, and the title says so. side: of a thumbnail, pixels.
    """
    if len(paths) != len(scores) or not len(paths):
        raise ValueError(f"expected one score per image, got {len(scores)} for {len(paths)} images")
    names = [Path(p).name for p in paths] if names is None else names
    order = np.argsort(-np.asarray(scores, float), kind="stable")
    places = np.arange(len(order))
    if len(order) > limit:
        places = np.unique(np.linspace(0, len(order) - 1, limit).round().astype(int))
        title = f"{title} ({len(places)} of {len(order)} shown)"
    thumbnails, captions = [], []
    for place in places:
        index = order[place]
        thumbnails.append(_fit(read_image(paths[index]), side))
        captions.append(f"{place + 1}.  {scores[index]:.3f}\n{names[index]}")
    _save(_sheet(thumbnails, captions, title, side), path)


def batch_sheet(
    images: np.ndarray,
    captions: Sequence[str],
    path: str | os.PathLike[str],
    title: str = "First training batch, as the network sees it",
    limit: int = 48,
    side: int = 224,
) -> None:
    """A PNG of the first `limit` of uint8 (N, 3, H, W) with a caption of one or more lines each."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images: expected uint8 (N, 3, H, W), got {images.dtype} {images.shape}")
    if len(captions) != len(images) or not len(images):
        raise ValueError(f"captions: expected {len(images)}, at least 1, got {len(captions)}")
    size = f"{images.shape[3]}x{images.shape[2]} pixels"
    shown = "" if len(images) <= limit else f", {limit} of {len(images)} shown"
    thumbnails = [_fit(Image.fromarray(i.transpose(1, 2, 0)), side) for i in images[:limit]]
    widest = max(thumbnail.width for thumbnail in thumbnails)
    sheet = _sheet(thumbnails, captions[:limit], f"{title} ({size}{shown})", max(widest, 128))
    _save(sheet, path)


def _fit(image: Image.Image, side: int) -> Image.Image:
    """The image within a square of `side` pixels; smaller ones stay as they are."""
    image = image.copy()
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def _sheet(
    thumbnails: list[Image.Image], captions: Sequence[str], title: str, side: int
) -> Image.Image:
    """Thumbnails in rows, each in a column of `side` pixels right above its caption."""
    wide = math.ceil(math.sqrt(len(thumbnails) * 1.6))
    columns = min(len(thumbnails), _MOST_COLUMNS, max(3, wide))
    rows = [thumbnails[i : i + columns] for i in range(0, len(thumbnails), columns)]
    heights = [max(thumbnail.height for thumbnail in row) for row in rows]
    below = 8 + _LINE * max(caption.count("\n") + 1 for caption in captions) + _GAP
    width = max(2 * _MARGIN + columns * (side + _GAP) - _GAP, 480)
    top = _MARGIN + _TITLE + 22
    height = top + sum(heights) + len(rows) * below - _GAP + _MARGIN
    sheet = Image.new("RGB", (width, height), _PAPER)
    font = ImageFont.load_default(_TITLE)
    title = shorten(title, font, width - 2 * _MARGIN)
    ImageDraw.Draw(sheet).text((_MARGIN, _MARGIN), title, fill=_INK, font=font)
    for number, (thumbnail, caption) in enumerate(zip(thumbnails, captions, strict=True)):
        row, column = divmod(number, columns)
        bottom = top + sum(heights[: row + 1]) + row * below
        _cell(sheet, thumbnail, caption, _MARGIN + column * (side + _GAP), bottom, side)
    return sheet


def _cell(
    sheet: Image.Image, thumbnail: Image.Image, caption: str, left: int, bottom: int, side: int
) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    x, y = left + (side - thumbnail.width) // 2, bottom - thumbnail.height
    sheet.paste(thumbnail, (x, y))
    draw.rectangle((x, y, x + thumbnail.width - 1, bottom - 1), outline=_FRAME)
    for line, text in enumerate(caption.split("\n")):
        place, colour = (left, bottom + 8 + line * _LINE), _INK if line == 0 else _GREY
        draw.text(place, shorten(text, font, side), fill=colour, font=font)


class Font(Protocol):
    """What tells how wide a text is, as Pillow's fonts do."""

    def getlength(self, text: str) -> float: ...


def shorten(text: str, font: Font, width: int) -> str:
    """The text with its middle left out, so that it is at most `width` pixels wide."""
    if font.getlength(text) <= width:
        return text
    for keep in range(len(text) - 1, 1, -1):
        head, tail = text[: (keep + 1) // 2], text[len(text) - keep // 2 :]
        if font.getlength(f"{head}…{tail}") <= width:
            return f"{head}…{tail}"
    return "…"


def _save(image: Image.Image, path: str | os.PathLike[str]) -> None:
    write_atomic(Path(path), lambda file: image.save(file, format="PNG"))

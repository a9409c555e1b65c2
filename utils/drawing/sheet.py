"""Sheets of panels as PNG: photographs and charts in rows, each with what is said of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from utils.drawing.chart import Chart
from utils.drawing.figure import ROW, TITLE, blank, drawing, picture, saved, wrapped, write
from utils.drawing.marks import legend, legend_rows, plot

_MARGIN, _GAP = 24, 20  # pixels
_NARROWEST, _MOST_COLUMNS = 640, 8


@dataclass(frozen=True)
class Panel:
    """heading: above, in at most two lines. image: RGB, as large as it is shown. chart: below it,
    drawn without its title. lines: below that.
    """

    heading: str = ""
    image: Image.Image | None = None
    chart: Chart | None = None
    lines: Sequence[str] = ()


def fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """A copy within `width` x `height` pixels; a smaller one stays as large as it is."""
    image = image.convert("RGB")
    image.thumbnail((width, height), Image.Resampling.LANCZOS)
    return image


def sheet(
    panels: Iterable[Panel],
    title: str,
    note: str = "",
    columns: int | None = None,
    width: int = 200,
    height: int = 150,
) -> bytes:
    """A PNG of the panels in reading order, the legend of their charts once above them.

    columns: at most so many, as a square would have by default. width: of a panel; height: of a
    chart, both in pixels. ValueError without a panel.
    """
    shown = list(panels)
    if not shown:
        raise ValueError(f"{title}: no panel to draw")
    columns = min(len(shown), columns or max(3, math.ceil(math.sqrt(1.6 * len(shown)))))
    columns = min(columns, _MOST_COLUMNS)
    across = max(2 * _MARGIN + columns * (width + _GAP) - _GAP, _NARROWEST)
    room = across - 2 * _MARGIN
    charts = [panel.chart for panel in shown if panel.chart]
    title, note = wrapped(title, room, 1.2 * TITLE), wrapped(note, room)
    heads = [wrapped(panel.heading, width, most=2) for panel in shown]
    below = ["\n".join(wrapped(line, width, most=3) for line in panel.lines) for panel in shown]
    # The parts of all panels are as high as the highest of them.
    head = ROW * max(len(lines.splitlines()) for lines in heads) + 4
    photo = max((panel.image.height for panel in shown if panel.image), default=0)
    chart = height + 10 if charts else 0
    each = head + photo + chart + ROW * max(len(lines.splitlines()) for lines in below) + _GAP
    names_at = _MARGIN + 24 * len(title.splitlines()) + ROW * len(note.splitlines()) + 6
    top = names_at + 8 + (ROW * len(legend_rows(charts[0].legend(), room)) if charts else 0)
    with drawing():
        figure = blank(across, top + each * math.ceil(len(shown) / columns) + _MARGIN - _GAP)
        y = write(figure, _MARGIN, _MARGIN - 6, title, "ink", size=TITLE, weight="bold") + 4
        write(figure, _MARGIN, y, note)
        for number, panel in enumerate(shown):
            x = _MARGIN + number % columns * (width + _GAP)
            y = top + number // columns * each
            write(figure, x, y, heads[number], "ink")
            y += head + photo
            if panel.image:  # right above what is said of it
                picture(figure, np.asarray(panel.image), x, y - panel.image.height)
            if panel.chart:
                entries = plot(figure, panel.chart, (x, y + 10, x + width, y + chart))
                if panel.chart is charts[0]:
                    legend(figure, entries, _MARGIN, names_at, room)
            write(figure, x, y + chart + 4, below[number])
        return saved(figure, "png")


# ---- sheets of photographs


def sorted_sheet(
    names: Sequence[str],
    scores: Sequence[float] | np.ndarray,
    opened: Callable[[int], Image.Image],
    title: str,
    limit: int = 48,
    side: int = 190,
) -> bytes:
    """Images by their score, best first, with place, score and name below each.

    opened: gives the image of a place in `names`. Of more than `limit` images every n-th is shown,
    best and worst included, and the title says so. side: of a thumbnail, pixels.
    """
    if len(names) != len(scores) or not len(names):
        raise ValueError(f"expected one score per image, got {len(scores)} for {len(names)} images")
    order = np.argsort(-np.asarray(scores, float), kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, min(limit, len(order))).round().astype(int))
    if len(places) < len(order):
        title = f"{title} ({len(places)} of {len(order)} shown)"
    panels = (
        Panel(
            image=fit(opened(int(order[place])), side, side),
            lines=(f"{place + 1}.  {scores[order[place]]:.3f}", names[order[place]]),
        )
        for place in places
    )
    return sheet(panels, title, width=side)


def batch_sheet(
    images: np.ndarray,
    captions: Sequence[str],
    title: str = "First training batch, as the network sees it",
    limit: int = 48,
    side: int = 224,
) -> bytes:
    """The first `limit` of uint8 (N, 3, H, W) with a caption of one or more lines each."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images: expected uint8 (N, 3, H, W), got {images.dtype} {images.shape}")
    if len(captions) != len(images) or not len(images):
        raise ValueError(f"captions: expected {len(images)}, at least 1, got {len(captions)}")
    size = f"{images.shape[3]}x{images.shape[2]} pixels"
    shown = "" if len(images) <= limit else f", {limit} of {len(images)} shown"
    photos = [fit(Image.fromarray(i.transpose(1, 2, 0)), side, side) for i in images[:limit]]
    panels = (
        Panel(image=photo, lines=caption.split("\n"))
        for photo, caption in zip(photos, captions, strict=False)
    )
    return sheet(panels, f"{title} ({size}{shown})", width=max(photos[0].width, 170))

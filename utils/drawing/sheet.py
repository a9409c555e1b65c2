"""Sheets of panels as PNG: photographs and charts in rows, each with its heading and its lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from utils.drawing.canvas import ROW, TEXT, Canvas, drawing, legend_rows, text_width, wrapped
from utils.drawing.chart import Chart
from utils.drawing.marks import Entries, draw_marks
from utils.drawing.render import frame

_MARGIN, _GAP, _TITLE, _ABOVE = 24, 20, 22.0, 10  # pixels; the size of the title's letters
_NARROWEST, _MOST_COLUMNS = 640, 8


@dataclass(frozen=True)
class Panel:
    """heading and aside: above, from the left and from the right. image: RGB, as large as it is
    shown. chart: below it, drawn without its title. lines: below that, a name and a number each, or
    text alone.
    """

    heading: str = ""
    aside: str = ""
    image: Image.Image | None = None
    chart: Chart | None = None
    lines: Sequence[tuple[str, str]] = ()


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
    rows = [shown[i : i + columns] for i in range(0, len(shown), columns)]
    with drawing():
        return _drawn(rows, title, note, width, height)


def _drawn(rows: list[list[Panel]], title: str, note: str, width: int, height: int) -> bytes:
    across = max(2 * _MARGIN + len(rows[0]) * (width + _GAP) - _GAP, _NARROWEST)
    room = across - 2 * _MARGIN
    head, said = wrapped(title, _TITLE, room, bold=True), wrapped(note, TEXT, room)
    names_at = _MARGIN + round(1.42 * _TITLE) * len(head) + 6 + round(1.42 * TEXT) * len(said) + 4
    top: float = names_at + 10
    if first := next((panel.chart for row in rows for panel in row if panel.chart), None):
        top += ROW * len(legend_rows(first.legend(), room))
    laid = [_Row(row, width, height) for row in rows]
    canvas = Canvas(across, round(top + sum(row.high for row in laid) - _GAP + _MARGIN))
    below = canvas.paragraph(_MARGIN, _MARGIN - 6, head, _TITLE, colour="ink", bold=True)
    canvas.paragraph(_MARGIN, below + 6, said)
    entries: Entries = []
    for row in laid:
        for column, panel in enumerate(row.panels):
            entries = row.draw(canvas, panel, _MARGIN + column * (width + _GAP), top) or entries
        top += row.high
    canvas.legend(entries, _MARGIN, names_at, room)
    return canvas.save("png")


class _Row:
    """Panels beside each other: headings, photographs, charts and lines stand at one height.
    high: pixels of all of it.
    """

    def __init__(self, panels: Sequence[Panel], width: int, height: int) -> None:
        self.panels, self.width, self.height = panels, width, height
        self.heads = max(len(self._heading(panel)) for panel in panels)
        self.photo = max((panel.image.height for panel in panels if panel.image), default=0)
        chart = height + _ABOVE if any(panel.chart for panel in panels) else 0
        lines = max(len(self._lines(panel)) for panel in panels)
        self.high = ROW * (self.heads + lines) + self.photo + chart + 10 + _GAP

    def _heading(self, panel: Panel) -> list[str]:
        aside = text_width(panel.aside, TEXT) + 10 if panel.aside else 0
        return wrapped(panel.heading, TEXT, self.width - aside, 2)

    def _lines(self, panel: Panel) -> list[tuple[str, str]]:
        """Those with a number as they are, those of text alone in as many as they need."""
        found = []
        for name, number in panel.lines:
            cut = [name] if number else wrapped(name, TEXT, self.width, 3)
            found += [(part, number) for part in cut]
        return found

    def draw(self, canvas: Canvas, panel: Panel, x: float, y: float) -> Entries:
        """Draws a panel whose upper left corner is given; what a legend says of its chart."""
        canvas.paragraph(x, y, self._heading(panel), colour="ink")
        canvas.text(x + self.width, y + 0.5 * ROW, panel.aside, anchor="right")
        y += ROW * self.heads + 4
        if panel.image:  # in the middle, right above what is said of it
            left = x + (self.width - panel.image.width) // 2
            canvas.image(np.asarray(panel.image), left, y + self.photo - panel.image.height)
        y += self.photo
        entries: Entries = []
        if panel.chart:
            below = ROW * (1 + bool(panel.chart.x_label)) + 8
            box = x, y + _ABOVE, x + self.width, y + _ABOVE + self.height - below
            axes = canvas.axes(box)
            entries = draw_marks(canvas, axes, panel.chart)
            frame(canvas, axes, panel.chart, box)
            y += self.height + _ABOVE
        for number, (name, value) in enumerate(self._lines(panel)):
            at = y + 6 + (number + 0.5) * ROW
            first = not number and not panel.chart
            canvas.text(x, at, name, colour="ink" if first else "soft", room=self.width)
            canvas.text(x + self.width, at, value, anchor="right", colour="ink")
        return entries


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
            lines=((f"{place + 1}.  {scores[order[place]]:.3f}", ""), (names[order[place]], "")),
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
        Panel(image=photo, lines=[(line, "") for line in caption.split("\n")])
        for photo, caption in zip(photos, captions, strict=False)
    )
    return sheet(panels, f"{title} ({size}{shown})", width=max(photos[0].width, 170))

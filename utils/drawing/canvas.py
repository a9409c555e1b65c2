"""A sheet that matplotlib draws on, measured in pixels from its upper left corner.

matplotlib is imported here and nowhere else, when something is drawn: its figures alone, never
pyplot, so there is no window and nothing global to clean up. Its settings are global and its fonts
are shared, so one thread draws at a time, with settings that no file of the user's changes.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from utils.drawing.chart import COLOURS
from utils.text import printable

# What the names of colours stand for on a light page; those of pages stand in their style.
SHADES = {"ink": "#1f2328", "soft": "#59636e", "line": "#d1d9e0", "paper": "#ffffff"}
SHADES.update({f"c{number}": shade for number, shade in enumerate(COLOURS)})
TITLE, TEXT, SMALL = 16.0, 13.5, 12.5  # sizes of letters
ROW = 20.0  # a line of text
_DPI = 72  # at which matplotlib's points are pixels
_NO_GLYPH = "\u25a1"  # an empty box, where the font that is drawn with has no such letter
_FONT = "DejaVu Sans"  # comes with matplotlib, so that a chart is the same on every machine
_STYLE: Any = {
    "font.family": _FONT, "text.parse_math": False, "text.hinting": "none",
    "svg.fonttype": "none", "svg.hashsalt": "chart", "pdf.fonttype": 42,
    "figure.dpi": _DPI, "savefig.dpi": _DPI,
    "axes.spines.top": False, "axes.spines.right": False,
    "axes.edgecolor": SHADES["soft"], "axes.linewidth": 1.2,
    "axes.formatter.useoffset": False, "axes.formatter.limits": (-4, 6),
    "legend.frameon": False, "legend.fontsize": TEXT, "legend.labelcolor": SHADES["soft"],
    "legend.borderpad": 0, "legend.borderaxespad": 0, "legend.handlelength": 1.7,
    "legend.handletextpad": 0.5, "legend.columnspacing": 1.3, "legend.labelspacing": 0.35,
}  # fmt: skip
_LOCK = threading.RLock()

Box = tuple[float, float, float, float]  # left, top, right, bottom


@contextmanager
def drawing() -> Iterator[None]:
    """What is drawn and saved inside is drawn by this thread alone, with the settings above.
    ValueError where matplotlib is missing.
    """
    try:
        import matplotlib
    except ImportError:
        remedy = "pip install -r requirements.txt"
        raise ValueError(f"charts and pictures need matplotlib: {remedy}") from None
    said = logging.getLogger("matplotlib")
    if said.level == logging.NOTSET:  # of folders that it would like to write a cache to
        said.setLevel(logging.ERROR)
    with _LOCK, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


class Canvas:
    """A figure of `width` x `height` pixels, to be made, drawn on and saved inside `drawing`.

    said: for the SVG, what a text's id stands for: (the text as it is called, the whole of what
    was shortened). titles: what is said of each part of the mark with an id.
    """

    def __init__(self, width: float, height: float) -> None:
        from matplotlib.figure import Figure

        self.width, self.height = float(width), float(height)
        # A hair larger: rounded down, the last row and column would be without a ground.
        size = (width + 1e-4) / _DPI, (height + 1e-4) / _DPI
        self.figure = Figure(figsize=size, facecolor="none")
        self.said: dict[str, tuple[str, str]] = {}
        self.titles: dict[str, Sequence[str]] = {}

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Shares of the figure, from its lower left corner, as matplotlib counts."""
        return x / self.width, 1 - y / self.height

    def axes(self, box: Box) -> Any:
        """matplotlib's axes within box."""
        made = self.figure.add_axes((0, 0, 1, 1), facecolor="none")
        made.xaxis.set_visible(False)  # ticks, labels and grid are drawn by those who fill it
        made.yaxis.set_visible(False)
        self.move(made, box)
        return made

    def move(self, axes: Any, box: Box) -> None:
        left, top, right, bottom = box
        size = (right - left) / self.width, (bottom - top) / self.height
        axes.set_position((*self.place(left, bottom), *size))

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = TEXT,
        anchor: str = "left",
        colour: str = "soft",
        room: float | None = None,
        bold: bool = False,
        upwards: bool = False,
        whole: str = "",
    ) -> None:
        """One line around the middle y (x, where it is turned upwards), at most `room` long.
        anchor: which end x is: left, center or right. whole: said of it by a pointer.
        """
        shown = printable(words) if room is None else shorten(words, size, room, bold)
        x, y = (x + 0.35 * size, y) if upwards else (x, y + 0.35 * size)
        made = self.figure.text(
            *self.place(x, y), drawn(shown), size=size, ha=anchor, va="baseline",
            color=SHADES[colour], weight="bold" if bold else "normal",
            rotation=90 if upwards else 0, rotation_mode="anchor",
        )  # fmt: skip
        self.name(made, shown, whole or (words if shown != printable(words) else ""))

    def name(self, text: Any, shown: str, whole: str = "") -> None:
        """Remembers what a text of matplotlib's stands for."""
        text.set_gid(f"t{len(self.said)}")
        self.said[text.get_gid()] = shown, printable(whole)

    def paragraph(
        self, x: float, y: float, lines: Sequence[str], size: float = TEXT, **given: Any
    ) -> float:
        """Lines below each other from y on; where they end."""
        high = round(1.42 * size)
        for number, line in enumerate(lines):
            self.text(x, y + (number + 0.5) * high, line, size, **given)
        return y + len(lines) * high

    def legend(self, entries: Sequence[tuple[str, Any]], x: float, y: float, room: float) -> None:
        """Names with their signs (tuples of matplotlib's artists), in rows below y."""
        left = list(entries)
        for number, names in enumerate(legend_rows([name for name, _ in entries], room)):
            row, left = left[: len(names)], left[len(names) :]
            made = self.figure.legend(
                [sign for _, sign in row], list(map(drawn, names)), ncols=len(names),
                loc="upper left", bbox_to_anchor=self.place(x, y + number * ROW),
            )  # fmt: skip
            for text, name, (given, _) in zip(made.get_texts(), names, row, strict=True):
                self.name(text, name, given if name != printable(given) else "")

    def image(self, pixels: np.ndarray, x: float, y: float) -> None:
        """uint8 (H, W, 3), pixel by pixel; x, y: its upper left corner. For PNG alone."""
        bottom = round(self.height - y) - pixels.shape[0]
        self.figure.figimage(pixels, round(x), bottom, origin="upper")

    def save(self, kind: str, scale: float = 1) -> bytes:
        """svg: without a ground; pdf: on white, as svg with letters as lines for files; png:
        on white, with `scale` pixels for each of the canvas.
        """
        written = io.BytesIO()
        if kind == "png":
            from matplotlib.backends.backend_agg import FigureCanvasAgg

            self.figure.set_dpi(_DPI * scale)
            self.figure.set_facecolor(SHADES["paper"])
            drawn = FigureCanvasAgg(self.figure)
            drawn.draw()
            pixels = np.asarray(drawn.buffer_rgba())[..., :3]
            Image.fromarray(np.ascontiguousarray(pixels)).save(written, format="PNG")
            return written.getvalue()
        metadata = {"Date": None} if kind == "svg" else {"CreationDate": None}
        ground = "none" if kind == "svg" else SHADES["paper"]
        self.figure.savefig(written, format=kind, facecolor=ground, metadata=metadata)
        return written.getvalue()


def legend_rows(names: Sequence[str], room: float) -> list[list[str]]:
    """The names in rows of at most `room` pixels with their signs; a longer one is shortened."""
    sign, apart = 2.2 * TEXT, 1.3 * TEXT
    rows: list[list[str]] = []
    used = 0.0
    for name in (shorten(name, TEXT, room - sign) for name in names):
        wide = sign + text_width(name, TEXT)
        if not rows or used + apart + wide > room:
            rows.append([])
            used = -apart
        rows[-1].append(name)
        used += apart + wide
    return rows


# ---- letters


def drawn(words: str) -> str:
    """The words as matplotlib draws them: letters that its font lacks are boxes."""
    return "".join(c if ord(c) in _letters() else _NO_GLYPH for c in words)


@lru_cache
def _letters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(_FONT)).get_charmap())


@lru_cache(4096)
def text_width(words: str, size: float, bold: bool = False) -> float:
    """Pixels. Inside `drawing` alone, as all below."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=_FONT, size=size, weight="bold" if bold else "normal")
    return text_to_path.get_text_width_height_descent(drawn(words), font, ismath=False)[0]


def shorten(words: str, size: float, room: float, bold: bool = False) -> str:
    """The words with their middle left out, so that they are at most `room` pixels wide; what
    cannot be printed is an escape.
    """
    words = printable(words)
    if text_width(words, size, bold) <= room:
        return words
    fewest, most = 0, len(words)  # letters that fit; that do not
    while most - fewest > 1:
        kept = (fewest + most) // 2
        fits = text_width(_cut(words, kept), size, bold) <= room
        fewest, most = (kept, most) if fits else (fewest, kept)
    return _cut(words, fewest)


def _cut(words: str, kept: int) -> str:
    return f"{words[: (kept + 1) // 2]}…{words[len(words) - kept // 2 :]}" if kept else "…"


def wrapped(words: str, size: float, room: float, most: int = 9, bold: bool = False) -> list[str]:
    """The words in lines of at most `room` pixels, and in `most` lines; what is left of them is
    shortened into the last one. [] without words.
    """
    lines: list[str] = []
    for word in printable(words).split():
        longer = f"{lines[-1]} {word}" if lines else word
        full = lines and len(lines) < most and text_width(longer, size, bold) > room
        lines = [*lines, word] if full or not lines else [*lines[:-1], longer]
    return [shorten(line, size, room, bold) for line in lines]

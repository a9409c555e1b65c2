"""matplotlib's figures, measured in pixels from the upper left corner.

matplotlib is imported here and where marks are drawn, when something is drawn: its figures alone,
never pyplot, so there is no window and nothing global to clean up. Its settings are global and its
fonts are shared, so one thread draws at a time, with settings that no file of the user's changes.
"""

from __future__ import annotations

import io
import logging
import textwrap
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from unicodedata import east_asian_width

import numpy as np
from PIL import Image

from utils.drawing.chart import COLOURS
from utils.text import printable

# What the names of colours stand for on a light page; those of pages stand in their style.
SHADES = {"ink": "#1f2328", "soft": "#59636e", "line": "#d1d9e0", "paper": "#ffffff"}
SHADES.update({f"c{number}": shade for number, shade in enumerate(COLOURS)})
TITLE, TEXT, SMALL = 16.0, 13.5, 12.5  # sizes of letters
ROW = 19  # a line of text
BREAK = "\u2028"  # between lines in an id: printable text never holds one
_DPI = 72  # at which matplotlib's points are pixels
_FONT = "DejaVu Sans"  # comes with matplotlib, so that a chart is the same on every machine
_STYLE: Any = {
    "font.family": _FONT, "font.size": TEXT, "text.parse_math": False, "text.hinting": "none",
    "svg.fonttype": "none", "pdf.fonttype": 42, "figure.dpi": _DPI, "savefig.dpi": _DPI,
    "axes.spines.top": False, "axes.spines.right": False, "axes.facecolor": "none",
    "axes.edgecolor": SHADES["soft"], "axes.linewidth": 1.2,
    "axes.formatter.useoffset": False, "axes.formatter.limits": (-4, 6),
    "axes.xmargin": 0.045, "axes.ymargin": 0.045, "lines.dashed_pattern": (3.0, 2.0),
    "legend.frameon": False, "legend.fontsize": TEXT, "legend.labelcolor": SHADES["soft"],
    "legend.borderpad": 0, "legend.borderaxespad": 0, "legend.handlelength": 1.7,
    "legend.handletextpad": 0.5, "legend.columnspacing": 1.3, "legend.labelspacing": 0.35,
}  # fmt: skip
_LOCK = threading.RLock()


@contextmanager
def drawing(**style: Any) -> Iterator[None]:
    """What is drawn and saved inside is drawn by this thread alone, with the settings above and
    these. ValueError where matplotlib is missing.
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
        given: Any = _STYLE | style
        matplotlib.rcParams.update(given)
        yield


def blank(width: float, height: float) -> Any:
    """A figure of so many pixels, to be made, drawn on and saved inside `drawing`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A hair larger: rounded down, the last row and column would be without a ground.
    size = (width + 1e-4) / _DPI, (height + 1e-4) / _DPI
    return FigureCanvasAgg(Figure(figsize=size)).figure


def place(figure: Any, x: float, y: float) -> tuple[float, float]:
    """Shares of the figure from its lower left corner, as matplotlib counts."""
    width, height = figure.get_size_inches() * _DPI
    return x / width, 1 - y / height


def write(figure: Any, x: float, y: float, words: str, ink: str = "soft", **look: Any) -> float:
    """Words whose lines stand below y; where they end."""
    size = look.get("size", TEXT)
    made = figure.text(*place(figure, x, y), "", **{"va": "top", "color": SHADES[ink], **look})
    made.set_linespacing(1.2)
    name(made, words)
    return y + line(size) * len(words.splitlines())


def line(size: float) -> int:
    """The height of a line of text."""
    return round(1.4 * size)


def said_as(words: Iterable[str]) -> str:
    """An id of a group, which pages turn into what its texts are called, or the titles of its
    marks: a break, which no id of matplotlib's begins with, before each of the lines.
    """
    return "".join(BREAK + printable(line) for line in words)


def name(text: Any, words: str) -> None:
    """Gives a text of matplotlib's its words, boxes for letters that its font lacks. The fonts of
    pages have them: for these the words are the text's id, too.
    """
    lines = list(map(printable, words.split("\n")))
    text.set_gid(said_as(lines))
    known = ("".join(c if ord(c) in _letters() else "\u25a1" for c in line) for line in lines)
    text.set_text("\n".join(known))


@lru_cache
def _letters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(_FONT)).get_charmap())


def picture(figure: Any, pixels: np.ndarray, x: float, y: float) -> None:
    """uint8 (H, W, 3), pixel by pixel; x, y: its upper left corner. For PNG alone."""
    height = round(figure.get_figheight() * _DPI)
    figure.figimage(pixels, round(x), height - round(y) - len(pixels), origin="upper")


def saved(figure: Any, kind: str, scale: float = 1) -> bytes:
    """svg: without a ground; pdf: on white; neither holds a date. png: RGB on white, with `scale`
    pixels for each of the figure.
    """
    written = io.BytesIO()
    if kind == "png":
        figure.set_dpi(_DPI * scale)
        figure.canvas.draw()
        pixels = np.ascontiguousarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
        Image.fromarray(pixels).save(written, format="PNG")
    else:
        metadata = {"Date": None} if kind == "svg" else {"CreationDate": None}
        figure.savefig(written, format=kind, transparent=kind == "svg", metadata=metadata)
    return written.getvalue()


# ---- how much text there is room for


def text_width(words: str, size: float = TEXT) -> float:
    """About how many pixels one line of text needs."""
    return size * sum(1.0 if east_asian_width(letter) in "WF" else 0.58 for letter in words)


def shorten(words: str, room: float, size: float = TEXT) -> str:
    """One line of about `room` pixels, the middle left out of longer ones."""
    words = printable(words)
    most = max(4, int(len(words) * room / (text_width(words, size) or 1)))
    half = (most - 1) // 2
    return words if len(words) <= most else f"{words[: most - 1 - half]}…{words[-half:]}"


def wrapped(words: str, room: float, size: float = TEXT, most: int = 9) -> str:
    """The words in at most so many lines of about `room` pixels, the rest left out."""
    words = printable(words)
    letters = max(4, int(len(words) * room / (text_width(words, size) or 1)))
    return "\n".join(textwrap.wrap(words, letters, max_lines=most, placeholder="…"))

"""A quality map over its image: blue where the score comes from, orange where it is lowered, with a
scale in numbers.
"""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image, ImageOps

from utils.drawing.figure import ROW, blank, drawing, picture, saved, wrapped, write

# Colours that stay apart for colour-blind eyes (Okabe and Ito).
_RISES, _FALLS, _PAPER = np.array((0, 114, 178)), np.array((213, 94, 0)), (255, 255, 255)
_STRONGEST = 0.8  # opacity of the largest value: the image still shows
_FAINTEST = 0.1  # the same where the largest value is next to nothing
_UNSEEN = 0.8  # of the paper, where no view sees the image
_FULL, _NOTHING = 1.0, 1e-4  # largest values with the strongest and with the faintest colours
_GREYS = (40, 235)  # black and white of the image: colours stay visible on both
_SMALLEST_SIDE, _NARROWEST = 320, 420  # pixels: small images are enlarged; width of the picture
_MARGIN, _BAR = 16, 14  # pixels


def strength(limit: float) -> float:
    """The opacity of a map's largest value, in units of the score: 0.8 from 1 on, a quarter of the
    way to 0.1 less for each power of ten below, and 0.1 up to 0.0001. So a map of a score that
    hardly depends on anything is pale, and one of a score that hangs on a part is not, whatever
    the images beside it are like.
    """
    if limit <= _NOTHING:
        return _FAINTEST
    share = math.log10(min(limit, _FULL) / _NOTHING) / math.log10(_FULL / _NOTHING)
    return _FAINTEST + share * (_STRONGEST - _FAINTEST)


def map_picture(
    image: Image.Image, grid: np.ndarray, rows: np.ndarray, columns: np.ndarray, title: str
) -> Image.Image:
    """grid (h, w), nan where nothing is known: there the image is faded. rows (h + 1,) and columns
    (w + 1,): the cells' borders in pixels of the image. title: stands above the scale.

    Zero is transparent; the scale ends at the largest finite value, of either sign, and how strong
    its colours are tells how large that is (`strength`).
    """
    times = max(1, _SMALLEST_SIDE // max(image.size))
    image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    dark, bright = ((shade,) * 3 for shade in _GREYS)
    grey = ImageOps.colorize(image.convert("L"), dark, bright)  # colour is the map's alone
    values = _per_pixel(grid, rows * times, columns * times, image.size)
    known = np.abs(grid[np.isfinite(grid)])
    limit = float(known.max()) if known.size else 0.0
    width = max(image.width + 2 * _MARGIN, _NARROWEST)
    left, middle, right = _MARGIN, width / 2, width - _MARGIN
    head = wrapped(title, right - left)
    top = image.height + 2 * _MARGIN
    bar = top + ROW * len(head.splitlines()) + 4
    ramp = np.broadcast_to(np.linspace(-1, 1, right - left) * (limit or 1), (_BAR, right - left))
    meant = "pale: changes it little; full colours: by 1 or more"
    meant += "\nfaded: not seen" * bool(np.isnan(values).any())
    with drawing():
        figure = blank(width, bar + _BAR + ROW * (3 + meant.count("\n")) + _MARGIN)
        coloured = _coloured(np.asarray(grey, np.float64), values, limit)
        picture(figure, coloured, (width - image.width) // 2, _MARGIN)
        write(figure, left, top, head, "ink")
        picture(figure, _coloured(np.full((*ramp.shape, 3), 255.0), ramp, limit), left, bar)
        y = bar + _BAR + 3
        if limit:  # else there is no scale: nothing that was hidden has changed the score
            write(figure, left, y, f"\N{MINUS SIGN}{limit:.3g}", "ink")
            write(figure, right, y, f"+{limit:.3g}", "ink", ha="right")
        write(figure, middle, y, "0", "ink", ha="center")
        write(figure, right, y + ROW, "the score comes from here", ha="right")
        write(figure, left, y + ROW, f"lowers the score\n{meant}")
        drawn = saved(figure, "png")
    return Image.open(io.BytesIO(drawn)).convert("RGB")


def _per_pixel(
    grid: np.ndarray, rows: np.ndarray, columns: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """(H, W): the value of the cell in which the middle of a pixel lies, nan outside the grid."""
    y = np.searchsorted(rows, np.arange(size[1]) + 0.5, "right") - 1
    x = np.searchsorted(columns, np.arange(size[0]) + 0.5, "right") - 1
    around = np.pad(grid, 1, constant_values=np.nan)  # index -1 and the last one lie outside
    return around[y + 1][:, x + 1]


def _coloured(pixels: np.ndarray, values: np.ndarray, limit: float) -> np.ndarray:
    """uint8 (..., 3): pixels (..., 3) under the colours of values (...) that reach to limit."""
    known = np.isfinite(values)
    share = np.where(known, values, 0) / (limit or 1)
    opacity = np.where(known, np.abs(share) * strength(limit), _UNSEEN)[..., None]
    colour = np.where(share[..., None] > 0, _RISES, _FALLS)
    colour = np.where(known[..., None], colour, _PAPER)
    return np.rint(pixels * (1 - opacity) + colour * opacity).astype(np.uint8)

"""A quality map over its image, drawn with Pillow: blue where the score comes from, orange where it
is lowered, with a scale in numbers.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.report import shorten

_INK, _GREY, _PAPER = "#1f2328", "#656d76", (255, 255, 255)
# Colours that stay apart for colour-blind eyes (Okabe and Ito).
_RISES, _FALLS = np.array((0, 114, 178)), np.array((213, 94, 0))
_STRONGEST = 0.8  # opacity of the largest value: the image still shows
_UNSEEN = 0.8  # of the paper, where no view sees the image
_GREYS = (40, 235)  # black and white of the image: colours stay visible on both
_SMALLEST_SIDE, _NARROWEST = 320, 420  # pixels: small images are enlarged; width of the picture
_MARGIN, _BAR, _LINE, _TEXT = 16, 14, 20, 14  # pixels


def map_picture(
    image: Image.Image, grid: np.ndarray, rows: np.ndarray, columns: np.ndarray, title: str
) -> Image.Image:
    """grid (h, w), nan where nothing is known: there the image is faded. rows (h + 1,) and columns
    (w + 1,): the cells' borders in pixels of the image. title: stands above the scale.

    Zero is transparent; the scale ends at the largest finite value, of either sign.
    """
    times = max(1, _SMALLEST_SIDE // max(image.size))
    image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    values = _per_pixel(grid, rows * times, columns * times, image.size)
    known = np.abs(grid[np.isfinite(grid)])
    limit = float(known.max()) if known.size else 0.0
    picture = Image.fromarray(_coloured(_grey(image), values, limit))
    width = max(picture.width + 2 * _MARGIN, _NARROWEST)
    faded = bool(np.isnan(values).any())
    height = picture.height + 3 * _MARGIN + _BAR + (3 + faded) * _LINE
    sheet = Image.new("RGB", (width, height), _PAPER)
    sheet.paste(picture, ((width - picture.width) // 2, _MARGIN))
    _scale(sheet, picture.height + 2 * _MARGIN, limit, title)
    if faded:
        y, font = sheet.height - _MARGIN - _LINE, ImageFont.load_default(_TEXT)
        ImageDraw.Draw(sheet).text((_MARGIN, y), "faded: not seen", fill=_GREY, font=font)
    return sheet


def _per_pixel(
    grid: np.ndarray, rows: np.ndarray, columns: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """(H, W): the value of the cell in which the middle of a pixel lies, nan outside the grid."""
    y = np.searchsorted(rows, np.arange(size[1]) + 0.5, "right") - 1
    x = np.searchsorted(columns, np.arange(size[0]) + 0.5, "right") - 1
    around = np.pad(grid, 1, constant_values=np.nan)  # index -1 and the last one lie outside
    return around[y + 1][:, x + 1]


def _grey(image: Image.Image) -> np.ndarray:
    """(H, W, 3) in 0..255: colour in the result is the map's alone."""
    low, high = _GREYS
    grey = low + np.asarray(image.convert("L"), np.float64) * (high - low) / 255
    return np.repeat(grey[:, :, None], 3, axis=2)


def _coloured(pixels: np.ndarray, values: np.ndarray, limit: float) -> np.ndarray:
    """uint8 (..., 3): pixels (..., 3) under the colours of values (...)."""
    known = np.isfinite(values)
    strength = np.where(known, values, 0) / (limit or 1)
    opacity = np.where(known, np.abs(strength) * _STRONGEST, _UNSEEN)[..., None]
    colour = np.where(strength[..., None] > 0, _RISES, _FALLS)
    colour = np.where(known[..., None], colour, _PAPER)
    return np.rint(pixels * (1 - opacity) + colour * opacity).astype(np.uint8)


def _scale(sheet: Image.Image, top: int, limit: float, title: str) -> None:
    """The title, the bar from -limit to limit, its numbers, and what its ends mean."""
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    left, right = _MARGIN, sheet.width - _MARGIN
    middle = (left + right) // 2
    draw.text((left, top), shorten(title, font, right - left), fill=_INK, font=font)
    ramp = np.broadcast_to(np.linspace(-1, 1, right - left), (_BAR, right - left))
    bar = Image.fromarray(_coloured(np.full((*ramp.shape, 3), 255.0), ramp, 1.0))
    sheet.paste(bar, (left, top + _LINE + 2))
    y = top + _LINE + _BAR + 4
    # Without a largest value there is no scale: nothing that was hidden has changed the score.
    ends = (f"{-limit:.3g}", f"+{limit:.3g}") if limit else ("", "")
    draw.text((left, y), ends[0], fill=_INK, font=font)
    draw.text((middle, y), "0", fill=_INK, font=font, anchor="ma")
    draw.text((right, y), ends[1], fill=_INK, font=font, anchor="ra")
    draw.text((left, y + _LINE), "lowers the score", fill=_GREY, font=font)
    draw.text((right, y + _LINE), "the score comes from here", fill=_GREY, font=font, anchor="ra")

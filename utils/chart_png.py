"""A chart as a picture, for TensorBoard. Needs Pillow alone."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from utils.chart import Chart, Floats
from utils.chart_layout import draw
from utils.chart_shapes import SHADES, Area, Dots, Shape, Stroke, Text

_PAPER = "#ffffff"
_SMOOTH = 3  # shapes are drawn this much larger, then made smaller
_DASH = (6.0, 4.0)  # pixels drawn, pixels left out
_ANCHORS = {"start": "lm", "middle": "mm", "end": "rm"}


def png(chart: Chart, width: int = 640, height: int = 420) -> Image.Image:
    """The chart on white, RGB, `width` x `height` pixels; higher where a forest plot's rows or a
    long legend need that.
    """
    drawing = draw(chart, width, height, _font)
    size = round(drawing.width), round(drawing.height)
    large = Image.new("RGB", (size[0] * _SMOOTH, size[1] * _SMOOTH), _PAPER)
    canvas = ImageDraw.Draw(large, "RGBA")  # which blends what is not opaque
    for shape in drawing.shapes:
        _paint(canvas, shape)
    sheet = large.resize(size, Image.Resampling.BOX)
    for shape in drawing.shapes:
        if isinstance(shape, Text):
            _write(sheet, shape)
    return sheet


@lru_cache
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _paint(canvas: ImageDraw.ImageDraw, shape: Shape) -> None:
    if isinstance(shape, Stroke):
        thick = max(1, round(shape.width * _SMOOTH))
        for part in _dashes(shape.points) if shape.dashed else [shape.points]:
            canvas.line(_large(part), fill=_shade(shape), width=thick, joint="curve")
    elif isinstance(shape, Area):
        if len(shape.points) > 2:
            canvas.polygon(_large(shape.points), fill=_shade(shape, shape.opacity))
    elif isinstance(shape, Dots):
        reach = shape.radius * _SMOOTH
        fill = _shade(shape, shape.opacity)
        for x, y in _large(shape.points):
            canvas.ellipse((x - reach, y - reach, x + reach, y + reach), fill=fill)


def _large(points: Floats) -> list[tuple[float, float]]:
    # Pillow counts from the middle of a pixel, a drawing from its corner.
    return [(x * _SMOOTH - 0.5, y * _SMOOTH - 0.5) for x, y in points.tolist()]


def _shade(shape: Shape, opacity: float = 1.0) -> tuple[int, ...]:
    return (*ImageColor.getrgb(SHADES[shape.colour])[:3], round(255 * opacity))


def _dashes(points: Floats) -> list[Floats]:
    """The parts of a line (N, 2) that are drawn, by the length along it."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    parts = []
    for number in range(math.ceil(along[-1] / sum(_DASH))):
        first = number * sum(_DASH)
        ends = [first, min(first + _DASH[0], along[-1])]
        at = np.concatenate([ends[:1], along[(along > ends[0]) & (along < ends[1])], ends[1:]])
        parts.append(np.stack([np.interp(at, along, points[:, i]) for i in (0, 1)], axis=1))
    return parts


def _write(sheet: Image.Image, text: Text) -> None:
    font, fill = _font(text.size), SHADES[text.colour]
    if not text.upwards:
        place, anchor = (text.x, text.y), _ANCHORS[text.anchor]
        ImageDraw.Draw(sheet).text(place, text.words, fill=fill, font=font, anchor=anchor)
        return
    wide, high = math.ceil(font.getlength(text.words)) + 2, math.ceil(1.6 * text.size)
    mask = Image.new("L", (wide, high))
    ImageDraw.Draw(mask).text((wide / 2, high / 2), text.words, fill=255, font=font, anchor="mm")
    mask = mask.transpose(Image.Transpose.ROTATE_90)
    sheet.paste(fill, (round(text.x - high / 2), round(text.y - wide / 2)), mask)

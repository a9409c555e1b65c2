"""A chart as inline SVG: its colours follow the page's, and it is as wide as its place."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from utils.chart import Chart, Floats
from utils.chart_layout import draw
from utils.chart_shapes import SHADES, Area, Dots, Shape, Stroke, Text
from utils.html_page import Html, element

_ROOT = "display:block;width:100%;height:auto;font-family:system-ui,sans-serif"


def svg(chart: Chart, width: float = 520, height: float = 340) -> Html:
    """The chart as one <svg> without ids, scripts or anything that is loaded.

    Colours are the page's variables --ink, --soft, --line and --c0 to --c7, with those of a light
    page where it has none. It grows beyond `height` where a forest plot's rows need that.
    """
    drawing = draw(chart, width, height, _Width)
    parts = (_shape(shape) for shape in drawing.shapes)
    box = f"0 0 {_number(drawing.width)} {_number(drawing.height)}"
    return element("svg", *parts, viewBox=box, role="img", aria_label=_words(chart), style=_ROOT)


def _words(chart: Chart) -> str:
    """The chart in words, for those who cannot see it."""
    names = dict.fromkeys(mark.name for mark in chart.marks if mark.name)
    said = [chart.title, f"{chart.y_label} over {chart.x_label}", ", ".join(names)]
    return "; ".join(part for part in said if part)


@dataclass(frozen=True)
class _Width:
    """About how wide a text is in a browser's font of this size, rather too much than too little:
    which font it has is not known here.
    """

    size: float

    def getlength(self, text: str) -> float:
        return self.size * sum(map(_wide, text))


def _wide(letter: str) -> float:
    """In units of the size; DejaVu Sans, the widest of the usual fonts, has these or less."""
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.02
    if letter in "ijlI.,:;'|!()[] ft/-":
        return 0.4
    if letter in "mwMW@%":
        return 0.97
    return 0.73 if letter.isupper() else 0.63


def _shape(shape: Shape) -> Html:
    if isinstance(shape, Stroke):
        dashes = "stroke-dasharray:6 4;" if shape.dashed else ""
        style = f"fill:none;{dashes}stroke-linejoin:round;stroke-width:{_number(shape.width)}"
        return element("path", d=_path(shape.points), style=f"stroke:{_shade(shape)};{style}")
    if isinstance(shape, Area):
        title = [element("title", shape.title)] if shape.title else []
        path = _path(shape.points) + "Z" if len(shape.points) else ""
        return element("path", *title, d=path, style=_fill(shape))
    if isinstance(shape, Dots):
        return element("g", *_circles(shape), style=_fill(shape))
    return _text(shape)


def _circles(dots: Dots) -> Iterable[Html]:
    radius = _number(dots.radius)
    titles = dots.titles or [""] * len(dots.points)
    for (x, y), title in zip(dots.points.tolist(), titles, strict=True):
        inside = [element("title", title)] if title else []
        yield element("circle", *inside, cx=_number(x), cy=_number(y), r=radius)


def _text(text: Text) -> Html:
    whole = [element("title", text.whole)] if text.whole else []
    x, y = _number(text.x), _number(text.y)
    weight = ";font-weight:600" if text.bold else ""
    return element(
        "text",
        *whole,
        text.words,
        x=x,
        y=y,
        dy=".35em",
        text_anchor=text.anchor if text.anchor != "start" else None,
        transform=f"rotate(-90 {x} {y})" if text.upwards else None,
        style=f"fill:{_shade(text)};font-size:{_number(text.size)}px{weight}",
    )


def _fill(shape: Area | Dots) -> str:
    opacity = f";fill-opacity:{shape.opacity:g}" if shape.opacity < 1 else ""
    return f"fill:{_shade(shape)}{opacity}"


def _shade(shape: Shape) -> str:
    return f"var(--{shape.colour},{SHADES[shape.colour]})"


def _path(points: Floats) -> str:
    return "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in points.tolist())


def _number(value: float) -> str:
    """Rounded to 0.1, in as few letters as that needs."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")

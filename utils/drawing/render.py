"""A chart as SVG for a page, as PNG, and as PDF and SVG for a paper."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from utils.drawing.chart import Chart, Ranges
from utils.drawing.figure import (
    BREAK,
    ROW,
    SHADES,
    SMALL,
    TITLE,
    blank,
    drawing,
    line,
    saved,
    wrapped,
    write,
)
from utils.drawing.marks import legend, legend_rows, plot
from utils.text import printable

WIDTH, HEIGHT = 440, 310  # of a chart, in units of its text: legible on a phone
_EDGE = 10.0
_LEAST = 0.65  # of the height at least for the axes, whatever stands above and below them
_ROOT = (
    "display:block;width:100%;height:auto;font-family:system-ui,sans-serif;stroke-linejoin:round"
)
_HREF = "{http://www.w3.org/1999/xlink}href"


def svg(chart: Chart, ident: str, width: float = WIDTH, height: float = HEIGHT) -> str:
    """The chart as one <svg> for a page, which may be as wide as it likes. ident: a word that no
    other chart of the page has; the ids inside are made from it.

    Colours are the page's variables --ink, --soft, --line and --c0 to --c7, with those of a light
    page where it has none. Texts are text, in the page's font. Titles of points are said when the
    pointer rests on them. It grows beyond `height` where rows or a legend need that.
    """
    with drawing(**{"svg.hashsalt": ident}):
        root = ElementTree.fromstring(saved(draw(chart, width, height), "svg"))
    _tidy(root)
    root.attrib = {"viewBox": root.get("viewBox", ""), "role": "img", "style": _ROOT}
    root.set("aria-label", printable(chart.words()))
    return ElementTree.tostring(root, encoding="unicode")


def png(chart: Chart, width: float = WIDTH, height: float = HEIGHT, scale: float = 2) -> bytes:
    """The chart on white, with `scale` pixels for each unit of its size."""
    with drawing():
        return saved(draw(chart, width, height), "png", scale)


def pdf(chart: Chart) -> bytes:
    """The chart on white, one page of its size, with its fonts inside."""
    with drawing():
        return saved(draw(chart, WIDTH, HEIGHT), "pdf")


def svg_file(chart: Chart) -> bytes:
    """The chart as an SVG file of its own that looks the same in every program."""
    with drawing(**{"svg.fonttype": "path", "svg.hashsalt": "chart"}):
        figure = draw(chart, WIDTH, HEIGHT)
        for artist in figure.findobj():
            artist.set_gid(None)  # meant for pages
        return saved(figure, "svg")


def draw(chart: Chart, width: float, height: float) -> Any:
    """The chart as a figure of its own, as wide as told and at least as high. Inside `drawing`."""
    room = width - 2 * _EDGE
    title = wrapped(chart.title, room, 1.15 * TITLE, 2)  # bold letters are wider
    remarks = "\n".join(wrapped(note, room, SMALL) for note in chart.notes())
    above = (
        8
        + line(TITLE) * len(title.splitlines())
        + ROW * len(legend_rows(chart.legend(), room))
        + 12
    )
    below = line(SMALL) * len(remarks.splitlines()) + 4
    forest = sum(isinstance(mark, Ranges) for mark in chart.marks)
    rows = ROW * (len(chart.rows()) + 3) + 9 * len(chart.rows()) * (forest - 1)
    height = round(max(height, above + below + max(_LEAST * height, rows)))
    figure = blank(width, height)
    y = write(figure, _EDGE, 6, title, "ink", size=TITLE, weight="bold") + 2
    entries = plot(figure, chart, (_EDGE, above, width, height - below))
    legend(figure, entries, _EDGE, y, room)
    write(figure, _EDGE, height - below, remarks, size=SMALL)
    return figure


def _tidy(root: ElementTree.Element) -> None:
    """Makes matplotlib's SVG one of a page: in the page's colours and font, without a style sheet,
    and with what is said of its groups (`figure.said_as`).
    """
    named = {shade: f"var(--{word},{shade})" for word, shade in SHADES.items()}
    for part in list(root.iter()):
        part.tag = part.tag.rpartition("}")[2]
        part.tail = None
        for inner in list(part):
            if inner.tag.endswith(("metadata", "style")):
                part.remove(inner)
        for key in ("d", "x", "y", "transform"):
            if value := part.get(key):
                part.set(key, re.sub(r"(\.\d\d)\d+", r"\1", value.replace("\n", "")))
        if style := re.sub("font-family: [^;]*;? ?", "", part.get("style", "")):
            part.set("style", re.sub("#[0-9a-f]{6}", lambda c: named.get(c[0], c[0]), style))
        if _HREF in part.attrib:
            part.set("href", part.attrib.pop(_HREF))
    for group in root.iter("g"):
        group.text = None
        for use in group.findall("use"):  # those of a group look the same
            group.set("style", use.attrib.pop("style"))
        said = group.attrib.pop("id", "").split(BREAK)[1:]
        texts = list(group.iter("text")) if said else []
        for text, words in zip(texts, said, strict=False):
            text.text = words
        if said and not texts:
            marks = list(group.iter("use")) or group.iter("path")
            for mark, words in zip(marks, said, strict=False):
                ElementTree.SubElement(mark, "title").text = words

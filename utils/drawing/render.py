"""A chart as SVG for a page, as PNG, and as PDF and SVG for a paper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np

from utils.drawing.canvas import (
    ROW,
    SHADES,
    SMALL,
    TEXT,
    TITLE,
    Box,
    Canvas,
    drawing,
    legend_rows,
    shorten,
    text_width,
    wrapped,
)
from utils.drawing.chart import Bars, Chart, Ranges
from utils.drawing.limits import limits, notes
from utils.drawing.marks import draw_marks, grid, ticks, whole_axis
from utils.text import printable

WIDTH, HEIGHT = 440, 310  # of a chart, in units of its text: legible on a phone
_EDGE, _HEADING, _REMARK = 10.0, 23, 18  # margin; a line of the title, of a remark
_NAMES = 0.46  # of the width at most for the labels of a forest plot
_LEAST = 0.5  # of the height at least for the plot, whatever stands above and below it
_ROOT = (
    "display:block;width:100%;height:auto;font-family:system-ui,sans-serif;stroke-linejoin:round"
)
_NAMED = {shade: f"var(--{name},{shade})" for name, shade in SHADES.items()}


def svg(chart: Chart, ident: str, width: float = WIDTH, height: float = HEIGHT) -> str:
    """The chart as one <svg> for a page, which may be as wide as it likes. ident: a word that no
    other chart of the page has; the few ids inside begin with it.

    Colours are the page's variables --ink, --soft, --line and --c0 to --c7, with those of a light
    page where it has none. Texts are text, in the page's font. Titles of points are said when the
    pointer rests on them. It grows beyond `height` where rows or a legend need that.
    """
    with drawing():
        canvas = draw(chart, width, height)
        drawn = ElementTree.fromstring(canvas.save("svg"))
    _tidy(drawn, canvas, ident)
    drawn.attrib.clear()
    box = f"0 0 {canvas.width:g} {canvas.height:g}"
    drawn.attrib.update(viewBox=box, role="img", style=_ROOT)
    drawn.set("aria-label", printable(chart.words()))
    return ElementTree.tostring(drawn, encoding="unicode")


def png(chart: Chart, width: float = WIDTH, height: float = HEIGHT, scale: float = 2) -> bytes:
    """The chart on white, with `scale` pixels for each unit of its size."""
    with drawing():
        return draw(chart, width, height).save("png", scale)


def pdf(chart: Chart) -> bytes:
    """The chart on white, one page of its size, with its fonts inside."""
    with drawing():
        return draw(chart, WIDTH, HEIGHT).save("pdf")


def svg_file(chart: Chart) -> bytes:
    """The chart as an SVG file of its own that looks the same in every program."""
    import matplotlib

    with drawing():
        matplotlib.rcParams["svg.fonttype"] = "path"
        return draw(chart, WIDTH, HEIGHT).save("svg")


# ---- what stands where


def draw(chart: Chart, width: float, height: float) -> Canvas:
    """The chart on a canvas of its own. Inside `drawing`."""
    rows, room = chart.labels(), width - 2 * _EDGE
    title = wrapped(chart.title, TITLE, room, 2, bold=True)
    remarks = [line for note in notes(chart, *limits(chart)) for line in wrapped(note, SMALL, room)]
    names_at = 12 + _HEADING * len(title)
    top = names_at + ROW * len(legend_rows(chart.legend(), room)) + 6
    forest = sum(isinstance(mark, Ranges) for mark in chart.marks)
    least = max(_LEAST * height, len(rows) * (20 + 9 * (forest - 1)))
    below = 8 + ROW * (1 + bool(chart.x_label)) + _REMARK * len(remarks) + 3
    bottom = max(height - below, top + least)
    canvas = Canvas(width, round(bottom + below))
    whole = chart.title if any("…" in line for line in title) else ""
    canvas.paragraph(_EDGE, 6, title, TITLE, colour="ink", bold=True, whole=whole)
    box = (_EDGE, top, width - _EDGE, bottom)
    axes = canvas.axes(box)
    canvas.legend(draw_marks(canvas, axes, chart), _EDGE, names_at, room)
    frame(canvas, axes, chart, box)
    canvas.paragraph(_EDGE, canvas.height - 4 - _REMARK * len(remarks), remarks, SMALL)
    return canvas


def frame(canvas: Canvas, axes: Any, chart: Chart, box: Box) -> None:
    """Ticks and labels of the axes, which move so that they and what is written left of them lie
    within box: left, top, right, bottom.
    """
    left, top, right, bottom = box
    rows, empty = chart.labels(), chart.empty()
    left += 22 if chart.y_label else 0
    heights: Any = np.arange(len(rows))
    names = [shorten(name, TEXT, _NAMES * (right - left)) for name in rows]
    if not rows:
        heights, names = ticks(axes.yaxis, bottom - top, whole_axis(chart.marks, 1), across=False)
    start = left + max((text_width(name, TEXT) for name in names), default=0) + 8
    across, numbers = ticks(axes.xaxis, right - start - 20, whole_axis(chart.marks, 0), across=True)
    ends = axes.get_xlim()
    if len(across):  # the last label stays inside
        beyond = start + (right - start) * (across[-1] - ends[0]) / (ends[1] - ends[0])
        right -= max(0.0, beyond + text_width(numbers[-1], TEXT) / 2 - right - 8)
    canvas.move(axes, (start, top, right, bottom))
    if empty:
        heights = heights if rows or chart.y_range else ()
        across = across if chart.x_range else np.empty(0)
        canvas.text((start + right) / 2, (top + bottom) / 2, "no values", anchor="center")
    bars = any(isinstance(mark, Bars) for mark in chart.marks)
    grid(axes, () if bars else across, heights)
    for at, name, row in zip(heights, names, rows or names, strict=False):
        y = bottom - (bottom - top) * (at - axes.get_ylim()[0]) / np.diff(axes.get_ylim())[0]
        whole = row if name != printable(row) else ""
        canvas.text(start - 8, y, name, anchor="right", whole=whole)
    for at, name in zip(across, numbers, strict=False):
        x = start + (right - start) * (at - ends[0]) / (ends[1] - ends[0])
        canvas.text(x, bottom + 6 + ROW / 2, name, anchor="center")
    label = _with_power(chart.x_label, axes.xaxis)
    canvas.text((start + right) / 2, bottom + 8 + 1.5 * ROW, label, anchor="center", colour="ink",
                room=right - start)  # fmt: skip
    label = _with_power(chart.y_label, axes.yaxis)
    canvas.text(box[0] + 7, (top + bottom) / 2, label, anchor="center", colour="ink",
                room=bottom - top, upwards=True)  # fmt: skip


def _with_power(label: str, axis: Any) -> str:
    """The label with the power of ten that all ticks of the axis are in units of, if any."""
    power = axis.get_major_formatter().get_offset()
    return f"{label} ({power})".strip() if power else label


# ---- the SVG of a page


def _tidy(root: ElementTree.Element, canvas: Canvas, ident: str) -> None:
    """Makes matplotlib's SVG one of a page: nothing but shapes, texts and titles, in the page's
    colours; dots as circles with their titles; ids that no other chart has.
    """
    for above in list(root.iter()):
        above.tag = above.tag.rpartition("}")[2]
        for part in list(above):
            if part.tag.endswith(("metadata", "style")):
                above.remove(part)
    clips = {part.get("id"): f"{ident}-{n}" for n, part in enumerate(root.iter("clipPath"))}
    markers = {
        part.get("id", ""): part.get("d", "") for part in root.iter("path") if part.get("id")
    }
    for part in list(root.iter()):
        name = part.attrib.pop("id", "")
        part.text, part.tail = part.text if part.tag == "text" else None, None
        if part.tag == "clipPath":
            part.set("id", clips[name])
        elif part.tag == "use":
            _marker(part, markers)
        elif part.tag == "defs" and part.find("path") is not None:
            part.clear()
        elif part.tag == "g" and name in canvas.said:
            _said(part, *canvas.said[name])
        if "clip-path" in part.attrib:
            part.set("clip-path", f"url(#{clips[part.get('clip-path', '')[5:-1]]})")
        for key in {"d", "x", "y", "width", "height", "cx", "cy", "r", "transform"} & {
            *part.keys()
        }:
            part.set(key, _short(part.get(key, "")))
        if "style" in part.attrib:
            part.set("style", _style(part.get("style", "")))
        if part.get("transform", "").startswith("rotate(-0 "):
            del part.attrib["transform"]
        if name in canvas.titles:
            part.set("id", name)
    for group in list(root.iter("g")):
        if (name := group.attrib.pop("id", "")) in canvas.titles:
            _titled(group, canvas.titles[name])
    _unwrapped(root)


def _marker(use: ElementTree.Element, markers: dict[str, str]) -> None:
    """A dot or a cap where it stands, in place of a reference to one."""
    href = next(value for key, value in use.items() if key.endswith("href"))
    outline, style = markers[href[1:]], use.get("style", "")
    x, y = use.get("x", ""), use.get("y", "")
    use.attrib.clear()
    use.set("style", style)
    if "C" in outline:  # matplotlib's circle begins at its radius: M 0 3 C ...
        use.tag = "circle"
        use.attrib.update(cx=x, cy=y, r=outline.split()[2])
    else:
        use.tag = "path"
        use.attrib.update(d=outline, transform=f"translate({x} {y})")


def _titled(group: ElementTree.Element, titles: Sequence[str]) -> None:
    """The parts of a mark with what is said of each; the style of dots is said once."""
    parts = list(group.iter("circle")) or list(group.iter("path"))
    if parts and parts[0].tag == "circle":
        for part in list(group):
            group.remove(part)
        group.set("style", parts[0].get("style", ""))
        group.extend(parts)
        for part in parts:
            del part.attrib["style"]
    for part, title in zip(parts if titles else (), titles, strict=bool(titles)):
        ElementTree.SubElement(part, "title").text = printable(title)


def _said(group: ElementTree.Element, shown: str, whole: str) -> None:
    """The letters that a text is called by, and a title with the whole of what was shortened."""
    for text in group.iter("text"):
        text.text = shown
        if whole:
            title = ElementTree.SubElement(text, "title")
            title.text, title.tail, text.text = whole, shown, ""


def _style(style: str) -> str:
    """The page's font and colours; none of what is so anyway."""
    kept = []
    for part in style.split("; "):
        name, _, value = part.partition(": ")
        if name == "font-family" or part in ("text-anchor: start", "stroke-linejoin: miter"):
            continue
        kept.append(f"{name}:{_NAMED.get(value, value)}")
    return ";".join(kept)


def _short(text: str) -> str:
    """Numbers rounded to 0.1."""
    text = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), text)
    return re.sub(r"\s+", " ", text).strip()


def _unwrapped(root: ElementTree.Element) -> None:
    """Without groups and definitions that say nothing."""
    for above in list(root.iter()):
        at = 0
        while at < len(above):
            part = above[at]
            if part.tag in ("g", "defs") and not len(part) or part.get("style") == "fill:none":
                above.remove(part)
            elif part.tag == "g" and not part.attrib:
                above.remove(part)
                for number, inner in enumerate(list(part)):
                    above.insert(at + number, inner)
            else:
                at += 1

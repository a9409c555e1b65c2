"""Self-contained HTML pages: elements that escape, pictures inside the file, one style.

A page loads nothing, and says so to the browser (a content security policy). It runs no script, or
the one of utils/page_script.py, which the policy names by its hash. It follows the reader's light
or dark setting, fits a phone, and prints in black on white.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from utils.check_images import map_files
from utils.imaging.images import DEFAULT_MAX_PIXELS, ImageError, read_image
from utils.page_script import SCRIPT
from utils.page_style import STYLE
from utils.text import printable

THUMBNAIL = 192  # pixels of the longer side; shown at half of it or more
FULL = 1280  # of a picture that opens
_VOID = ("meta", "img", "br", "hr")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"
_NO_VALUE = ("", "-", "\u2013", "\u2014", "n/a")  # what stands in a table in place of a number


class Html(str):
    """Markup; every other string is text."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | int | bool | None) -> Html:
    """`<name ...>children</name>`; text in children and attributes is escaped, Html is not.

    class_ is class; True gives an attribute without a value, None and False none at all.
    """
    marks = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{marks}>")
    return Html(f"<{name}{marks}>{together(*children)}</{name}>")


def together(*children: str) -> Html:
    """Children one after the other, text escaped."""
    parts = (c if isinstance(c, Html) else html.escape(printable(c), quote=True) for c in children)
    return Html("".join(parts))


def _attribute(name: str, value: str | int | bool | None) -> str:
    if value is None or value is False:
        return ""
    key = name.rstrip("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{together(str(value))}"'


@dataclass(frozen=True)
class Cell:
    """A table's cell with what it is sorted by; key: "" counts as no value, None as the text."""

    text: str
    key: str | None = None


def cell(text: str, value: float | str | None = None) -> Cell:
    """A cell that shows one thing and is sorted by another: text "0.91 [0.88, 0.94]", value 0.91.

    A nan sorts last in either direction; None sorts by the text, as a bare string does.
    """
    return Cell(text, None if value is None else _key(value))


def _key(value: float | str) -> str:
    if isinstance(value, str):
        return value
    if math.isfinite(value):
        return f"{value:.17g}"
    return "" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"  # as JavaScript writes it


def _numeric_key(text: str) -> str | None:
    """The key of a figure as tables show it: 1,234 or 5.6% or -0.7; None where it is no number."""
    plain = text.strip().replace(",", "").replace("\u2212", "-").removesuffix("%")
    if plain in _NO_VALUE:
        return ""
    try:
        return _key(float(plain))
    except ValueError:
        return None


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str | Cell]],
    numeric: int = 1,
    sortable: bool = False,
    caption: str | None = None,
) -> Html:
    """A table that scrolls by itself on a narrow screen; columns from `numeric` on are figures.

    sortable: a click on a header sorts, a second one turns the order round (on an interactive
    page): figures as numbers, other columns as text, cells without a value last.
    """
    head = element("tr", *(_header(name, sortable) for name in header))
    body = [
        element("tr", *(_cell(c, i >= numeric, sortable) for i, c in enumerate(row)))
        for row in rows
    ]
    said = element("caption", caption) if caption else Html("")
    whole = element("table", said, element("thead", head), element("tbody", *body))
    return element("div", whole, class_="wide")


def _header(name: str, sortable: bool) -> Html:
    if sortable and name:
        name = element("button", name, type="button", disabled=True)
    return element("th", name, scope="col")


def _cell(given: str | Cell, figure: bool, sortable: bool) -> Html:
    shown = given if isinstance(given, Cell) else Cell(given)
    key = shown.key
    if key is None and figure:
        key = _numeric_key(shown.text)
    mark = "n" if figure else None
    return element("td", shown.text, class_=mark, data_v=key if sortable else None)


def bars(
    label: str, counts: Sequence[float], names: Sequence[str], ends: tuple[str, str] | None = None
) -> Html:
    """A chart of bars as inline SVG. names: of each bar, said with its count when the pointer rests
    on it; ends: what stands below the first and the last, their names by default.
    """
    most = max(counts, default=0) or 1
    width, height = 100 / max(1, len(counts)), 44
    drawn = []
    for n, (name, count) in enumerate(zip(names, counts, strict=True)):
        tall = height * count / most
        place = {"x": f"{(n + 0.07) * width:.2f}", "y": f"{height - tall:.2f}"}
        size = {"width": f"{width * 0.86:.2f}", "height": f"{tall:.2f}"}
        drawn.append(element("rect", element("title", f"{name}: {count:g}"), **place, **size))
    chart = element(
        "svg", *drawn, viewBox=f"0 0 100 {height}", preserveAspectRatio="none", role="img",
        aria_label=label,
    )  # fmt: skip
    below = (element("span", end) for end in ends or (names[0], names[-1]))
    scale = element("div", *below, class_="ends")
    return element("figure", element("figcaption", label), chart, scale, class_="chart")


def thumbnail(path: Path, max_pixels: int = DEFAULT_MAX_PIXELS, side: int = THUMBNAIL) -> str:
    """A data URI of the image, shrunk to `side`; "" where it cannot be read."""
    try:
        image = read_image(path, max_pixels)
    except (ImageError, MemoryError):
        return ""
    image.thumbnail((side, side), Image.Resampling.BOX)
    return image_uri(image, 78)


def full_picture(
    path: Path, max_pixels: int = DEFAULT_MAX_PIXELS, side: int = FULL
) -> tuple[str, str]:
    """A data URI of the image, its longer side at most `side` pixels, and "shrunk from 4000 x 3000"
    where it was larger, else "". ("", "") where it cannot be read.
    """
    try:
        image = read_image(path, max_pixels)
    except (ImageError, MemoryError):
        return "", ""
    return shrunk_uri(image, side)


def shrunk_uri(image: Image.Image, side: int = FULL) -> tuple[str, str]:
    """`full_picture` of an RGB image in memory, which is shrunk in place."""
    width, height = image.size
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    note = "" if image.size == (width, height) else f"shrunk from {width} x {height}"
    return image_uri(image, 85), note


def image_uri(image: Image.Image, quality: int) -> str:
    """An RGB image as a data URI, JPEG."""
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(packed.getvalue()).decode("ascii")


def thumbnails(
    paths: Iterable[Path], workers: int | None = None, max_pixels: int = DEFAULT_MAX_PIXELS
) -> dict[Path, str]:
    """`thumbnail` of each distinct path, in several processes."""
    files = list(dict.fromkeys(paths))
    made = map_files(partial(thumbnail, max_pixels=max_pixels), files, workers)
    return dict(zip(files, made, strict=True))


def picture(path: Path, caption: Sequence[str], images: Mapping[Path, str]) -> Html:
    """An image with lines of text below; a grey field in place of one that cannot be shown."""
    return _figure(_shown(images.get(path, ""), path.name), caption)


def zoomable(src: str, alt: str, caption: Sequence[str], note: str = "") -> Html:
    """A small image with lines of text and a note below; on an interactive page a click opens it in
    full size. src: a data URI, which the file holds once; "" leaves a grey field.
    """
    shown = _shown(src, alt)
    if src:
        name = {"aria_label": f"Enlarge {alt}".strip(), "aria_haspopup": "dialog"}
        shown = element("button", shown, type="button", disabled=True, **name)
    return _figure(shown, [*caption, note] if note else caption)


def _shown(src: str, alt: str) -> Html:
    if src:
        return element("img", src=src, alt=alt, loading="lazy")
    return element("div", "no picture", class_="none")


def _figure(shown: Html, caption: Sequence[str]) -> Html:
    lines = [element("div", element("bdi", line)) for line in caption]
    return element("figure", shown, element("figcaption", *lines), class_="picture")


def download(name: str, text: str, label: str) -> Html:
    """A link that saves the text, a csv, under the name; the text is inside the page."""
    data = base64.b64encode(text.encode("utf-8", "backslashreplace")).decode("ascii")
    address = f"data:text/csv;base64,{data}"
    return element("a", label, download=name, href=address, class_="download")


def chart_figure(svg: Html, csv_name: str, csv_text: str, note: str = "") -> Html:
    """A chart, below it a link to the numbers that it draws and a note."""
    parts = [element("span", note), Html(" ")] if note else []
    below = element("figcaption", *parts, download(csv_name, csv_text, csv_name))
    return element("figure", svg, below, class_="plot")


def page(title: str, *body: str, interactive: bool = False) -> Html:
    """A whole document; interactive: with the script that sorts tables and opens pictures."""
    policy, live = _POLICY, Html("")
    if interactive:
        digest = hashlib.sha256(SCRIPT.encode()).digest()
        policy += f"; script-src 'sha256-{base64.b64encode(digest).decode('ascii')}'"
        live = together(_dialog(), element("script", Html(SCRIPT)))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Html(STYLE)),
    )
    whole = element("html", head, element("body", element("main", *body), live), lang="en")
    return Html(f"<!DOCTYPE html>\n{whole}\n")


def _dialog() -> Html:
    """Where pictures open; the script fills it."""
    close = element("button", "\u00d7", type="button", aria_label="Close", class_="close")
    inner = element("div", close, element("img", alt=""), element("div", class_="said"))
    return element("dialog", inner, class_="zoom", aria_label="Picture in full size")

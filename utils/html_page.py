"""Self-contained HTML pages: elements that escape, thumbnails inside the file, one style.

A page loads nothing and runs no script, and says so to the browser (a content security policy). It
follows the reader's light or dark setting, fits a phone, and prints in black on white.
"""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from utils.check_images import map_files
from utils.images import DEFAULT_MAX_PIXELS, ImageError, read_image

THUMBNAIL = 192  # pixels of the longer side; shown at half of it or more
_VOID = ("meta", "img", "br", "hr")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Html(str):
    """Markup; every other string is text."""

    __slots__ = ()


def printable(text: str | os.PathLike[str]) -> str:
    """The text with what UTF-8 cannot hold, and control characters, written as escapes: a file
    name can be any bytes, and must not turn a terminal's or a page's text round.
    """
    whole = os.fspath(text).encode("utf-8", "backslashreplace").decode("utf-8")
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in whole)
    return "".join(shown)


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


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numeric: int = 1) -> Html:
    """A table that scrolls by itself on a narrow screen; columns from `numeric` on are figures."""
    head = element("tr", *(element("th", h, scope="col") for h in header))
    body = [
        element(
            "tr",
            *(element("td", c, class_="n" if i >= numeric else None) for i, c in enumerate(row)),
        )
        for row in rows
    ]
    whole = element("table", element("thead", head), element("tbody", *body))
    return element("div", whole, class_="wide")


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
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=78)
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
    address = images.get(path, "")
    shown = (
        element("img", src=Html(address), alt=path.name, loading="lazy")
        if address
        else element("div", "no picture", class_="none")
    )
    lines = [element("div", element("bdi", line)) for line in caption]
    return element("figure", shown, element("figcaption", *lines), class_="picture")


def page(title: str, *body: str) -> Html:
    """A whole document."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Html(STYLE)),
    )
    whole = element("html", head, element("body", element("main", *body)), lang="en")
    return Html(f"<!DOCTYPE html>\n{whole}\n")


STYLE = """
:root { --ink: #1f2328; --soft: #59636e; --paper: #ffffff; --panel: #f6f8fa; --line: #d1d9e0;
  --bar: #0072b2; --bad: #b42318; --bad-paper: #fef3f2; --warn: #8a5300; --warn-paper: #fff8e6;
  --good: #1a7f37; --good-paper: #eefbf1; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4af; --paper: #0d1117;
  --panel: #161b22; --line: #30363d; --bar: #56b4e9; --bad: #ff8a80; --bad-paper: #2d1414;
  --warn: #f0b34a; --warn-paper: #2a2007; --good: #56d364; --good-paper: #0e2415; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 40px 0 4px; padding-top: 14px; border-top: 1px solid var(--line); }
h3 { font-size: 14px; margin: 0 0 8px; overflow-wrap: anywhere; }
p { margin: 4px 0 12px; max-width: 80ch; }
a { color: inherit; }
.soft, figcaption { color: var(--soft); }
.soft { font-size: 14px; }
.tag { display: inline-block; padding: 0 7px; border: 1px solid currentColor; border-radius: 9px;
  font-size: 12px; line-height: 18px; white-space: nowrap; margin-right: 6px; }
.bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
.verdict { padding: 10px 14px; border-left: 5px solid currentColor; border-radius: 4px;
  margin: 16px 0; font-weight: 600; }
.verdict.bad { background: var(--bad-paper); } .verdict.warn { background: var(--warn-paper); }
.verdict.good { background: var(--good-paper); }
.wide { overflow-x: auto; margin: 8px 0 16px; }
table { border-collapse: collapse; font-size: 14px; min-width: 320px; }
th, td { text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; white-space: nowrap; }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
.charts { display: grid; gap: 16px; margin: 8px 0;
  grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); }
.chart { margin: 0; padding: 10px 12px; background: var(--panel); border-radius: 6px; }
.chart svg { display: block; width: 100%; height: 90px; fill: var(--bar); margin-top: 6px; }
.ends { display: flex; justify-content: space-between; font-size: 12px; color: var(--soft);
  border-top: 1px solid var(--line); }
figcaption { font-size: 13px; }
.groups { display: grid; gap: 12px; align-items: start; margin: 10px 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr)); }
.group { border: 1px solid var(--line); border-radius: 6px; padding: 10px 12px; min-width: 0;
  break-inside: avoid; }
.pictures { display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
.picture { margin: 0; min-width: 0; break-inside: avoid; }
.picture img, .none { display: block; width: 100%; height: 130px; object-fit: contain;
  background: var(--panel); border-radius: 4px; }
.none { line-height: 130px; text-align: center; color: var(--soft); font-size: 13px; }
.picture figcaption { margin-top: 4px; font-size: 12px; line-height: 1.4;
  overflow-wrap: anywhere; }
.picture figcaption div:first-child { color: var(--ink); }
.more { color: var(--soft); font-style: italic; }
@media (max-width: 600px) { main { padding: 16px 14px 40px; }
  .pictures { grid-template-columns: repeat(2, minmax(0, 1fr)); } h1 { font-size: 22px; } }
@media print { :root { --ink: #000; --soft: #444; --paper: #fff; --panel: #fff; --line: #bbb;
  --bar: #333; --bad: #900; --warn: #640; --good: #040; --bad-paper: #fff; --warn-paper: #fff;
  --good-paper: #fff; } main { max-width: none; padding: 0; } h2 { break-after: avoid; }
  .picture img, .none { height: 100px; } }
"""

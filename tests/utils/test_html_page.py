"""Text never becomes markup, and a page loads nothing."""

from __future__ import annotations

import base64
import io
import re

import pytest
from PIL import Image

from tests.contents import HOSTILE, blotches
from tests.html_reader import Reader
from utils.html_page import Html, bars, element, page, picture, printable, table, thumbnails


@pytest.mark.parametrize(
    "text", [HOSTILE, "</title><script>x</script>", "'\" onload=x", "&lt;b&gt;"]
)
def test_text_stays_text(text):
    read = Reader(element("p", text, Html("<br>"), title=text))
    assert read.elements == [("p", {"title": text}), ("br", {})] and read.text == text


def test_attributes():
    assert element("img", src="a", class_="x", loading=None, hidden=True) == (
        '<img src="a" class="x" hidden>'
    )


def test_what_cannot_be_printed_is_escaped():
    """Undecodable bytes of a file name, a right-to-left override, a line break, an escape code."""
    assert printable("a\udcff\u202eb\n\x1b[2J é.png") == "a\\udcff\\u202eb\\n\\x1b[2J é.png"
    element("p", "\udcff").encode("utf-8")


def test_a_page_loads_and_runs_nothing(tmp_path):
    path = tmp_path / HOSTILE.replace("/", "")
    blotches(0).save(path)
    images = thumbnails([path, path], workers=0)
    body = [picture(path, [path.name, "detail"], images), table(["a", HOSTILE], [[HOSTILE, "1"]])]
    document = page(HOSTILE, *body, bars(HOSTILE, [1, 3], [HOSTILE, "b"]))
    read = Reader(document)
    names = [name for name, _ in read.elements]
    assert names.count("img") == 1 and "script" not in names and "link" not in names
    addresses = [v for _, given in read.elements for k, v in given.items() if k in ("src", "href")]
    assert len(addresses) == 1 and addresses[0].startswith("data:image/jpeg;base64,")
    assert not any(k.startswith("on") for _, given in read.elements for k in given)
    policy = next(g["content"] for n, g in read.elements if n == "meta" and "http-equiv" in g)
    assert "default-src 'none'" in policy and "url(" not in document and "@import" not in document
    assert "prefers-color-scheme: dark" in document and "@media print" in document


def test_thumbnails(tmp_path):
    blotches(1, 400, 100).save(tmp_path / "wide.png")
    (tmp_path / "bad.png").write_bytes(b"bad")
    made = thumbnails([tmp_path / "wide.png", tmp_path / "bad.png"], workers=0)
    data = base64.b64decode(made[tmp_path / "wide.png"].split(",")[1])
    assert Image.open(io.BytesIO(data)).size == (192, 48)
    assert made[tmp_path / "bad.png"] == ""
    assert "no picture" in picture(tmp_path / "bad.png", ["bad"], made)


def test_bars_are_as_high_as_their_counts():
    drawn = bars("title", [2, 8, 0], ["one", "two", "three"])
    heights = [float(h) for h in re.findall(r'<rect [^>]*height="([\d.]+)"', drawn)]
    assert heights == [11, 44, 0] and "two: 8" in drawn
    assert re.findall(r"<span>(\w+)</span>", drawn) == ["one", "three"]
    assert "<svg" in bars("nothing", [0, 0], ["a", "b"])

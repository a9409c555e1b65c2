"""Text never becomes markup, and a page loads nothing."""

from __future__ import annotations

import base64
import hashlib
import io
import re

import pytest
from PIL import Image

from tests.contents import HOSTILE, blotches
from tests.html_reader import Reader
from utils.html_page import (
    Html,
    bars,
    cell,
    chart_figure,
    download,
    element,
    full_picture,
    page,
    picture,
    printable,
    table,
    thumbnails,
    zoomable,
)


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


def policy_of(read: Reader) -> str:
    return next(g["content"] for n, g in read.elements if n == "meta" and "http-equiv" in g)


def test_an_interactive_page_runs_one_script_which_the_policy_names():
    document = page("title", element("p", HOSTILE), interactive=True)
    read = Reader(document)
    scripts = re.findall(r"<script>(.*?)</script>", document, re.DOTALL)
    assert len(scripts) == 1 and [n for n, _ in read.elements].count("script") == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy_of(read)
    assert (
        "default-src 'none'" in policy_of(read)
        and "unsafe" not in policy_of(read).split("script")[1]
    )
    # text becomes text, and nothing is asked for
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval",
        "fetch",
        "http",
    ):
        assert word not in scripts[0]
    still = Reader(page("title", element("p", HOSTILE)))
    assert "script" not in policy_of(still) and "dialog" not in [n for n, _ in still.elements]


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("1,234", "1234"),
        ("-0.5%", "-0.5"),
        ("\u22123", "-3"),
        ("nan", ""),
        ("n/a", ""),
        ("", ""),
        ("inf", "Infinity"),
        ("0.9 [0.8, 1.0]", None),
        (cell("0.9 [0.8, 1.0]", 0.9), "0.90000000000000002"),
        (cell("none", float("nan")), ""),
        (cell("low", float("-inf")), "-Infinity"),
        (cell("2 January", "2026-01-02"), "2026-01-02"),
    ],
)
def test_what_a_figure_is_sorted_by(given, key):
    shown = given if isinstance(given, str) else given.text
    read = Reader(table(["name", "figure"], [["1", given]], sortable=True, caption=HOSTILE))
    name, figure = (given for tag, given in read.elements if tag == "td")
    assert figure.get("data-v") == key and "data-v" not in name
    assert read.text == f"{HOSTILE}namefigure1{shown}"
    plain = Reader(table(["name", "figure"], [["1", given]]))
    assert not any("data-v" in given for _, given in plain.elements) and plain.text.endswith(shown)


def test_headers_are_buttons_where_one_can_sort():
    read = Reader(table(["name", "", "<b>"], [], sortable=True))
    assert [n for n, _ in read.elements].count("button") == 2 and read.text == "name<b>"
    assert "<button" not in table(["name"], [])


def test_a_full_picture_says_what_it_was_shrunk_from(tmp_path):
    blotches(1, 400, 100).save(tmp_path / "wide.png")
    uri, note = full_picture(tmp_path / "wide.png", 40_000, side=200)
    shown = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    assert (shown.size, shown.format, note) == ((200, 50), "JPEG", "shrunk from 400 x 100")
    uri, note = full_picture(tmp_path / "wide.png", 40_000)
    shown = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    assert (shown.size, note) == ((400, 100), "")
    assert full_picture(tmp_path / "wide.png", 39_999) == ("", "")
    assert full_picture(tmp_path / "none.png", 40_000) == ("", "")


def test_a_picture_that_opens_holds_its_bytes_once():
    shown = zoomable("data:image/jpeg;base64,AAAA", HOSTILE, [HOSTILE, "score 1"], "a note")
    read = Reader(shown)
    assert shown.count("AAAA") == 1 and read.text == f"{HOSTILE}score 1a note"
    given = dict(read.elements)
    assert given["button"]["aria-label"] == f"Enlarge {HOSTILE}" and given["img"]["alt"] == HOSTILE
    gone = Reader(zoomable("", "gone.png", ["gone.png"]))
    assert "no picture" in gone.text and "button" not in dict(gone.elements)


def test_the_numbers_of_a_chart_come_along():
    text = f"name,value\n{HOSTILE},1\r\n\u0635,nan\n"
    for made in (
        download("a b.csv", text, HOSTILE),
        chart_figure(Html("<svg></svg>"), "a b.csv", text),
    ):
        link = dict(Reader(made).elements)["a"]
        data = link["href"].removeprefix("data:text/csv;base64,")
        assert base64.b64decode(data).decode() == text and link["download"] == "a b.csv"
    drawn = Reader(chart_figure(Html("<svg></svg>"), "a.csv", "", HOSTILE))
    assert drawn.text.split() == [*HOSTILE.split(), "a.csv"] and "svg" in dict(drawn.elements)
    download("a.csv", "a name of any bytes \udcff", "a.csv").encode("utf-8")

"""Text never becomes markup, and a page loads nothing; in a real browser it sorts, opens pictures,
and fits phone, screen and paper.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from applications.reports.page import page
from applications.reports.parts import (
    Beside,
    Cell,
    Details,
    Download,
    Gallery,
    Group,
    Groups,
    Items,
    Picture,
    Plot,
    Section,
    Table,
    Text,
)  # fmt: skip
from applications.reports.pictures import shown_source, shown_sources
from tests.cli import ROOT
from tests.contents import HOSTILE, blotches
from tests.html_reader import Reader
from utils.drawing.chart import Chart, Line

ARABIC = "\u0635\u0648\u0631\u0629 \u0645\u0646 \u0627\u0644\u0634\u0627\u0631\u0639 12.png"
LONG = "a_very_long_folder_name_without_any_break/" * 3 + "and_a_long_file_name.png"
UNSEEN = "a\udcff\u202eb\n\x1b[2J.png"  # bytes that are no UTF-8, right to left, an escape code
LINES = tuple(Line([0.0, 1.0], [n, n + 1.0], f"line {n}", n) for n in range(8))
URI = "data:image/jpeg;base64,AAAA"


def numbers(count: int) -> list[float]:
    """Scores with ties, an infinity and nans among them."""
    values = np.random.default_rng(5).normal(50, 30, count).round()
    values[3::17], values[5] = np.nan, np.inf
    return values.tolist()


def names(count: int) -> list[str]:
    special = {2: ARABIC, 4: LONG, 6: HOSTILE}
    return [special.get(n, f"image{count - n}.png") for n in range(count)]


NAMED = list(zip(names(60), numbers(60), strict=True))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Everything that a page can hold; of the pictures the first is larger than what is kept."""
    folder = tmp_path_factory.mktemp("sample")
    charts = [Plot(Chart("A chart", "x", "y", LINES), f"chart_{n}", "a note") for n in range(3)]
    pictures = [Picture("gone.png", "", ["gone.png"])]
    for n, name in list(enumerate(names(12)))[::-1]:
        blotches(n, *((1600, 400) if n == 0 else (320, 240))).save(folder / f"{n}.png")
        source, note = shown_source(folder / f"{n}.png", 10**8)
        pictures.insert(0, Picture(name, source, [name, f"score {n}", note]))
    header = ["image", "score", "with interval", "share of all that was seen by anybody", ""]
    rows = [[n, f"{v:.0f}", Cell(f"{-v:.1f} [-1, 1]", -v), f"{v:,.2f}%", ""] for n, v in NAMED]
    wide = Table(["set", *(f"some_metric_{n}" for n in range(24))], [[LONG, *["0.1234"] * 24]])
    flags = Table(["flag", "value"], [["--data", LONG], ["--seed", "1"]], 2, sortable=True)
    command = Text(f"python main.py --train --data {LONG} --criterion regress", tag="pre")
    sections = [
        Section("charts", "Charts", "Why.", [*charts, Beside([Table(["a", "b"], [["c", "1"]])])]),
        Section("pictures", "Pictures", "", [Gallery(pictures)]),
        Section("images", "Images", "", [Table(header, rows, sortable=True)]),
        Section("command", "Command", "", [Details("The exact command", [command, flags]), wide]),
    ]
    text = page(f"Report of {LONG}", sections, "An about.", [("all is well", "good")])
    (folder / "sample.html").write_text(text, encoding="utf-8")
    return folder / "sample.html"


@pytest.mark.parametrize(
    "text", [HOSTILE, "</title><script>x</script>", "'\" onload=x", "&lt;b&gt;"]
)
def test_text_stays_text_wherever_it_stands(text):
    picture = Picture(text, URI, [text, text], file=Download(f"{text}.csv", text))
    group = Group(text, Gallery([picture, Picture(text, "", [text])]), (text, text), text, text)
    table = Table([text, text], [[text, Cell(text, kind=text)]], sortable=True)
    chart = Plot(Chart(text, text, text, ()), "chart", text)
    body = [text, Text(text, text), Items([text]), table, Groups([group]), chart, Beside([text])]
    section = Section(text, text, text, [*body, Details(text, [table])])
    document = page(text, [section], text, [(text, text)])
    read = Reader(document)
    expected = {"table", "figure", "img", "details", "svg", "a", "ul", "dialog", "nav", "script"}
    assert expected <= {name for name, _ in read.elements}
    assert [name for name, _ in read.elements].count("script") == 1 and text in read.text
    assert not {"i", "b", "x"} & {name for name, _ in read.elements}
    assert not any(key.startswith("on") for _, given in read.elements for key in given)
    given = {name: marks for name, marks in read.elements}
    assert given["button"]["aria-label"] == "Close" and given["h2"]["id"] == text
    links = [marks["href"] for name, marks in read.elements if name in ("a", "link")]
    assert all(link.startswith(("data:text/csv;base64,", "#")) for link in links)
    assert all(m["src"].startswith("data:") for n, m in read.elements if n == "img" and "src" in m)


def test_signs_that_cannot_be_seen_are_escaped():
    table = Table([UNSEEN], [[UNSEEN]])
    document = page(UNSEEN, [Section("", UNSEEN, UNSEEN, [table, Download("a.csv", "a \udcff")])])
    assert document.count(r"a\udcff\u202eb\n\x1b[2J.png") == 6
    document.encode("utf-8")


def test_a_page_loads_nothing_and_runs_one_script_which_its_policy_names(sample):
    document = sample.read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", document, re.DOTALL)
    read = Reader(document)
    (policy,) = [g["content"] for n, g in read.elements if n == "meta" and "http-equiv" in g]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy and policy.endswith(f"script-src 'sha256-{digest}'")
    # Text becomes text, and nothing is asked for.
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval", "fetch"):
        assert word not in script
    assert not {"link", "iframe", "object"} & {name for name, _ in read.elements}
    assert "http:" not in document.replace("http://www.w3.org/", "") and "@import" not in document


def test_a_page_without_jinja2_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ValueError, match="pages need Jinja2: pip install -r requirements.txt"):
        page("title", [])


def test_pages_need_no_network():
    """Neither torch nor models nor training; what draws and writes them only where it has to."""
    program = (
        "import sys; from applications.reports import report, cross, findings, comparison\n"
        "heavy = {'torch', 'jinja2', 'matplotlib', 'models', 'applications.training'}\n"
        "assert not heavy & {*sys.modules}, heavy & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_columns_without_text_are_left_out():
    table = Table(["a", "b", "c", "d"], [["1", "", "", "2"], ["3", "", "", ""]], 1, True)
    assert table.used(2) == Table(["a", "b", "d"], [["1", "", "2"], ["3", "", ""]], 1, True)


def test_a_picture_says_what_it_was_shrunk_from(tmp_path):
    wide, bad = tmp_path / "wide.png", tmp_path / "bad.png"
    blotches(1, 400, 100).save(wide)
    bad.write_bytes(b"bad")
    made = shown_sources([wide, bad, wide], 0, 40_000, 200)
    uri, note = made[wide]
    shown = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    assert (shown.size, shown.format, note) == ((200, 50), "JPEG", "shrunk from 400 x 100")
    assert shown_source(wide, 40_000)[1] == ""
    assert made[bad] == shown_source(wide, 39_999) == ("", "")


# ---- in a browser


@pytest.fixture
def opened(browser, sample):
    browser.open(sample)
    return browser


def column(browser, number: int) -> list[str]:
    read = "return [...document.querySelectorAll('tbody')[1].rows].map("
    return browser.run(read + "(row) => row.cells[arguments[0]].textContent)", number)


def directions(browser) -> list[str | None]:
    read = "[...document.querySelectorAll('thead tr')[1].cells].map((c) => c.ariaSort)"
    return browser.run("return " + read)


def header(browser, number: int):
    return browser.find(f"section:nth-of-type(3) th:nth-child({number + 1}) button")


def test_the_policy_lets_no_other_script_run(browser, sample, tmp_path):
    """And the console says so, which is what the tests below rely on."""
    planted = "<script>document.title = 'run'</script><img src=x onerror='document.title=1'>"
    path, text = tmp_path / "planted.html", sample.read_text(encoding="utf-8")
    path.write_text(text.replace("</main>", f"{planted}</main>"), encoding="utf-8")
    browser.open(path)
    refused = [message for message in browser.messages() if "Content Security Policy" in message]
    assert len(refused) >= 2 and browser.driver.title.startswith("Report of")


def test_a_click_sorts_numbers_as_numbers_and_a_second_one_turns_round(opened):
    assert opened.messages() == []
    known = [pair for pair in NAMED if not math.isnan(pair[1])]
    unknown = [pair for pair in NAMED if math.isnan(pair[1])]
    header(opened, 1).click()
    rising = sorted(known, key=lambda pair: pair[1]) + unknown
    assert column(opened, 0) == [name for name, _ in rising]
    assert directions(opened) == [None, "ascending", None, None, None]
    header(opened, 1).click()  # ties keep their order
    assert column(opened, 0) == [name for name, _ in sorted(known, key=lambda p: -p[1]) + unknown]
    assert directions(opened) == [None, "descending", None, None, None]
    header(opened, 3).click()
    shares = [float(text.strip("%").replace(",", "")) for text in column(opened, 3)]
    finite = [share for share in shares if not math.isnan(share)]
    assert finite == sorted(finite) and all(map(math.isnan, shares[len(finite) :]))
    header(opened, 2).click()  # by its value, not by its text
    first = [float(text.split()[0]) for text in column(opened, 2)]
    finite = [value for value in first if not math.isnan(value)]
    assert finite == sorted(finite) and finite[0] == -math.inf
    header(opened, 0).click()  # names by the numbers in them
    numbered = [int(n) for name in column(opened, 0) for n in re.findall(r"^image(\d+)\.", name)]
    assert numbered == sorted(numbered) and len(numbered) == 57


def test_the_keyboard_sorts_and_its_place_is_seen(opened):
    from selenium.webdriver import Keys

    opened.run("arguments[0].focus()", header(opened, 0))
    opened.press(Keys.TAB)
    style = "const s = getComputedStyle(document.activeElement); "
    assert opened.run("return document.activeElement.textContent") == "score"
    assert opened.run(style + "return [s.outlineStyle, s.outlineWidth]") == ["solid", "2px"]
    opened.press(Keys.ENTER)
    assert directions(opened)[1] == "ascending"
    opened.press(Keys.SPACE)
    assert directions(opened)[1] == "descending"


OPEN = "return document.querySelector('dialog').open"


def test_a_picture_opens_in_full_size_and_closes(opened):
    from selenium.webdriver import Keys

    button = opened.find(".picture button")
    button.click()
    assert opened.run(OPEN)
    read = "const i = document.querySelector('dialog img'); return [i.naturalWidth, i.alt]"
    assert opened.run(read) == [1280, "image12.png"]
    assert opened.find("dialog").text.split("\n")[1:] == [
        "image12.png", "score 0", "shrunk from 1600 x 400",
    ]  # fmt: skip
    assert {("dialog", "image12.png"), ("button", "Close")} <= set(opened.controls())
    opened.press(Keys.ESCAPE)
    assert not opened.run(OPEN)
    assert opened.run("return document.activeElement === arguments[0]", button)
    opened.press(Keys.ENTER)
    assert opened.run(OPEN)
    opened.click_at(5, 5)
    assert not opened.run(OPEN)
    button.click()
    opened.find("dialog img").click()
    assert opened.run(OPEN)
    opened.find("dialog .close").click()
    assert not opened.run(OPEN) and opened.messages() == []
    opened.find(f".picture:nth-child({6 + 1}) button").click()  # text stays text there too
    assert HOSTILE in opened.find("dialog .said").text
    assert opened.run("return document.querySelectorAll('dialog .said *').length") == 4


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_nothing_sticks_out_sideways(opened, width):
    opened.resize(width)
    assert opened.run("return innerWidth") == width and opened.overflow() == 0
    opened.run("for (const d of document.querySelectorAll('details')) d.open = true")
    assert opened.overflow() == 0
    columns = "return getComputedStyle(document.querySelector('.grid')).gridTemplateColumns"
    assert len(opened.run(columns).split()) == (1 if width == 390 else 2)
    opened.find(".picture button").click()
    box = "const b = document.querySelector('dialog').getBoundingClientRect(); "
    left, right = opened.run(box + "return [b.left, b.right]")
    assert 0 <= left < right <= width and opened.overflow() == 0


def colours(browser) -> list[tuple[float, ...]]:
    """Text, paper and the eight colours of charts as (red, green, blue), 0 to 255."""
    read = """const s = getComputedStyle(document.body), out = [s.color, s.backgroundColor];
      const probe = document.body.appendChild(document.createElement('i'));
      for (let n = 0; n < 8; n++) {
        probe.style.color = `var(--c${n})`; out.push(getComputedStyle(probe).color); }
      probe.remove(); return out"""
    return [tuple(map(float, re.findall(r"[\d.]+", c)[:3])) for c in browser.run(read)]


def luminance(colour: tuple[float, ...]) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [c / 255 for c in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_light_and_dark(opened):
    """WCAG asks for 7 (text, AAA) and 3 (lines of a chart). The last four of Okabe's and Ito's
    colours are lighter, which is what keeps them apart for colour-blind eyes.
    """
    light = colours(opened)
    opened.media(scheme="dark")
    dark = colours(opened)
    assert light[0] != dark[0] and light[1] != dark[1] and luminance(dark[1]) < 0.05
    for ink, paper, *lines in (light, dark):
        assert contrast(ink, paper) > 7 and len(set(lines)) == 8
        first = lines[:4] if paper == light[1] else lines
        assert min(contrast(line, paper) for line in first) >= 3, lines


def test_paper_shows_the_details_and_no_buttons(opened):
    light = colours(opened)
    opened.media("print", scheme="dark")
    visible = "return document.querySelector(arguments[0]).checkVisibility()"
    assert opened.run(visible, "details pre") and opened.run(visible, "details td")
    assert not opened.run(visible, ".download") and opened.run(visible, ".picture img")
    ink, paper, *lines = colours(opened)
    assert (ink, paper) == ((0, 0, 0), (255, 255, 255)) and lines == light[2:]
    opened.resize(718)  # A4 between the margins that Chromium leaves
    assert opened.overflow() == 0  # the last of 25 columns is there, and what it says
    wide = "return [...document.querySelectorAll('.wide')].map(w => w.scrollWidth - w.clientWidth)"
    assert not any(opened.run(wide))
    together = "return getComputedStyle(document.querySelector('h2').parentElement).breakAfter"
    assert opened.run(together) == "avoid"  # no heading stays behind at the foot of a sheet
    content = "return getComputedStyle(document.querySelector('th button'), '::after').content"
    assert opened.run(content) == "none"
    opened.media()
    assert not opened.run(visible, "details pre") and opened.run(visible, ".download")
    # A browser that does not know ::details-content has its details opened for the printer.
    state = "return document.querySelector('details').open"
    opened.run("dispatchEvent(new Event('beforeprint'))")
    assert opened.run(state)
    opened.run("dispatchEvent(new Event('afterprint'))")
    assert not opened.run(state)


def test_every_control_has_a_name_of_its_own(opened):
    opened.run("document.querySelector('details').open = true")
    controls = opened.controls()
    buttons = [name for role, name in controls if role == "button"]
    assert len(buttons) == 12 + 4 + 2 and len(set(buttons)) == len(buttons) and all(buttons)
    assert "score" in buttons and f"Enlarge {ARABIC}" in buttons  # the arrow is not read out
    links = [name for role, name in controls if role == "link"]
    assert links == [
        *"Charts Pictures Images Command".split(),
        *(f"chart_{n}.csv" for n in range(3)),
    ]


def test_the_numbers_of_a_chart_are_saved_as_they_are(opened, tmp_path):
    from selenium.webdriver.support.wait import WebDriverWait

    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    opened.driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    opened.find(".download").click()
    path = tmp_path / "chart_0.csv"
    # The browser creates the file before it writes into it.
    WebDriverWait(opened.driver, 60, 0.05).until(lambda _: path.exists() and path.stat().st_size)
    assert path.read_bytes() == Chart("A chart", "x", "y", LINES).csv().encode()


def test_without_its_script_a_page_reads_and_offers_no_dead_buttons(browser, sample, tmp_path):
    path, text = tmp_path / "still.html", sample.read_text(encoding="utf-8")
    path.write_text(re.sub("<script>.*</script>", "", text, flags=re.DOTALL), encoding="utf-8")
    browser.open(path)
    assert browser.messages() == [] and not browser.find(".picture button").is_enabled()
    assert len(column(browser, 0)) == 60
    size = "const i = document.querySelector('.picture img'); return [i.complete, i.naturalWidth]"
    assert browser.run(size) == [True, 1280]
    browser.media("print")
    assert browser.run("return document.querySelector('details pre').checkVisibility()")

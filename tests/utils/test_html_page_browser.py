"""An interactive page in a real browser: it sorts, opens pictures, fits phone, screen and paper."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from tests.contents import HOSTILE, blotches
from utils.html_page import (
    Html,
    cell,
    chart_figure,
    element,
    full_picture,
    page,
    table,
    zoomable,
)

ARABIC = "\u0635\u0648\u0631\u0629 \u0645\u0646 \u0627\u0644\u0634\u0627\u0631\u0639 12.png"
LONG = "a_very_long_folder_name_without_any_break/" * 3 + "and_a_long_file_name.png"
SVG = Html(
    '<svg viewBox="0 0 520 340" role="img" aria-label="a line" fill="none">'
    '<text x="60" y="24" font-size="15" fill="var(--ink)">Prediction against MOS</text>'
    '<path d="M60 300H500M60 300V40" stroke="var(--line)"/>'
    + "".join(
        f'<path d="M60 {290 - 20 * n}L500 {150 - 14 * n}" stroke="var(--c{n})" stroke-width="3"/>'
        for n in range(8)
    )
    + "</svg>"
)
CSV = f"name,value\n{ARABIC},1.5\n{HOSTILE},nan\n"


def figures(count: int) -> list[float]:
    """Scores with ties, an infinity and nans among them."""
    values = np.random.default_rng(5).normal(50, 30, count).round()
    values[3::17], values[5] = np.nan, np.inf
    return values.tolist()


def names(count: int) -> list[str]:
    special = {2: ARABIC, 4: LONG, 6: HOSTILE}
    return [special.get(n, f"image{count - n}.png") for n in range(count)]


def sample(folder, rows: int = 60, pictures: int = 12, interactive: bool = True) -> Html:
    """Everything that a page can hold; of the pictures the first is larger than what is kept."""
    named = list(zip(names(rows), figures(rows), strict=True))
    lines = [[n, f"{v:.0f}", cell(f"{-v:.1f} [-1, 1]", -v), f"{v:,.2f}%"] for n, v in named]
    header = ["image", "score", "with interval", "share of all that was seen by anybody", ""]
    body = [element("h1", f"Report of {LONG}"), element("h2", "Charts")]
    charts = [chart_figure(SVG, f"chart_{n}.csv", CSV, "2 values are not drawn") for n in range(4)]
    body += [element("div", *charts, class_="grid"), element("h2", "Pictures")]
    shown = []
    for n, name in enumerate(names(pictures)):
        blotches(n, *((1600, 400) if n == 0 else (320, 240))).save(folder / f"{n}.png")
        source, note = full_picture(folder / f"{n}.png")
        shown.append(zoomable(source, name, [name, f"score {n}"], note))
    shown.append(zoomable("", "gone.png", ["gone.png"]))
    body += [element("div", *shown, class_="pictures"), element("h2", "Images")]
    body += [table(header, [[*line, ""] for line in lines], sortable=True, caption="All images")]
    hidden = table(["flag", "value"], [["--data", LONG], ["--seed", "1"]], 2, sortable=True)
    command = element("pre", f"python main.py --train --data {LONG} --criterion regress")
    body += [element("details", element("summary", "The exact command"), command, hidden)]
    return page("Sample", *body, interactive=interactive)


@pytest.fixture(scope="module")
def sample_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    (folder / "sample.html").write_text(sample(folder), encoding="utf-8")
    return folder / "sample.html"


@pytest.fixture
def opened(browser, sample_file):
    browser.open(sample_file)
    return browser


def column(browser, number: int) -> list[str]:
    read = "return [...document.querySelectorAll('tbody')[0].rows].map("
    return browser.run(read + "(row) => row.cells[arguments[0]].textContent)", number)


def directions(browser) -> list[str | None]:
    read = "[...document.querySelector('tr').cells].map((c) => c.getAttribute('aria-sort'))"
    return browser.run("return " + read)


def header(browser, number: int):
    return browser.find(f"th:nth-child({number + 1}) button")


def test_a_page_opens_without_any_error(opened):
    assert opened.messages() == [] and opened.find("th button").is_enabled()


def test_the_policy_lets_no_other_script_run(browser, tmp_path):
    """And the console says so, which is what the test above relies on."""
    planted = Html("<script>document.title = 'run'</script><img src=x onerror='document.title=1'>")
    path = tmp_path / "planted.html"
    path.write_text(page("Sample", planted, interactive=True), encoding="utf-8")
    browser.open(path)
    refused = [message for message in browser.messages() if "Content Security Policy" in message]
    assert len(refused) >= 2 and browser.driver.title == "Sample"


def test_a_click_sorts_figures_as_numbers_and_a_second_one_turns_round(opened):
    named = list(zip(names(60), figures(60), strict=True))
    known = [pair for pair in named if not math.isnan(pair[1])]
    unknown = [pair for pair in named if math.isnan(pair[1])]
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
    assert directions(opened) == [None, None, None, "ascending", None]


def test_a_cell_is_sorted_by_its_value_and_names_by_the_numbers_in_them(opened):
    header(opened, 2).click()
    first = [float(text.split()[0]) for text in column(opened, 2)]
    finite = [value for value in first if not math.isnan(value)]
    assert finite == sorted(finite) and finite[0] == -math.inf
    header(opened, 0).click()
    numbered = [int(n) for name in column(opened, 0) for n in re.findall(r"^image(\d+)\.", name)]
    assert numbered == sorted(numbered) and len(numbered) == 57


def test_the_keyboard_sorts_and_its_place_is_seen(opened):
    from selenium.webdriver import Keys

    opened.run("arguments[0].focus()", header(opened, 0))
    opened.press(Keys.TAB)
    style = "const s = getComputedStyle(document.activeElement); "
    assert opened.run("return document.activeElement.textContent") == "score"
    assert opened.run(style + "return [s.outlineStyle, s.outlineWidth]") == ["solid", "2px"]
    before = column(opened, 1)
    opened.press(Keys.ENTER)
    rising = column(opened, 1)
    opened.press(Keys.SPACE)
    assert rising != before and rising == sorted(before, key=nan_last)
    assert column(opened, 1) != rising and directions(opened)[1] == "descending"


def nan_last(text: str) -> tuple[bool, float]:
    value = float(text)
    return math.isnan(value), value


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


def test_a_hostile_name_stays_text_in_the_opened_picture(opened):
    opened.find(f".picture:nth-child({6 + 1}) button").click()
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
      for (const p of document.querySelectorAll('.plot svg')[0].querySelectorAll('path'))
        out.push(getComputedStyle(p).stroke);
      return out"""
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
    for ink, paper, _, *lines in (light, dark):
        assert contrast(ink, paper) > 7 and len(set(lines)) == 8
        first = lines[:4] if paper == light[1] else lines
        assert min(contrast(line, paper) for line in first) >= 3, lines


def test_paper_shows_the_details_and_no_buttons(opened):
    light = colours(opened)
    opened.media("print", scheme="dark")
    visible = "return document.querySelector(arguments[0]).checkVisibility()"
    assert opened.run(visible, "details pre") and opened.run(visible, "details td")
    assert not opened.run(visible, ".download") and opened.run(visible, ".picture img")
    ink, paper, _, *lines = colours(opened)
    assert (ink, paper) == ((0, 0, 0), (255, 255, 255)) and lines == light[3:]
    assert opened.overflow() == 0
    content = "return getComputedStyle(document.querySelector('th button'), '::after').content"
    assert opened.run(content) == "none"
    opened.media()
    assert not opened.run(visible, "details pre") and opened.run(visible, ".download")


def test_details_open_for_the_printer_where_the_style_alone_would_not_do(opened):
    opened.run("const d = document.querySelector('details'); d.before(d.cloneNode(true))")
    opened.run("document.querySelector('details').open = true")
    state = "return [...document.querySelectorAll('details')].map((d) => d.open)"
    opened.run("dispatchEvent(new Event('beforeprint'))")
    assert opened.run(state) == [True, True]
    opened.run("dispatchEvent(new Event('afterprint'))")
    assert opened.run(state) == [True, False]


def test_every_control_has_a_name_of_its_own(opened):
    opened.run("document.querySelector('details').open = true")
    controls = opened.controls()
    buttons = [name for role, name in controls if role == "button"]
    assert len(buttons) == 12 + 4 + 2 and len(set(buttons)) == len(buttons) and all(buttons)
    assert "score" in buttons and f"Enlarge {ARABIC}" in buttons  # the arrow is not read out
    links = [name for role, name in controls if role == "link"]
    assert links == [f"chart_{n}.csv" for n in range(4)]


def test_the_numbers_behind_a_chart_are_saved_as_they_are(opened, tmp_path):
    from selenium.webdriver.support.wait import WebDriverWait

    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    opened.driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    opened.find(".download").click()
    path = tmp_path / "chart_0.csv"
    # The browser creates the file before it writes into it.
    WebDriverWait(opened.driver, 60).until(lambda _: path.exists() and path.stat().st_size)
    assert path.read_bytes() == CSV.encode()


def test_without_its_script_a_page_reads_and_offers_no_dead_buttons(browser, tmp_path):
    path = tmp_path / "still.html"
    path.write_text(sample(tmp_path, 10, 2, interactive=False), encoding="utf-8")
    browser.open(path)
    assert browser.messages() == [] and not browser.find(".picture button").is_enabled()
    assert len(column(browser, 0)) == 10
    size = "const i = document.querySelector('.picture img'); return [i.complete, i.naturalWidth]"
    assert browser.run(size) == [True, 1280]
    browser.media("print")
    assert browser.run("return document.querySelector('details pre').checkVisibility()")

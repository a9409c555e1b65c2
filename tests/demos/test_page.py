"""The page of the service, with real clicks: what it shows is what the service says, every file
ends as a card, and nothing goes to any other server.
"""

from __future__ import annotations

import csv
import io
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.quality_net import build_model
from tests.browser import browser_of_session  # noqa: F401
from tests.cli import PATIENCE, call
from tests.cli import until as wait_until
from utils.imaging.view_rule import ViewRule

for package in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
    pytest.importorskip(package, reason="needs requirements-service.txt")
import uvicorn  # noqa: E402

from demos.service import make_app  # noqa: E402
from demos.serving.limits import Limits  # noqa: E402
from demos.serving.models import Model  # noqa: E402

WORDS = (
    "--arch test_resnet --resume ../w.pth -g 0 --threads 1 -j 0 --criterion regress "
    "--image_size 32 --resize native --crop random --crop_size 32 --test_crops 4"
)
SCRIPT = "<img src=x onerror=alert(1)>.png"
LIGHT = "lightness_by_a_model_of_a_long_name"
MEANING = "sharpness, about 0 (bad) to 100 (excellent)"
SHARES = np.float32([0.25, 0.5, 0.25])


def histograms(pixels: np.ndarray) -> list[np.ndarray]:
    """Darker images have lower opinions."""
    light = pixels.mean(axis=(1, 2, 3), keepdims=False)[:, None]
    probs = (SHARES * [[1, 1, 0]] + light * [[-0.25, 0, 0.5]]).astype(np.float32)
    probs /= probs.sum(axis=1, keepdims=True)
    return [probs @ np.float32([1, 2, 3]), probs]


def model(name: str, bins: int, run, rule: ViewRule) -> Model:
    """A model of the service, without an export: test_service.py has these."""
    about = {
        "task": "emd" if bins > 1 else "regress", "num_classes": bins, "arch": name,
        "score_range": [1.0, float(bins)] if bins > 1 else [None, None],
        "score_units": "bins 1..K" if bins > 1 else "MOS", "max_pixels": 10**6, "whole": False,
        "view": rule.to_dict(), **({} if bins > 1 else {"score_meaning": MEANING}),
    }  # fmt: skip
    return Model(name, about, "numpy", "0" * 64, run)


class Refusing:
    """The app, but the next requests of /score get these statuses; None: no whole answer."""

    def __init__(self, app) -> None:
        self.app, self.statuses = app, []

    async def __call__(self, scope, receive, send) -> None:
        if scope.get("path") != "/score" or not self.statuses:
            return await self.app(scope, receive, send)
        status, headers = self.statuses.pop(0), [(b"retry-after", b"1")]
        while (await receive()).get("more_body"):
            pass
        if status is None:  # uvicorn then closes the connection
            headers.append((b"content-length", b"9"))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            return None
        headers.append((b"content-type", b"application/json"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"detail": "planted"}'})


class Served:
    """A service with its page. folder: photos/ and what --predict says of them."""

    def __init__(self, folder: Path, app: Refusing, address: str) -> None:
        self.folder, self.app, self.address = folder, app, address

    def files(self, *names: str) -> str:
        """What a file input is given."""
        return "\n".join(str(self.folder / "photos" / name) for name in names)

    def post(self, path: str, name: str) -> dict:
        """The service's own answer for one photograph."""
        content = (self.folder / "photos" / name).read_bytes()
        body = b"--b\r\nContent-Disposition: form-data; name=images; filename=x\r\n\r\n"
        body += content + b"\r\n--b--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        request = urllib.request.Request(self.address + path, body, kind)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("page")
    torch.manual_seed(1)
    network = build_model("test_resnet", 1, (32, 32)).eval()
    torch.save({"model": network.state_dict()}, folder / "w.pth")

    @torch.inference_mode()
    def run(pixels: np.ndarray) -> list[np.ndarray]:
        return [network(torch.from_numpy(pixels)).scores.numpy()]

    photos = folder / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for name, size, most in (("a10.png", (45, 77), 90), ("a9.png", (60, 50), 255),
                             (SCRIPT, (20, 90), 150), ("=1.png", (32, 32), 200)):  # fmt: skip
        Image.fromarray(rng.integers(0, most, (*size, 3), np.uint8)).save(photos / name)
    (photos / "broken.jpg").write_text("no picture")
    call(photos, f"--predict . {WORDS} -o ../predict.csv", 3)
    rule = ViewRule((32, 32), "native", crops=4, crop_size=(32, 32))
    models = [model("network", 1, run, rule), model(LIGHT, 3, histograms, ViewRule((8, 8)))]
    app = Refusing(make_app(models, Limits(max_files=2, max_body=1)))
    config = uvicorn.Config(app, "127.0.0.1", 0, log_level="critical", ws="none", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(folder, app, f"http://127.0.0.1:{port}/")
    server.should_exit = True
    thread.join()


ALL = ("a10.png", "a9.png", SCRIPT, "=1.png", "broken.jpg")


@pytest.fixture
def page(served, browser):
    """The page, open; what it said on the console must be nothing."""
    browser.driver.get(served.address)
    until(browser, "return document.querySelector('#about').textContent.includes('higher')")
    yield browser
    said = [line for line in browser.messages() if "Failed to load resource" not in line]
    assert said == []
    asked = browser.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert asked and all(url.startswith((served.address, "blob:", "data:")) for url in asked)


def until(browser, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser.driver, PATIENCE, 0.05).until(lambda _: browser.run(script))


def give(page, served, *names: str) -> None:
    """Photographs, and until each has its scores."""
    page.find("#files").send_keys(served.files(*names))
    settled(page, len(names))


def settled(page, count: int) -> None:
    cards = "document.querySelectorAll('#gallery > li').length"
    idle = "document.querySelector('#sending').hidden && !document.querySelector('.waiting')"
    until(page, f"return {cards} === {count} && {idle}")


def texts(page, selector: str) -> list[str]:
    return page.run(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector
    )


def pick(page, selector: str, text: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(page.find(selector)).select_by_visible_text(text)


def predicted(served) -> list[dict[str, str]]:
    with open(served.folder / "predict.csv", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_photographs_become_cards_and_a_csv_as_of_predict(page, served, tmp_path):
    give(page, served, *ALL)
    wanted = {row["path"]: row for row in predicted(served)}
    scores = {name: served.post("score", name)["rows"][0]["score"] for name in ALL[:4]}
    best = sorted(scores, key=lambda name: -scores[name])
    assert texts(page, ".name") == [*best, "broken.jpg"]
    for name, shown in zip(best, texts(page, ".score strong"), strict=True):
        number = float(shown.replace("\N{MINUS SIGN}", "-"))
        assert number == pytest.approx(scores[name], abs=0.0051)
    assert "not an image of a known format" in texts(page, "li:last-child .why")[0]
    assert not page.run("return document.querySelector('#gallery img[onerror]')")
    pick(page, "#order", "Worst first")
    assert texts(page, ".name") == [*best[::-1], "broken.jpg"]
    pick(page, "#order", "Name")
    assert texts(page, ".name")[2:4] == ["a9.png", "a10.png"]
    pick(page, "#order", "As added")
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    page.find("#tables button").click()
    file = tmp_path / "network.csv"
    wait_until(file.exists)
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8"))))
    assert [row["path"] for row in rows] == [*ALL[:3], "./=1.png", "broken.jpg"]
    assert list(rows[0]) == list(predicted(served)[0])
    for row in rows:
        own = wanted[row["path"]]
        assert row["error"] == own["error"] and bool(row["score"]) == bool(own["score"])
        if row["score"]:
            assert float(row["score"]) == pytest.approx(float(own["score"]), abs=1e-4)


def test_two_models_side_by_side(page, served):
    give(page, served, *ALL)
    pick(page, "#second", LIGHT)
    settled(page, 5)
    pick(page, "#order", f"Best first by {LIGHT}")
    rows = {name: served.post(f"score?model={LIGHT}", name)["rows"][0] for name in ALL[:4]}
    best = sorted(rows, key=lambda name: -rows[name]["score"])
    assert texts(page, ".name") == [*best, "broken.jpg"]
    row = rows[best[0]]
    said = page.find("#gallery li:first-child svg").get_attribute("aria-label")
    assert said.startswith(f"Histogram: mean {row['score']:.2f}, spread {row['std']:.2f} ")
    assert f"1: {100 * row['p1']:.0f}%, 2: {100 * row['p2']:.0f}%" in said
    scores = {name: served.post("score", name)["rows"][0]["score"] for name in rows}
    by = {name: sorted(scores, key=lambda n: -scores[n]).index(name) for name in rows}
    moved = {name: by[name] - best.index(name) for name in rows}  # these are on two scales
    for name, told in zip(best, texts(page, ".difference"), strict=True):
        way = "higher" if moved[name] > 0 else "lower"
        assert f"{abs(moved[name])} rank" in told and way in told if moved[name] else "same" in told
    pick(page, "#order", "Most different first")
    shown = [abs(moved[name]) for name in texts(page, ".name")[:4]]
    assert shown == sorted(shown, reverse=True)
    assert len(texts(page, "li:last-child .why")) == 1  # one reason for both
    pick(page, "#second", "none")
    assert texts(page, ".difference") == []


def test_a_quality_map_is_that_of_predict(page, served):
    from selenium.webdriver.common.keys import Keys

    name = "a10.png"
    call(served.folder / "photos", f"--predict {name} {WORDS} --maps ../maps --map_way occlusion")
    (file,) = (served.folder / "maps").glob("*.csv")
    with open(file, encoding="utf-8", newline="") as text:
        wanted = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(text)]
    found = served.post("map", name)
    assert found["size"] == [77, 45]
    assert sum(value is not None for line in found["grid"] for value in line) == len(wanted)
    for row in wanted:
        i, j = int(row["row"]), int(row["column"])
        assert found["grid"][i][j] == pytest.approx(row["fall"], abs=1e-4)
        assert found["rows"][i + 1] == pytest.approx(row["bottom"], rel=1e-6)
        assert found["columns"][j] == pytest.approx(row["left"], rel=1e-6)

    give(page, served, "a9.png", name)
    pick(page, "#order", "Name")
    page.run("document.querySelector('#gallery li:nth-child(2) .photo').focus()")
    page.press(Keys.ENTER)
    until(page, "return !document.querySelector('#photo').hidden")
    assert texts(page, ".meaning") == [MEANING] and MEANING in page.find("#about").text
    pixels = "return document.querySelector('#photo').toDataURL()"
    plain = page.run(pixels)
    page.find("#map-buttons button").click()
    until(page, "return !document.querySelector('#scale').hidden")
    limit = max(abs(row["fall"]) for row in wanted)
    assert texts(page, "#highest") == [f"+{limit:.2f}"] and page.run(pixels) != plain
    said = [name for _, name in page.controls()]
    assert any(line.startswith("Quality map of a10.png. ") for line in said)
    page.find("#map-buttons button").click()
    assert page.run(pixels) == plain and not page.find("#scale").is_displayed()
    page.press(Keys.ARROW_LEFT)
    assert texts(page, "#large-name") == ["a9.png"]
    page.press(Keys.ESCAPE)
    until(page, "return !document.querySelector('#large').open")
    assert page.run("return document.activeElement.ariaLabel") == "Open a9.png"


def test_what_the_service_refuses_for_now_is_sent_again(page, served):
    page.run(
        """window.said = new Set();
        const status = document.querySelector('#status'), note = () => said.add(status.textContent);
        new MutationObserver(note).observe(status, { childList: true });"""
    )
    hurry(page)
    served.app.statuses[:] = [429, 503, None]
    page.find("#files").send_keys(served.files(*ALL))
    settled(page, 5)
    assert page.run("return [...said].some((text) => text.includes('again in 1 s'))")
    assert served.app.statuses == [] and len(texts(page, ".score strong")) == 4


def hurry(page) -> None:
    """The page's clock runs twenty times as fast: it waits for seconds."""
    page.run(
        """const [later, now, begun] = [setTimeout, Date.now, Date.now()];
        window.setTimeout = (done, ms, ...more) => later(done, ms / 20, ...more);
        Date.now = () => begun + 20 * (now() - begun);"""
    )


def test_a_service_that_ends_loses_nothing(page, served):
    hurry(page)
    served.app.statuses[:] = [503] * 12
    page.find("#files").send_keys(served.files("a9.png"))
    until(page, "return !document.querySelector('#again').hidden")
    assert texts(page, ".why") == ["planted"]
    served.app.statuses[:] = []
    page.find("#again").click()
    settled(page, 1)
    assert len(texts(page, ".score strong")) == 1
    served.app.statuses[:] = [None] * 12
    page.find("#files").send_keys(served.files("a10.png"))
    until(page, "return document.querySelector('#stop').textContent === 'Go on'")
    assert "does not answer" in page.find("#status").text
    served.app.statuses[:] = []
    page.find("#stop").click()
    settled(page, 2)
    assert len(texts(page, ".score strong")) == 2


def test_photographs_are_dropped(page, served):
    page.run(
        """const given = new DataTransfer();
        given.items.add(new File(["no picture"], "one.txt"));
        given.items.add(new File([""], "=2.png"));
        const event = new DragEvent("drop", { dataTransfer: given, bubbles: true });
        document.body.dispatchEvent(event);"""
    )
    settled(page, 2)
    assert texts(page, ".name") == ["one.txt", "=2.png"] and len(texts(page, ".why")) == 2


def test_of_a_folder_that_is_dropped_the_images_are_taken(page, served, tmp_path):
    folder = tmp_path / "album"
    (folder / "in" / "deep").mkdir(parents=True)
    content = (served.folder / "photos" / "a9.png").read_bytes()
    for name in ("a.png", "in/b.png", "in/deep/c.PNG", "notes.txt"):
        (folder / name).write_bytes(content)
    alone = served.folder / "photos" / "broken.jpg"
    given = {"items": [], "files": [str(folder), str(alone)], "dragOperationsMask": 1}
    where = page.run("const { x, y } = drop.getBoundingClientRect(); return { x: x + 9, y: y + 9 }")
    for kind in ("dragEnter", "dragOver", "drop"):
        said = {"type": kind, **where, "data": given}
        page.driver.execute_cdp_cmd("Input.dispatchDragEvent", said)
        over = page.run("return drop.classList.contains('over')")
        assert over == (kind == "dragOver")
    settled(page, 4)
    names = ["album/a.png", "album/in/b.png", "album/in/deep/c.PNG", "broken.jpg"]
    assert sorted(texts(page, ".name")) == names
    assert texts(page, "#dropped") == ["Left out of the folders: 1 file that is no image."]


def test_a_file_that_is_too_large_is_a_card(page, served, tmp_path):
    file = tmp_path / "large.png"
    file.write_bytes(b"x" * 2**20)
    page.find("#files").send_keys(f"{file}\n{served.files('a9.png')}")
    settled(page, 2)
    assert texts(page, ".why") == ["more than the 1 MB that this server takes"]
    page.find("#clear").click()
    assert not page.find("#results").is_displayed()


def test_the_page_on_a_phone_and_to_a_reader(page, served):
    give(page, served, SCRIPT, "broken.jpg")
    pick(page, "#second", LIGHT)
    settled(page, 2)
    said = page.controls()
    assert ("button", f"Open {SCRIPT}") in said and ("combobox", "Beside it") in said
    assert not [kind for kind, name in said if kind in ("button", "combobox") and not name.strip()]
    page.resize(360, 740)
    assert page.overflow() == 0
    page.find("#gallery .photo").click()
    assert page.overflow() == 0
    page.find("#close").click()


def test_the_page_cannot_ask_another_server(served, browser):
    browser.driver.get(served.address)
    blocked = "return fetch('http://127.0.0.1:9/').then(() => 'sent', e => e.message)"
    assert browser.run(blocked) == "Failed to fetch"
    assert any("Content Security Policy" in line for line in browser.messages())

"""The page that scores in the browser: photographs in, scores of --predict out, nothing sent."""

from __future__ import annotations

import csv
import functools
import http.server
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.quality_net import build_model
from tests.browser import browser_of_session  # noqa: F401
from tests.cli import PATIENCE, ROOT, call

WEB = ROOT / "demos" / "web"
WORDS = (
    "--arch test_resnet --resume w.pth -g 0 --threads 1 --criterion regress --image_size 32 "
    "--resize native --crop random --crop_size 32 --test_crops 9"
)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and remembers what it was asked for."""

    asked: list[str] = []

    def log_request(self, *_: object) -> None:
        self.asked.append(f"{self.command} {self.path}")


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> tuple[str, Path]:
    """(address, folder) of the page with a model and photographs."""
    if not (WEB / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("needs onnxruntime-web: npm install in demos/web")
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs requirements-export.txt")
    folder = tmp_path_factory.mktemp("web")
    torch.manual_seed(1)
    torch.save({"model": build_model("test_resnet", 1, (32, 32)).state_dict()}, folder / "w.pth")
    call(folder, f"--export onnx --whole {WORDS}")
    shutil.copy(folder / "checkpoints/onnx_test_resnet_whole.onnx", folder / "model.onnx")
    for file in ("index.html", "node_modules"):
        (folder / file).symlink_to(WEB / file)
    (folder / "photos").mkdir()
    for number, size in enumerate([(45, 77), (32, 32), (20, 90)]):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"photo{number}.png")
    (folder / "photos" / "text.png").write_text("no picture")
    call(folder, f"--predict photos {WORDS} -j 0 -o predict.csv", 3)
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", folder
        server.shutdown()


def until(browser, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser.driver, PATIENCE, 0.05).until(lambda _: browser.run(script))


def test_photographs_get_the_scores_of_predict(served, browser):
    address, folder = served
    browser.driver.get(address)
    until(browser, "return document.querySelector('#status').textContent.includes('higher')")
    Quiet.asked.clear()
    photos = sorted((folder / "photos").iterdir())
    browser.find("input").send_keys("\n".join(map(str, photos)))
    cells = "[...document.querySelectorAll('tr')].map(r => [...r.cells].map(c => c.textContent))"
    until(browser, f"const t = {cells}; return t.length === 4 && t.every(r => r[2] !== '...')")
    found = {name: result for _, name, result in browser.run(f"return {cells}")}
    with open(folder / "predict.csv", encoding="utf-8", newline="") as text:
        wanted = {Path(row["path"]).name: row["score"] for row in csv.DictReader(text)}
    assert found.keys() == wanted.keys()
    for name, score in wanted.items():
        if score:
            assert float(found[name]) == pytest.approx(float(score), abs=1e-4), name
    assert found["text.png"].startswith("not scored: ")
    assert [line for line in Quiet.asked if "blob" not in line] == []  # nothing was sent or asked
    browser.screenshot(folder / "page.png")


def test_a_model_that_is_not_there_is_named(served, browser):
    browser.driver.get(f"{served[0]}?model=none")
    until(browser, "return document.querySelector('#status').textContent.includes('none.onnx')")
    assert "404" in browser.find("#status").text
    browser.messages()

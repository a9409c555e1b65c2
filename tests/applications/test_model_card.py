"""The card of a model that is given away: what its run knows, and nothing else."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
from pathlib import Path

import pytest

from applications.scorer import from_pretrained, save_pretrained
from tests.cli import TINY, call, run_folders
from tests.tiny_data import write_data

BEST = "model_best_test_resnet.pth"
NOTICE = "Copyright (c) 2026 somebody.\n```\nKeep this notice."


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run folder of data/ with a notice beside it."""
    folder = tmp_path_factory.mktemp("card")
    write_data(folder / "opinions", "regress", train=3, held_out=3)
    (folder / "opinions/NOTICE.txt").write_text(NOTICE)
    (folder / "opinions/noticed.txt").write_text("nothing of the kind")
    words = f"--train --data opinions --criterion regress {TINY} --epochs 1 --no_check"
    call(folder, f"{words} --bootstrap 100")
    return run_folders(folder)[-1]


def table_of(card: str) -> dict[str, list[str]]:
    rows = re.findall(r"^\| (.+) \|$", card, re.M)
    return {cells[0]: cells[1:] for cells in (row.split(" | ") for row in rows)}


def test_the_card_has_what_the_run_knows(run, tmp_path):
    save_pretrained(run, tmp_path / "m", about="sharpness, 1 to 5")
    card = (tmp_path / "m/README.md").read_text()
    rows, test = table_of(card), json.loads((run / "results.json").read_text())["test"]
    assert card.startswith("# test_resnet, regress\n\nsharpness, 1 to 5\n")
    assert rows["learned from"] == ["opinions; images: train 9, val 9, test 9"]
    labels = (run.parents[1] / "opinions/train/label.txt").read_bytes()
    assert rows["labels of train"] == [f"SHA-256 `{hashlib.sha256(labels).hexdigest()}`"]
    assert rows["began from"] == ["random weights"]
    weights = hashlib.sha256((tmp_path / "m/model.safetensors").read_bytes()).hexdigest()
    assert rows["weights"] == [f"`model.safetensors`, SHA-256 `{weights}`"]
    for name in ("srcc", "plcc", "rmse"):
        low, high = test["intervals"][name]
        assert rows[name] == [f"{test[name]:.4f}", f"[{low:.4f}, {high:.4f}]"]
    assert "9 labels" in card and "Intervals: 100 resamples of 9 images." in card
    assert "95% interval" in card and "Verdict" not in card
    assert card.endswith("Copyright (c) 2026 somebody.\n'''\nKeep this notice.\n```\n")
    assert "nothing of the kind" not in card and str(run.parents[1]) not in card
    (code,) = re.findall(r"```python\n(.*?)```", card, re.S)
    assert "from applications.scorer import from_pretrained" in code


def test_what_is_not_known_is_left_out(run, tmp_path):
    """Weights without their run, the last weights of a run, and a run that was not tested."""
    shutil.copy(run / BEST, tmp_path / BEST)
    save_pretrained(tmp_path / BEST, tmp_path / "alone")
    save_pretrained(run / BEST.replace("model_best", "checkpoint"), tmp_path / "last")
    for name in ("alone", "last"):
        card = (tmp_path / name / "README.md").read_text()
        rows = table_of(card)
        assert "SHA-256" in rows["weights"][0] and "learned from" not in rows
        assert "How good" not in card and "Copyright" not in card and "srcc" not in card
    shutil.copytree(run, tmp_path / "untested")
    results = json.loads((run / "results.json").read_text())
    kept = {name: results[name] for name in ("best_epoch", "weights")}
    (tmp_path / "untested/results.json").write_text(json.dumps(kept))
    config = json.loads((run / "config.json").read_text()) | {"labels": "a/../../scores.csv"}
    (tmp_path / "untested/config.json").write_text(json.dumps(config))
    save_pretrained(tmp_path / "untested", tmp_path / "plain")
    card = (tmp_path / "plain/README.md").read_text()
    above = run.parents[1].parent.name  # where --labels ../scores.csv lies
    assert table_of(card)["learned from"][0].startswith(f"scores.csv of {above}; ")
    assert "How good" not in card


def test_a_saved_model_is_read_without_a_network(run, tmp_path, monkeypatch):
    save_pretrained(run, tmp_path / "m")

    def refuse(*_: object) -> None:
        raise AssertionError("asked a network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    image = run.parents[1] / "opinions/test/images/photo0_0.png"
    found = from_pretrained(tmp_path / "m", "cpu").score(image, table="rows")
    assert found == from_pretrained(run, "cpu").score(image, table="rows")

"""--cache: the same training, bit for bit, that decodes no image which an earlier run has kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli import TINY, call, refused, run_folders
from tests.tiny_data import write_data
from utils.files import checkpoint
from utils.imaging import images

TRAIN = f"--train --criterion regress {TINY} --bootstrap 0"


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """Names of the files that the reader opens."""
    seen, opened = [], images.open_image

    def counted(path):
        seen.append(Path(path).name)
        return opened(path)

    monkeypatch.setattr(images, "open_image", counted)
    return seen


def outcome(folder: Path) -> tuple[list[dict], str]:
    """(metrics of every epoch but for times, digest of the weights) of the latest run."""
    run = run_folders(folder)[-1]
    lines = (run / "metrics.jsonl").read_text().splitlines()
    drop = ("data_wait", "time", "seconds")
    rows = [{k: v for k, v in json.loads(line).items() if k not in drop} for line in lines]
    best = next(run.glob("model_best*.pth"), None) or next(run.glob("*.pth"))
    return rows, checkpoint.digest(checkpoint.load(best)["model"])


def test_the_curve_is_that_of_files_and_later_runs_decode_nothing(tmp_path, decoded):
    write_data(tmp_path / "data", "regress", train=3)
    call(tmp_path, TRAIN)
    plain = outcome(tmp_path)
    first = call(tmp_path, f"{TRAIN} --cache kept").err
    assert "21 images to keep, 0.14 MB, in kept/56x40-" in first
    assert outcome(tmp_path) == plain
    decoded.clear()
    assert "to keep" not in call(tmp_path, f"{TRAIN} --cache kept").err
    assert outcome(tmp_path) == plain and decoded == []
    # One file is another one now.
    changed = tmp_path / "data/train/images/photo0_0.png"
    Image.fromarray(np.asarray(Image.open(changed))[::-1].copy()).save(changed)
    decoded.clear()
    assert "1 images to keep" in call(tmp_path, f"{TRAIN} --cache kept").err
    assert set(decoded) == {"photo0_0.png"}
    found = outcome(tmp_path)
    call(tmp_path, TRAIN)
    assert found == outcome(tmp_path) != plain


def test_crops_are_drawn_from_what_is_kept(tmp_path, decoded):
    write_data(tmp_path / "data", "regress", train=2)
    words = f"{TRAIN} --crop random --crop_size 24 --crop_from 36 48 --jitter 0.3 --no_check"
    call(tmp_path, words)
    plain = outcome(tmp_path)
    call(tmp_path, f"{words} --cache kept")
    assert outcome(tmp_path) == plain
    assert len(list((tmp_path / "kept").iterdir())) == 2  # of training, and of evaluation
    (tmp_path / "data/train/images/photo0_0.png").write_bytes(b"P6 9 9 255 ")
    said = call(tmp_path, f"{words} --cache kept", 1).err
    assert "photo0_0.png: cannot be decoded" in said and said.count("error:") == 1


def test_bad_images_are_left_out_as_by_the_check(tmp_path):
    write_data(tmp_path / "data", "regress", train=2)
    (tmp_path / "data/train/images/photo0_0.png").write_bytes(b"P6 9 9 255 ")
    shutil.copytree(tmp_path / "data", tmp_path / "same")
    found = []
    for words in ("--data data --cache kept", "--data same"):
        call(tmp_path, f"{TRAIN} {words} --bad_images skip")
        found.append(outcome(tmp_path))
    assert found[0] == found[1]
    assert "photo0_0.png: cannot be decoded" in call(tmp_path, f"{TRAIN} --cache kept", 1).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--cache data/kept", "--cache data/kept lies in --data data, which is never written to"),
        ("--cache k --crop random", "--cache k and --crop random without --crop_from cannot go"),
        ("--cache k --distort live --photos p", "--cache k and --distort cannot go together"),
    ],
)
def test_what_it_is_not_for(tmp_path, words, said):
    (tmp_path / "data").mkdir()
    refused(tmp_path, f"--train {words}", said)

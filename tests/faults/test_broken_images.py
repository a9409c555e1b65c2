"""--bad_images means the same everywhere: without skip all broken files are named at once, with it
they are left out, counted and named.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from applications.evaluation import scoring
from applications.scorer import load_scorer
from tests.cli import TINY, call
from tests.tiny_data import write_data
from utils.check_images import check_images, clearly_broken

WEIGHTS = "--resume checkpoints/model_best_test_resnet.pth -j 0 -g 0 --threads 1"
BEST = f"{WEIGHTS} -b 2"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    write_data(folder / "data", "regress", train=2, held_out=2)
    call(folder, f"--train --criterion regress {TINY} --epochs 1 --no_check --no_report")
    images = sorted((folder / "data/test/images").iterdir())
    (folder / "new").mkdir()
    for number, image in enumerate(images):
        shutil.copy(image, folder / f"new/{number}.png")
    return folder


@pytest.fixture
def folder(trained) -> Path:
    """Six images: 1 is empty, 2 is no image, 4 is cut off, 5 has its end but not its middle."""
    new = trained / "new"
    whole = sorted((trained / "data/test/images").iterdir())
    for number, image in enumerate(whole):
        shutil.copy(image, new / f"{number}.png")
    (new / "1.png").write_bytes(b"")
    (new / "2.png").write_text("hello")
    (new / "4.png").write_bytes(whole[4].read_bytes()[:-2000])
    damage(new / "5.png")
    return trained


def damage(file: Path) -> None:
    """In the middle alone: header and end are as they were."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    file.write_bytes(data)


def test_predict_names_all_that_is_clearly_broken_before_it_scores(folder, monkeypatch):
    monkeypatch.setattr(scoring.Scorer, "stream", None)
    done = call(folder, f"--predict new {BEST} --bad_images stop", code=1)
    assert "3 unreadable image(s)" in done.err and not done.out
    assert all(f"new/{n}.png: " in done.err for n in (1, 2, 4)) and "new/0.png" not in done.err
    assert "leave them out with --bad_images skip" in done.err


def test_from_the_first_fault_on_the_rest_is_only_looked_at(folder, monkeypatch):
    """Damage in the middle of files is seen when they are decoded: once, and all of it."""
    images = sorted((folder / "data/test/images").iterdir())
    for number in (1, 2, 4):
        shutil.copy(images[number], folder / f"new/{number}.png")
    damage(folder / "new/2.png")
    passes = []
    monkeypatch.setattr(scoring, "_pooled", lambda *a, f=scoring._pooled: passes.append(1) or f(*a))
    done = call(folder, f"--predict new {BEST} --bad_images stop -o stop.csv", code=1)
    assert "2 unreadable image(s)" in done.err and len(passes) == 1
    assert not list(folder.glob("stop.csv*"))
    assert "new/2.png: " in done.err and "new/5.png: " in done.err


@pytest.mark.parametrize("workers", [0, 2])
def test_predict_leaves_broken_images_out(folder, workers):
    words = f"--predict new {BEST} -j {workers} --bad_images skip"
    done = call(folder, f"{words} -o p.csv --maps maps{workers} --map_way gradcam")
    assert "4 unreadable image(s)" in done.err and "--bad_images skip: left out" in done.err
    assert "2 rows written" in done.err
    with open(folder / "p.csv", newline="") as file:
        found = {row["path"]: float(row["score"]) for row in csv.DictReader(file)}
    assert list(found) == ["new/0.png", "new/3.png"]
    call(folder, f"--predict new/0.png new/3.png {BEST} -o whole.csv")
    with open(folder / "whole.csv", newline="") as file:
        wanted = {row["path"]: float(row["score"]) for row in csv.DictReader(file)}
    assert list(found) == list(wanted)
    assert list(found.values()) == pytest.approx(list(wanted.values()), abs=1e-5)
    maps = sorted(p.name for p in (folder / f"maps{workers}").glob("*.png"))
    assert maps == ["0_map.png", "3_map.png"]


def test_nothing_but_broken_images_is_an_error_with_skip_too(folder):
    done = call(folder, f"--predict new/1.png new/5.png {BEST} --bad_images skip", code=1)
    assert "2 unreadable image(s)" in done.err and not done.out


def test_the_scorer_names_all_or_leaves_them_out(folder):
    weights, new = folder / "checkpoints/model_best_test_resnet.pth", folder / "new"
    with pytest.raises(ValueError, match="3 unreadable") as caught:
        load_scorer(weights, device="cpu").score([new])
    assert all(f"{n}.png: " in str(caught.value) for n in (1, 2, 4))
    scorer = load_scorer(weights, device="cpu", bad_images="skip")
    with pytest.warns(UserWarning, match="left out: 4 unreadable"):
        rows = scorer.score([new, new / "0.png"], table="rows")
    assert [Path(row["source"]).name for row in rows] == ["0.png", "3.png", "0.png"]
    assert [bad.path.name for bad in scorer.left_out] == ["1.png", "2.png", "4.png", "5.png"]
    assert len(scorer.score([new / "0.png"], table="rows")) == 1 and not scorer.left_out


def test_jit_compares_on_images_that_can_be_read(folder):
    words = f"--jit {WEIGHTS} --photos new"
    done = call(folder, words, code=1)
    assert "4 unreadable image(s)" in done.err and "--bad_images skip" in done.err
    done = call(folder, f"{words} --bad_images skip -o e.pt")
    assert "4 unreadable image(s)" in done.err and "on 2 images of new" in done.err
    assert json.loads((folder / "e.json").read_text())["arch"] == "test_resnet"


def test_evaluation_names_all_at_once(folder):
    data = folder / "more"
    shutil.copytree(folder / "data/test", data / "test", dirs_exist_ok=True)
    images = sorted((data / "test/images").iterdir())
    images[1].write_bytes(b"")
    images[3].write_bytes(images[3].read_bytes()[:900])
    for words in ("-e --data more", "--test more"):
        done = call(folder, f"{words} {BEST} --bootstrap 0", code=1)
        assert "2 unreadable image(s)" in done.err
        assert all(images[n].name in done.err for n in (1, 3))
        done = call(folder, f"{words} {BEST} --bootstrap 0 --bad_images skip")
        assert "2 of 6 lines left out" in done.err


def test_a_glance_opens_no_pipe_and_believes_no_whole_file_broken(folder, tmp_path):
    whole = sorted((folder / "data/test/images").iterdir())
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    (tmp_path / "more.png").write_bytes(whole[0].read_bytes() + b"\0" * 10_000)
    odd = [tmp_path / name for name in ("pipe.png", "gone.png", "more.png")]
    found = clearly_broken([*whole, *odd])
    assert [bad.path for bad in found] == odd[:2]
    assert found == check_images([*whole, *odd], 0)
    assert len(clearly_broken(whole, max_pixels=100)) == len(whole)

"""How the images are seen that a model judges: by the view of its weights, each place once, and
pooled to one predictor; from the command line.
"""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from applications.scorer import load_scorer
from tests.cli import TINY, call, run_folders, tables
from tests.tiny_data import write_data
from utils.files import checkpoint

BEST = "checkpoints/model_best_test_resnet.pth"
SHORT = f"{TINY} --epochs 1 --no_report --bootstrap 0"
NO_ROOM = "no room for 3 different crops of 56x40 pixels: each of them is scored once"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Weights whose test crops are as large as the images of tiny data: (folder, stderr)."""
    folder = tmp_path_factory.mktemp("trained")
    write_data(folder / "data", "emd")
    flags = "--crop random --crop_size 40 56 --test_crops 3 --crop_pool median --epochs 2"
    return folder, call(folder, f"--train --criterion emd {SHORT} {flags}").err


@pytest.fixture
def folder(trained, tmp_path):
    shutil.copytree(trained[0] / "checkpoints", tmp_path / "checkpoints")
    (tmp_path / "data").symlink_to(trained[0] / "data")
    return tmp_path


def table(text: str) -> dict[str, float]:
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: float(row[1]) for row in rows if len(row) > 1 and row[0].isidentifier()}


# ---- crops at one place


def test_crops_without_room_are_said_once(trained, folder):
    _, said = trained
    assert said.count(f"validation: 6 of 6 images have {NO_ROOM}") == 1
    assert said.count(f"label.txt: 6 of 6 images have {NO_ROOM}") == 1  # the test
    words = f"--resume {BEST} -g 0 -j 0"
    assert call(folder, f"-e {words} --no_report").err.count(NO_ROOM) == 1
    assert call(folder, f"--test data {words} --no_report").err.count(NO_ROOM) == 1
    assert call(folder, f"--predict data/val {words}").err.count(NO_ROOM) == 1
    with pytest.warns(UserWarning, match=NO_ROOM):
        load_scorer(folder / BEST, "cpu").score(folder / "data/test", table="rows")
    smaller = call(folder, f"--predict data/val {words} --test_crops 3 --crop_size 24").err
    assert "no room" not in smaller


def test_kept_features_of_them_are_scored_once_as_well(trained, tmp_path):
    frozen = f"{SHORT} --resume {trained[0] / BEST} --freeze backbone --crop random --crop_size 40"
    words = f"--train --data {trained[0] / 'data'} --criterion emd {frozen} 56 --test_crops 3"
    call(tmp_path, words)
    for _ in range(2):  # computed, then found
        done = call(tmp_path, f"{words} --cache_features kept --cache_views 1")
        assert done.err.count(f"validation: 6 of 6 images have {NO_ROOM}") == 1
        assert done.err.count(f"label.txt: 6 of 6 images have {NO_ROOM}") == 1
    through, *kept = ((r / "predictions_test.csv").read_text() for r in run_folders(tmp_path))
    rows = [np.genfromtxt(t.splitlines()[1:], delimiter=",")[:, 1:7] for t in (through, *kept)]
    for found in rows[1:]:
        assert found == pytest.approx(rows[0], abs=1e-5)


# ---- one predictor


def test_all_metrics_of_a_table_are_of_the_pooled_score(folder):
    words = f"--resume {BEST} -g 0 -j 0 --no_report --bootstrap 0 -o a.csv"
    done = call(folder, f"-e --crop_size 24 --test_crops 5 {words}")
    rows = np.genfromtxt((folder / "a.csv").read_text().splitlines()[1:], delimiter=",")
    bins = np.arange(1, 6)
    score, mos = rows[:, 1], rows[:, 7:12] @ bins
    assert rows[:, 2:7] @ bins == pytest.approx(score, abs=1e-5)
    values = table(tables(done.out))
    assert values["plcc"] == pytest.approx(np.corrcoef(score, mos)[0, 1], abs=1e-4)
    assert values["rmse"] == pytest.approx(np.sqrt(((score - mos) ** 2).mean()), abs=1e-4)


# ---- the view of the weights


def test_the_view_is_read_back(folder):
    """What no flag can say is in the weights alone: here the filter of the resize."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (90, 120, 3), np.uint8)).save(folder / "a.png")
    payload = checkpoint.load(folder / BEST)
    size = payload["view"]["image_size"]

    def score(flags: str = "", **view) -> tuple[float, str]:
        checkpoint.save(folder / "b.pth", {**payload, "view": {**payload["view"], **view}})
        done = call(folder, f"--predict a.png --resume b.pth -g 0 -j 0 -o b.json {flags}")
        return json.loads((folder / "b.json").read_text())[0]["score"], done.err

    whole = {"resize": "squash", "crops": 0, "crop_size": None}
    found = {n: score(interpolation=n, **whole) for n in ("nearest", "bilinear", "lanczos")}
    assert len({round(value, 5) for value, _ in found.values()}) == 3
    assert not any("flags change" in said for _, said in found.values())
    # A flag changes what it says, and nothing else.
    height, width = size
    asked, said = score(f"--resize pad --image_size {height} {width}", **whole)
    assert "b.pth: flags change how the weights see images: resize pad in place of squash" in said
    pooled, said = score("--crop_pool mean --test_crops 3 --crop_size 24", interpolation="nearest")
    assert "crop_size 24 24 in place of 40 56, crop_pool mean in place of median" in said
    assert "flags change" not in score("--crop_pool median")[1]
    # Older weights say it with their settings alone.
    checkpoint.save(folder / "old.pth", {k: v for k, v in payload.items() if k != "view"})
    done = call(folder, "--predict a.png --resume old.pth -g 0 -j 0 -o old.json")
    old = json.loads((folder / "old.json").read_text())[0]["score"]
    assert old == score()[0] and "flags change" not in done.err

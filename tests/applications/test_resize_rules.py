"""One resize rule everywhere: the run's own test, -e, --predict, Python, and the export with its
demo give one score to an image that is not of the network's shape.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from applications.scorer import load_scorer
from tests.applications.test_export import demo
from tests.cli import TINY, call, run_folders
from tests.tiny_data import write_data
from utils.files import checkpoint
from utils.imaging.images import ViewRule

BEST = "checkpoints/model_best_test_resnet.pth"
ODD = "photo0_1.png"
# A batch needs one size, so "native" trains on crops; its evaluation sees whole images.
RULES = {
    "squash": "--resize squash",
    "crop": "--resize crop",
    "pad": "--resize pad",
    "native": "--resize native --crop random --crop_size 32 --test_crops 0",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Histograms of 12 images; one of the test's is three times as wide as high."""
    root = write_data(tmp_path_factory.mktemp("data"), "emd", train=2, held_out=1)
    odd = root / "test/images" / ODD
    Image.open(odd).resize((120, 40), Image.Resampling.BICUBIC).save(odd)
    return root


def score(file: Path) -> float:
    """Of the odd image, in any of our csv files."""
    with open(file, encoding="utf-8", newline="") as text:
        (row,) = [row for row in csv.DictReader(text) if Path(row["path"]).name == ODD]
    return float(row["score"])


@pytest.mark.parametrize("rule", RULES)
def test_every_way_to_a_score_has_the_runs_rule(rule, data, tmp_path):
    words = f"{TINY} --image_size 48 32 --epochs 1 --no_check {RULES[rule]} --lr 1e-2"
    call(tmp_path, f"--train --criterion emd --data {data} {words}")
    image, weights = data / "test/images" / ODD, f"--resume {BEST} -j 0 -g 0"
    call(tmp_path, f"-e --data {data} {weights} -o e.csv --no_report")
    call(tmp_path, f"--predict {image} {weights} -o p.csv")
    call(tmp_path, f"--jit --data {data} {weights}")
    export = tmp_path / "checkpoints/jit_test_resnet.pt"
    assert demo().main([str(image), "--model", str(export), "-o", str(tmp_path / "d.csv")]) == 0
    found = {name: score(tmp_path / f"{name}.csv") for name in ("e", "p", "d")}
    (row,) = load_scorer(tmp_path / BEST, "cpu").score([image], table="rows")
    found["python"] = row["mean"]
    tested = score(run_folders(tmp_path)[-1] / "predictions_test.csv")
    assert found == pytest.approx(dict.fromkeys(found, tested), abs=1e-4)

    recorded = ViewRule.from_dict(json.loads(export.with_suffix(".json").read_text())["view"])
    assert recorded.resize == rule and recorded.crops == 0
    assert recorded == ViewRule.from_dict(checkpoint.load(tmp_path / BEST)["view"])
    if rule == "squash":
        others_differ(data, tmp_path)


def others_differ(data: Path, folder: Path) -> None:
    """The same weights score the odd image in four ways by four rules, and in one way an image of
    the network's own shape, which no rule changes.
    """
    fitting = folder / "fitting" / ODD
    fitting.parent.mkdir()
    shutil.copy(data / "test/images" / ODD, fitting)
    Image.open(fitting).resize((32, 48)).save(fitting)
    spread = {}
    for image in (data / "test/images" / ODD, fitting):
        scores = []
        for rule in RULES:
            call(folder, f"--predict {image} --resume {BEST} -j 0 --resize {rule} -o r.csv")
            scores.append(score(folder / "r.csv"))
        spread[image] = sorted(scores)
    odd, same = spread.values()
    assert min(b - a for a, b in zip(odd, odd[1:], strict=False)) > 3e-4
    assert same[-1] - same[0] < 1e-5

"""emd, judged: figures, baseline, picture and table against the label and prediction files."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from tests.cli import TINY, call, records, run_folders, tables
from tests.tiny_data import write_data
from utils.files import checkpoint

BINS = np.arange(1, 6)
BEST = "model_best_test_resnet.pth"


class Trained(NamedTuple):
    folder: Path
    run: Path
    results: dict


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("emd")
    write_data(folder / "data", "emd", train=5, held_out=5)
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        vote(folder / "data" / split / "label.txt", rng)
    call(folder, f"--train --criterion emd {TINY} --epochs 1 --lr 1e-2")
    run = run_folders(folder)[-1]
    return Trained(folder, run, json.loads((run / "results.json").read_text())["test"])


def vote(labels: Path, rng: np.random.Generator) -> None:
    """Other counts for every image; the first two have one mean, the cut, and other histograms."""
    names = [line.split(",")[0] for line in labels.read_text().splitlines()]
    rows = rng.integers(0, 30, (len(names), 5))
    rows[0], rows[1] = (9, 3, 7, 3, 9), (2, 5, 1, 5, 2)
    text = [",".join([name, *map(str, row)]) for name, row in zip(names, rows, strict=True)]
    labels.write_text("\n".join(text) + "\n")


def votes(labels: Path) -> dict[str, np.ndarray]:
    """Histograms of a label file, by file name."""
    rows = [line.split(",") for line in labels.read_text().splitlines()]
    counts = {Path(row[0]).name: np.array(row[1:], float) for row in rows}
    return {name: row / row.sum() for name, row in counts.items()}


def predicted(file: Path) -> dict[str, np.ndarray]:
    with open(file, encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    return {Path(r["path"]).name: np.array([float(r[f"p{k}"]) for k in BINS]) for r in rows}


def distance(p: np.ndarray, q: np.ndarray) -> float:
    return stats.wasserstein_distance(BINS, BINS, p / p.sum(), q) / len(BINS)


def std(row: np.ndarray) -> float:
    return float(np.sqrt(np.sum(row * (BINS - row @ BINS) ** 2) / row.sum()))


def test_the_scorecard_is_that_of_the_files(trained):
    asked, found = votes(trained.folder / "data/test/label.txt"), trained.results
    guess = predicted(trained.run / "predictions_test.csv")
    pairs = [(guess[name], asked[name]) for name in asked]
    assert found["emd_r1"] == pytest.approx(np.mean([distance(p, q) for p, q in pairs]), abs=1e-6)
    roots = [np.sqrt(np.mean(np.cumsum(p - q) ** 2)) for p, q in pairs]
    assert found["emd_r2"] == pytest.approx(np.mean(roots), abs=1e-6)
    sides = [(p @ BINS > 3) == (q @ BINS > 3 + 1e-9) for p, q in pairs]
    assert found["two_class_accuracy"] == pytest.approx(np.mean(sides)) and found["cut"] == 3
    means = [(p @ BINS, q @ BINS) for p, q in pairs]
    spreads = [(std(p), std(q)) for p, q in pairs]
    for prefix, values in (("", means), ("std_", spreads)):
        x, y = np.array(values).round(9).T  # the first two tie
        assert found[f"{prefix}plcc"] == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-4)
        assert found[f"{prefix}srcc"] == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-6)
    test, val = records(trained.run)[-1], records(trained.run)[-2]
    assert {name: test[name] for name in found} == found
    assert val["split"] == "val" and val["cut"] == 3 and 0 <= val["two_class_accuracy"] <= 1


def test_the_baseline_is_the_mean_histogram_of_training(trained, tmp_path):
    """Also where the training labels are gone: the weights know what they learned from."""
    train, asked = (votes(trained.folder / f"data/{s}/label.txt") for s in ("train", "test"))
    mean = np.mean(list(train.values()), axis=0)
    expected = np.mean([distance(mean, q) for q in asked.values()])
    roots = [np.sqrt(np.mean(np.cumsum(mean - q) ** 2)) for q in asked.values()]
    sides = [(mean @ BINS > 3) == (q @ BINS > 3 + 1e-9) for q in asked.values()]
    assert trained.results["baseline_emd_r1"] == pytest.approx(expected, abs=1e-6)
    assert trained.results["baseline_emd_r2"] == pytest.approx(np.mean(roots), abs=1e-6)
    assert trained.results["baseline_two_class_accuracy"] == pytest.approx(np.mean(sides))
    assert checkpoint.load(trained.run / BEST)["mean_histogram"] == pytest.approx(mean, abs=1e-6)

    shutil.copytree(trained.folder / "data/test", tmp_path / "data/test")
    done = call(tmp_path, f"-e --resume {trained.run / BEST} -j 0 -g 0")
    printed = dict(line.split()[:2] for line in tables(done.out).splitlines()[1:] if line[0] != "[")
    single = {k for k, v in trained.results.items() if not isinstance(v, (dict, str))}
    assert printed.keys() == single
    assert float(printed["baseline_emd_r1"]) == pytest.approx(expected, abs=1e-4)
    weights = checkpoint.load(trained.run / BEST)
    del weights["mean_histogram"]  # as from before it was kept
    checkpoint.save(tmp_path / "old.pth", weights)
    done = call(tmp_path, "-e --resume old.pth -j 0 -g 0")
    assert "emd_r1" in done.out and "baseline" not in done.out


def test_the_table_of_the_picture_is_that_of_the_predictions(trained):
    asked = votes(trained.folder / "data/test/label.txt")
    guess = predicted(trained.run / "predictions_test.csv")
    distances = {name: distance(guess[name], asked[name]) for name in asked}
    ranked = sorted(distances.values())
    with open(trained.run / "histograms.csv", encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert len(rows) == 12 and len(asked) == 15
    assert [int(rows[0]["place"]), int(rows[-1]["place"])] == [1, 15]
    for row in rows:
        name, values = Path(row["path"]).name, {k: float(v) for k, v in row.items() if k != "path"}
        p, q = guess[name], asked[name]
        assert values["emd_r1"] == pytest.approx(ranked[int(row["place"]) - 1], abs=1e-6)
        assert values["emd_r1"] == pytest.approx(distances[name], abs=1e-6)
        assert values["emd_r2"] == pytest.approx(np.sqrt(np.mean(np.cumsum(p - q) ** 2)), abs=1e-6)
        spread = [p @ BINS, std(p), q @ BINS, std(q)]
        shown = [values[c] for c in ("mean", "std", "voted_mean", "voted_std")]
        assert shown == pytest.approx(spread, abs=1e-5)
        assert [values[f"p{k}"] for k in BINS] == pytest.approx(p, abs=1e-6)
        assert [values[f"t{k}"] for k in BINS] == pytest.approx(q, abs=1e-6)
    with Image.open(trained.run / "histograms.png") as picture:
        assert picture.width > 900 and picture.height > 900  # 4 columns, 3 rows


def test_evaluation_draws_beside_its_predictions(trained, tmp_path):
    data = trained.folder / "data"
    words = f"-e --data {data} --resume {trained.run / BEST} -j 0 -g 0"
    call(tmp_path, f"{words} --split val -o e.csv")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"e.csv", "e.html", "e_histograms.csv", "e_histograms.png"}


def test_votes_on_one_side_of_the_cut_are_said(trained, tmp_path):
    shutil.copytree(trained.folder / "data/test", tmp_path / "data/test")
    labels = tmp_path / "data/test/label.txt"
    names = [line.split(",")[0] for line in labels.read_text().splitlines()]
    labels.write_text("".join(f"{name},0,0,0,{i},3\n" for i, name in enumerate(names)))
    done = call(tmp_path, f"-e --resume {trained.run / BEST} -j 0 -g 0")
    printed = dict(line.split()[:2] for line in tables(done.out).splitlines()[1:] if line[0] != "[")
    assert printed["two_class_accuracy"] == printed["baseline_two_class_accuracy"] == "nan"
    assert "all means of the votes are above 3" in done.err

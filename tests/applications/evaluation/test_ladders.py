"""Where levels are known, -e, training and its files judge the scores on ladders."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from applications.evaluation.evaluation import Evaluation
from applications.evaluation.ladders import (
    measured_ladders,
    overall,
)
from dataloader.labels.labels import Version, Versions
from tests.cli import TINY, call, records, run_folders, tables
from tests.tiny_data import LEVELS, write_data
from utils.statistics.ladder_metrics import LADDER_METRICS
from utils.statistics.predictions import Predictions

COUNTS = {"n_ladders", "n_ladder_pairs", "n_p_test_pairs"}
SHORT = f"{TINY} --epochs 1"
AGAIN = "-e --resume checkpoints/model_best_test_resnet.pth -j 0 -g 0 --threads 1"


@dataclass(frozen=True)
class Trained:
    folder: Path
    run: Path
    out: str
    err: str


PATHS = [Path(f"{n}.png") for n in range(5)]


def write_levels(split: Path, contents: int, reference: str = "photo") -> None:
    """levels.csv for the images of tiny_data.write_split."""
    lines = ["path,reference_id,distortion,level"]
    for content in range(contents):
        for level in range(len(LEVELS)):
            kind = "white_noise" if level else "none"
            lines.append(f"images/photo{content}_{level}.png,{reference}{content},{kind},{level}")
    (split / "levels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module", params=["rank", "emd"])
def trained(request, tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp(request.param)
    write_data(folder / "data", request.param)
    for split in ("val", "test"):
        write_levels(folder / "data" / split, 2)
    words = f"--train --criterion {request.param} {SHORT} --monitor l_test_srcc"
    done = call(folder, words)
    return Trained(folder, run_folders(folder)[-1], done.out, done.err)


def rows(file: Path) -> list[dict[str, str]]:
    with open(file, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def table(text: str) -> dict[str, str]:
    """The first table of -e: name and value."""
    lines = [line.split() for line in text.split("\n\n")[0].splitlines()[1:]]
    return {line[0]: line[1] for line in lines if not line[0].startswith("[")}


def recomputed(predictions: Path) -> tuple[float, float]:
    """(pair accuracy, share of monotone ladders) of the csv's one distortion, by a loop."""
    ladders: dict[str, dict[int, float]] = {}
    for row in rows(predictions):
        ladders.setdefault(row["reference_id"], {})[int(row["level"])] = float(row["score"])
    assert all(list(sorted(ladder)) == [0, 1, 2] for ladder in ladders.values())
    won = [
        float(ladder[a] > ladder[b]) + 0.5 * (ladder[a] == ladder[b])
        for ladder in ladders.values()
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    monotone = [ladder[0] > ladder[1] > ladder[2] for ladder in ladders.values()]
    return sum(won) / len(won), sum(monotone) / len(monotone)


def test_a_run_leaves_the_figures_of_its_ladders(trained) -> None:
    test = json.loads((trained.run / "results.json").read_text())["test"]
    accuracy, monotone = recomputed(trained.run / "predictions_test.csv")
    assert test["ladder_accuracy"] == pytest.approx(accuracy)
    assert test["monotone_ladders"] == monotone
    assert (test["n_ladders"], test["n_ladder_pairs"], test["n_p_test_pairs"]) == (2, 6, 2)
    noise = test["by_distortion"]["white_noise"]
    assert {k: v for k, v in noise.items() if k != "levels"} == {
        name: test[name] for name in {*LADDER_METRICS, *COUNTS}
    }
    assert noise["levels"] == test["by_level"] and list(test["by_level"]) == ["0", "1", "2"]
    assert test["by_level"]["0"]["step_accuracy"] is None
    record = records(trained.run)[-1]
    assert record["split"] == "test" and record["by_distortion"] == test["by_distortion"]


def test_validation_has_the_overall_figures_and_can_be_monitored(trained) -> None:
    val = [r for r in records(trained.run) if r["split"] == "val"]
    assert all({*LADDER_METRICS, *COUNTS} <= r.keys() and "by_level" not in r for r in val)
    results = json.loads((trained.run / "results.json").read_text())
    assert results["l_test_srcc"] == max(r["l_test_srcc"] for r in val)
    (line,) = [line for line in trained.err.splitlines() if "  val  " in line]
    assert "l_test_srcc" in line and "d_test" not in line


def test_ladders_are_a_table_a_csv_and_a_picture(trained) -> None:
    test = json.loads((trained.run / "results.json").read_text())["test"]
    found = rows(trained.run / "ladders.csv")
    wanted = [(kind, level) for kind in ("white_noise", "all") for level in ("0", "1", "2", "all")]
    assert [(row["distortion"], row["level"]) for row in found] == wanted
    for row in found:
        of_kind = test if row["distortion"] == "all" else test["by_distortion"][row["distortion"]]
        levels = of_kind["by_level" if row["distortion"] == "all" else "levels"]
        figures = of_kind if row["level"] == "all" else levels[row["level"]]
        for name in set(row) - {"distortion", "level"}:
            value = figures.get(name)
            if value is None:
                assert row[name] == "", name
            else:
                assert float(row[name]) == pytest.approx(value), name
    with Image.open(trained.run / "ladders.png") as picture:
        assert picture.width >= 600 and picture.height >= 300
    log = (trained.run / "log.txt").read_text(encoding="utf-8")
    for text in (log, trained.err):
        (line,) = [line for line in text.splitlines() if line.startswith("white_noise")]
        assert line.split()[1:3] == ["2", f"{test['ladder_accuracy']:.4f}"]


def test_evaluation_prints_and_writes_the_same(trained) -> None:
    done = call(trained.folder, f"{AGAIN} -o again.v1.csv --no_report")
    test = json.loads((trained.run / "results.json").read_text())["test"]
    printed = table(tables(done.out))
    assert printed.keys() == {name for name, v in test.items() if not isinstance(v, (dict, str))}
    for name in {*LADDER_METRICS, *COUNTS}:
        wanted = math.nan if test[name] is None else test[name]
        assert float(printed[name]) == pytest.approx(wanted, abs=1e-4, nan_ok=True), name
    blocks = [block.splitlines() for block in tables(done.out).rstrip().split("\n\n")]
    assert [block[0].split()[0] for block in blocks[1:]] == ["distortion", "level"]
    assert [line.split()[0] for line in blocks[1][1:]] == ["white_noise", "all"]
    assert [line.split()[0] for line in blocks[2][1:]] == ["0", "1", "2"]
    assert (trained.folder / "again.v1_ladders.png").exists()
    first, again = rows(trained.run / "ladders.csv"), rows(trained.folder / "again.v1_ladders.csv")
    assert [r["ladder_accuracy"] for r in first] == [r["ladder_accuracy"] for r in again]
    assert len(rows(trained.folder / "again.v1.csv")) == 6


def test_splits_without_levels_are_judged_as_before(tmp_path: Path) -> None:
    write_data(tmp_path / "data", "rank")
    write_levels(tmp_path / "data" / "train", 6)
    call(tmp_path, f"--train --criterion rank {SHORT}")
    done = call(tmp_path, f"{AGAIN} -o out.csv --no_report")
    said = tables(done.out)
    assert table(said).keys() == {"pair_accuracy", "n_pairs"} and "\n\n" not in said
    assert list(rows(tmp_path / "out.csv")[0]) == ["path", "score"]
    run = run_folders(tmp_path)[-1]
    assert not list(tmp_path.rglob("*ladders*"))
    assert records(run)[1].keys() == {"step", "epoch", "split", "loss", "pair_accuracy", "n_pairs"}


def test_a_figure_that_validation_cannot_have_is_refused_before_training(tmp_path: Path) -> None:
    write_data(tmp_path / "data", "rank", held_out=1)
    words = f"--train --criterion rank {SHORT} --monitor"
    error = call(tmp_path, f"{words} p_test", 1).err
    assert "--monitor p_test: no levels.csv beside " in error and "val/label.txt" in error
    write_levels(tmp_path / "data" / "val", 1)
    error = call(tmp_path, f"{words} p_test", 1).err
    assert "no two references 2 levels apart" in error and not (tmp_path / "runs").exists()
    error = call(tmp_path, f"{words} n_ladders", 1).err
    assert "rank has pair_accuracy, loss, and with levels.csv ladder_accuracy, " in error


def test_figures_that_do_not_exist_are_said_and_null(tmp_path: Path) -> None:
    """One photograph: nothing across photographs."""
    write_data(tmp_path / "data", "rank", train=2, held_out=1)
    write_levels(tmp_path / "data" / "test", 1)
    done = call(tmp_path, f"--train --criterion rank {SHORT}")
    assert "test/label.txt: no two references 2 levels apart" in done.err
    results = json.loads((run_folders(tmp_path)[-1] / "results.json").read_text())["test"]
    assert results["p_test"] is None and results["n_p_test_pairs"] == 0
    assert "p_test            nan" in call(tmp_path, AGAIN).out


def test_images_that_are_no_files_are_named_by_their_text(tmp_path: Path) -> None:
    class Drawn:
        def as_posix(self) -> str:
            return "a.png#blur/2"

        __str__ = as_posix

    versions = Versions([Version("a", "none", 0), Version("a", "blur", 2)])
    found = Evaluation(
        "rank", "test", "x", "x", [Path("x") / "a.png", Drawn()], versions, {}, 0,
        Predictions(np.array([1.0, 0.5])), None, np.arange(2), (),
    )  # fmt: skip
    found.write_predictions(tmp_path / "p.csv", str)
    assert (tmp_path / "p.csv").read_text().splitlines() == [
        "path,score,reference_id,distortion,level",
        "x/a.png,1,a,none,0",
        "a.png#blur/2,0.5,a,blur,2",
    ]


def test_images_of_unknown_level_take_no_part_in_the_figures() -> None:
    versions = [Version("a", "blur", n) for n in (0, 1, 2)]
    graded = SimpleNamespace(versions=Versions(versions), paths=PATHS[:3])
    unknown = [Version("a", "blur", None), Version("b", "contrast", None)]
    mixed = SimpleNamespace(versions=Versions([unknown[0], *versions, unknown[1]]), paths=PATHS[:5])
    scores = np.array([5.0, 3.0, 4.0])
    expected = overall(measured_ladders(graded, Predictions(scores))[0])
    rows, *_ = measured_ladders(mixed, Predictions(np.array([9.0, *scores, 8.0])))
    found = overall(rows)
    assert found["ladder_accuracy"] == expected["ladder_accuracy"] == pytest.approx(2 / 3)
    assert found["n_ladder_pairs"] == 3
    assert {row.distortion for row in rows} == {"blur", "all"}
    alone = SimpleNamespace(versions=Versions(unknown), paths=PATHS[:2])
    assert measured_ladders(alone, Predictions(scores[:2])) == ((), [], {})


def test_an_image_of_no_reference_is_in_no_ladder_of_another() -> None:
    """Both would be of the reference ""; the P-test, between references, may compare them."""
    paths = [Path(f"{n}.png") for n in range(3)]
    versions = Versions(Version("", "blur", n + 1) for n in range(3))
    targets = SimpleNamespace(versions=versions, paths=paths)
    found = overall(measured_ladders(targets, Predictions(np.array([3.0, 2.0, 1.0])))[0])
    assert found["n_ladder_pairs"] == 0 and math.isnan(found["ladder_accuracy"])
    assert (found["n_p_test_pairs"], found["p_test"]) == (1, 1)


def test_resampled_metrics_are_of_the_images_of_known_level() -> None:
    """Counts are of all images; those of an unknown level do not matter."""
    versions = Versions(Version(f"p{n // 4}", "blur", n % 4 or None) for n in range(32))
    targets = SimpleNamespace(versions=versions, paths=[Path(f"{n}.png") for n in range(32)])
    found = Predictions(np.random.default_rng(0).normal(size=32), None)
    rows, _, metrics = measured_ladders(targets, found)
    values = overall(rows)
    assert set(metrics) == set(LADDER_METRICS)
    counts = np.where(np.arange(32) % 4, 1.0, 7.0)[None]
    for name, metric in metrics.items():
        assert metric(counts) == pytest.approx([values[name]], nan_ok=True)
    twice = np.repeat([[2.0, 0, 1, 0, 0, 0, 0, 1]], 4, axis=1)
    kept = [n for n in range(32) if twice[0, n]]
    again = [n for n in range(32) for _ in range(int(twice[0, n]))]
    won = [
        float(found.scores[a] > found.scores[b])
        for a in again
        for b in kept
        if a // 4 == b // 4 and 0 < a % 4 < b % 4
    ]
    assert metrics["ladder_accuracy"](twice) == pytest.approx([np.mean(won)])
    assert measured_ladders(SimpleNamespace(versions=None, paths=[]), found) == ((), [], {})

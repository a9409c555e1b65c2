"""Several splits of one data set, and several data sets for one model."""

import csv
import json
import shutil
import statistics
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from applications.combinations import check
from applications.inputs.data import Split
from applications.inputs.splits import resplit
from applications.tasks import TASKS
from applications.test import cross_table
from applications.training.repeats import metrics_of, statistics_of, summary_table
from config import UsageError, make_config, parse
from dataloader.labels.labels import Labels, Version, Versions
from tests.cli import TINY, call, run_folders, tables
from tests.given_scores import Judged, finished
from tests.tiny_data import write_data
from utils.statistics.logistic_fit import fit_logistic
from utils.statistics.predictions import Predictions


def pooled(task, labels_by_split, level_of, root=Path("data"), **flags):
    """resplit of labels that are in several files; level_of: path -> Version, or None."""
    config = make_config({"criterion": task, **flags})
    splits = {}
    for name, labels in labels_by_split.items():
        file = root / name / "label.txt"
        versions = level_of and Versions(level_of(path) for path in labels.sources)
        labels = replace(labels, file=file, versions=versions)
        targets = TASKS[task].targets(config, labels)
        splits[name] = Split(name, labels, targets, file, f"sha of {name}")
    return resplit(config, TASKS[task], splits)


def images(count):
    return [Path(f"{i:03}.png") for i in range(count)]


def photo(path):
    """Four versions of each photograph."""
    return Version(f"photo{int(path.stem) // 4}", "blur", int(path.stem) % 4)


def rated(paths):
    return Labels.of("scores", paths, [float(int(path.stem)) for path in paths])


RATED = {"train": rated(images(60)), "test": rated(images(80)[60:])}


def test_a_run_finds_the_deviations_of_its_images(tmp_path):
    """They stand in several std.csv, one beside each label file."""
    rng = np.random.default_rng(0)
    std = {path.name: rng.uniform(0.5, 12) for path in images(80)}
    found = {}
    for name, labels in RATED.items():
        folder = tmp_path / name
        folder.mkdir()
        found[name] = rated([folder / path for path in labels.sources])
        rows = [f"{path.name},{std[path.name]}," for path in labels.sources]
        (folder / "std.csv").write_text("\n".join(["path,std,votes", *rows]), encoding="utf-8")

    def figures():
        test = pooled("regress", found, photo, tmp_path, repeats=1, repeat=1)["test"]
        mos = test.targets.all()["mos"]
        scores = mos + np.random.default_rng(1).normal(0, 6, len(mos)).astype(np.float32)
        on = Judged(test, Predictions(scores, None))
        assert {path.parent.name for path in test.targets.paths} == {"train", "test"}
        known = np.array([std[path.name] for path in test.targets.paths])
        share = np.mean(np.abs(fit_logistic("4p", scores, mos)(scores) - mos) > 2 * known)
        judged, remarks = finished("regress", on, samples=0)
        return judged.as_json(), remarks, share

    values, remarks, share = figures()
    assert 0 < values["outlier_ratio_std"] == share < 1
    assert not any("outlier" in remark for remark in remarks)
    (tmp_path / "train" / "std.csv").unlink()
    values, remarks, _ = figures()
    assert "outlier_ratio_std" not in values and values["rmse_4p"] > 0
    assert remarks[0].startswith(f"no outlier ratio: {tmp_path / 'test' / 'std.csv'}: no row for")


def photographs(split):
    return set(split.targets.versions.reference_id)


def test_a_reference_is_in_one_split_and_every_label_is_used():
    made = pooled("regress", RATED, photo, repeats=3, repeat=2)
    assert list(made) == ["train", "val", "test"]
    assert [len(photographs(made[name])) for name in made] == [12, 4, 4]
    owners = Counter(ref for split in made.values() for ref in photographs(split))
    assert len(owners) == 20 and set(owners.values()) == {1}
    found = [path for split in made.values() for path in split.targets.paths]
    assert sorted(found) == images(80)
    for split in made.values():  # labels and levels stay with their images
        mos = split.targets.all()["mos"]
        assert mos.tolist() == [float(int(path.stem)) for path in split.targets.paths]
        assert list(split.targets.versions) == [photo(path) for path in split.targets.paths]
    assert len({split.sha256 for split in made.values()}) == 3


def test_repeats_differ_and_come_again():
    def tested(**flags):
        return frozenset(pooled("regress", RATED, photo, **flags)["test"].targets.paths)

    assert tested(repeats=9, repeat=1) == tested(repeats=9, repeat=1) == tested(repeats=2, repeat=1)
    assert tested(repeats=9, repeat=1) != tested(repeats=9, repeat=2)
    assert tested(repeats=9, repeat=1) != tested(repeats=9, repeat=1, seed=1)


def test_every_reference_is_tested_in_one_fold():
    folds = [pooled("regress", RATED, photo, folds=5, repeat=k) for k in range(1, 6)]
    tested = Counter(ref for made in folds for ref in photographs(made["test"]))
    assert len(tested) == 20 and set(tested.values()) == {1}
    for number, made in enumerate(folds):
        assert photographs(made["val"]) == photographs(folds[(number + 1) % 5]["test"])
        assert len(photographs(made["train"])) == 12


def test_images_without_references_are_split_by_image():
    made = pooled("regress", RATED, None, repeats=1, repeat=1, split_by="image")
    assert [len(split.targets.paths) for split in made.values()] == [48, 16, 16]
    assert made["test"].targets.versions is None
    with pytest.raises(ValueError, match="no levels.csv, .* pass --split_by image"):
        pooled("regress", RATED, None, repeats=1, repeat=1, split_by="reference")
    few = {"train": rated(images(8))}
    with pytest.raises(ValueError, match=r"2 group\(s\) .* 3 parts"):
        pooled("regress", few, photo, repeats=1, repeat=1)


def test_pairs_stay_together():
    """Images that pairs link are never in two splits; nor are references that a pair joins."""
    pairs = zip(images(80)[:-1], images(80)[1:], strict=True)
    pairs = [(better, worse) for better, worse in pairs if int(worse.stem) % 4]
    labels = Labels.of("pairs", [*pairs, (images(1)[0], Path("079.png"))])
    for split_by, level_of in (("image", None), ("reference", photo)):
        made = pooled("rank", {"train": labels}, level_of, folds=4, repeat=3, split_by=split_by)
        owner = {path: name for name, split in made.items() for path in split.targets.paths}
        assert len(owner) == 80 and sum(len(split.targets) for split in made.values()) == 61
        assert all(owner[better] == owner[worse] for better, worse in pairs)
        assert owner[images(1)[0]] == owner[Path("079.png")]


def test_figures_that_the_first_run_lacks_are_kept():
    tests = [{"srcc": 0.5, "n": 3, "fit": "val"}, {"srcc": None, "outlier_ratio_std": 0.25, "n": 3}]
    assert metrics_of(tests) == {"srcc": [0.5, None], "outlier_ratio_std": [None, 0.25]}


def test_statistics_are_those_of_pythons_library():
    values = [0.5, 0.9, 0.7, 0.8, 0.6, 0.1]
    found = statistics_of([*values, None, float("nan")])
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    assert found == pytest.approx({
        "median": median, "lower quartile": lower, "upper quartile": upper,
        "mean": statistics.mean(values), "std": statistics.stdev(values),
        "min": 0.1, "max": 0.9, "n": 6,
    })  # fmt: skip
    assert statistics_of([None])["median"] is None and statistics_of([0.3])["std"] == 0
    shown = summary_table({"srcc": found, "plcc": statistics_of([None])}, 8).splitlines()
    assert shown[1].split()[:2] == ["srcc", "0.6500"] and shown[1].endswith("6/8")
    assert shown[2].split()[:2] == ["plcc", "nan"] and shown[2].endswith("0/8")


def rows_of(file):
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def test_runs_their_summary_and_what_is_left_of_them(tmp_path):
    write_data(tmp_path / "data", "regress", train=3, held_out=1)
    short = f"{TINY} --epochs 1 --bootstrap 0"
    call(tmp_path, f"--train --criterion regress {short} --repeats 2 --split_by image")
    (parent,) = run_folders(tmp_path)
    runs = sorted(path.parent for path in parent.glob("*/results.json"))
    tests = [json.loads((run / "results.json").read_text())["test"] for run in runs]
    assert [json.loads((run / "config.json").read_text())["repeat"] for run in runs] == [1, 2]
    summary = json.loads((parent / "summary.json").read_text())
    maes = [test["mae"] for test in tests]
    assert summary["figures"]["mae"]["median"] == pytest.approx(np.median(maes))
    rows = rows_of(parent / "summary.csv")
    assert [float(row["mae"]) for row in rows[:2]] == maes
    assert float(rows[2]["mae"]) == pytest.approx(np.median(maes)) and rows[2]["run"] == "median"
    tested = [{row["path"] for row in rows_of(run / "predictions_test.csv")} for run in runs]
    assert tested[0] != tested[1] and all(len(paths) == 3 for paths in tested)

    shutil.rmtree(runs[1])
    (parent / "summary.json").unlink()
    call(tmp_path, f"--continue {parent}")
    assert json.loads((parent / "summary.json").read_text())["figures"] == summary["figures"]

    shutil.copytree(tmp_path / "data", tmp_path / "other")
    best = "--resume checkpoints/model_best_test_resnet.pth -j 0 -g 0"
    done = call(
        tmp_path, f"--test data other --split train {best} --bootstrap 100 -o all.csv --no_report"
    )
    rows = rows_of(tmp_path / "all.csv")
    assert [row["data"] for row in rows] == ["data", "other"]
    alone = tables(call(tmp_path, f"-e --data other --split train {best} --bootstrap 100").out)
    assert alone.strip() in done.out
    printed = dict(line.split()[:2] for line in alone.splitlines()[1:-1])
    assert all(row["srcc"] == rows[0]["srcc"] for row in rows)
    assert float(rows[1]["mae"]) == pytest.approx(float(printed["mae"]), abs=1e-4)
    assert float(rows[0]["mae_low"]) < float(rows[0]["mae"]) < float(rows[0]["mae_high"])
    assert done.out.splitlines()[-3].split()[:3] == ["data", "set", "images"]


def test_the_table_of_data_sets():
    def judged(images: int, fit_on: str, **metrics: float) -> SimpleNamespace:
        by_key = {name: SimpleNamespace(value=value) for name, value in metrics.items()}
        return SimpleNamespace(images=range(images), by_key=by_key, fit_on=fit_on)

    found = {
        "koniq": judged(9, "test", srcc=0.5, plcc_4p=0.61234),
        "spaq": judged(100, "val", srcc=float("nan")),
    }
    lines = [line.split() for line in cross_table(found).splitlines()]
    assert lines[0] == ["data", "set", "images", "srcc", "plcc_4p", "fit"]
    assert lines[1] == ["koniq", "9", "0.5000", "0.6123", "test"]
    assert lines[2] == ["spaq", "100", "nan", "val"]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ("-e --resume w --repeats 3", "--repeats 3: only with --train"),
        ("--train --repeats 3 --folds 5", "choose one"),
        ("--train --folds 2", "--folds 2 must be 3 or more"),
        ("--train --repeat 1", "--repeat 1: one of the runs"),
        ("--train --repeats 3 --repeat 4", "--repeat 4: one of the runs"),
        ("--train --split_by theme", "only a table \\(--labels\\) has columns"),
        ("--train --split_shares 80/0", "shares such as 70/10/20"),
        ("--train --repeats 3 --stages rank,regress", "--repeats and --stages"),
        ("--train --folds 3 --distort live --photos p", "--folds and --distort"),
        ("--test a b", "--test needs weights"),
        ("--test a a --resume w", "named twice"),
        ("--test a --resume w --data b", "leave --data out"),
        ("--test a --resume w --split all", "--split all needs --distort"),
        ("--test a --resume w -o x.txt", "must end in .csv or .json"),
    ],
)
def test_combinations_that_cannot_be_meant(words, match):
    with pytest.raises(UsageError, match=match):
        check(parse(words.split()))
    check(parse("--train --repeats 3 --repeat 3 --split_by image".split()))
    check(parse("--test a b --resume w -o x.json".split()))

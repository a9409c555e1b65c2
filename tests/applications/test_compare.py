"""--compare on run folders made by hand: what it finds, against SciPy and loops of its own."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import itertools
import json
import math
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from applications.comparison.runs import distinct_names
from applications.reports.pictures import BESIDE, shown_source
from dataloader.labels.text import read_labels
from dataloader.sources import DistortedPhoto
from dataloader.targets.buckets import BucketTargets
from tests.cli import ROOT, TINY, call, refused, run_folders
from tests.html_reader import Reader
from tests.run_folders import write_csv, write_run
from tests.tiny_data import write_data
from utils.drawing import figure as drawn_figure

COUNT, CSV = 60, "predictions_test.csv"


def data(count: int = COUNT, seed: int = 0) -> tuple[list[str], np.ndarray, dict[str, np.ndarray]]:
    """(images, MOS, scores of three models, the first the best and the last the worst)."""
    rng = np.random.default_rng(seed)
    mos = np.round(rng.uniform(1, 5, count), 1)
    noise = {"good": 0.4, "fair": 1.2, "poor": 2.5}
    scores = {name: mos + rng.normal(0, spread, count) for name, spread in noise.items()}
    return [f"data/test/images/i{i}.png" for i in range(count)], mos, scores


def two_runs(folder: Path, one: dict | None = None, two: dict | None = None, count: int = 10):
    """Runs a and b with the same images, MOS and scores, but for the columns that are given (None:
    not there); facts: of the environment, flags: of the configuration.
    """
    images, mos, scores = data(count)
    for name, own in (("a", one or {}), ("b", two or {})):
        own = {"path": images, "score": scores["good"], "mos": mos, **own}
        facts = {"folder": str(folder), **own.pop("facts", {})}
        flags = own.pop("flags", {})
        columns = {key: values for key, values in own.items() if values is not None}
        write_run(folder / name, columns, facts, **flags)


def three_runs(folder: Path, **more) -> list[str]:
    images, mos, scores = data()
    for name, own in scores.items():
        columns = {"path": images, "score": own, "mos": mos, **more}
        write_run(folder / name, columns, {"folder": str(folder)}, lr=len(name) / 1000)
    return list(scores)


def compared(folder: Path, words: str) -> dict:
    call(folder, f"--compare {words} --bootstrap 400 -o out/c.json")
    return json.loads((folder / "out/c.json").read_text(encoding="utf-8"))


def predictions(file: Path) -> dict[str, np.ndarray]:
    """Columns of a predictions file, read by the standard library alone."""
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def refusal(folder: Path, words: str) -> str:
    result = call(folder, f"--compare {words}", code=1)
    assert len(result.err.splitlines()) == 1 and not result.out
    return result.err


# ---- figures


def test_figures_are_those_of_scipy(tmp_path):
    found = compared(tmp_path, " ".join(three_runs(tmp_path)))
    assert found["images"] == COUNT and found["labels"] == "mean opinion scores"
    for name, figures in found["figures"].items():
        own = predictions(tmp_path / name / "predictions_test.csv")
        x, y = own["score"].astype(float), own["mos"].astype(float)
        expected = {
            "srcc": stats.spearmanr(x, y)[0], "plcc": stats.pearsonr(x, y)[0],
            "krcc": stats.kendalltau(x, y)[0], "rmse": math.sqrt(np.mean((x - y) ** 2)),
            "mae": np.mean(np.abs(x - y)),
        }  # fmt: skip
        for figure, value in expected.items():
            assert figures[figure]["value"] == pytest.approx(value, abs=1e-9)
            assert figures[figure]["low"] < value < figures[figure]["high"]


@pytest.mark.parametrize("clustered", [False, True])
def test_the_interval_of_a_difference_is_that_of_a_paired_bootstrap(tmp_path, clustered):
    levels = {
        "reference_id": [f"r{i // 4}" for i in range(COUNT)], "distortion": ["noise"] * COUNT,
        "level": [""] * COUNT,
    }  # fmt: skip
    three_runs(tmp_path, **(levels if clustered else {}))
    found = compared(tmp_path, "good poor")
    drawn = found["bootstrap"]
    assert (drawn["drawn"], drawn["count"]) == (
        ("references", COUNT // 4) if clustered else ("images", COUNT)
    )
    row = next(r for r in found["significance"] if r["figure"] == "plcc")
    a, b = (predictions(tmp_path / n / "predictions_test.csv") for n in ("good", "poor"))
    x, z, y = (v.astype(float) for v in (a["score"], b["score"], a["mos"]))
    groups = np.arange(COUNT).reshape(-1, 4 if clustered else 1)
    rng, differences = np.random.default_rng(5), []
    for _ in range(1500):
        kept = groups[rng.integers(0, len(groups), len(groups))].reshape(-1)
        correlations = np.corrcoef(np.stack([x[kept], z[kept], y[kept]]))[2]
        differences.append(correlations[0] - correlations[1])
    n = len(groups)
    error = np.std(differences, ddof=1) * math.sqrt(n / (n - 1))
    half = stats.t.ppf(0.975, n - 1) * error
    assert (row["high"] - row["low"]) / 2 == pytest.approx(half, rel=0.12)
    assert (row["high"] + row["low"]) / 2 == pytest.approx(row["difference"])


def test_it_says_which_run_is_better_and_in_errors_the_lower_one(tmp_path):
    three_runs(tmp_path)
    found = compared(tmp_path, "poor good")
    better = {row["figure"]: row["better"] for row in found["significance"]}
    assert better["srcc"] == better["rmse"] == better["mae"] == "good"
    rows = {row["figure"]: row for row in found["significance"]}
    assert rows["srcc"]["difference"] < 0 < rows["rmse"]["difference"]
    # Models that are equal but for a little noise.
    images, mos, scores = data()
    noisy = scores["good"] + np.random.default_rng(3).normal(0, 1e-3, COUNT)
    columns = {"path": images, "score": noisy, "mos": mos}
    write_run(tmp_path / "again", columns, {"folder": str(tmp_path)})
    found = compared(tmp_path, "good again")
    assert {r["better"] for r in found["significance"] if r["figure"] == "srcc"} == {None}


def test_histograms_bring_the_figures_of_histograms(tmp_path):
    images, _, _ = data(24)
    rng = np.random.default_rng(1)
    votes = rng.dirichlet(np.ones(5), 24)
    for name, share in (("near", 0.2), ("far", 0.9)):
        probs = (1 - share) * votes + share * rng.dirichlet(np.ones(5), 24)
        columns = {"path": images, "score": probs @ np.arange(1, 6)}
        columns |= {f"p{k + 1}": probs[:, k] for k in range(5)}
        columns |= {f"t{k + 1}": votes[:, k] for k in range(5)}
        columns |= {"bucket": rng.integers(1, 9, 24)} if name == "far" else {}  # of emd+siamese
        write_run(tmp_path / name, columns, {"folder": str(tmp_path)}, criterion="emd")
    found = compared(tmp_path, "near far")
    turned = compared(tmp_path, "far near")  # buckets say less than votes, whoever has them
    assert turned["figures"]["far"] == found["figures"]["far"]
    own = predictions(tmp_path / "near/predictions_test.csv")
    p, t = (np.stack([own[f"{c}{k}"].astype(float) for k in range(1, 6)], 1) for c in "pt")
    emd = np.mean(np.abs(np.cumsum(p, 1) - np.cumsum(t, 1)))
    assert found["figures"]["near"]["emd_r1"]["value"] == pytest.approx(emd)
    mean = t @ np.arange(1, 6)
    srcc = stats.spearmanr(own["score"].astype(float), mean)[0]
    assert found["figures"]["near"]["srcc"]["value"] == pytest.approx(srcc)
    rows = {row["figure"]: row for row in found["significance"]}
    assert rows["emd_r1"]["better"] == "near" and rows["emd_r1"]["difference"] < 0
    assert rows["two_class_accuracy"]["difference"] >= 0


def test_fits_of_the_runs_are_used_where_all_have_one(tmp_path):
    names = three_runs(tmp_path)[:2]
    kept = {"kind": "4p", "parameters": [5.0, 1.0, 3.0, 0.8], "n": 99, "failed": None}
    for name in names:
        file = tmp_path / name / "results.json"
        results = json.loads(file.read_text())
        results["test"] |= {"fit": "val", "fits": {"4p": kept}}
        file.write_text(json.dumps(results))
    found = compared(tmp_path, " ".join(names))
    assert found["fit"] == "val"
    own = predictions(tmp_path / "good/predictions_test.csv")
    mapped = 1 + 4 / (1 + np.exp(-(own["score"].astype(float) - 3) / 0.8))
    rmse = math.sqrt(np.mean((mapped - own["mos"].astype(float)) ** 2))
    assert found["figures"]["good"]["rmse_4p"]["value"] == pytest.approx(rmse)
    # A run without one: all are fitted alike, on the test images.
    assert compared(tmp_path, "good fair poor")["fit"] == "test"


def test_no_run_is_better_by_a_fit_that_turns_its_scores_round(tmp_path):
    images, mos, scores = data()
    for name, own in (("good", 6 - scores["good"]), ("poor", scores["poor"])):
        columns = {"path": images, "score": own, "mos": mos}
        write_run(tmp_path / name, columns, {"folder": str(tmp_path)})
    out = call(tmp_path, "--compare good poor --bootstrap 100 -o c.json").out
    found = json.loads((tmp_path / "c.json").read_text())
    better = {row["figure"]: row["better"] for row in found["significance"]}
    assert better["srcc"] == "poor" and better["plcc_4p"] is better["rmse_4p"] is None
    assert out.count("odd fit") >= 2 and "good: odd 4p fit: falls: higher" in out


# ---- rankings


def rank_data(folder: Path, shift: int = 0) -> tuple[Path, list[str], dict[str, np.ndarray], str]:
    """A ranked test split of 8 contents with 3 versions each; (root, images, scores, SHA-256)."""
    test = folder / "test"
    test.mkdir(parents=True)
    images, lines = [], []
    for content in range(8):
        names = [f"c{content}_{level}.png" for level in range(3)]
        for name in names:
            Image.new("RGB", (8, 8), (20 * content, 99, shift)).save(test / name)
        images += [str(test / name) for name in names]
        lines += [f"{a},{b}" for a, b in itertools.combinations(names, 2)]
    (test / "label.txt").write_text("\n".join(lines) + "\n")
    rng = np.random.default_rng(2)
    right = -np.tile([0.0, 1, 2], 8)
    scores = {"good": right + rng.normal(0, 0.3, 24), "poor": rng.normal(0, 3, 24) - right}
    return folder, images, scores, hashlib.sha256((test / "label.txt").read_bytes()).hexdigest()


def pair_accuracy(scores: np.ndarray) -> float:
    ladders = scores.reshape(8, 3)
    won = [np.mean(ladders[:, a] > ladders[:, b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    return float(np.mean(won))


def test_pairs_come_from_the_label_file_that_a_run_was_tested_on(tmp_path):
    root, images, scores, digest = rank_data(tmp_path / "ranked")
    for name, own in scores.items():
        facts = {"folder": str(tmp_path), "labels_sha256": {"test": digest}}
        order = np.random.default_rng(5).permutation(24)  # not the label file's
        columns = {"path": np.array(images)[order], "score": own[order]}
        write_run(tmp_path / name, columns, facts, criterion="rank", data="ranked")
    found = compared(tmp_path, "good poor")
    for name, own in scores.items():
        value = found["figures"][name]["pair_accuracy"]["value"]
        assert value == pytest.approx(pair_accuracy(own))
    assert found["bootstrap"]["drawn"] == "groups of images that pairs link"
    assert found["bootstrap"]["count"] == 8
    (row,) = found["significance"]
    assert (row["figure"], row["better"]) == ("pair_accuracy", "good")
    by_line = [p for p in found["disagreement"][0]["pairs"] if p["right"] is not None]
    for pair in by_line:
        content = {
            pair[side]["image"].split("_")[0] for side in ("higher_in_first", "higher_in_second")
        }
        assert len(content) == 1  # only versions of one content are in the label file
    # Labels that have changed are not taken for those of the test.
    (root / "test/label.txt").write_text("c0_0.png,c0_1.png\n")
    found = compared(tmp_path, "good poor")
    assert found["figures"] == {"good": {}, "poor": {}} and found["significance"] == []
    assert sum("has changed since" in remark for remark in found["remarks"]) == 2


def test_buckets_have_an_order_and_the_pairs_of_their_label_file(tmp_path):
    _, images, scores, _ = rank_data(tmp_path / "ranked")
    file = tmp_path / "ranked/test/label.txt"
    bucket = 5 - np.tile([0, 1, 2], 8)
    lines = [f"{Path(i).name} {b}\n" for i, b in zip(images, bucket, strict=True)]
    file.write_text("".join(["file_name label\n", *lines]))
    order = np.random.default_rng(0).permutation(24)
    for name, own in scores.items():
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        facts = {"folder": str(tmp_path), "labels_sha256": {"test": digest}}
        columns = {"path": np.array(images)[order], "score": own[order], "bucket": bucket[order]}
        write_run(tmp_path / name, columns, facts, criterion="siamese", data="ranked")
    found = compared(tmp_path, "good poor")
    targets = BucketTargets(read_labels("buckets", file, tmp_path / "ranked")).all()
    for name, own in scores.items():
        figures = found["figures"][name]
        assert figures.keys() == {"srcc", "krcc", "same_bucket_accuracy"}
        assert figures["srcc"]["value"] == pytest.approx(stats.spearmanr(own, bucket)[0])
        near = np.abs(own[targets["first"]] - own[targets["second"]]) < 0.5
        accuracy = np.mean(near == targets["same"])
        assert figures["same_bucket_accuracy"]["value"] == pytest.approx(accuracy)
    assert {row["figure"] for row in found["significance"]} == figures.keys()


def test_levels_in_the_files_give_the_accuracy_on_ladders(tmp_path):
    _, images, scores, _ = rank_data(tmp_path / "ranked")
    levels = {
        "reference_id": [f"c{i // 3}" for i in range(24)], "distortion": ["blur"] * 24,
        "level": [i % 3 for i in range(24)],
    }  # fmt: skip
    for name, own in scores.items():
        write_csv(tmp_path / f"{name}.csv", {"path": images, "score": own, **levels})
    found = compared(tmp_path, "good.csv poor.csv")
    for name, own in scores.items():
        value = found["figures"][f"{name}.csv"]["ladder_accuracy"]["value"]
        assert value == pytest.approx(pair_accuracy(own))
    assert found["bootstrap"]["drawn"] == "references"
    assert [r["config"] for r in found["runs"]] == [None, None]
    assert any("does not name its label file" in remark for remark in found["remarks"])


# ---- disagreement


def test_a_planted_disagreement_is_the_first_pair_and_the_labels_say_who_is_right(tmp_path):
    images, mos, scores = data()
    best, worst = int(np.argmax(mos)), int(np.argmin(mos))
    one = scores["good"].copy()
    one[[best, worst]] = 9, -3
    two = 70 + 7 * scores["good"]
    two[[best, worst]] = 30, 150
    for name, own in (("one", one), ("two", two)):
        columns = {"path": images, "score": own, "mos": mos}
        write_run(tmp_path / name, columns, {"folder": str(tmp_path)})
    (found,) = compared(tmp_path, "one two")["disagreement"]
    pair = found["pairs"][0]
    assert pair["higher_in_first"]["image"] == f"i{best}.png"
    assert pair["higher_in_second"]["image"] == f"i{worst}.png"
    assert pair["right"] == "one"
    assert pair["higher_in_first"]["opinion"] == pytest.approx(mos.max())
    z1, z2 = (v - v.mean() for v in (one, two))
    assert pair["lead_first"] == pytest.approx((z1[best] - z1[worst]) / z1.std())
    assert pair["lead_second"] == pytest.approx((z2[worst] - z2[best]) / z2.std())
    assert {entry["image"] for entry in found["images"][:2]} == {f"i{best}.png", f"i{worst}.png"}
    opposite = [
        (one[a] - one[b]) * (two[a] - two[b]) < 0
        for a, b in itertools.combinations(range(COUNT), 2)
    ]
    assert found["share_of_pairs"] == pytest.approx(np.mean(opposite))


# ---- matching


def test_runs_on_one_data_set_under_two_roots_match(tmp_path):
    images, mos, scores = data(20)
    for name, root in (("good", "here/data"), ("fair", "there/copy/data")):
        paths = [str(tmp_path / root / image.removeprefix("data/")) for image in images]
        columns = {"path": paths, "score": scores[name], "mos": mos}
        if name == "fair":  # and in another order
            columns = {key: list(reversed(list(value))) for key, value in columns.items()}
        write_run(tmp_path / name, columns, data=str(tmp_path / root))
    found = compared(tmp_path, "good fair")
    assert found["matched"] == "by their path below each run's data folder"
    srcc = stats.spearmanr(scores["fair"], mos)[0]
    assert found["figures"]["fair"]["srcc"]["value"] == pytest.approx(srcc)
    # Predictions files know no root: the folder that all images share stands for it.
    files = [str(tmp_path / n / "predictions_test.csv") for n in ("good", "fair")]
    again = compared(tmp_path, " ".join(map(shlex.quote, files)))
    assert again["matched"] == "by their path below the folder that all of a run's images share"
    assert again["disagreement"][0]["pairs"][0]["lead_first"] == pytest.approx(
        found["disagreement"][0]["pairs"][0]["lead_first"]
    )
    assert [r["name"] for r in again["runs"]] == [
        "good/predictions_test.csv", "fair/predictions_test.csv",
    ]  # fmt: skip


def test_relative_paths_are_those_of_the_folder_a_run_was_started_in(tmp_path):
    elsewhere = [str(tmp_path / "x" / image) for image in data(20)[0]]
    two_runs(tmp_path, {"facts": {"folder": str(tmp_path / "x")}}, {"path": elsewhere}, 20)
    assert compared(tmp_path, "a b")["matched"] == "by their place on the disk"


def test_names_are_as_short_as_tells_them_apart():
    paths = [Path("/x/runs/a/one"), Path("/x/runs/b/one"), Path("/x/runs/b/two")]
    assert distinct_names(paths) == ["a/one", "b/one", "b/two"]
    assert distinct_names(paths[1:]) == ["one", "two"]


# ---- errors


def levels(last: int) -> dict:
    names = {"reference_id": ["r"] * 10, "distortion": ["blur"] * 10}
    return {**names, "level": [*range(9), last], "mos": None}


def ranked(name: str) -> dict:
    facts = {"folder": f"/data/{name}", "labels_sha256": {"test": name * 64}}
    return {"mos": None, "facts": facts, "flags": {"criterion": "rank"}}


IMAGES, MOS, SCORES = data(10)
FEWER = {"path": [*IMAGES[3:], "data/test/new.png"], "score": SCORES["good"][2:], "mos": MOS[2:]}
CHANGED = np.where(np.isin(np.arange(10), (4, 7)), 9.5, MOS)


@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        ({}, FEWER, "3 of 10 images of a are not in b, e.g. data/test/images/i0.png; 1 of 8 images "
         "of b are not in a, e.g. data/test/new.png"),
        ({}, {"mos": CHANGED}, f"2 images have different labels, e.g. i4.png: mos {MOS[4]:g} in a "
         "and 9.5 in b"),
        (levels(10), levels(11), "i9.png is (r, blur, level 10) in a and (r, blur, level 11) in b"),
        ({}, {"mos": None, "flags": {"criterion": "rank"}},
         "different kinds of labels (b: none in the file, a: mean opinion scores)"),
        (ranked("a"), ranked("b"), "their test labels differ (SHA-256"),
    ],
)  # fmt: skip
def test_other_images_and_other_labels_are_named(tmp_path, one, two, said):
    two_runs(tmp_path, one, two)
    assert said in refusal(tmp_path, "a b")


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("config.json", "{", "config.json:1:2: not JSON"),
        ("config.json", "[]", "config.json: an object is wanted"),
        ("config.json", "{}", "criterion None: one of rank, "),
        ("config.json", None, "b: not a run folder: it has no config.json"),
        (CSV, None, "no test/ split: python main.py -e --resume b/model_best_x.pth --data DATA"),
        (CSV, "name,score\n", f"{CSV}:1: the header must begin with path,score"),
        (CSV, "path,score\n", "no predictions in this"),
        (CSV, "path,score,mos\na,1,2\nb,high,2\n", f"{CSV}:3: score 'high' is not a finite"),
        (CSV, "path,score,mos\na,1,nan\n", f"{CSV}:2: mos 'nan' is not a finite number"),
        (CSV, "path,score,mos\na,1\n", f"{CSV}:2: 2 columns where 3 are wanted"),
        (CSV, "path,score\na,1\nb,2\na,3\n", f"{CSV}: a stands there twice"),
        (CSV, "path,score,reference_id,distortion,level\na,1,r,blur,strong\n",
         f"{CSV}:2: level 'strong' is not a whole number"),
    ],
)  # fmt: skip
def test_what_is_no_finished_run_is_refused_in_one_line(tmp_path, file, text, said):
    two_runs(tmp_path)
    (tmp_path / "b" / file).unlink()
    if text is not None:
        (tmp_path / "b" / file).write_text(text, encoding="utf-8")
    assert said in refusal(tmp_path, "a b")


def test_folders_of_several_runs_and_what_is_not_there(tmp_path):
    two_runs(tmp_path)
    two_runs(tmp_path / "all")
    (tmp_path / "all/config.json").write_text((tmp_path / "a/config.json").read_text())
    assert "it holds 2 runs: name some of those, e.g. all/a" in refusal(tmp_path, "a all")
    assert "--compare nowhere: does not exist" in refusal(tmp_path, "a nowhere")
    (tmp_path / "notes.txt").write_text("x")
    assert "is not a run folder or a predictions .csv" in refusal(tmp_path, "a notes.txt")
    assert "are the same run" in refusal(tmp_path, "a ./a/../a")
    for name in (CSV, "results.json"):
        (tmp_path / "b" / name).unlink()
    assert "the run has not ended: python main.py --continue b" in refusal(tmp_path, "a b")


def test_nothing_is_written_into_runs_and_data(tmp_path):
    two_runs(tmp_path, {"flags": {"data": "data"}}, {"flags": {"data": "data"}})
    before = sorted(tmp_path.rglob("*"))
    refused(tmp_path, "--compare a b -o a/results.json", "a, which is only read")
    assert "data, which is only read" in refusal(tmp_path, "a b -o data/test/x.html")
    assert sorted(tmp_path.rglob("*")) == before


# ---- what is shown


def test_screen_and_configuration(tmp_path):
    images, mos, scores = data(20)
    for name, lr, workers in (("good", 0.1, 1), ("poor", 0.2, 3)):
        write_run(
            tmp_path / name, {"path": images, "score": scores[name], "mos": mos},
            {"folder": str(tmp_path), "git_revision": name * 3, "packages": {"torch": "2.11"}},
            lr=lr, workers=workers,
        )  # fmt: skip
    old = json.loads((tmp_path / "poor/config.json").read_text())
    del old["ema"], old["warmup"]  # a run of an earlier version: as the defaults are
    (tmp_path / "poor/config.json").write_text(json.dumps(old))
    shown = call(tmp_path, "--compare good poor --bootstrap 100").out.splitlines()
    assert shown[:2] == [
        "A  good: regress, efficientnet_b0, best epoch 2",
        "B  poor: regress, efficientnet_b0, best epoch 2",
    ]
    table = [line.split() for line in shown]
    assert ["--lr", "0.1", "0.2"] in table
    assert ["git", "revision", "goodgoodgood", "poorpoorpoor"] in table
    assert not any(row[:1] in (["--ema"], ["--warmup"], ["torch"]) for row in table)
    assert "[differ too, without effect on metrics: --workers]" in shown
    start = next(i for i, line in enumerate(shown) if line.startswith("metric"))
    end = shown.index("", start)
    assert end - start == 1 + 2 * 7 and len({len(line) for line in shown[start:end]}) == 1
    written = compared(tmp_path, "good poor")
    assert {row["name"]: row["matters"] for row in written["configuration"]} == {
        "--lr": True, "git revision": True, "--workers": False,
    }  # fmt: skip
    curves = written["runs"][0]["curves"]
    assert curves["val srcc"] == {"epoch": [1, 2, 3], "value": [0.1, 0.4, 0.3]}
    assert curves["train loss"]["value"] == pytest.approx([1, 1 / 2, 1 / 3])
    assert not (tmp_path / "out/c.html").exists()


def hostile_runs(folder: Path) -> list[str]:
    """Two runs with names and images that try to be markup; some images exist."""
    images, mos, scores = data(12)
    images = [f"data/test/<img src=x onerror=alert(1)>{i}.png" for i in range(12)]
    (folder / "data/test").mkdir(parents=True)
    for image in images[:9]:
        Image.new("RGB", (30, 20), (200, 10, 10)).save(folder / image)
    names = ["<script>alert(1)<", "b"]
    for name, own in zip(names, (scores["good"], -scores["good"]), strict=True):
        columns = {"path": images, "score": own, "mos": mos}
        write_run(folder / name, columns, {"folder": str(folder), "device": name})
    return names


def test_the_page_escapes_every_name_and_counts_images_that_are_gone(tmp_path, monkeypatch):
    monkeypatch.setitem(drawn_figure._STYLE, "pdf.fonttype", 3)  # test_svg.py has parts of fonts
    names = hostile_runs(tmp_path)
    call(tmp_path, f"--compare {shlex.join(names)} --bootstrap 100 -o page.html --figures paper")
    drawn = {file.name for file in (tmp_path / "paper").iterdir()}
    assert {"metrics.pdf", "differences.svg", "scores_A_B.csv"} <= drawn
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text and "<img src=x" not in text
    page = Reader(text)
    assert "<script>alert(1)<" in page.text and "<img src=x onerror=alert(1)>" in page.text
    sources = [a["src"] for tag, a in page.elements if tag == "img" and a.get("src")]
    assert sources and all(src.startswith("data:image/jpeg;base64,") for src in sources)
    # 12 images stand in pairs that the turned scores disagree about; 3 of them are not there.
    assert "3 image(s) cannot be shown" in page.text
    assert sum(a.get("class") == "none" for _, a in page.elements) >= 3
    found = json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))
    assert found["disagreement"][0]["share_of_pairs"] == pytest.approx(1)
    assert f"{found['figures']['b']['srcc']['value']:.4f}" in page.text
    for row in found["significance"]:
        assert f"{row['difference']:.4f}" in page.text


def test_the_page_in_a_browser(tmp_path, browser):
    names = hostile_runs(tmp_path)
    call(tmp_path, f"--compare {shlex.join(names)} --bootstrap 100 -o page.html")
    for width in (1280, 390):
        browser.resize(width)
        browser.open(tmp_path / "page.html")
        assert browser.messages() == [] and browser.overflow() <= 0
    figures = "return [...document.querySelectorAll('tbody td:nth-child(3)')].map(c => c.innerText)"
    before = browser.run(figures)
    browser.find("thead th:nth-child(3) button").click()
    assert browser.run(figures) != before
    browser.find(".picture button").click()
    assert browser.run("return document.querySelector('dialog').open")
    assert browser.messages() == []


def test_a_photograph_that_was_distorted_in_memory_is_shown_as_it_was_scored(tmp_path):
    photo = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((640, 480)).save(photo)
    shown = {}
    for level in (0, 5):
        source = DistortedPhoto(photo, "photo", ("gaussian_blur",), 0, level, 7)
        uri, note = shown_source(source, 10**8, BESIDE)
        assert note == "shrunk from 640 x 480"
        shown[level] = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))
        assert shown[level].shape == (384, 512, 3)
    assert shown[5].std() < 0.7 * shown[0].std()  # blurred
    gone = DistortedPhoto(tmp_path / "gone.png", "gone", ("gaussian_blur",), 0, 1, 7)
    assert shown_source(gone, 10**8) == ("", "")


# ---- the command line


def test_two_trainings_compared(tmp_path):
    """End to end, against the figures that training itself has written."""
    write_data(tmp_path / "data", "regress", train=3, held_out=3)
    for rate in (0.001, 0.01):
        words = f"--train --data data --criterion regress {TINY} --lr {rate} --epochs 1"
        call(tmp_path, words)
    runs = run_folders(tmp_path)
    words = " ".join(f"runs/{run.name}" for run in runs)
    call(tmp_path, f"--compare {words} -o c.html")
    found = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in found["configuration"] if row["matters"]] == ["--lr"]
    for run in runs:
        results = json.loads((run / "results.json").read_text())
        test, own = results["test"], found["figures"][run.name]
        for figure in ("srcc", "plcc", "krcc", "rmse", "mae"):
            assert own[figure]["value"] == pytest.approx(test[figure], abs=1e-6)
        # Resampled alike. Not those of plcc: of 9 images some resamples hold two different ones,
        # and whether their correlation is 1 to the last bit depends on the digits of the file.
        for figure in ("srcc", "krcc", "rmse", "mae"):
            interval = [own[figure]["low"], own[figure]["high"]]
            assert interval == pytest.approx(test["intervals"][figure], rel=1e-4)
        said = next(r for r in found["runs"] if r["name"] == run.name)
        assert said["best_epoch"] == results["best_epoch"] and said["monitor"] == "srcc"
        assert said["curves"]["val srcc"]["epoch"] == [1]
    page = Reader((tmp_path / "c.html").read_text(encoding="utf-8"))
    assert all(run.name in page.text for run in runs)


def test_it_loads_no_torch_where_no_labels_are_read(tmp_path):
    two_runs(tmp_path)
    code = (
        "import sys, main; code = main.main(sys.argv[1:]); sys.exit(code or 'torch' in sys.modules)"
    )
    words = [sys.executable, "-c", code, *"--compare a b -o c.html --bootstrap 100".split()]
    subprocess.run(words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)

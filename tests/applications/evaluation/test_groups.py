"""Figures of every distortion and of every reference, against SciPy and loops over rows."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from applications.evaluation.groups import group_rows
from applications.inputs.splits import Split
from dataloader.labels.labels import Labels, Version
from dataloader.targets.buckets import BucketTargets
from dataloader.targets.images import ScoreTargets
from dataloader.targets.pairs import PairTargets
from tests.given_scores import Judged, finished
from utils.statistics.bootstrap import bootstrap
from utils.statistics.predictions import Predictions
from utils.statistics.resampled import Spearman

KINDS = ("blur", "noise", "jpeg")


def versions(photos, levels=4):
    """A pristine image and its versions, of each photograph; photo0 has few, jpeg is rare."""
    rows = []
    for photo in range(photos):
        rows.append(Version(f"photo{photo}", "", 0))
        for kind in KINDS:
            few = 1 if kind == "jpeg" and photo != 1 else levels
            few = 0 if kind == "jpeg" and photo > 2 else few
            rows += [Version(f"photo{photo}", kind, k + 1) for k in range(few if photo else 1)]
    return rows


def rated(levels, seed=0):
    """(targets, scores, mos)."""
    rng = np.random.default_rng(seed)
    mos = np.round(
        4 - np.array([level.level or 0 for level in levels]) + rng.normal(size=len(levels))
    )
    paths = [Path(f"{i:04}.png") for i in range(len(mos))]
    scores = (mos + rng.normal(0, 1, len(levels))).astype(np.float32)
    return ScoreTargets(Labels.of("scores", paths, mos, versions=levels)), scores, mos


def grouped(task, targets, scores, samples=200, seed=0):
    split = Split("test", Labels.of("scores", []), targets, "given", "")
    judged, _ = finished(task, Judged(split, Predictions(scores)), samples=0)
    rows = group_rows(judged, samples, np.random.default_rng(seed))
    return {(row.metric.group.kind, row.metric.group.name): row for row in rows}, rows


def test_srcc_of_every_group():
    levels = versions(9)
    targets, scores, mos = rated(levels)
    found, rows = grouped("regress", targets, scores)
    photos = [f"photo{i}" for i in range(9)]
    assert list(found) == [
        *(("distortion", kind) for kind in KINDS), *(("reference", photo) for photo in photos)
    ]  # fmt: skip
    for (kind, name), row in found.items():
        mine = [
            i
            for i, level in enumerate(levels)
            if (level.reference_id if kind == "reference" else level.distortion) == name
        ]
        assert (row.images, row.metric.name) == (len(mine), "srcc")
        if len(mine) < 5:
            assert math.isnan(row.metric.value) and "too few for a metric" in row.metric.note
            continue
        assert row.metric.value == pytest.approx(stats.spearmanr(scores[mine], mos[mine]).statistic)
        if name != "jpeg":
            assert row.metric.low < row.metric.value < row.metric.high and row.metric.note == ""
    assert found["reference", "photo0"].images == 4 and found["reference", "photo1"].images == 13
    rare = found["distortion", "jpeg"]  # six images of three photographs
    assert rare.images == 6 and math.isnan(rare.metric.low)
    assert rare.metric.note.startswith("3 independent images or references: too few")


def test_photographs_are_drawn_within_a_distortion_and_images_within_a_photograph():
    levels = versions(9)
    targets, scores, mos = rated(levels)
    found, _ = grouped("regress", targets, scores, samples=300, seed=4)
    blur = [i for i, level in enumerate(levels) if level.distortion == "blur"]
    owner = [int(levels[i].reference_id[5:]) for i in blur]
    rng = np.random.default_rng(4)  # blur is drawn first
    known = bootstrap({"srcc": Spearman(scores[blur], mos[blur])}, owner, 300, rng)["srcc"]
    row = found["distortion", "blur"]
    assert (row.metric.low, row.metric.high) == (known.low, known.high)
    one = [Version("one", "", None)] * 15
    only = ScoreTargets(Labels.of("scores", targets.paths[:15], mos[:15], versions=one))
    (row,) = grouped("regress", only, scores[:15], samples=300, seed=5)[1]
    alone = bootstrap(
        {"srcc": Spearman(scores[:15], mos[:15])}, np.arange(15), 300, np.random.default_rng(5)
    )["srcc"]
    assert (row.metric.group.kind, row.metric.group.name, row.metric.low, row.metric.high) == (
        "reference",
        "one",
        alone.low,
        alone.high,
    )


def test_what_does_not_exist_is_said():
    levels = versions(9)
    targets, scores, _ = rated(levels)
    flat, _ = grouped("regress", targets, np.full_like(scores, 2))
    assert math.isnan(flat["distortion", "blur"].metric.value)
    assert "constant prediction" in flat["distortion", "blur"].metric.note
    none, _ = grouped("regress", targets, scores, samples=0)
    row = none["distortion", "blur"]
    assert row.metric.value == row.metric.value and math.isnan(row.metric.low) and row.metric.note
    perfect, _ = grouped("regress", targets, targets.all()["mos"])
    row = perfect["distortion", "blur"]
    assert row.metric.value == 1 and row.metric.note == "is the same in all resamples: no interval"
    assert grouped("regress", rated([Version("", "", None)] * 9)[0], scores[:9])[1] == []
    without = ScoreTargets(Labels.of("scores", [Path("a")], [1.0]))
    assert grouped("regress", without, scores[:1])[1] == []


def test_pairs_of_a_distortion_and_of_a_photograph():
    """Pairs within one distortion, and of a pristine with a distorted image; others are of none."""
    levels = versions(8)
    rng = np.random.default_rng(1)
    chosen = rng.permuted(np.array([[a, b] for a in range(80) for b in range(a)]), axis=1)[::3]
    chosen = chosen[(chosen < len(levels)).all(axis=1)]
    pairs = [(Path(f"{a}"), Path(f"{b}")) for a, b in chosen]
    seen = dict.fromkeys(path for pair in pairs for path in pair)
    labels = Labels.of("pairs", pairs, versions=[levels[int(path.name)] for path in seen])
    targets = PairTargets(labels)
    scores = np.round(rng.normal(size=len(targets.paths)), 1).astype(np.float32)
    of_path = dict(zip(map(str, targets.paths), scores, strict=True))
    found, _ = grouped("rank", targets, scores)
    assert len(found) == 3 + 8
    for (kind, name), row in found.items():
        won, images = [], set()
        for better, worse in pairs:
            ends = [levels[int(path.name)] for path in (better, worse)]
            if kind == "reference":
                mine = all(level.reference_id == name for level in ends)
            else:
                mine = {level.distortion for level in ends if level.level} == {name}
            if mine:
                a, b = of_path[str(better)], of_path[str(worse)]
                won.append((a > b) + 0.5 * (a == b))
                images |= {better, worse}
        assert (row.images, row.metric.name) == (len(images), "pair_accuracy")
        if len(images) < 5:
            assert math.isnan(row.metric.value) and row.metric.note
            continue
        assert row.metric.value == pytest.approx(np.mean(won))
        assert row.metric.note or row.metric.low < row.metric.value < row.metric.high
    assert (
        found["distortion", "blur"].metric.note == ""
        and found["reference", "photo1"].metric.note == ""
    )


def test_buckets_are_opinions():
    levels = versions(6)
    buckets = [1 + (level.level or 0) for level in levels]
    paths = [Path(f"{i}") for i in range(len(levels))]
    labels = Labels.of("buckets", paths, buckets, versions=levels)
    scores = np.random.default_rng(2).normal(size=len(levels)).astype(np.float32)
    found, _ = grouped("siamese", BucketTargets(labels), scores)
    mine = [i for i, level in enumerate(levels) if level.distortion == "noise"]
    expected = stats.spearmanr(scores[mine], np.array(buckets)[mine]).statistic
    assert found["distortion", "noise"].metric.value == pytest.approx(expected)


def test_the_same_generator_gives_the_same_rows():
    targets, scores, _ = rated(versions(9))
    one, again, other = (grouped("regress", targets, scores, seed=s)[1] for s in (1, 1, 2))
    assert repr(one) == repr(again) != repr(other)

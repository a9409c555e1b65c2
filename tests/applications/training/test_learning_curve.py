"""--learning_curve: its table, its picture and its sentence, and where it belongs."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from applications.combinations import check
from applications.training.learning_curve import Curve, _Doubling, _words
from config import UsageError, parse
from tests.cli import WITH_REPORT, call, run_folders
from tests.report_reader import ReportReader
from tests.tiny_data import write_data
from utils.statistics.resampled import Mean

CACHED = "--freeze backbone --cache_features kept --learning_curve --bootstrap 100"


@pytest.fixture(scope="module", params=["regress", "rank"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    write_data(folder / "data", request.param, train=8, held_out=6)
    call(folder, f"--train --criterion {request.param} {WITH_REPORT} {CACHED}")
    return run_folders(folder)[0]


def test_every_part_is_learned_from_and_tested(run):
    rows = list(csv.DictReader((run / "learning_curve.csv").read_text().splitlines()))
    name = list(rows[0])[2]
    assert name in ("srcc", "pair_accuracy")
    sizes = [int(row["images"]) for row in rows]
    assert sizes == sorted(sizes) and max(sizes) == 24 and sizes.count(24) == 1
    assert sizes.count(12) == 3  # half of them, in three draws
    assert all(-1 <= float(row[name]) <= 1 for row in rows)
    found = json.loads((run / "results.json").read_text())["learning_curve"]
    assert "from 12 to 24 training images" in found["text"] or "too few" in found["text"]
    whole, halves = (
        np.mean([float(row[name]) for row in rows if row["images"] == size])
        for size in ("24", "12")
    )
    assert found["last_doubling"]["value"] == pytest.approx(whole - halves, abs=1e-6)
    page = ReportReader(run / "report.html")
    assert found["text"] in (run / "report.html").read_text()
    points = page.csv("learning_curve_1.csv", "one draw")
    assert [float(p["y"]) for p in points] == pytest.approx([float(r[name]) for r in rows])


@pytest.mark.parametrize(
    ("gain", "says"),
    [
        ((0.05, 0.02, 0.08), "more images would help"),
        ((0.00, -0.01, 0.01), "would hardly help"),
        ((0.03, -0.02, 0.08), "cannot be told"),
        ((0.03, np.nan, np.nan), "too few images"),
    ],
)
def test_what_the_last_doubling_says(gain, says):
    text = _words("srcc", (500, 1000), gain, 100)
    assert says in text and ("from 500 to 1,000" in text or gain[1] != gain[1])
    assert "--bootstrap 0" in _words("srcc", (500, 1000), (0.03, np.nan, np.nan), 0)


def test_halves_of_unequal_groups_are_told_by_their_mean():
    rows = [(6, 1, 0.1, 0.5), (35, 2, 0.4, 0.5), (6, 3, 0.1, 0.5), (42, 1, 0.5, 1.0)]
    (chart,) = Curve("srcc", rows, (0.3, 0.2, 0.4), "").section().body
    line = chart.marks[1]
    assert line.x.tolist() == pytest.approx([47 / 3, 42])
    assert line.y.tolist() == pytest.approx([0.2, 0.5])


def test_the_draws_are_resampled_as_the_images_are():
    rng = np.random.default_rng(0)
    halves = [Mean(np.full(50, value)) for value in (0.1, 0.2, 0.6)]
    doubling = _Doubling(Mean(np.ones(50)), halves, rng)
    assert doubling.value == pytest.approx(0.7)
    counts = rng.multinomial(50, np.full(50, 0.02), 4000).astype(float)
    found = doubling(counts)
    assert found.mean() == pytest.approx(0.7, abs=0.01)
    assert found.std() == pytest.approx(np.std([0.1, 0.2, 0.6]) / np.sqrt(3), rel=0.05)


def test_it_needs_features_that_are_kept():
    for words in ("", "--freeze backbone"):
        with pytest.raises(UsageError, match="--learning_curve needs --cache_features"):
            check(parse(f"--train --criterion regress --learning_curve {words}".split()))
    check(parse("--train --stages head,all --cache_features --learning_curve".split()))

"""What a report shows of scores that are almost the same, and of groups that lack one thing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from applications.inputs.splits import Split
from applications.reports.groups import group_sections
from applications.reports.images import worst_sections
from applications.reports.parts import Table
from dataloader.labels.labels import Labels, Version
from dataloader.targets.images import ScoreTargets
from dataloader.targets.pairs import PairTargets
from tests.given_scores import Judged, finished
from utils.statistics.predictions import Predictions

PHOTOS, LEVELS = 3, 4
PATHS = [Path(f"{i:02}.png") for i in range(2 * PHOTOS * LEVELS)]
VERSIONS = [
    Version(f"photo{i // 8}", ("blur", "noise")[i // 4 % 2], i % 4) for i in range(len(PATHS))
]


def report(labels: Labels, targets, task: str, scores: np.ndarray) -> SimpleNamespace:
    split = Split("test", labels, targets, Path("data/test/label.txt"), "")
    e, _ = finished(task, Judged(split, Predictions(scores.astype(np.float32))))
    return SimpleNamespace(
        evaluation=e, about=SimpleNamespace(cell=str, max_pixels=1 << 20, seed=0, samples=50)
    )


def ranking(scores: np.ndarray) -> SimpleNamespace:
    pairs = [
        (PATHS[start + i], PATHS[start + j])
        for start in range(0, len(PATHS), LEVELS)
        for i in range(LEVELS)
        for j in range(i + 1, LEVELS)
    ]
    labels = Labels.of("pairs", pairs, versions=VERSIONS)
    return report(labels, PairTargets(labels), "rank", scores)


def test_leads_and_scores_have_the_digits_that_tell_them_apart():
    level = np.array([version.level for version in VERSIONS])
    worst, order = worst_sections(ranking(0.25 + 2.0**-20 * level))
    (groups, _) = worst.body
    assert groups.groups[0].words == "wrong by 2.86e-06"
    lines = [picture.lines[1] for picture in groups.groups[0].gallery.pictures]
    assert lines[0].endswith("score 0.25000000") and lines[1].endswith("score 0.25000286")
    assert len({picture.lines[1].split(",")[0] for picture in order.body[0].pictures}) == 4
    assert "almost the same score of every image: they lie 2.86e-06 apart" in order.why
    worst, order = worst_sections(ranking(0.25 * level))
    assert worst.body[0].groups[0].words == "wrong by 0.75" and "almost" not in order.why
    assert order.body[0].pictures[0].lines[1].startswith("score 0.0000,")


@pytest.mark.parametrize(("spread", "alike"), [(1e-4, True), (0.1, False)])
def test_almost_the_same_is_held_against_the_spread_of_the_mos(spread, alike):
    mos = np.linspace(1, 5, len(PATHS))
    labels = Labels.of("scores", PATHS, mos)
    found = report(labels, ScoreTargets(labels), "regress", 3 + spread * mos)
    assert ("almost the same score" in worst_sections(found)[-1].why) == alike


def test_what_all_groups_lack_is_said_once():
    rng = np.random.default_rng(0)
    (section,) = group_sections(ranking(rng.normal(0, 1, len(PATHS))))
    said, table = section.body[1].body
    assert said.startswith("3 independent images or references: too few for an interval")
    assert isinstance(table, Table) and "remark" not in table.header
    assert [row[0] for row in table.rows] == ["blur", "noise"]

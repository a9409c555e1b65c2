"""Which weights are the best where the figure that decides does not exist: the last ones, as
without val/, and one line says why.
"""

from __future__ import annotations

import json
import math
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
import torch

from applications.evaluation.validation import never_known
from applications.tasks import TASKS, is_better
from dataloader.labels.labels import Labels
from dataloader.targets.images import DistributionTargets, ScoreTargets
from tests.cli import call, records, run_folders
from tests.tiny_data import write_data
from utils.files import checkpoint

QUICK = (
    "--train --arch test_efficientnet --image_size 32 --warmup 0 -b 8 -j 0 -g 0 --threads 1 "
    "--amp off --no_report --lr 1e-2"
)
LAST, BEST = "checkpoint_test_efficientnet.pth", "model_best_test_efficientnet.pth"


def one_line(folder: Path, criterion: str) -> Path:
    """A data set whose val/ is of one image."""
    write_data(folder / "data", criterion, train=3, held_out=1)
    labels = folder / "data" / "val" / "label.txt"
    labels.write_text(labels.read_text().splitlines()[0] + "\n")
    return folder


def best_is_last(run: Path) -> bool:
    best, last = (checkpoint.load(run / name)["model"] for name in (BEST, LAST))
    return all(torch.equal(best[name], last[name]) for name in last)


def test_the_last_weights_are_best_where_the_figure_is_never_known(tmp_path):
    done = call(one_line(tmp_path, "regress"), f"{QUICK} --criterion regress --epochs 3")
    (run,) = run_folders(tmp_path)
    assert best_is_last(run) and checkpoint.load(run / BEST)["epoch"] == 3
    results = json.loads((run / "results.json").read_text())
    assert results["best_epoch"] == 3 and results["srcc"] is None and results["val"]["n"] == 1
    said = [line for line in done.err.splitlines() if "the last weights count as the best" in line]
    why = "(correlation of 1 values is undefined: nan)"
    assert [line.split("] ")[-1] for line in said] == [
        f"val: srcc cannot be computed {why}: the last weights count as the best",
        f"val: srcc is nan at every validation {why}: the last weights count as the best",
    ]
    assert "best so far" not in done.err


def test_the_next_stage_begins_with_the_last_weights(tmp_path):
    words = "--criterion emd --monitor srcc --stages head,all --epochs 2"
    call(one_line(tmp_path, "emd"), f"{QUICK} {words}")
    first, second = run_folders(tmp_path)
    assert best_is_last(first) and best_is_last(second)
    assert all(r["srcc"] is None for r in records(first) if r["split"] == "val")


@pytest.mark.parametrize("direction", [True, False])
@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([math.nan] * 3, 2),
        ([math.nan, 0.5, math.nan], 1),
        ([0.5, math.nan, math.nan], 0),
        ([math.nan, math.nan, 0.5, 0.5], 2),
    ],
)
def test_a_number_counts_more_than_none(values, kept, direction):
    def later(best: int | None, epoch: int) -> int | None:
        before = None if best is None else values[best]
        return epoch if is_better(values[epoch], before, direction) else best

    assert reduce(later, range(len(values)), None) == kept


def test_labels_that_no_network_can_be_judged_on():
    paths = [Path("a.png"), Path("b.png"), Path("c.png")]
    regress, emd = TASKS["regress"], TASKS["emd"]
    equal = ScoreTargets(Labels.of("scores", paths, [3.0, 3.0, 3.0]))
    assert "constant" in never_known(regress, "srcc", equal)
    assert never_known(regress, "rmse", equal) is None
    assert never_known(regress, "loss", equal) is None
    apart = ScoreTargets(Labels.of("scores", paths, [1.0, 3.0, 3.0]))
    assert never_known(regress, "srcc", apart) is None
    histograms = DistributionTargets(
        Labels.of("distributions", paths, np.eye(3))
    )  # nobody disagrees
    assert never_known(emd, "srcc", histograms) is None
    assert never_known(emd, "emd_r2", histograms) is None
    assert "constant" in never_known(emd, "std_srcc", histograms)
    moved = DistributionTargets(Labels.of("distributions", paths, [[0.5, 0.5, 0]] * 3))
    assert "constant" in never_known(TASKS["emd+rank"], "srcc", moved)
    assert "no two images" in never_known(TASKS["emd+rank"], "pair_accuracy", moved)

"""An evaluation that is written and read back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from applications.evaluation.evaluation import Evaluation
from applications.evaluation.stored import PREDICTIONS, load
from dataloader.labels.labels import Versions
from utils.statistics.logistic_fit import LogisticFit
from utils.statistics.predictions import Opinions, Predictions


def evaluation() -> Evaluation:
    rng = np.random.default_rng(0)
    probs, votes = rng.dirichlet(np.ones(5), (2, 6))
    names = [("r0", "", 0), ("r0", "blur", 2), ("r1", "blur", None), ("", "", None)]
    fits = {
        "4p": LogisticFit("4p", (5.0, 1.0, 3.0, 0.8), 6),
        "5p": LogisticFit("5p", (), 6, "5 parameters need more than 5 images, not 4"),
    }
    return Evaluation(
        "emd", "test", "data/test", "label.txt", [Path(f"data/{i}.png") for i in range(6)],
        Versions([*names, ("r2", "", 0), ("r2", "jpeg", 1)]), {"probs": votes}, 6,
        Predictions(probs @ np.arange(1, 6), probs), Opinions(votes @ np.arange(1, 6)),
        np.array([0, 0, 1, 2, 3, 3]), (), fits=fits, fit_on="val",
    )  # fmt: skip


def test_a_run_folder_gives_back_what_was_written(tmp_path):
    made = evaluation()
    made.write_predictions(tmp_path / PREDICTIONS, str)
    (tmp_path / "results.json").write_text(json.dumps({"test": made.as_json()}))
    for path, fits in ((tmp_path, made.fits), (tmp_path / PREDICTIONS, {})):
        found = load(path)
        assert found.images == tuple(made.images) and found.fits == fits
        assert found.fit_on == ("val" if fits else None)
        assert list(found.versions) == list(made.versions)
        assert found.clusters.tolist() == made.clusters.tolist()
        assert found.scores == pytest.approx(made.scores, rel=1e-8)
        assert found.predictions.probs == pytest.approx(made.predictions.probs, rel=1e-8)
        assert found.labels["probs"] == pytest.approx(made.labels["probs"], rel=1e-8)
        assert found.opinions.mos == pytest.approx(made.opinions.mos, rel=1e-8)


@pytest.mark.parametrize(
    "kept",
    [
        {"kind": "6p", "parameters": [1, 2]}, {"kind": "4p", "parameters": [1, 2]},
        {"kind": "4p", "parameters": "low"}, {"kind": "4p"}, 3,
    ],
)  # fmt: skip
def test_a_fit_that_no_training_wrote_is_refused(tmp_path, kept):
    (tmp_path / PREDICTIONS).write_text("path,score,mos\na.png,1,2\n")
    results = {"test": {"fit": "val", "fits": {"4p": {"n": 9, **kept} if kept != 3 else kept}}}
    (tmp_path / "results.json").write_text(json.dumps(results))
    with pytest.raises(ValueError, match="results.json: test: fits: none that a training wrote"):
        load(tmp_path)

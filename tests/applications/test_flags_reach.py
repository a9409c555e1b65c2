"""Flags whose effect lies in a lower room arrive there."""

from pathlib import Path

import numpy as np

from applications.inputs.views import train_transform
from applications.tasks import TASKS
from config import make_config
from dataloader.labels.labels import Labels, Version


def test_jitter_reaches_the_training_view():
    assert train_transform(make_config({"jitter": 0.4})).jitter == 0.4
    assert train_transform(make_config({})).jitter == 0


def test_across_and_margins_by_level_reach_the_pairs():
    versions = [Version(p, "blur", level) for p in "ab" for level in (0, 2)]
    labels = Labels.of("pairs", [(Path(f"{p}0"), Path(f"{p}2")) for p in "ab"], versions=versions)
    asked = {"across": 2, "margin_by_level": True, "margin": 0.3}
    for given, pairs in (({}, 2), (asked, 4), ({**asked, "across": 3}, 2)):
        _, found = TASKS["rank"].targets(make_config(given), labels).select(np.arange(2))
        assert len(found["better"]) == pairs
        margins = found.get("margin", np.empty(0))
        assert np.allclose(margins, 0.6) and len(margins) == (pairs if given else 0)

"""Metrics of val/ after an epoch, and why the one that decides which weights are best may not
exist.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import nn

from applications.evaluation.evaluation import image_clusters
from applications.evaluation.ladders import measured_ladders, overall
from applications.evaluation.rules import main_name
from applications.evaluation.scoring import Scorer, one_place
from applications.tasks.base import Task
from dataloader.batch import Targets
from utils.imaging.images import ImageError
from utils.runtime import distributed
from utils.runtime.seed import numpy_generator
from utils.statistics.bootstrap import bootstrap, heard
from utils.statistics.metrics import distribution_mean
from utils.statistics.predictions import Predictions

SAMPLES = 1000  # resamples behind the interval of a network before its first step
LAST_COUNT = "the last weights count as the best"


def validate(
    scorer: Scorer, task: Task, criterion: nn.Module, val: Targets, once: Callable[[str], None]
) -> tuple[dict[str, float], list[str], str, Predictions]:
    """(metrics by name, why some do not exist, the same with those of ladders, what was predicted).
    What is nan of ladders in one epoch is so in all, as a rule: the test says it once. once: hears
    what is the same in every epoch.
    """
    # Each process has its own running statistics since the last step; only the main one's are
    # saved, so only those are judged.
    distributed.broadcast_tensors(scorer.model.buffers())
    found = scorer.predict(val.paths)
    if line := one_place(found, scorer.view):
        once(f"validation: {line}")
    measured = task.measure(val.all(), found)
    ladders, of_ladders, _ = measured_ladders(val, found)
    loss = task.validation_loss(criterion, val.all(), found)
    every = {"loss": loss, **measured.values(), **overall(ladders)}
    return every, list(measured.reasons), "; ".join((*measured.reasons, *of_ladders)), found


def never_known(task: Task, metric: str, val: Targets) -> str | None:
    """Why not even a network that says what people said has the metric; None where one has it, or
    where nobody was asked.
    """
    said = val.all()
    probs = said.get("probs")
    scores = said.get("mos", said.get("bucket")) if probs is None else distribution_mean(probs)
    if scores is None:
        return None
    measured = task.measure(said, Predictions(np.asarray(scores, np.float64), probs))
    value = measured.values().get(metric, 0.0)
    return "; ".join(measured.reasons) if value != value else None


def untrained(scorer: Scorer, task: Task, some: Targets, seed: int) -> dict[str, list[float]]:
    """What the main metric is before the first step: name -> [value, low, high]; nothing where it
    or its interval does not exist, or where an image cannot be read, which the test says. All
    processes call this.
    """
    try:
        found = scorer.predict(some.paths)
    except ImageError:
        return {}
    if not np.isfinite(found.scores).all():
        return {}
    clusters, _ = image_clusters(some.versions, some.paths, some.all())
    name = main_name(some.all())
    metric = task.measure(some.all(), found, clusters).metrics()[name]
    with heard([]):
        rng = numpy_generator(seed, "untrained")
        interval = bootstrap({name: metric}, clusters, SAMPLES, rng)[name]
    row = [interval.value, interval.low, interval.high]
    return {name: row} if np.isfinite(row).all() else {}


def no_metric(metric: str, what: str, reasons: str) -> str:
    """One line: what is the matter with the metric, and which weights are kept therefore."""
    why = f" ({reasons})" if reasons else ""
    return f"val: {metric} {what}{why}: {LAST_COUNT}"

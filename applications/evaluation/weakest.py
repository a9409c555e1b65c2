"""How good a model is on parts of a split, so that its weakest can be named: distortions, levels,
thirds of the scores. Each is a Metric with its interval and its group.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from applications.evaluation.evaluation import Evaluation, known_columns, known_levels
from applications.evaluation.groups import group_rows
from utils.runtime.seed import numpy_generator
from utils.statistics.bootstrap import bootstrap, heard
from utils.statistics.ladder_metrics import ladder_metrics
from utils.statistics.metric import Group, Metric
from utils.statistics.resampled import Among, Resampled, RootMean


def of_distortions(e: Evaluation, samples: int, seed: int) -> list[Metric]:
    """The metric of each distortion, with the numbers that a report's table has."""
    rows = group_rows(e, samples, numpy_generator(seed, "groups"), ("distortion",))
    return [row.metric for row in rows if math.isfinite(row.metric.value)]


def of_levels(e: Evaluation, samples: int, seed: int) -> list[Metric]:
    """How often an image of each level is told from that of the next better one."""
    images = known_levels(e.versions)
    if not images or not e.ladders:
        return []
    judged = ladder_metrics(*known_columns(e.versions, e.images, e.scores)).by_level
    steps = {
        Group("level", str(level)): Among(own.metrics()["step_accuracy"], images, len(e.images))
        for level, own in judged.items()
        if "step_accuracy" in own.metrics()
    }
    return _resampled("step_accuracy", steps, e, samples, seed)


def of_thirds(e: Evaluation, samples: int, seed: int) -> list[Metric]:
    """RMSE on the lowest, the middle and the highest third of the scores."""
    assert e.opinions is not None
    error = (e.scores - e.opinions.mos.astype(np.float64)) ** 2
    parts = {
        Group("scores", name): Among(RootMean(error[images]), images, len(error))
        for name, images in thirds(e.opinions.mos).items()
    }
    return _resampled("rmse", parts, e, samples, seed)


def thirds(mos: np.ndarray) -> dict[str, np.ndarray]:
    """Images of the lowest, the middle and the highest third of the scores (M,), by name."""
    low, high = np.quantile(mos, [1 / 3, 2 / 3])
    parts = {"lowest": mos <= low, "middle": (mos > low) & (mos <= high), "highest": mos > high}
    return {name: np.flatnonzero(part) for name, part in parts.items() if part.any()}


def _resampled(
    name: str, parts: Mapping[Group, Resampled], e: Evaluation, samples: int, seed: int
) -> list[Metric]:
    asked = {group.name: part for group, part in parts.items()}
    with heard([]):  # what has no interval takes no part
        rng = numpy_generator(seed, "weakest", name)
        found = bootstrap(asked, e.clusters, samples, rng) if asked else {}
    metrics = (
        Metric(name, v.value, v.low, v.high, parts[group].scale, group=group)
        for group, v in zip(parts, found.values(), strict=True)
    )
    return [metric for metric in metrics if math.isfinite(metric.value)]

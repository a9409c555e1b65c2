"""Where a model is good: one metric for every distortion, and one for every reference."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from applications.evaluation.evaluation import Evaluation
from dataloader.labels.labels import Versions
from utils.statistics.bootstrap import FEWEST, bootstrap, cluster_numbers
from utils.statistics.metric import Group, Metric
from utils.statistics.metrics import undefined
from utils.statistics.resampled import Resampled, Spearman
from utils.statistics.resampled_pairs import PairMean
from utils.statistics.ties import won

NO_GROUP = -1


@dataclass(frozen=True)
class GroupRow:
    """The metric of the images of one distortion or reference ("srcc" against opinions,
    "pair_accuracy" of pairs), and how many these are. What does not exist is nan, and the metric's
    note says why.
    """

    images: int
    metric: Metric


def group_rows(
    e: Evaluation,
    samples: int,
    rng: np.random.Generator,
    kinds: Sequence[str] = ("distortion", "reference"),
) -> list[GroupRow]:
    """A row for every distortion, then one for every reference of levels.csv, in the order of their
    first image; nothing where that file is not known. A group of fewer than FEWEST images is a row
    without a metric.

    samples: resamples, 0 for no intervals; within a distortion the evaluation's clusters are drawn,
    within a reference images. A pristine image (level 0) is of its reference and of no distortion;
    a pair of it and a distorted one is of that one's distortion. 24 distortions and 200 references
    of 121 images take about four seconds.
    """
    if e.versions is None:
        return []
    judge, rows = _judge(e), []
    for kind in kinds:
        names, code = _groups(kind, e.versions)
        of_line = _of_lines(code[judge.first], code[judge.second], kind)
        for name, lines in zip(names, _positions(of_line, len(names)), strict=True):
            images = np.unique(np.concatenate([judge.first[lines], judge.second[lines]]))
            owner = np.arange(len(images))
            if kind == "distortion":
                owner = cluster_numbers(e.clusters[images].tolist())
            statistic, reason = judge.statistic(lines, images, owner)
            value, low, high, note = _measured(statistic, reason, owner, samples, rng)
            metric = Metric(
                judge.name, value, low, high, statistic.scale, group=Group(kind, name), note=note
            )
            rows.append(GroupRow(len(images), metric))
    return rows


class _Opinions:
    """A label line is an image."""

    name = "srcc"

    def __init__(self, scores: np.ndarray, opinions: np.ndarray) -> None:
        self._scores, self._opinions = scores.astype(np.float64), opinions.astype(np.float64)
        self.first = self.second = np.arange(len(scores))

    def statistic(
        self, lines: np.ndarray, images: np.ndarray, owner: np.ndarray
    ) -> tuple[Resampled, str | None]:
        """(the metric, why it does not exist)."""
        x, y = self._scores[images], self._opinions[images]
        return Spearman(x, y), undefined(x, y, ("prediction", "opinion")) if len(x) else None


class _Pairs:
    """A label line is a pair of images, the better one first."""

    name = "pair_accuracy"

    def __init__(self, scores: np.ndarray, better: np.ndarray, worse: np.ndarray) -> None:
        self.first, self.second = better, worse
        self._won = won(scores[better], scores[worse])

    def statistic(
        self, lines: np.ndarray, images: np.ndarray, owner: np.ndarray
    ) -> tuple[Resampled, str | None]:
        ahead = self._won[lines]
        better, worse = (np.searchsorted(images, end[lines]) for end in (self.first, self.second))
        return PairMean(ahead, better, worse, owner), None


def _judge(e: Evaluation) -> _Opinions | _Pairs:
    if "better" in e.labels:
        return _Pairs(e.scores, e.labels["better"], e.labels["worse"])
    said = e.labels["bucket"] if e.opinions is None else e.opinions.mos
    return _Opinions(e.scores, said)


def _groups(kind: str, versions: Versions) -> tuple[list[str], np.ndarray]:
    """(names, place of each image's name among them (M,))."""
    named = [
        version.reference_id if kind == "reference" else version.distortion * (version.level != 0)
        for version in versions
    ]
    place = {name: number for number, name in enumerate(dict.fromkeys(filter(None, named)))}
    return list(place), np.array([place.get(name, NO_GROUP) for name in named], dtype=np.int64)


def _of_lines(first: np.ndarray, second: np.ndarray, kind: str) -> np.ndarray:
    """The group of each line (L,), of those of its two images."""
    same = np.where(first == second, first, NO_GROUP)
    if kind == "reference":
        return same
    return np.where(np.minimum(first, second) == NO_GROUP, np.maximum(first, second), same)


def _positions(of_line: np.ndarray, count: int) -> list[np.ndarray]:
    """Positions of the lines of each group."""
    order = np.argsort(of_line, kind="stable")
    return np.split(order, np.searchsorted(of_line[order], np.arange(count + 1)))[1:-1]


def _measured(
    statistic: Resampled,
    reason: str | None,
    owner: np.ndarray,
    samples: int,
    rng: np.random.Generator,
) -> tuple[float, float, float, str]:
    """(value, low, high, what is missing and why)."""
    if len(owner) < FEWEST:
        return math.nan, math.nan, math.nan, f"{len(owner)} images: too few for a metric"
    if reason:
        return math.nan, math.nan, math.nan, reason
    if not samples:
        return statistic.value, math.nan, math.nan, "no resamples: no interval"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = bootstrap({"it": statistic}, owner, samples, rng)["it"]
    said = "; ".join(str(warning.message).removeprefix("it ") for warning in caught)
    return found.value, found.low, found.high, said

"""Several runs on the same images: metrics, their intervals, the significance of differences, and
where two runs disagree.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from applications.comparison.matching import Matched
from applications.evaluation.evaluation import (
    Evaluation,
    Resampling,
    image_clusters,
    known_columns,
    known_levels,
)
from dataloader.labels.labels import Version
from dataloader.sources import Source
from utils.runtime.seed import numpy_generator
from utils.statistics.bootstrap import Interval
from utils.statistics.compare_models import Comparison, compare
from utils.statistics.disagreement import (
    OpposedPair,
    furthest_apart,
    opposed_pairs,
    share_opposed,
    standardised,
)
from utils.statistics.ladder_metrics import ladder_metrics
from utils.statistics.logistic_fit import fit_logistic
from utils.statistics.metric import Metric
from utils.statistics.metrics import Measured, distribution_metrics, score_metrics
from utils.statistics.predictions import Predictions
from utils.statistics.resampled import Among, Pearson, Resampled, RootMean

MOST = 10  # pairs, and images, that every two runs disagree about
RULE = (
    "scores in units of each run's own spread (standard deviation over these images); a pair "
    "counts by the smaller of the two runs' leads, and each image stands in one pair at most"
)
_OF_ORDER = ("srcc", "krcc")  # of labels without units: only how far the orders agree
_FIT = "4p"
_FITTED = {f"{name}_{_FIT}": name for name in ("plcc", "rmse")}
Measures = Callable[[Mapping[str, np.ndarray], Predictions, np.ndarray], Measured]


@dataclass(frozen=True)
class Pairs:
    """Labels about several images, which predictions do not hold. targets: of a test split, their
    images as places among the N matched ones; measure: metrics of scores, as the task has them;
    sources: of the matched images (N), some of which may be on no disk.
    """

    targets: dict[str, np.ndarray]
    measure: Measures
    sources: tuple[Source, ...]

    def lines(self) -> set[tuple[int, int]]:
        """(better, worse) of every line that says which image is better."""
        both = (self.targets.get(name, np.empty(0)).tolist() for name in ("better", "worse"))
        return set(zip(*both, strict=True))


def judge(
    matched: Matched, pairs: Pairs | None, samples: int, seed: int
) -> tuple[Matched, list[Comparison], list[str]]:
    """(the runs with all metrics that the labels of the matched images allow, with intervals; every
    two runs by every metric; remarks). samples: resamples, the same ones for all runs; seed: of
    what is drawn.
    """
    labels = {} if pairs is None else pairs.targets
    clusters, unit = image_clusters(matched.versions, matched.runs[0].test.images, labels)
    how = Resampling(samples, int(clusters.max(initial=-1)) + 1, unit)
    drawn = [replace(run.test, clusters=clusters, resampling=how) for run in matched.runs]
    tests = dict(zip((run.name for run in matched.runs), _fitted(drawn), strict=True))
    with_bins = len({test.predictions.bins for test in drawn}) == 1
    measured = {name: _measured(test, pairs, with_bins) for name, test in tests.items()}
    scores = None if matched.opinion is None else matched.scores
    rng = numpy_generator(seed, "bootstrap")
    compared = compare(measured, clusters, samples, rng, scores)
    runs = []
    for run in matched.runs:
        intervals, own = compared.intervals[run.name], measured[run.name]
        metrics = tuple(_metric(key, intervals[key], own[key]) for key in own)
        runs.append(replace(run, test=replace(tests[run.name], metrics=metrics)))
    remarks = [
        f"{name}: no {_FIT} fit: {test.fits[_FIT].failed}"
        for name, test in tests.items()
        if test.fits and test.fits[_FIT].failed
    ]
    remarks += [
        f"{name}: odd {_FIT} fit: {test.fits[_FIT].remark}: no run is better by metrics after it"
        for name, test in tests.items()
        if test.fits and test.fits[_FIT].turns
    ]
    remarks += ["; ".join([*compared.undefined, *compared.untested]), *compared.undefined]
    names = list(measured[matched.runs[0].name])
    rows = sorted(compared.rows, key=lambda row: names.index(row.metric))
    return replace(matched, runs=tuple(runs)), rows, list(dict.fromkeys(filter(None, remarks)))


def _metric(key: str, interval: Interval, statistic: Resampled) -> Metric:
    name, fit = (_FITTED[key], _FIT) if key in _FITTED else (key, "")
    ends = interval.low, interval.high
    return Metric(name, interval.value, *ends, scale=statistic.scale, fit=fit)


def _fitted(tests: Sequence[Evaluation]) -> list[Evaluation]:
    """With the 4-parameter fit of each: those of the runs where all were fitted on the same split,
    else new ones on the test images, alike for all; none where nobody was asked.
    """
    if tests[0].opinions is None:
        return [replace(test, fits={}, fit_on=None) for test in tests]
    stored = [test.fits.get(_FIT) for test in tests]
    if None not in stored and len({test.fit_on for test in tests}) == 1:
        return list(tests)
    return [
        replace(
            test, fits={_FIT: fit_logistic(_FIT, test.scores, test.opinions.mos)}, fit_on="test"
        )
        for test in tests
    ]


# ---- the metrics of one run


def _measured(test: Evaluation, pairs: Pairs | None, with_bins: bool) -> dict[str, Resampled]:
    """By key. with_bins: whether all runs have histograms of as many bins."""
    found = _of_scores(test)
    if test.fits:  # of a failed fit they are nan, as what it maps to is
        mapped, mos = test.fits[_FIT](test.scores), test.opinions.mos
        found |= {"plcc_4p": Pearson(mapped, mos), "rmse_4p": RootMean((mapped - mos) ** 2)}
    more = _of_labels(test, pairs, with_bins).items()
    return found | {name: metric for name, metric in more if name not in found}


def _of_scores(test: Evaluation) -> dict[str, Resampled]:
    """Of scores against what people said, as far as they mean something."""
    if test.opinions is not None:
        return score_metrics(test.scores, test.opinions.mos).metrics()
    if "bucket" not in test.labels:
        return {}
    found = score_metrics(test.scores, test.labels["bucket"]).metrics()
    return {name: found[name] for name in _OF_ORDER}


def _of_labels(test: Evaluation, pairs: Pairs | None, with_bins: bool) -> dict[str, Resampled]:
    """Of histograms, where all runs have them (with_bins), of pairs, and of ladders."""
    found: dict[str, Resampled] = {}
    votes, probs = test.labels.get("probs"), test.predictions.probs
    if votes is not None and probs is not None and with_bins and probs.shape == votes.shape:
        found |= distribution_metrics(probs, votes).metrics()
    if pairs is not None:
        found |= pairs.measure(pairs.targets, test.predictions, test.clusters).metrics()
    if places := known_levels(test.versions):
        ladders = ladder_metrics(*known_columns(test.versions, test.images, test.scores)).overall
        if ladders.found["n_ladder_pairs"]:
            own = ladders.metrics()["ladder_accuracy"]
            found["ladder_accuracy"] = Among(own, places, len(test.images))
    return found


# ---- where two runs disagree


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Of two runs. share: of all pairs of images, ordered in opposite ways; pairs: those that both
    are surest of, and of each the run that the labels agree with, None where they do not say;
    images: places, the largest difference of standardised scores first; z: standardised scores
    (N,) by run.
    """

    first: str
    second: str
    share: float
    pairs: list[tuple[OpposedPair, str | None]]
    images: list[int]
    z: dict[str, np.ndarray]

    def shown(self) -> list[int]:
        """The places of all images that are named."""
        return [*(place for pair, _ in self.pairs for place in (pair.a, pair.b)), *self.images]


def disagreements(matched: Matched, pairs: Pairs | None) -> list[Disagreement]:
    """Of every two runs."""
    z = {name: standardised(scores) for name, scores in matched.scores.items()}
    lines = pairs.lines() if pairs is not None else set()
    found = []
    for first, second in itertools.combinations(matched.scores, 2):
        both = matched.scores[first], matched.scores[second]
        who = {1: first, -1: second}
        opposed = [
            (pair, who.get(_order(matched, lines, pair.a, pair.b)))
            for pair in opposed_pairs(*both, MOST)
        ]
        share, images = share_opposed(*both), furthest_apart(*both, MOST)
        found.append(Disagreement(first, second, share, opposed, images, z))
    return found


def _order(matched: Matched, lines: set[tuple[int, int]], a: int, b: int) -> int:
    """1 where the labels put a above b, -1 below, 0 where they do not say."""
    if matched.opinion is not None:
        return int(np.sign(matched.opinion[a] - matched.opinion[b]))
    if (a, b) in lines or (b, a) in lines:
        return 1 if (a, b) in lines else -1
    if matched.versions is None:
        return 0
    return _by_level(matched.versions[a], matched.versions[b])


def _by_level(a: Version, b: Version) -> int:
    """Two versions of one photograph are ordered by the level of one distortion; level 0 is the
    photograph itself.
    """
    if a.level is None or b.level is None or a.reference_id != b.reference_id:
        return 0
    if a.distortion != b.distortion and a.level and b.level:
        return 0
    return int(np.sign(b.level - a.level))

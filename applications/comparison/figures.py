"""Figures of several runs on the same images, their intervals, and the significance of their
differences.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from applications.comparison.images import Matched
from applications.comparison.pairs import Pairs
from applications.comparison.runs import PREDICTIONS, ComparedRun
from config import Config
from dataloader.targets.pairs import linked
from utils.runtime.seed import numpy_generator
from utils.statistics.bootstrap import bootstrap, cluster_numbers
from utils.statistics.compare_models import Comparison, compare_metrics, compare_scores
from utils.statistics.ladders import build_ladders
from utils.statistics.logistic_fit import LogisticFit, fit_logistic
from utils.statistics.metric import HIGHER_IS_BETTER
from utils.statistics.metrics import SCORE_METRICS, distribution_metrics, score_metrics
from utils.statistics.predictions import Predictions
from utils.statistics.resampled import Pearson, Resampled, RootMean
from utils.statistics.resampled_pairs import PairMean
from utils.statistics.ties import won

SIGNIFICANT = 0.05
# Of labels without units: only how far the orders agree.
_OF_ORDER = ("srcc", "krcc")
Named = dict[str, Resampled]
Places = tuple[np.ndarray, np.ndarray]  # of the better and the worse image of pairs, (P,) each


@dataclass(frozen=True)
class Judgement:
    """figures: run -> figure -> (value, low, high); rows: every two runs and every figure; drawn:
    how the resamples were made; fit: the split that plcc_4p and rmse_4p were fitted on.
    """

    figures: dict[str, dict[str, tuple[float, float, float]]]
    rows: list[Comparison]
    drawn: dict[str, Any]
    fit: str | None
    remarks: list[str]

    def names(self) -> list[str]:
        """The figures."""
        return list(next(iter(self.figures.values()), {}))


def judge(config: Config, matched: Matched, pairs: Pairs | None) -> Judgement:
    """Everything that the labels of the matched images allow."""
    remarks: list[str] = []
    clusters, unit = _clusters(matched, pairs)
    opinion, fit = matched.opinion, None
    ladders = ladder_pairs(matched)
    more = {name: _more(matched, name, pairs, ladders, clusters) for name in matched.scores}
    if opinion is not None and matched.labels.bucket is None:
        fits, fit = _fits(matched)
        for name, own in fits.items():
            if own.failed:
                remarks.append(f"{name}: no 4p fit: {own.failed}")
        more = {
            name: {**_fitted(fits[name], matched.scores[name], opinion), **own}
            for name, own in more.items()
        }
    figures = {
        name: {**_of_scores(matched, own), **more[name]} for name, own in matched.scores.items()
    }
    drawn = {
        "samples": config.bootstrap, "level": 0.95, "drawn": unit,
        "count": int(clusters.max(initial=-1)) + 1,
    }  # fmt: skip
    rows: list[Comparison] = []
    with _heard(remarks):
        if opinion is not None:
            rng = numpy_generator(config.seed, "bootstrap")
            found = compare_scores(matched.scores, opinion, clusters, config.bootstrap, rng)
            rows += [row for row in found if row.metric in _names(matched)]
        if any(more.values()):
            rng = numpy_generator(config.seed, "bootstrap")
            rows += compare_metrics(more, clusters, config.bootstrap, rng)
    with _heard(remarks):
        own = _intervals(config, figures, clusters)
    names = list(next(iter(figures.values())))
    rows.sort(key=lambda row: names.index(row.metric))
    return Judgement(own, rows, drawn, fit, list(dict.fromkeys(remarks)))


def better_of(row: Comparison) -> str | None:
    """The run that a row shows to be better after Holm's correction; None: no difference shown."""
    if not row.p_holm < SIGNIFICANT:
        return None
    higher = HIGHER_IS_BETTER[row.metric.removesuffix("_4p")]
    return row.first if (row.difference > 0) == higher else row.second


@contextmanager
def _heard(remarks: list[str]) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    remarks += [str(warning.message) for warning in caught]


def _intervals(
    config: Config, figures: dict[str, Named], clusters: np.ndarray
) -> dict[str, dict[str, tuple[float, float, float]]]:
    flat = {f"{run}: {name}": f for run, own in figures.items() for name, f in own.items()}
    found = bootstrap(flat, clusters, config.bootstrap, numpy_generator(config.seed, "bootstrap"))
    shown = {key: (i.value, i.low, i.high) for key, i in found.items()}
    return {run: {name: shown[f"{run}: {name}"] for name in own} for run, own in figures.items()}


def _clusters(matched: Matched, pairs: Pairs | None) -> tuple[np.ndarray, str]:
    """As an evaluation of one model draws them (applications/evaluation/final_figures.py)."""
    references, count = matched.references(), len(matched.names)
    if references is not None:
        return references, "references"
    if pairs is not None and "better" in pairs.targets:
        groups = linked(count, pairs.targets["better"], pairs.targets["worse"])
        if groups.max(initial=0) > 0:
            return cluster_numbers(groups.tolist()), "groups of images that pairs link"
    return np.arange(count), "images"


# ---- the figures of one run


def _of_scores(matched: Matched, scores: np.ndarray) -> Named:
    """Those that compare_scores compares, as far as they mean something."""
    if matched.opinion is None:
        return {}
    found = score_metrics(scores, matched.opinion).found
    return {name: found[name] for name in _names(matched)}


def _names(matched: Matched) -> tuple[str, ...]:
    return SCORE_METRICS if matched.labels.bucket is None else _OF_ORDER


def _more(
    matched: Matched, name: str, pairs: Pairs | None, ladders: Places, clusters: np.ndarray
) -> Named:
    """Figures of histograms, of pairs, and of ladders, but those of `_of_scores`."""
    scores, figures = matched.scores[name], {}
    found = Predictions(scores, matched.probs.get(name))
    votes = matched.labels.votes
    bins = {own.shape[1] for own in matched.probs.values()}
    if votes is not None and len(matched.probs) == len(matched.runs) and bins == {votes.shape[1]}:
        figures |= distribution_metrics(found.probs, votes).metrics()
    if pairs is not None:
        figures |= pairs.measure(pairs.targets, found, clusters).metrics()
    better, worse = ladders
    if len(better):
        ahead = won(scores[better], scores[worse])
        figures["ladder_accuracy"] = PairMean(ahead, better, worse, clusters)
    known = () if matched.opinion is None else _names(matched)
    return {name: figure for name, figure in figures.items() if name not in known}


def ladder_pairs(matched: Matched) -> Places:
    """(better (P,), worse (P,)): every two images of a ladder with different levels, as
    `ladder_accuracy` of utils/statistics/ladder_metrics.py counts them.
    """
    versions = matched.versions or ()
    known = np.array([i for i, one in enumerate(versions) if one.level is not None], dtype=np.int64)
    if not len(known):
        return known, known
    kept = [versions[i] for i in known]
    ladders = build_ladders(
        np.zeros(len(known)), [one.reference_id for one in kept],
        [one.distortion for one in kept], [one.level or 0 for one in kept],
    )  # fmt: skip
    better, worse = [known[:0]], [known[:0]]
    for a, b in ladders.pairs():
        first, second = ladders.image[a], ladders.image[b]
        apart = ladders.levels[first] < ladders.levels[second]
        better.append(known[first[apart]])
        worse.append(known[second[apart]])
    return np.concatenate(better), np.concatenate(worse)


def _fits(matched: Matched) -> tuple[dict[str, LogisticFit], str]:
    """(the 4-parameter fit of each run, the split it was fitted on): those of the runs where all
    were fitted on the same split, else new ones on the test images, alike for all.
    """
    stored = {run.name: _stored_fit(run) for run in matched.runs}
    splits = {found[0] for found in stored.values() if found is not None}
    if len(splits) == 1 and None not in stored.values():
        return {name: found[1] for name, found in stored.items() if found}, splits.pop()
    opinion = matched.opinion
    assert opinion is not None
    return {name: fit_logistic("4p", own, opinion) for name, own in matched.scores.items()}, "test"


def _stored_fit(run: ComparedRun) -> tuple[str, LogisticFit] | None:
    """(split, fit) that results.json keeps of a run's test."""
    test = run.results.get("test") or {}
    if not test.get("fits") or run.predictions.file.name != PREDICTIONS:
        return None
    names = {field.name for field in dataclasses.fields(LogisticFit)}
    try:
        kept = test["fits"]["4p"]
        values = {name: value for name, value in kept.items() if name in names}
        values["parameters"] = tuple(map(_parameter, values["parameters"]))
        return str(test["fit"]), LogisticFit(**values)
    except (KeyError, TypeError, ValueError, AttributeError):
        said = "test: fits: none that a training wrote"
        raise ValueError(f"{run.path / 'results.json'}: {said}") from None


def _parameter(value: object) -> float:
    """A number of JSON; null is its nan."""
    return math.nan if value is None else float(value)


def _fitted(fit: LogisticFit, scores: np.ndarray, opinion: np.ndarray) -> Named:
    mapped = fit(scores)  # nan for a failed fit, and so are its figures
    return {"plcc_4p": Pearson(mapped, opinion), "rmse_4p": RootMean((mapped - opinion) ** 2)}

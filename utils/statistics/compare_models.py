"""Two or more models on the same images: is one better than another, or is it chance?

The difference of a figure is resampled with both models on the same drawn images, or references,
so that what makes an image hard for both cancels. p is that of Student's t for the difference over
its bootstrap standard error; Holm's correction is over the pairs of models, for each figure.
"""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from utils.statistics.bootstrap import Interval, bootstrap, interval_of, value_of
from utils.statistics.dependent_correlations import holm, steiger, williams
from utils.statistics.weighted_figures import Figure, Pearson, Spearman, score_figures

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """One row: `figure` of model `first` less that of `second`, low..high its 95% interval, p
    two-sided, p_holm among all pairs of models. williams_*, steiger_*: tests of dependent
    correlations, for srcc and plcc only, which take images for independent.
    """

    first: str
    second: str
    figure: str
    value_first: float
    value_second: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float = np.nan
    williams_t: float = np.nan
    williams_p: float = np.nan
    williams_p_holm: float = np.nan
    steiger_z: float = np.nan
    steiger_p: float = np.nan
    steiger_p_holm: float = np.nan


def compare_scores(
    predictions: Mapping[str, ArrayLike],
    mos: ArrayLike,
    clusters: ArrayLike | None,
    samples: int,
    rng: np.random.Generator,
) -> list[Comparison]:
    """A row for every two models and every figure of `score_figures`, with the tests of dependent
    correlations.

    predictions: model -> (N,) of the same images in one order. clusters: (N,) numbers of their
    references (utils/statistics/bootstrap.py), None: every image on its own. What is undefined,
    values that are not finite included, is nan, with one UserWarning for all.
    """
    opinion = np.asarray(mos, dtype=np.float64)
    scores = {name: np.asarray(values, dtype=np.float64) for name, values in predictions.items()}
    for name, values in scores.items():
        if values.ndim != 1 or values.shape != opinion.shape:
            raise ValueError(f"{name}: shape {values.shape} where {opinion.shape} is wanted")
    owner = np.arange(len(opinion)) if clusters is None else clusters
    figures = {name: score_figures(values, opinion) for name, values in scores.items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = [
            _tested(row, scores, len(opinion))
            for row in compare_figures(figures, owner, samples, rng)
        ]
    said = [
        f"{n}: values that are not finite" for n, v in scores.items() if not np.isfinite(v).all()
    ]
    said += list(dict.fromkeys(str(warning.message) for warning in caught))
    if said:
        warnings.warn("; ".join(said), UserWarning, stacklevel=2)
    return _corrected(_corrected(rows, "williams_p"), "steiger_p")


def compare_figures(
    figures: Mapping[str, Mapping[str, Figure]],
    clusters: ArrayLike,
    samples: int,
    rng: np.random.Generator,
) -> list[Comparison]:
    """A row for every two models and every figure: model -> figure -> callable of
    utils/statistics/weighted_figures.py, all of them over the same N images; clusters: (N,). For
    pair accuracy, say, with PairMean. One UserWarning says what is undefined.
    """
    flat = {f"{m}: {name}": f for m, own in figures.items() for name, f in own.items()}
    names = list(next(iter(figures.values()), {}))
    count = int(np.max(clusters, initial=-1)) + 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = bootstrap(flat, clusters, samples, rng)
    said = [str(warning.message) for warning in caught]
    rows = []
    for first, second in itertools.combinations(figures, 2):
        for name in names:
            pair = found[f"{first}: {name}"], found[f"{second}: {name}"]
            row, reason = _compared(first, second, name, pair, count)
            rows.append(row)
            said += [f"{first} against {second}: {name} {reason}"] if reason else []
    if said:
        warnings.warn("; ".join(said), UserWarning, stacklevel=2)
    return _corrected(rows, "p")


def _compared(
    first: str, second: str, name: str, pair: tuple[Interval, Interval], count: int
) -> tuple[Comparison, str | None]:
    a, b = pair
    difference = a.value - b.value
    low = high = p = np.nan
    reason = None
    if len(a.resamples):
        ends, reason = interval_of("difference", difference, a.resamples - b.resamples, count)
        low, high, error = ends
        p = float(2 * stats.t.sf(abs(difference) / error, count - 1)) if error > 0 else np.nan
    return Comparison(first, second, name, a.value, b.value, difference, low, high, p), reason


# Figures that the tests of dependent correlations are about.
_CORRELATIONS: dict[str, Callable[[Floats, Floats], Figure]] = {"srcc": Spearman, "plcc": Pearson}


def _tested(row: Comparison, scores: Mapping[str, Floats], n: int) -> Comparison:
    if row.figure not in _CORRELATIONS or row.difference != row.difference:
        return row
    both = _CORRELATIONS[row.figure](scores[row.first], scores[row.second])
    r_ab = value_of(both, n)
    williams_t, williams_p = williams(row.value_first, row.value_second, r_ab, n)
    steiger_z, steiger_p = steiger(row.value_first, row.value_second, r_ab, n)
    return dataclasses.replace(
        row, williams_t=williams_t, williams_p=williams_p,
        steiger_z=steiger_z, steiger_p=steiger_p,
    )  # fmt: skip


def _corrected(rows: list[Comparison], field: str) -> list[Comparison]:
    """The rows with `field`_holm, over the pairs of models of each figure."""
    found = list(rows)
    for name in dict.fromkeys(row.figure for row in rows):
        places = [i for i, row in enumerate(rows) if row.figure == name]
        adjusted = holm([getattr(rows[i], field) for i in places])
        for i, p in zip(places, adjusted, strict=True):
            changed: dict[str, Any] = {f"{field}_holm": float(p)}
            found[i] = dataclasses.replace(found[i], **changed)
    return found

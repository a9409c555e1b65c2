"""Two or more models on the same images: is one better than another, or is it chance?

The difference of a metric is resampled with both models on the same drawn images, or references, so
that what makes an image hard for both cancels. p is that of Student's t for the difference over its
bootstrap standard error; Holm's correction is over the pairs of models, for each metric.

Beside it stand tests of dependent correlations: of two models A and B and the MOS y, both on the
same n images, is r(A, y) different from r(B, y)? They assume normal variables and independent
images. With Spearman's correlations in place of Pearson's they are an approximation in wide use;
with several images of one reference they find too much, and the cluster bootstrap does not.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import ArrayLike

from utils.statistics.bootstrap import Interval, bootstrap, heard, interval_of
from utils.statistics.resampled import Floats, Pearson, Resampled, Spearman, floats


@dataclass(frozen=True)
class Comparison:
    """One row: `metric` of model `first` less that of `second`, low..high its 95% interval, p
    two-sided, p_holm among all pairs of models. williams_*, steiger_*: tests of dependent
    correlations, for srcc and plcc only, which take images for independent.
    """

    first: str
    second: str
    metric: str
    value_first: float
    value_second: float
    difference: float
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    p_holm: float = np.nan
    williams_t: float = np.nan
    williams_p: float = np.nan
    williams_p_holm: float = np.nan
    steiger_z: float = np.nan
    steiger_p: float = np.nan
    steiger_p_holm: float = np.nan


@dataclass(frozen=True)
class Compared:
    """intervals: model -> metric -> its own interval; rows: of every two models and every metric;
    undefined: which intervals do not exist, and why; untested: which differences, and which tests.
    """

    intervals: dict[str, dict[str, Interval]]
    rows: list[Comparison]
    undefined: list[str]
    untested: list[str]


def compare(
    metrics: Mapping[str, Mapping[str, Resampled]],
    clusters: ArrayLike,
    samples: int,
    rng: np.random.Generator,
    scores: Mapping[str, ArrayLike] | None = None,
) -> Compared:
    """metrics: model -> name -> metric, the same names for all models, and all of them over the
    same N images; clusters (N,): numbers of their references (utils/statistics/bootstrap.py).
    scores: model -> (N,), for the tests of dependent correlations of "srcc" and "plcc".
    """
    flat = {(model, name): one for model, own in metrics.items() for name, one in own.items()}
    named = {f"{model}: {name}": one for (model, name), one in flat.items()}
    undefined: list[str] = []
    untested: list[str] = []
    with heard(undefined):
        found = dict(zip(flat, bootstrap(named, clusters, samples, rng).values(), strict=True))
    count = int(np.max(clusters, initial=-1)) + 1
    rows: list[Comparison] = []
    tests: list[str] = []
    names = list(next(iter(metrics.values()), {}))
    for (first, second), name in itertools.product(itertools.combinations(metrics, 2), names):
        a, b = found[first, name], found[second, name]
        difference = a.value - b.value
        row = Comparison(first, second, name, a.value, b.value, difference)
        if len(a.resamples):
            ends, reason = interval_of("difference", difference, a.resamples - b.resamples, count)
            low, high, error = ends
            p = (
                float(2 * scipy.stats.t.sf(abs(difference) / error, count - 1))
                if error > 0
                else np.nan
            )
            row = replace(row, low=low, high=high, p=p)
            untested += [f"{first} against {second}: {name} {reason}"] if reason else []
        if scores is not None and name in _CORRELATIONS and difference == difference:
            with heard(tests):
                row = _tested(row, floats(scores[first]), floats(scores[second]))
        rows.append(row)
    untested += dict.fromkeys(tests)
    intervals = {m: {name: found[m, name] for name in own} for m, own in metrics.items()}
    rows = _corrected(rows, "p", "williams_p", "steiger_p")
    return Compared(intervals, rows, undefined, untested)


# Metrics that the tests of dependent correlations are about.
_CORRELATIONS: dict[str, Callable[[Floats, Floats], Resampled]] = {
    "srcc": Spearman,
    "plcc": Pearson,
}


def _tested(row: Comparison, first: Floats, second: Floats) -> Comparison:
    both = _CORRELATIONS[row.metric](first, second).value
    arguments = row.value_first, row.value_second, both, len(first)
    (t, williams_p), (z, steiger_p) = williams(*arguments), steiger(*arguments)
    return replace(row, williams_t=t, williams_p=williams_p, steiger_z=z, steiger_p=steiger_p)


def _corrected(rows: list[Comparison], *fields: str) -> list[Comparison]:
    """The rows with `field`_holm, over the pairs of models of each metric."""
    found = list(rows)
    for name, field in itertools.product(dict.fromkeys(row.metric for row in rows), fields):
        places = [i for i, row in enumerate(rows) if row.metric == name]
        adjusted = holm([getattr(rows[i], field) for i in places])
        for i, p in zip(places, adjusted.tolist(), strict=True):
            found[i] = replace(found[i], **{f"{field}_holm": p})
    return found


def holm(p: ArrayLike) -> Floats:
    """Adjusted p (M,) for M tests together; Holm, Scandinavian Journal of Statistics 6, 1979.

    A test whose p is nan stays nan and does not count as one.
    """
    values = floats(p)
    adjusted = np.full(values.shape, np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


# ---- tests of dependent correlations


def williams(r_a: float, r_b: float, r_ab: float, n: int) -> tuple[float, float]:
    """(t, two-sided p) with n - 3 degrees of freedom.

    Williams, "The comparison of regression variables", JRSS B 21, 1959, as in Steiger 1980, eq. 7.
    nan with one UserWarning where it does not exist.
    """
    if reason := _undefined(r_a, r_b, r_ab, n):
        warnings.warn(f"Williams' test: {reason}: nan", UserWarning, stacklevel=2)
        return math.nan, math.nan
    determinant = 1 - r_a**2 - r_b**2 - r_ab**2 + 2 * r_a * r_b * r_ab
    mean = (r_a + r_b) / 2
    below = 2 * (n - 1) / (n - 3) * max(determinant, 0.0) + mean**2 * (1 - r_ab) ** 3
    t = (r_a - r_b) * math.sqrt((n - 1) * (1 + r_ab) / below)
    return t, float(2 * scipy.stats.t.sf(abs(t), n - 3))


def steiger(r_a: float, r_b: float, r_ab: float, n: int) -> tuple[float, float]:
    """(z, two-sided p): Fisher's z with the pooled covariance.

    Steiger, "Tests for comparing elements of a correlation matrix", Psychological Bulletin 87,
    1980, eq. 14. nan with one UserWarning where it does not exist.
    """
    if reason := _undefined(r_a, r_b, r_ab, n):
        warnings.warn(f"Steiger's test: {reason}: nan", UserWarning, stacklevel=2)
        return math.nan, math.nan
    mean = (r_a + r_b) / 2
    psi = r_ab * (1 - 2 * mean**2) - mean**2 * (1 - 2 * mean**2 - r_ab**2) / 2
    covariance = psi / (1 - mean**2) ** 2
    apart = math.atanh(r_a) - math.atanh(r_b)
    z = apart * math.sqrt((n - 3) / max(2 - 2 * covariance, 1e-300))
    return z, float(2 * scipy.stats.norm.sf(abs(z)))


def _undefined(r_a: float, r_b: float, r_ab: float, n: int) -> str | None:
    if not all(map(math.isfinite, (r_a, r_b, r_ab))):
        return "a correlation is not finite"
    if n < 4:
        return f"{n} images, fewer than 4"
    if max(abs(r_a), abs(r_b)) >= 1:
        return "a correlation of 1 has no spread"
    if 1 - abs(r_ab) < 1e-12:
        return "the two predictions are the same but for their units"
    return None

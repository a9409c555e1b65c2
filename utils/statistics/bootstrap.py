"""Bootstrap intervals of metrics: images drawn with replacement, or whole clusters.

Images of one reference share its content, so their errors are not independent; where references
are known, whole references are drawn (cluster bootstrap: Davison and Hinkley, "Bootstrap Methods
and their Application", 1997, section 3.8). The resamples give the standard error of the metric on
the scale where it spreads evenly (Fisher's z for correlations, 1 / x for errors, logit for shares),
and the interval is Student's t with one degree of freedom less than clusters around the metric
itself, turned back; a share at the best of some thresholds is moved by its estimated bias.

Few clusters whose errors happen to agree make a model look better than it is and, at once, surer:
most misses lie on that side. So the end that is worse for the model, of a correlation the one
nearer 0, is wide by design: the standard error grows by G / (G - 1) squared; a distance d from a
correlation, on its scale, to d + d^2 / 2 + d^3 / 3, yet not beyond 0; and errors are turned to
1 / x^1.5, which is steeper. Single images have no errors in common, and an end like any other. From
ten clusters on and up to an intraclass correlation of the errors of .77 no interval of SRCC, PLCC,
KRCC or RMSE holds the truth in less than 92% (tests/benchmarks/bench_coverage.py; percentiles and
BCa are too short).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are first used
from numpy.typing import ArrayLike

from utils.statistics.resampled import Floats, Ints, Resampled

FEWEST = 5  # clusters, or images, below which an interval says nothing
_BLOCK = 1 << 17  # counts in memory at once: a block stays in the processor's cache
# Resamples in which a metric does not exist, such as one of equal images: above this share no
# interval.
_MOST_UNDEFINED = 0.05


_Turn = Callable[[Floats], Floats]
# To where a metric spreads evenly, and back, by the `scale` of utils/statistics/resampled.py.
_SCALES: dict[str, tuple[_Turn, _Turn]] = {
    "correlation": (np.arctanh, np.tanh),
    # By way of Pearson's correlation, of normal variables: sin(pi / 2 tau).
    "concordance": (
        lambda v: np.arctanh(np.sin(np.pi / 2 * v)),
        lambda z: 2 / np.pi * np.arcsin(np.tanh(z)),
    ),
    "order": (
        lambda v: np.arctanh(np.sin(np.pi / 2 * (2 * v - 1))),
        lambda z: 0.5 + np.arcsin(np.tanh(z)) / np.pi,
    ),
    "error": (lambda v: -1 / v, lambda z: -1 / z),
    "share": (lambda v: scipy.special.logit(v), lambda z: scipy.special.expit(z)),
    "best": (lambda v: scipy.special.logit(v), lambda z: scipy.special.expit(z)),
    "difference": (np.positive, np.positive),
}


def _worse_end(scale: str, value: float, known: Floats, reach: float) -> float:
    """The end that is worse for the model, where that is wide by design, else nan; known:
    resamples, reach: how many standard deviations away.
    """
    there, back = _SCALES[scale]
    if scale == "error":
        end = reach * float(np.std(known**-1.5, ddof=1)) - value**-1.5
        # From 0 on there is no such error; the `limits` of a metric say how far it may go.
        return float((-end) ** (-2 / 3)) if end < 0 else np.inf
    if scale not in ("correlation", "concordance", "order"):
        return np.nan
    centre = float(there(np.array(value)))
    far = reach * float(np.std(there(known), ddof=1))
    far = min(far + far**2 / 2 + far**3 / 3, abs(centre))  # never across 0
    return float(back(np.array(centre - np.copysign(far, centre))))


@dataclass(frozen=True)
class Interval:
    """A metric, its interval (nan, nan where there is none), its standard error on its scale, and
    the resamples (B,) behind them.
    """

    value: float
    low: float
    high: float
    error: float
    resamples: Floats


@contextmanager
def heard(said: list[str]) -> Iterator[None]:
    """UserWarnings become texts of `said`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    said += [str(warning.message) for warning in caught]


def cluster_numbers(names: Sequence[Hashable]) -> Ints:
    """Whole numbers (N,) from 0, one for each distinct name."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def draws(clusters: Ints, samples: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Blocks (b, N) of counts, `samples` rows in all: as many clusters as there are, drawn with
    replacement. clusters: (N,), whole numbers from 0 without gaps.
    """
    count = int(clusters.max()) + 1
    alone = bool(np.array_equal(clusters, np.arange(count)))
    rows = max(1, _BLOCK // len(clusters))
    for start in range(0, samples, rows):
        height = min(rows, samples - start)
        drawn = rng.integers(0, count, (height, count))
        drawn += count * np.arange(height)[:, None]
        counts = np.bincount(drawn.reshape(-1), minlength=height * count).reshape(height, count)
        yield (counts if alone else counts[:, clusters]).astype(np.float64)


def bootstrap(
    metrics: Mapping[str, Resampled],
    clusters: ArrayLike,
    samples: int,
    rng: np.random.Generator,
    level: float = 0.95,
) -> dict[str, Interval]:
    """The interval of every metric, all of them from the same resamples.

    clusters: (N,) from `cluster_numbers`, arange(N) where every image is its own. One UserWarning
    says which metrics have no interval: below FEWEST clusters, undefined, or without a spread.
    """
    owner = np.asarray(clusters, dtype=np.int64)
    count = int(owner.max(initial=-1)) + 1
    every = np.ones((1, len(owner)))
    values = {name: float(metric(every)[0]) for name, metric in metrics.items()}
    if count < FEWEST:
        _warn([f"{count} independent images or references: too few for an interval: nan"])
        none = np.empty(0)
        return {name: Interval(v, np.nan, np.nan, np.nan, none) for name, v in values.items()}
    rows: dict[str, list[Floats]] = {name: [] for name in metrics}
    for counts in draws(owner, samples, rng):
        for name, metric in metrics.items():
            rows[name].append(metric(counts))
    found, reasons = {}, []
    for name, metric in metrics.items():
        resamples = np.concatenate(rows[name])
        alone = count == len(owner)
        ends, reason = interval_of(metric.scale, values[name], resamples, count, level, alone)
        low, high = np.clip(ends[:2], *metric.limits)
        found[name] = Interval(values[name], float(low), float(high), ends[2], resamples)
        reasons.append(reason and f"{name} {reason}: no interval")
    _warn(reasons)
    return found


def _warn(reasons: Sequence[str | None]) -> None:
    said = [reason for reason in reasons if reason]
    if said:
        warnings.warn("; ".join(said), UserWarning, stacklevel=3)


def interval_of(
    scale: str,
    value: float,
    resamples: Floats,
    count: int,
    level: float = 0.95,
    alone: bool = False,
) -> tuple[tuple[float, float, float], str | None]:
    """((low, high, standard error), why they are nan) of a metric and its resamples (B,), each of
    `count` clusters. The error is on the metric's scale. alone: a cluster is a single image, so
    that no end is wide by design.
    """
    nothing = (np.nan, np.nan, np.nan)
    known = resamples[~np.isnan(resamples)]
    undefined = 1 - len(known) / len(resamples)
    if value != value:
        return nothing, "is undefined"
    if undefined > _MOST_UNDEFINED:
        return nothing, f"is undefined in {undefined:.0%} of the resamples"
    if np.ptp(known) == 0:
        return nothing, "is the same in all resamples"
    reach = float(scipy.special.stdtrit(count - 1, (1 + level) / 2))
    grown = float(np.sqrt(count / (count - 1)))  # by which a bootstrap's error is too small
    there, back = _SCALES[scale]
    with np.errstate(divide="ignore", invalid="ignore"):
        moved, centre = there(known), there(np.array(value))
    if np.isfinite(moved).all() and np.isfinite(centre):
        if scale == "best":  # the choice raises resamples as much as it has raised the metric
            centre = 2 * centre - moved.mean()
        error = grown * float(np.std(moved, ddof=1))
        low, high = back(centre + np.array([-reach, reach]) * error)
        low = max(low, 0.5) if scale == "best" else low
        if low <= value <= high:
            if not alone:
                end = _worse_end(scale, value, known, reach * grown**4)
                low, high = (np.fmin(low, end), high) if centre > 0 else (low, np.fmax(high, end))
            return (float(low), float(high), error), None
    # At the end of its scale (a correlation of 1, a share of 0) a metric has no standard error
    # there, and an error that hardly any cluster bears has no upper end: percentiles, as far out
    # in the tails.
    low, high = np.quantile(known, scipy.special.ndtr([-reach * grown, reach * grown]))
    return (float(low), float(high), np.nan), None

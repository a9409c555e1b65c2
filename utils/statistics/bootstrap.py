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
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from utils.statistics.resampled import Floats, Ints, Resampled

FEWEST = 5  # clusters, or images, below which an interval says nothing
_BLOCK = 1 << 17  # counts in memory at once: a block stays in the processor's cache
# Resamples in which a metric does not exist, such as one of equal images: above this share no
# interval.
_MOST_UNDEFINED = 0.05


def _turned(values: Floats) -> Floats:
    """-1 / x, which turns itself back."""
    return -1 / values


def _turned_more(values: Floats) -> Floats:
    return -(values**-1.5)


def _and_back(values: Floats) -> Floats:
    """From 0 on there is no such error; the `limits` of a metric say how far it may go."""
    return np.where(values < 0, np.abs(np.where(values < 0, values, 1.0)) ** (-2 / 3), np.inf)


def _same(values: Floats) -> Floats:
    return values


def _as_pearson(values: Floats) -> Floats:
    """Kendall's tau -> Pearson's correlation, of normal variables."""
    return np.sin(np.pi / 2 * values)


def _as_kendall(values: Floats) -> Floats:
    return 2 / np.pi * np.arcsin(values)


_Turn = Callable[[Floats], Floats]
_Scale = tuple[_Turn, _Turn]  # there, back
_Z = np.arctanh, np.tanh
_TAU: _Scale = lambda v: np.arctanh(_as_pearson(v)), lambda v: _as_kendall(np.tanh(v))
_ORDER: _Scale = lambda v: _TAU[0](2 * v - 1), lambda v: (1 + _TAU[1](v)) / 2


def _beside(scale: _Scale, value: float, known: Floats, reach: float) -> float:
    """The end that is worse of a correlation, whose resamples are `known`: `reach` standard
    deviations away, more where that is far, and never across 0.
    """
    there, back = scale
    centre = float(there(np.array(value)))
    far = reach * float(np.std(there(known), ddof=1))
    far = min(far + far**2 / 2 + far**3 / 3, abs(centre))
    return float(back(np.array(centre - np.copysign(far, centre))))


def _above(scale: _Scale, value: float, known: Floats, reach: float) -> float:
    """The upper end of an error."""
    far = reach * np.std(_turned_more(known), ddof=1)
    return float(_and_back(_turned_more(np.array(value)) + far))


_WorseEnd = Callable[[_Scale, float, Floats, float], float]
# Where a metric spreads evenly, by the `scale` of utils/statistics/resampled.py, and how far
# the end that is worse for the model goes, where that is further.
_SCALES: dict[str, tuple[_Scale, _WorseEnd | None]] = {
    "correlation": (_Z, _beside),
    "concordance": (_TAU, _beside),
    "order": (_ORDER, _beside),
    "error": ((_turned, _turned), _above),
    "share": ((special.logit, special.expit), None),
    "best": ((special.logit, special.expit), None),
    "difference": ((_same, _same), None),
}


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

    clusters: (N,) from
    `cluster_numbers`, arange(N) where every image is its own. One UserWarning says which metrics
    have no interval: below FEWEST clusters, undefined, or without a spread.
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
    tail = float(stats.t.ppf((1 + level) / 2, count - 1)) * _grown(count)
    (there, back), worse = _SCALES[scale]
    with np.errstate(divide="ignore", invalid="ignore"):
        moved, centre = there(known), there(np.array(value))
    if np.isfinite(moved).all() and np.isfinite(centre):
        if scale == "best":  # the choice raises resamples as much as it has raised the metric
            centre = 2 * centre - moved.mean()
        error = float(np.std(moved, ddof=1))
        low, high = back(centre + np.array([-tail, tail]) * error)
        low = max(low, 0.5) if scale == "best" else low
        if low <= value <= high:
            if worse is not None and not alone:
                reach = float(stats.t.ppf((1 + level) / 2, count - 1)) * _grown(count) ** 4
                end = worse((there, back), value, known, reach)
                low, high = (min(low, end), high) if centre > 0 else (low, max(high, end))
            return (float(low), float(high), error * _grown(count)), None
    # At the end of its scale (a correlation of 1, a share of 0) a metric has no standard error
    # there, and an error that hardly any cluster bears has no upper end: percentiles, as far out
    # in the tails.
    low, high = np.quantile(known, special.ndtr([-tail, tail]))
    return (float(low), float(high), np.nan), None


def _grown(count: int) -> float:
    """A bootstrap's standard error is too small by sqrt((n - 1) / n)."""
    return float(np.sqrt(count / (count - 1)))

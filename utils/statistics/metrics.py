"""The metrics of a model on a split, in the field's terms: float64 on the CPU.

Input that is not finite is an error: a metric over the remaining images would look like one over
all. A metric that does not exist (a correlation with a constant, nothing to average) is nan, never
0, and the reason is told beside it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from utils.statistics.predictions import (
    distribution_mean,
    distribution_std,
    finite,
    histograms,
)
from utils.statistics.resampled import (
    Bools,
    Floats,
    Ints,
    Kendall,
    Mean,
    OrderShare,
    Pearson,
    Resampled,
    RootMean,
    Spearman,
    Undefined,
    differing_pairs,
)
from utils.statistics.resampled_pairs import PairMean
from utils.statistics.ties import TIE, constant, tied, won


@dataclass(frozen=True)
class Measured:
    """What a model is judged by on a split. found: metrics, to be evaluated or resampled, and
    counts such as "n", by name; reasons: why some metrics are nan, a sentence each.
    """

    found: Mapping[str, Resampled | float]
    reasons: tuple[str, ...] = ()

    def values(self) -> dict[str, float]:
        """Every metric with every image once, and the counts."""
        return {k: v.value if isinstance(v, Resampled) else v for k, v in self.found.items()}

    def metrics(self) -> dict[str, Resampled]:
        """The metrics without the counts."""
        return {k: v for k, v in self.found.items() if isinstance(v, Resampled)}

    def __or__(self, other: Measured) -> Measured:
        return Measured({**self.found, **other.found}, (*self.reasons, *other.reasons))


def _told(*reasons: str | None) -> tuple[str, ...]:
    """One sentence for all that is wrong with one kind of metrics."""
    said = dict.fromkeys(reason for reason in reasons if reason)
    return ("; ".join(said),) if said else ()


# ---- input


def _vectors(name: str, x: ArrayLike, other_name: str, y: ArrayLike) -> tuple[Floats, Floats]:
    a, b = finite(name, x), finite(other_name, y)
    if len(a) != len(b):
        raise ValueError(f"{name} has {len(a)} values and {other_name} {len(b)}: must be equal")
    return a, b


def _distributions(p: ArrayLike, q: ArrayLike) -> tuple[Floats, Floats]:
    a, b = histograms("probs", p), histograms("target", q)
    if a.shape != b.shape:
        raise ValueError(f"probs {a.shape} and target {b.shape} differ in shape: must be equal")
    return a, b


def undefined(x: Floats, y: Floats, names: tuple[str, str]) -> str | None:
    """Why a correlation of x and y does not exist; None when it does."""
    if len(x) < 2:
        return f"correlation of {len(x)} values is undefined: nan"
    flat = [name for name, values in zip(names, (x, y), strict=True) if constant(values)]
    if flat:
        return f"constant {' and '.join(flat)}: correlation is undefined: nan"
    return None


def _empty(n: int) -> str | None:
    return None if n else "no values: a mean over nothing is undefined: nan"


# ---- scores


def score_metrics(
    pred: ArrayLike, mos: ArrayLike, names: tuple[str, str] = ("prediction", "mos")
) -> Measured:
    """srcc (ties at their mean rank), plcc (raw: no logistic is fitted first), krcc (tau-b), rmse
    and mae, in MOS units, and n of predictions (N,) against MOS (N,). names: in reasons.
    """
    x, y = _vectors("pred", pred, "mos", mos)
    reason = undefined(x, y, names)
    kinds = {"srcc": Spearman, "plcc": Pearson, "krcc": Kendall}
    correlations = {k: Undefined(reason) if reason else kind(x, y) for k, kind in kinds.items()}
    errors = {"rmse": RootMean((x - y) ** 2), "mae": Mean(np.abs(x - y))}
    return Measured({**correlations, **errors, "n": len(x)}, _told(reason))


def srcc(pred: ArrayLike, mos: ArrayLike) -> float:
    """Spearman's rank correlation of (N,) and (N,); nan with a UserWarning where there is none."""
    return _one("srcc", score_metrics(pred, mos))


def plcc(pred: ArrayLike, mos: ArrayLike) -> float:
    """Pearson's raw correlation of (N,) and (N,); nan with a UserWarning where there is none."""
    return _one("plcc", score_metrics(pred, mos))


def _one(name: str, measured: Measured) -> float:
    for reason in measured.reasons:
        warnings.warn(reason, UserWarning, stacklevel=3)
    return measured.values()[name]


# ---- orders


def pair_accuracy(scores_better: ArrayLike, scores_worse: ArrayLike) -> float:
    """Share of pairs (P,), (P,) whose better image has the higher score, 0..1; a tie is half. nan
    with a UserWarning where there are none.
    """
    x, y = _vectors("scores_better", scores_better, "scores_worse", scores_worse)
    place = np.arange(len(x))
    pairs = pair_metrics(np.concatenate([x, y]), place, len(x) + place)
    return _one("pair_accuracy", pairs)


def pair_metrics(
    scores: ArrayLike, better: Ints, worse: Ints, clusters: ArrayLike | None = None
) -> Measured:
    """pair_accuracy (0..1, a tie is half) and n_pairs of scores (M,), of which those at the places
    better (P,) should be above those at worse (P,). clusters (M,): as in PairMean.
    """
    x = finite("scores", scores)
    pairs = won(x[better], x[worse])
    accuracy = PairMean(pairs, better, worse, clusters, len(x))
    return Measured({"pair_accuracy": accuracy, "n_pairs": len(pairs)}, _told(_empty(len(pairs))))


def order_metrics(pred: ArrayLike, mos: ArrayLike) -> Measured:
    """pair_accuracy (a tie of the prediction is half) and n_pairs, over all pairs of the M images
    that their `mos` (M,) tells apart.
    """
    x, y = _vectors("pred", pred, "mos", mos)
    pairs = differing_pairs(tied(y))
    reason = None if pairs else "no two images of different mos: pair accuracy is undefined: nan"
    accuracy = Undefined(reason) if reason else OrderShare(x, y)
    return Measured({"pair_accuracy": accuracy, "n_pairs": pairs}, _told(reason))


def bucket_metrics(
    scores: ArrayLike,
    buckets: ArrayLike,
    first: Ints,
    second: Ints,
    same: Bools,
    clusters: ArrayLike | None = None,
) -> Measured:
    """same_bucket_accuracy: share of the pairs first (P,), second (P,), positions in scores (M,),
    whose distance tells whether they are of the same (P,) bucket: one below 0.5 says so. n_pairs;
    srcc and krcc of the scores against the buckets (M,), whose order no pair knows; n.
    """
    x, y = _vectors("scores", scores, "buckets", buckets)
    right = (np.abs(x[first] - x[second]) < 0.5) == same
    reason = undefined(x, y, ("prediction", "bucket"))
    found: dict[str, Resampled | float] = {
        "same_bucket_accuracy": PairMean(right, first, second, clusters, len(x)),
        "n_pairs": len(right),
        "srcc": Undefined(reason) if reason else Spearman(x, y),
        "krcc": Undefined(reason) if reason else Kendall(x, y),
        "n": len(x),
    }
    return Measured(found, _told(reason, _empty(len(right))))


# ---- histograms


def emd_of_each(p: ArrayLike, q: ArrayLike, r: float = 1) -> Floats:
    """(mean_k |CDF_p(k) - CDF_q(k)|^r)^(1/r), (N,), of (N, K) and (N, K) histograms.

    NIMA (TIP 2018) eq. 1: in units of the whole range of bins, r=1 to report, r=2 to train.
    """
    if not 1 <= r < math.inf:
        raise ValueError(f"r {r}: must be at least 1")
    return _emds(*_distributions(p, q), r)


def _emds(p: Floats, q: Floats, r: float) -> Floats:
    difference = np.abs(np.cumsum(p - q, axis=1))  # (N, K)
    return np.mean(difference**r, axis=1) ** (1 / r)


def moments_of_votes(q: ArrayLike) -> tuple[Floats, Floats]:
    """Mean and standard deviation (N,) of the votes (N, K), equal where they are equal but for
    rounding: such images tie in a ranking.
    """
    return tied(distribution_mean(q)), tied(distribution_std(q))


def middle_score(bins: int) -> int:
    """The middle of a scale 1..bins, of two middle scores the lower one: 5 for 10 bins, 4 for 7.

    NIMA (TIP 2018, section IV) and AVA (CVPR 2012) cut their scale 1..10 at 5: a mean score above
    5 is high quality.
    """
    return (bins + 1) // 2


def _of_histograms(p: Floats, q: Floats, mean_p: Floats, mean_q: Floats) -> Measured:
    """emd_r1, emd_r2, two_class_accuracy and cut: shares of images whose means are on the same side
    of `middle_score` (above it is high). nan where all votes lie on one side: any constant would be
    right.
    """
    cut = float(middle_score(p.shape[1]))
    # A histogram whose mean is the cut must not be high by rounding.
    high, high_votes = (own > cut * (1 + TIE) for own in (mean_p, mean_q))
    reason = _empty(len(q))
    if not reason and high_votes.all() == high_votes.any():
        side = "above" if high_votes.all() else "at most"
        reason = f"all means of the votes are {side} {cut:g}: two-class accuracy is undefined: nan"
    found = {
        "emd_r1": Mean(_emds(p, q, 1)),
        "emd_r2": Mean(_emds(p, q, 2)),
        "two_class_accuracy": Undefined(reason) if reason else Mean(high == high_votes, "share"),
        "cut": cut,
    }
    return Measured(found, _told(reason))


def distribution_metrics(probs: ArrayLike, target: ArrayLike) -> Measured:
    """NIMA's scorecard of (N, K) pairs: emd_r1, emd_r2, two_class_accuracy at `cut`, the score
    metrics of the mean (plcc is LCC there), std_srcc, std_plcc and n.
    """
    p, q = _distributions(probs, target)
    mean_p, std_p = distribution_mean(p), distribution_std(p)
    mean_q, std_q = moments_of_votes(q)
    of_bins = _of_histograms(p, q, mean_p, mean_q)
    of_mean = score_metrics(mean_p, mean_q, ("predicted mean", "mean of the votes"))
    of_std = undefined(std_p, std_q, ("predicted std", "std of the votes"))
    spread = {
        "std_srcc": Undefined(of_std) if of_std else Spearman(std_p, std_q),
        "std_plcc": Undefined(of_std) if of_std else Pearson(std_p, std_q),
    }
    reasons = _told(*of_mean.reasons, of_std, *of_bins.reasons)
    return Measured({**of_bins.found, **of_mean.found, **spread}, reasons)


def baseline_metrics(guess: ArrayLike, target: ArrayLike) -> dict[str, float]:
    """baseline_emd_r1, _emd_r2 and _two_class_accuracy of one histogram (K,) for all of (N, K).

    What is to be beaten: with the mean histogram of the training images, the metrics of a network
    that sees nothing. nan where distribution_metrics says why.
    """
    q = histograms("target", target)
    p, q = _distributions(np.broadcast_to(finite("guess", guess), (len(q), np.size(guess))), q)
    found = _of_histograms(p, q, distribution_mean(p), distribution_mean(q))
    return {f"baseline_{name}": metric.value for name, metric in found.metrics().items()}

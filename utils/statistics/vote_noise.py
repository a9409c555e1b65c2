"""Predictions judged against the noise of votes, where standard deviations of votes are known.

Outliers: an error above 2 standard deviations of the image's votes, as research papers count them,
or above 2 standard errors of its MOS (std / sqrt(votes)), as VQEG does (FRTV Phase I, 2000, metric
"outlier ratio"), which needs vote counts.

Resolving power: Krasula, Fliegel, Le Callet and Klima, "On the accuracy of objective image and
video quality models: New methodology for performance evaluation", QoMEX 2016. Pairs of images are
significantly different or not (z-test on the MOS); a model should give different ones different
scores, and the better one the higher.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from utils.statistics.metrics import Measured
from utils.statistics.resampled import (
    Among,
    Bools,
    Floats,
    Ints,
    Resampled,
    Undefined,
    divided,
    floats,
    sums_of,
    weighted,
)
from utils.statistics.resampled_pairs import (
    FirstOrderShare,
    PairMean,
    PairWeights,
    pair_area,
    pairs_way,
    shares_won,
)
from utils.statistics.ties import tied

POWER_METRICS = ("auc_different", "auc_better", "correct_better")
MOST_IMAGES = 2000  # two million pairs; of more images as many are drawn


def outliers(error: ArrayLike, std: ArrayLike, votes: ArrayLike | None = None) -> Bools:
    """bool (N,): |error| above 2 std, or above 2 std / sqrt(votes) where votes (N,) are given."""
    limit = 2 * np.asarray(std, dtype=np.float64)
    if votes is not None:
        limit = limit / np.sqrt(np.asarray(votes, dtype=np.float64))
    return np.abs(np.asarray(error, dtype=np.float64)) > limit


class Ceiling(Resampled):
    """The correlation with the MOS of a model that says the true score: sqrt(R), where
    R = 1 - mean(std^2 / votes) / var(mos) is the reliability of the MOS; 0 where that is below 0.

    mos, std and votes: (N,). A single vote has no spread of its own: its variance is then the mean
    of the others'.
    """

    scale = "correlation"

    def __init__(self, mos: ArrayLike, std: ArrayLike, votes: ArrayLike) -> None:
        self._mos, spread = floats(mos), floats(std) ** 2
        self.images, count = len(self._mos), floats(votes)
        several = spread > 0
        pooled = float(spread[several].mean()) if several.any() else 0.0
        self._noise = np.where((count > 1) | several, spread, pooled) / count

    def __call__(self, counts: Floats) -> Floats:
        n = counts.sum(axis=1)
        mean = divided(weighted(counts, self._mos), n)
        squares = divided(weighted(counts, self._mos**2), n) - mean**2
        spread = squares * divided(n, n - 1)
        return np.sqrt(
            np.maximum(1 - divided(divided(weighted(counts, self._noise), n), spread), 0)
        )


@dataclass(frozen=True)
class OpinionPairs:
    """Every two of the n images that are judged, `kept` (n,) of all: first, second (P,) of `kept`;
    gap: difference of their scores; won: the same, turned so that the better image stands first;
    different: whether their MOS differ significantly; fault: why there are no pairs.
    """

    kept: Ints
    first: Ints
    second: Ints
    gap: Floats
    won: Floats
    different: Bools
    fault: str | None = None


def opinion_pairs(
    pred: ArrayLike,
    mos: ArrayLike,
    std: ArrayLike,
    votes: ArrayLike,
    rng: np.random.Generator | None = None,
    alpha: float = 0.05,
) -> OpinionPairs:
    """The pairs of N images, of MOST_IMAGES drawn by `rng` (or the first) where there are more.
    std: of the votes, votes: how many (N,); alpha: of the z-test.
    """
    columns = [np.asarray(values, dtype=np.float64) for values in (pred, mos, std, votes)]
    if not all(values.shape == (len(columns[0]),) for values in columns):
        shapes = ", ".join(str(values.shape) for values in columns)
        raise ValueError(f"pred, mos, std and votes: shapes {shapes} must all be (N,)")
    kept = np.arange(len(columns[0]))
    if len(kept) > MOST_IMAGES:
        kept = kept[:MOST_IMAGES]
        if rng is not None:
            kept = np.sort(rng.choice(len(columns[0]), MOST_IMAGES, replace=False))
        columns = [values[kept] for values in columns]
    fault = None
    if not all(np.isfinite(values).all() for values in columns) or (columns[3] <= 0).any():
        fault, columns = "values that are not finite, or images without votes", [np.empty(0)] * 4
    score, opinion, deviation, count = tied(columns[0]), tied(columns[1]), *columns[2:]
    first, second = np.triu_indices(len(score), 1)
    gap, apart = score[first] - score[second], opinion[first] - opinion[second]
    noise = np.sqrt((deviation**2 / count)[first] + (deviation**2 / count)[second])
    different = np.abs(apart) > -scipy.special.ndtri(alpha / 2) * noise
    return OpinionPairs(kept, first, second, gap, gap * np.sign(apart), different, fault)


def resolving_power(
    pairs: OpinionPairs, clusters: ArrayLike | None = None, way: str | None = None
) -> Measured:
    """Metrics 0..1 over the pairs of `opinion_pairs`, and numbers of pairs and images.

    auc_different: share of (different, similar) pairs of pairs with the larger difference of scores
    in the different one. auc_better: ROC area of the score differences of different pairs, better
    less worse, against the same turned round. correct_better: share of different pairs with the
    higher score for the better one (a tie is half). n_different, n_similar: pairs; n_resolved:
    images. Undefined where a kind of pairs is missing or a value is not finite.

    clusters: (N,) of all images. Two copies of an image, or of a cluster, are no pair: they would
    be similar pairs with equal scores, which no set of distinct images has. way: of `pair_area`,
    else one that is fast enough; it moves the ends of an interval by less than 10% of its length,
    mostly by 1%.
    """
    different, similar = np.flatnonzero(pairs.different), np.flatnonzero(~pairs.different)
    sizes = {"n_different": len(different), "n_similar": len(similar)}
    missing = [name[2:] for name, size in sizes.items() if not size]
    reason = pairs.fault or f"no {' and no '.join(missing)} pairs of images"
    reasons = (f"resolving power: {reason}: nan",) if missing else ()
    found: dict[str, Resampled] = dict.fromkeys(POWER_METRICS, Undefined(" ".join(reasons)))
    if len(different):
        found |= _of_pairs(pairs, (different, similar), clusters, way)
    return Measured({**found, **sizes, "n_resolved": len(pairs.kept)}, reasons)


def _of_pairs(
    pairs: OpinionPairs, kinds: tuple[Ints, Ints], clusters: ArrayLike | None, way: str | None
) -> dict[str, Resampled]:
    """Those of POWER_METRICS that exist; kinds: the places of different pairs, and of similar."""
    different, similar = kinds
    count, owner = len(pairs.kept), np.arange(pairs.kept[-1] + 1)
    owner = owner if clusters is None else np.asarray(clusters)
    cluster = np.unique(owner[pairs.kept], return_inverse=True)[1].reshape(-1)
    way = way or pairs_way(len(pairs.first), int(cluster.max()) + 1)
    weights = PairWeights(pairs.first, pairs.second, cluster, count)
    won, size = pairs.won[different], np.abs(pairs.gap)
    share = shares_won(won, 0.0)
    found: dict[str, Resampled] = {
        "auc_better": pair_area(weights, won, different, -won, different, way)
    }
    if way == "near":
        sums = sums_of(different, len(size), share, 1 - share)
        slopes = (weights.derivative(part) for part in sums)
        found["correct_better"] = FirstOrderShare(sums[0].sum(), sums[1].sum(), *slopes)
    else:
        ends = pairs.first[different], pairs.second[different]
        found["correct_better"] = PairMean(share, *ends, cluster)
    if len(similar):
        sides = size[different], different, size[similar], similar
        found["auc_different"] = pair_area(weights, *sides, way)
    return {name: Among(metric, pairs.kept, len(owner)) for name, metric in found.items()}

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

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from utils.statistics.share_figures import Among, FirstOrderShare, PairArea, PairWeights, pairs_way
from utils.statistics.ties import tied
from utils.statistics.weighted_figures import Figure, Floats, PairMean

FIGURES = ("auc_different", "auc_better", "correct_better")
MOST_IMAGES = 2000  # two million pairs; of more images as many are drawn


def outliers(error: ArrayLike, std: ArrayLike, votes: ArrayLike | None = None) -> NDArray[np.bool_]:
    """bool (N,): |error| above 2 std, or above 2 std / sqrt(votes) where votes (N,) are given."""
    limit = 2 * np.asarray(std, dtype=np.float64)
    if votes is not None:
        limit = limit / np.sqrt(np.asarray(votes, dtype=np.float64))
    return np.abs(np.asarray(error, dtype=np.float64)) > limit


@dataclass(frozen=True)
class OpinionPairs:
    """Every two of the n images that are judged, `kept` (n,) of all: first, second (P,) of `kept`;
    gap: difference of their scores; won: the same, turned so that the better image stands first;
    different: whether their MOS differ significantly; fault: why there are no pairs.
    """

    kept: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    gap: Floats
    won: Floats
    different: NDArray[np.bool_]
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
    different = np.abs(apart) > -special.ndtri(alpha / 2) * noise
    return OpinionPairs(kept, first, second, gap, gap * np.sign(apart), different, fault)


def resolving_power(pairs: OpinionPairs) -> dict[str, float]:
    """Figures 0..1 over the pairs of `opinion_pairs`.

    auc_different: share of (different, similar) pairs of pairs with the larger difference of scores
    in the different one. auc_better: ROC area of the score differences of different pairs, better
    less worse, against the same turned round. correct_better: share of different pairs with the
    higher score for the better one (a tie is half). n_different, n_similar: pairs; n_resolved:
    images. nan, with one UserWarning, where a kind of pairs is missing or a value is not finite.
    """
    figures, different = dict.fromkeys(FIGURES, math.nan), pairs.different
    sizes = {"n_different": int(different.sum()), "n_similar": int((~different).sum())}
    if different.any():
        won = pairs.won[different]
        figures["auc_better"] = _area(won, -won)
        figures["correct_better"] = float(np.mean(_shares(won)))
        if not different.all():
            size = np.abs(pairs.gap)
            figures["auc_different"] = _area(size[different], size[~different])
    missing = [kind for kind in ("different", "similar") if not sizes[f"n_{kind}"]]
    if missing:
        reason = pairs.fault or f"no {' and no '.join(missing)} pairs of images"
        _warn(f"resolving power: {reason}: nan")
    return {**figures, **sizes, "n_resolved": len(pairs.kept)}


def resampled_power(
    pairs: OpinionPairs, clusters: ArrayLike, way: str | None = None
) -> dict[str, Figure]:
    """FIGURES of `resolving_power` that exist, to be resampled. clusters: (N,) of all images.

    Two copies of an image, or of a cluster, are no pair: they would be similar pairs with equal
    scores, which no set of distinct images has. way: of PairArea, else one that is fast enough; it
    moves the ends of an interval by less than 10% of its length, mostly by 1%.
    """
    owner = np.unique(np.asarray(clusters)[pairs.kept], return_inverse=True)[1].reshape(-1)
    way = way or pairs_way(len(pairs.first), int(owner.max(initial=-1)) + 1)
    weights = PairWeights(pairs.first, pairs.second, owner)
    different, similar = np.flatnonzero(pairs.different), np.flatnonzero(~pairs.different)
    if not len(different):
        return {}
    won, size = pairs.won[different], np.abs(pairs.gap)
    share = np.zeros(len(pairs.first))
    share[different] = _shares(won)
    lost = pairs.different - share
    figures: dict[str, Figure] = {
        "auc_better": PairArea(weights, won, different, -won, different, way)
    }
    if way != "near":
        ends = pairs.first[different], pairs.second[different]
        figures["correct_better"] = PairMean(_shares(won), *ends, owner)
    else:
        slopes = weights.derivative(share), weights.derivative(lost)
        figures["correct_better"] = FirstOrderShare(float(share.sum()), float(lost.sum()), *slopes)
    if len(similar):
        figures["auc_different"] = PairArea(
            weights, size[different], different, size[similar], similar, way
        )
    return {name: Among(figure, pairs.kept) for name, figure in figures.items()}


def _shares(won: Floats) -> Floats:
    """1 where the better image has the higher score, 0.5 where both are equal, else 0."""
    return 0.5 * ((won > 0).astype(np.float64) + (won >= 0))


def _area(above: Floats, below: Floats) -> float:
    """ROC area: share of (above, below) in the right order, a tie is half."""
    ranks = stats.rankdata(np.concatenate([above, below]))[: len(above)]
    wins = ranks.sum() - len(above) * (len(above) + 1) / 2
    return float(wins / (len(above) * len(below)))


def _warn(reason: str) -> None:
    warnings.warn(reason, UserWarning, stacklevel=3)

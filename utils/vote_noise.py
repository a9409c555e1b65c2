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

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Floats = NDArray[np.float64]

FIGURES = ("auc_different", "auc_better", "correct_better")
MOST_IMAGES = 2000  # two million pairs; of more images as many are drawn


def outliers(error: ArrayLike, std: ArrayLike, votes: ArrayLike | None = None) -> NDArray[np.bool_]:
    """bool (N,): |error| above 2 std, or above 2 std / sqrt(votes) where votes (N,) are given."""
    limit = 2 * np.asarray(std, dtype=np.float64)
    if votes is not None:
        limit = limit / np.sqrt(np.asarray(votes, dtype=np.float64))
    return np.abs(np.asarray(error, dtype=np.float64)) > limit


def resolving_power(
    pred: ArrayLike,
    mos: ArrayLike,
    std: ArrayLike,
    votes: ArrayLike,
    rng: np.random.Generator | None = None,
    alpha: float = 0.05,
) -> dict[str, float]:
    """Figures 0..1 over all pairs of N images; std: of the votes, votes: how many (N,).

    auc_different: share of (different, similar) pairs of pairs with the larger difference of scores
    in the different one. auc_better: ROC area of the score differences of different pairs, better
    less worse, against the same turned round. correct_better: share of different pairs with the
    higher score for the better one (a tie is half). n_different, n_similar: pairs; n_resolved:
    images, MOST_IMAGES drawn by `rng` (or the first) where there are more. nan, with one
    UserWarning, where a kind of pairs is missing or a value is not finite.
    """
    columns = [np.asarray(values, dtype=np.float64) for values in (pred, mos, std, votes)]
    if not all(values.shape == (len(columns[0]),) for values in columns):
        shapes = ", ".join(str(values.shape) for values in columns)
        raise ValueError(f"pred, mos, std and votes: shapes {shapes} must all be (N,)")
    if len(columns[0]) > MOST_IMAGES:
        kept = np.arange(MOST_IMAGES)
        if rng is not None:
            kept = np.sort(rng.choice(len(columns[0]), MOST_IMAGES, replace=False))
        columns = [values[kept] for values in columns]
    score, opinion, deviation, count = columns
    sizes = {"n_different": 0, "n_similar": 0, "n_resolved": len(score)}
    nothing = dict.fromkeys(FIGURES, math.nan)
    if not all(np.isfinite(values).all() for values in columns) or (count <= 0).any():
        _warn("resolving power: values that are not finite, or images without votes: nan")
        return {**nothing, **sizes}
    first, second = np.triu_indices(len(score), 1)
    gap, apart = score[first] - score[second], opinion[first] - opinion[second]
    noise = np.sqrt((deviation**2 / count)[first] + (deviation**2 / count)[second])
    different = np.abs(apart) > -special.ndtri(alpha / 2) * noise
    sizes |= {"n_different": int(different.sum()), "n_similar": int((~different).sum())}
    figures = dict(nothing)
    if different.any():
        won = gap[different] * np.sign(apart[different])
        figures["auc_better"] = _area(won, -won)
        figures["correct_better"] = float(np.mean(0.5 * ((won > 0).astype(float) + (won >= 0))))
        if not different.all():
            figures["auc_different"] = _area(np.abs(gap[different]), np.abs(gap[~different]))
    missing = [kind for kind in ("different", "similar") if not sizes[f"n_{kind}"]]
    if missing:
        _warn(f"resolving power: no {' and no '.join(missing)} pairs of images: nan")
    return {**figures, **sizes}


def _area(above: Floats, below: Floats) -> float:
    """ROC area: share of (above, below) in the right order, a tie is half."""
    ranks = stats.rankdata(np.concatenate([above, below]))[: len(above)]
    wins = ranks.sum() - len(above) * (len(above) + 1) / 2
    return float(wins / (len(above) * len(below)))


def _warn(reason: str) -> None:
    warnings.warn(reason, UserWarning, stacklevel=3)

"""Figures of an order: all pairs of images whose scores or buckets differ."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from utils.statistics.kendall import balances
from utils.statistics.metrics import checked, empty, kendall, spearman, undefined, vectors, warn
from utils.statistics.ties import tied

Array = NDArray[np.float64]


def order_metrics(pred: ArrayLike, mos: ArrayLike) -> dict[str, float]:
    """pair_accuracy (a tie of the prediction is half) and n_pairs, over all pairs of the M images
    that their `mos` (M,) tells apart.

    Without a list of pairs, in M log^2 M: the balance of an image is how many others stand on the
    right side of it less those on the wrong one, and each pair is in the balances of two.
    """
    x, y = map(tied, vectors("pred", pred, "mos", mos))
    pairs = _differing_pairs(y)
    if not pairs:
        warn(["no two images of different mos: pair accuracy is undefined: nan"])
        return {"pair_accuracy": math.nan, "n_pairs": 0}
    right_minus_wrong = float(balances(x, y).sum()) / 2
    return {"pair_accuracy": 0.5 + 0.5 * right_minus_wrong / pairs, "n_pairs": pairs}


def _differing_pairs(values: Array) -> int:
    """How many pairs of two different values there are."""
    _, counts = np.unique(values, return_counts=True)
    return (len(values) ** 2 - int((counts.astype(np.int64) ** 2).sum())) // 2


def bucket_metrics(
    scores: ArrayLike, buckets: ArrayLike, first: np.ndarray, second: np.ndarray, same: np.ndarray
) -> dict[str, float]:
    """same_bucket_accuracy: share of the pairs first (P,), second (P,), positions in scores (M,),
    whose distance tells whether they are of the same (P,) bucket: one below 0.5 says so. n_pairs;
    srcc and krcc of the scores against the buckets (M,), whose order no pair knows; n.
    """
    x, y = vectors("scores", scores, "buckets", buckets)
    said = np.abs(x[first] - x[second]) < 0.5
    reason = undefined(x, y, ("prediction", "bucket"))
    warn([reason, empty(len(said))])
    return {
        "same_bucket_accuracy": float(np.mean(said == same)) if len(said) else math.nan,
        "n_pairs": len(said),
        "srcc": checked(spearman, x, y, reason),
        "krcc": checked(kendall, x, y, reason),
        "n": len(x),
    }

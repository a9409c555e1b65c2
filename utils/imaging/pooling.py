"""How the scores of an image's crops become the image's score, and their histograms its histogram.

The mean of the pooled histogram is the pooled score, whichever way they are pooled: what is
measured of the scores and what is measured of the histograms is said of one predictor.
"""

from __future__ import annotations

import numpy as np

from utils.imaging.view_rule import ViewRule


def pool_scores(scores: np.ndarray, rule: ViewRule) -> np.ndarray:
    """(N, V) scores of N images with V views each -> (N,), by the rule's mean or median."""
    pool = np.median if rule.crop_pool == "median" else np.mean
    return pool(scores, axis=1).astype(scores.dtype)


def pool_histograms(probs: np.ndarray, scores: np.ndarray, rule: ViewRule) -> np.ndarray:
    """(N, V, K) histograms, whose means are `scores` (N, V), of N images with V views -> (N, K).

    "mean": the mean histogram. "median": that of the view with the median score; for an even
    number of views the mean of those of the two in the middle, as the median is of their scores.
    """
    if rule.crop_pool == "median":
        views = scores.shape[1]
        middle = np.argsort(scores, axis=1, kind="stable")[:, (views - 1) // 2 : views // 2 + 1]
        probs = np.take_along_axis(probs, middle[..., None], axis=1)
    return probs.mean(axis=1)

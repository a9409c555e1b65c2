"""How the scores of an image's crops become the image's score."""

from __future__ import annotations

import numpy as np

from utils.imaging.view_rule import ViewRule


def pool_scores(scores: np.ndarray, rule: ViewRule) -> np.ndarray:
    """(N, V) scores of N images with V views each -> (N,), by the rule's mean or median."""
    pool = np.median if rule.crop_pool == "median" else np.mean
    return pool(scores, axis=1).astype(scores.dtype)

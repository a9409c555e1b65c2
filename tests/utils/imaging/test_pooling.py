"""Pooling: scores and histograms of an image's views are of one predictor."""

from __future__ import annotations

import numpy as np
import pytest

from utils.imaging.images import ViewRule
from utils.imaging.pooling import pool_histograms, pool_scores


@pytest.mark.parametrize("pool", ["mean", "median"])
@pytest.mark.parametrize("views", [1, 2, 3, 4, 5])
def test_the_mean_of_the_pooled_histogram_is_the_pooled_score(pool, views):
    rng = np.random.default_rng(views)
    probs = rng.dirichlet(np.ones(6), (20, views)).astype(np.float32)
    scores = probs @ np.arange(1, 7, dtype=np.float32)
    rule = ViewRule((8, 8), crops=views, crop_size=(8, 8), crop_pool=pool)
    pooled = pool_histograms(probs, scores, rule)
    assert pooled.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert pooled @ np.arange(1, 7) == pytest.approx(pool_scores(scores, rule), abs=1e-5)


def test_the_median_has_the_histogram_of_the_middle_view():
    probs = np.array([[[0, 1.0], [1, 0], [0.4, 0.6]]])
    rule = ViewRule((8, 8), crops=3, crop_size=(8, 8), crop_pool="median")
    assert pool_histograms(probs, probs @ [1.0, 2.0], rule).tolist() == [[0.4, 0.6]]


def test_a_view_without_a_score_is_not_hidden_by_the_others():
    rule = ViewRule((8, 8), crops=3, crop_size=(8, 8), crop_pool="median")
    assert np.isnan(pool_scores(np.array([[1.0, 2.0, np.nan]]), rule)).all()

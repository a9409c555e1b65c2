"""Figures of an order against loops over all pairs, ties included."""

import math

import numpy as np
import pytest
from scipy import stats

from utils.statistics import order_metrics


@pytest.mark.parametrize("seed", range(5))
def test_all_ordered_pairs_equal_a_loop(seed):
    rng = np.random.default_rng(seed)
    pred, mos = rng.integers(0, 8, 23) / 2, rng.integers(0, 6, 23) / 3  # ties in both
    right = [
        0.5 if pred[i] == pred[j] else float(pred[i] > pred[j])
        for i in range(23)
        for j in range(23)
        if mos[i] > mos[j]
    ]
    found = order_metrics.order_metrics(pred, mos)
    assert found == {"pair_accuracy": pytest.approx(np.mean(right)), "n_pairs": len(right)}
    assert order_metrics.order_metrics(np.zeros(23), mos)["pair_accuracy"] == 0.5
    assert order_metrics.order_metrics(mos, mos)["pair_accuracy"] == pytest.approx(1)
    assert order_metrics.order_metrics(-mos, mos)["pair_accuracy"] == pytest.approx(0)


def test_no_order_to_find_has_no_accuracy():
    with pytest.warns(UserWarning, match="no two images"):
        found = order_metrics.order_metrics([1.0, 2.0], [3.0, 3.0])
    assert math.isnan(found["pair_accuracy"]) and found["n_pairs"] == 0


def test_buckets_equal_a_loop():
    rng = np.random.default_rng(0)
    scores, buckets = rng.normal(5, 0.6, 15), rng.integers(3, 7, 15)
    first, second = rng.integers(0, 15, (2, 40))
    same = buckets[first] == buckets[second]
    right = [
        (abs(scores[a] - scores[b]) < 0.5) == y for a, b, y in zip(first, second, same, strict=True)
    ]
    found = order_metrics.bucket_metrics(scores, buckets, first, second, same)
    assert (
        found.pop("same_bucket_accuracy") == pytest.approx(np.mean(right)) and 0 < sum(right) < 40
    )
    assert found.pop("srcc") == pytest.approx(stats.spearmanr(scores, buckets).statistic)
    assert found.pop("krcc") == pytest.approx(stats.kendalltau(scores, buckets).statistic)
    assert found == {"n_pairs": 40, "n": 15}
    with pytest.warns(UserWarning, match="constant prediction"):
        found = order_metrics.bucket_metrics(np.ones(15), buckets, first, second, same)
    assert found["same_bucket_accuracy"] == pytest.approx(same.mean())  # all "same"
    assert math.isnan(found["srcc"])

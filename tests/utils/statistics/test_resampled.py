"""Metrics of resamples against SciPy on the drawn images written out."""

import numpy as np
import pytest
from scipy import stats

from utils.statistics import resampled, resampled_pairs
from utils.statistics.resampled import (
    Kendall,
    Mean,
    OrderShare,
    Pearson,
    RootMean,
    Spearman,
    balances,
)
from utils.statistics.resampled_pairs import PairMean

SCIPY = {
    Spearman: lambda x, y: stats.spearmanr(x, y).statistic,
    Pearson: lambda x, y: stats.pearsonr(x, y).statistic,
    Kendall: lambda x, y: stats.kendalltau(x, y).statistic,
}


def drawn(count, times, seed=0):
    """(images of each resample (times, count), how often each was drawn)."""
    index = np.random.default_rng(seed).integers(0, count, (times, count))
    counts = np.stack([np.bincount(row, minlength=count) for row in index])
    return index, counts.astype(np.float64)


def examples():
    rng = np.random.default_rng(1)
    x = rng.normal(size=30)
    yield "no ties", x, x + rng.normal(size=30)
    yield "ties", np.round(2 * x), np.round(x + rng.normal(size=30))
    yield "far from zero", 100 + x, 1e-6 * (x + rng.normal(size=30))


@pytest.mark.parametrize("metric", SCIPY)
@pytest.mark.parametrize(
    ("x", "y"), [case[1:] for case in examples()], ids=["plain", "ties", "far"]
)
def test_a_resample_is_its_images_written_out(metric, x, y):
    index, counts = drawn(len(x), 25)
    expected = [SCIPY[metric](x[row], y[row]) for row in index]
    assert metric(x, y)(counts) == pytest.approx(expected, abs=1e-9)
    assert metric(x, y).value == pytest.approx(SCIPY[metric](x, y), abs=1e-9)
    assert metric(x, y)(np.ones((1, len(x))))[0] == pytest.approx(metric(x, y).value, abs=1e-9)


def test_clusters_change_the_number_of_images():
    _, x, y = next(examples())
    counts = np.repeat([[3.0, 0.0, 1.0, 2.0, 0.0]], 6, axis=1).reshape(1, 30)
    index = np.repeat(np.arange(30), counts[0].astype(int))
    for metric, oracle in SCIPY.items():
        assert metric(x, y)(counts)[0] == pytest.approx(oracle(x[index], y[index]), abs=1e-12)


def test_means_of_errors_and_roots():
    index, counts = drawn(12, 9)
    error = np.random.default_rng(2).normal(size=12)
    assert Mean(np.abs(error))(counts) == pytest.approx([np.abs(error[i]).mean() for i in index])
    roots = [np.sqrt((error[i] ** 2).mean()) for i in index]
    assert RootMean(error**2)(counts) == pytest.approx(roots)


def test_a_resample_without_spread_is_nan():
    x, y = np.arange(4.0), np.array([1.0, 0.0, 3.0, 2.0])
    counts = np.array([[4.0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    for metric in SCIPY:
        found = metric(x, y)(counts)
        assert np.isnan(found[:2]).all() and not np.isnan(found[2])
        assert np.isnan(metric(x, np.full(4, 0.3))(counts)).all()
    assert np.isnan(Mean(y)(counts)[1])


def test_pairs_are_drawn_with_their_images(monkeypatch):
    """Against copies written out: a copy of a cluster holds its own pairs; pairs of two clusters
    are between all copies.
    """
    cluster = np.array([0, 0, 0, 1, 1, 2])
    first, second = np.array([0, 1, 3, 0, 5, 2]), np.array([1, 2, 4, 3, 4, 5])
    won = np.array([1.0, 0.5, 0.0, 1.0, 0.0, 1.0])
    times = np.array([2, 3, 1])
    rows = []
    for a, b, value in zip(first, second, won, strict=True):
        p, q = cluster[a], cluster[b]
        rows += [value] * (times[p] if p == q else times[p] * times[q])
    counts = np.stack([times[cluster], np.ones(6), np.zeros(6)]).astype(float)
    metric = PairMean(won, first, second, cluster)
    assert metric.value == won.mean()
    found = metric(counts)
    assert found[:2] == pytest.approx([np.mean(rows), won.mean()]) and np.isnan(found[2])
    monkeypatch.setattr(resampled_pairs, "_AT_ONCE", 1)
    assert PairMean(won, first, second, cluster)(counts)[:2] == pytest.approx(found[:2])


@pytest.mark.parametrize("decimals", [8, 0])
def test_balances_are_sums_over_all_partners(decimals):
    rng = np.random.default_rng(3)
    for n in (1, 2, 5, 64, 100):
        x = np.round(2 * rng.normal(size=n), decimals)
        y = np.round(x + rng.normal(size=n), decimals)
        signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
        assert balances(x, y) == pytest.approx(signs.sum(axis=1))


def test_kendall_to_first_order_agrees_in_the_interval():
    """Of 600 images the ends of an interval move by less than 3% of its length."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=600)
    y = np.round(x + rng.normal(size=600), 1)
    _, counts = drawn(600, 1500)
    ends = [np.quantile(Kendall(x, y, exact)(counts), [0.025, 0.975]) for exact in (True, False)]
    assert np.abs(ends[0] - ends[1]).max() < 0.03 * np.ptp(ends[0])
    near = Kendall(x, y, False)
    assert near(np.ones((1, 600)))[0] == pytest.approx(SCIPY[Kendall](x, y)) == near.value


def test_kendall_is_exact_for_few_images_only(monkeypatch):
    monkeypatch.setattr(resampled, "EXACT_KENDALL", 20)
    rng = np.random.default_rng(5)
    for n, exact in ((20, True), (21, False)):
        x, y = rng.normal(size=(2, n))
        _, counts = drawn(n, 5)
        assert (Kendall(x, y)(counts) == Kendall(x, y, True)(counts)).all() == exact


@pytest.mark.parametrize("decimals", [8, 0])
def test_the_share_of_pairs_in_order_is_that_of_a_loop(decimals):
    """Of the drawn images, whose copies tie in y and are no pair."""
    rng = np.random.default_rng(6)
    x = np.round(2 * rng.normal(size=30), decimals)
    y = np.round(x + rng.normal(size=30), decimals)

    def share(i):
        signs = np.sign(x[i][:, None] - x[i])[y[i][:, None] > y[i]]
        return np.mean((signs + 1) / 2)

    index, counts = drawn(30, 20)
    assert OrderShare(x, y)(counts) == pytest.approx([share(row) for row in index])
    for exact in (True, False):
        metric = OrderShare(x, y, exact)
        assert [metric.value, *metric(np.ones((1, 30)))] == pytest.approx(
            [share(np.arange(30))] * 2
        )
    assert np.isnan(OrderShare(x, np.ones(30))(counts)).all()

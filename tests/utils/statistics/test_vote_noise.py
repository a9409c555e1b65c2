"""Outliers and resolving power against their definitions, pair by pair."""

import math

import numpy as np
import pytest
from scipy import stats

from tests.utils.statistics.test_bootstrap import coverage
from utils.statistics import resampled_pairs, vote_noise
from utils.statistics.bootstrap import bootstrap, cluster_numbers
from utils.statistics.resampled import Undefined
from utils.statistics.vote_noise import opinion_pairs, outliers


def resolving_power(*columns):
    return vote_noise.resolving_power(opinion_pairs(*columns)).values()


def resampled(pairs, clusters, way=None):
    """The metrics that exist, to be resampled."""
    found = vote_noise.resolving_power(pairs, clusters, way).metrics()
    return {name: metric for name, metric in found.items() if not isinstance(metric, Undefined)}


def test_outliers_of_votes_and_of_the_mos():
    error, std, votes = [0.9, -2.1, 2.0, 0.3], [1.0, 1.0, 1.0, 0.0], [16, 16, 1, 4]
    assert outliers(error, std).tolist() == [False, True, False, True]
    # 2 standard errors: 2 std / sqrt(votes).
    assert outliers(error, std, votes).tolist() == [True, True, False, True]


def by_hand(pred, mos, std, votes):
    """Every pair, then every pair of pairs."""
    different, similar, won = [], [], []
    for i in range(len(pred)):
        for j in range(i):
            z = (mos[i] - mos[j]) / math.sqrt(std[i] ** 2 / votes[i] + std[j] ** 2 / votes[j])
            gap = pred[i] - pred[j]
            if 2 * stats.norm.sf(abs(z)) < 0.05:
                different.append(abs(gap))
                won.append(gap if z > 0 else -gap)
            else:
                similar.append(abs(gap))

    def area(above, below):
        wins = [(a > b) + 0.5 * (a == b) for a in above for b in below]
        return sum(wins) / len(wins)

    return {
        "auc_different": area(different, similar),
        "auc_better": area(won, [-w for w in won]),
        "correct_better": np.mean([(w > 0) + 0.5 * (w == 0) for w in won]),
        "n_different": len(different), "n_similar": len(similar), "n_resolved": len(pred),
    }  # fmt: skip


@pytest.mark.parametrize("decimals", [6, 0])
def test_resolving_power_is_its_definition(decimals):
    rng = np.random.default_rng(0)
    mos = rng.uniform(1, 5, 18)
    pred = np.round(mos + rng.normal(0, 0.8, 18), decimals)
    std, votes = rng.uniform(0.5, 1.2, 18), rng.integers(5, 40, 18)
    found = resolving_power(pred, mos, std, votes)
    assert found == pytest.approx(by_hand(pred, mos, std, votes))
    assert 0.5 < found["auc_different"] < found["auc_better"] < 1


def test_a_perfect_model_and_its_reverse():
    mos = np.arange(8.0)
    arguments = (mos, np.ones(8), np.full(8, 4))  # neighbours are similar
    good, bad = resolving_power(mos, *arguments), resolving_power(-mos, *arguments)
    assert good["auc_better"] == good["correct_better"] == good["auc_different"] == 1
    assert bad["auc_better"] == bad["correct_better"] == 0 and bad["auc_different"] == 1


@pytest.mark.parametrize(
    ("pred", "mos", "votes", "match"),
    [
        (np.arange(6.0), np.arange(6.0), 50, "no similar pairs of images"),
        (np.arange(6.0), np.arange(6.0), 0.01, "no different pairs of images"),
        ([], [], 1, "no different and no similar pairs of images"),
        (np.arange(6.0) + np.nan, np.arange(6.0), 50, "values that are not finite, or"),
        (np.arange(6.0), np.arange(6.0) + np.inf, 50, "values that are not finite, or"),
        (np.arange(6.0), np.arange(6.0), 0, "not finite, or images without votes"),
    ],
)
def test_a_kind_of_pairs_that_is_missing(pred, mos, votes, match):
    count = len(pred)
    pairs = opinion_pairs(pred, mos, np.ones(count), np.full(count, votes))
    measured = vote_noise.resolving_power(pairs)
    (reason,), found = measured.reasons, measured.values()
    assert reason.startswith("resolving power: ") and match in reason and reason.endswith(": nan")
    one_kind = match.startswith("no similar")
    assert [math.isnan(found[name]) for name in vote_noise.POWER_METRICS] == [
        True, not one_kind, not one_kind
    ]  # fmt: skip
    kept = count if "pairs" in match else 0
    assert found["n_different"] + found["n_similar"] == kept * (kept - 1) // 2
    assert found["n_resolved"] == count and not one_kind or found["auc_better"] == 1


def test_of_many_images_some_are_drawn(monkeypatch):
    monkeypatch.setattr(vote_noise, "MOST_IMAGES", 30)
    rng = np.random.default_rng(1)
    mos = rng.uniform(1, 5, 200)
    arguments = (mos + rng.normal(0, 0.5, 200), mos, np.ones(200), np.full(200, 10))
    a, b, c = (resolving_power(*arguments, np.random.default_rng(s)) for s in (1, 1, 2))
    assert a == b and a != c and a["n_resolved"] == 30
    assert a["n_different"] + a["n_similar"] == 30 * 29 / 2


def test_shapes():
    with pytest.raises(ValueError, match=r"must all be \(N,\)"):
        resolving_power([1.0, 2], [1.0, 2], [1.0], [1.0, 2])


def rated(seed, count, decimals=6, noise=0.8):
    rng = np.random.default_rng(seed)
    mos, std, votes = rng.uniform(1, 5, count), rng.uniform(0.5, 1.2, count), np.full(count, 20)
    seen = mos + rng.normal(0, std / np.sqrt(votes))
    return np.round(mos + rng.normal(0, noise, count), decimals), seen, std, votes


def written_out(columns, clusters, times):
    """The metrics of a resample whose images stand there as often as they were drawn: every pair of
    two clusters between all copies, every pair within a cluster once in each copy, none between
    copies of one cluster.
    """
    copies = [(i, copy) for i in range(len(clusters)) for copy in range(times[clusters[i]])]
    different, similar = [], []
    pred, mos, std, votes = columns
    for a, (i, of_i) in enumerate(copies):
        for j, of_j in copies[:a]:
            if i == j or (clusters[i] == clusters[j] and of_i != of_j):
                continue
            noise = math.sqrt(std[i] ** 2 / votes[i] + std[j] ** 2 / votes[j])
            gap, apart = pred[i] - pred[j], mos[i] - mos[j]
            if abs(apart) > stats.norm.isf(0.025) * noise:
                different.append(gap * np.sign(apart))
            else:
                similar.append(abs(gap))
    won, gaps = np.array(different), np.array(similar)

    def area(above, below):
        return np.mean((above[:, None] > below) + 0.5 * (above[:, None] == below))

    return {
        "auc_different": area(np.abs(won), gaps),
        "auc_better": area(won, -won),
        "correct_better": np.mean((won > 0) + 0.5 * (won == 0)),
    }


@pytest.mark.parametrize("decimals", [6, 0])
@pytest.mark.parametrize("each", [1, 3])
def test_a_resample_is_its_images_written_out(decimals, each):
    columns = rated(4, 18, decimals)
    clusters = np.random.default_rng(0).permutation(np.arange(18) // each)
    metrics = resampled(opinion_pairs(*columns), clusters)
    rng, count = np.random.default_rng(1), 18 // each
    for _ in range(6):
        times = np.bincount(rng.integers(0, count, count), minlength=count)
        expected = written_out(columns, clusters, times)
        found = {k: f(times[clusters][None].astype(float))[0] for k, f in metrics.items()}
        assert found == pytest.approx(expected)
    every = {name: f(np.ones((1, 18)))[0] for name, f in metrics.items()}
    whole = resolving_power(*columns)
    assert every == pytest.approx({name: whole[name] for name in vote_noise.POWER_METRICS})


@pytest.mark.parametrize(
    ("way", "each", "most"), [("near", 1, 0.1), ("near", 2, 0.1), ("together", 5, 0.01)]
)
@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_faster_ways_agree_in_the_interval(way, each, most, noise):
    """The ends of an interval of 150 images move by no more than these shares of its length."""
    columns, clusters = rated(2, 150, noise=noise), np.arange(150) // each
    pairs, ends = opinion_pairs(*columns), []
    for chosen in ("exact", way):
        metrics = resampled(pairs, clusters, chosen)
        found = bootstrap(metrics, clusters, 150, np.random.default_rng(3))
        ends.append(np.array([[i.low, i.high] for i in found.values()]))
        values = {name: i.value for name, i in found.items()}
        assert values == pytest.approx({k: resolving_power(*columns)[k] for k in values}, abs=1e-4)
    moved = np.abs(ends[0] - ends[1]) / np.diff(ends[0])
    assert 0 < moved.max() < most


@pytest.mark.parametrize("each", [1, 4])
def test_few_different_values_are_drawn_together_exactly(each):
    columns, clusters = rated(7, 60, 0), np.arange(60) // each
    counts = np.random.default_rng(0).integers(0, 3, (5, 60))[:, clusters].astype(float)
    exact, together = (
        resampled(opinion_pairs(*columns), clusters, way) for way in ("exact", "together")
    )
    for name in vote_noise.POWER_METRICS:
        assert together[name](counts) == pytest.approx(exact[name](counts), abs=1e-6)


def test_the_way_depends_on_pairs_and_clusters(monkeypatch):
    monkeypatch.setattr(resampled_pairs, "EXACT_PAIRS", 190)
    monkeypatch.setattr(resampled_pairs, "FEW_CLUSTERS", 10)
    assert [resampled_pairs.pairs_way(p, c) for p, c in ((190, 99), (191, 10), (191, 11))] == [
        "exact", "together", "near"
    ]  # fmt: skip
    columns = rated(5, 21)
    counts = np.random.default_rng(0).multinomial(21, np.full(21, 1 / 21), 4).astype(float)
    chosen, near = (
        resampled(opinion_pairs(*columns), np.arange(21), way) for way in (None, "near")
    )
    assert all((chosen[name](counts) == near[name](counts)).all() for name in near)


def test_drawn_images_and_missing_kinds_of_pairs(monkeypatch):
    """Of more than MOST_IMAGES the counts of those that were drawn decide, gaps among the numbers
    of their clusters or not.
    """
    monkeypatch.setattr(vote_noise, "MOST_IMAGES", 30)
    columns, clusters = rated(6, 90), cluster_numbers([i // 2 for i in range(90)])
    pairs = opinion_pairs(*columns, np.random.default_rng(0))
    counts = np.random.default_rng(1).integers(0, 3, 45)[clusters][None].astype(float)
    drawn = [values[pairs.kept] for values in columns]
    alone = resampled(opinion_pairs(*drawn), clusters[pairs.kept])
    for name, metric in resampled(pairs, clusters).items():
        assert metric(counts) == alone[name](counts[:, pairs.kept])
    mos, std = np.arange(6.0), np.ones(6)
    apart = resampled(opinion_pairs(mos, mos, std, np.full(6, 50)), np.arange(6))
    assert set(apart) == {"auc_better", "correct_better"}
    assert not resampled(opinion_pairs(mos, mos, std, np.full(6, 0.01)), np.arange(6))
    assert not resampled(opinion_pairs(mos * np.nan, mos, std, std), np.arange(6))


@pytest.mark.parametrize("way", ["exact", "together", "near"])
def test_a_model_that_is_always_right_has_no_spread(way):
    mos = np.arange(40.0)
    pairs = opinion_pairs(mos, mos, np.ones(40), np.full(40, 4))
    metrics = resampled(pairs, np.arange(40), way)
    counts = np.random.default_rng(0).multinomial(40, np.full(40, 0.025), 5).astype(float)
    assert (metrics["correct_better"](counts) == 1).all()
    assert (metrics["auc_better"](counts) == 1).all()


def simulated(rng, clusters, each):
    """(cluster, columns): half of the opinions' range, and of the errors, is the cluster's."""
    owner = np.repeat(np.arange(clusters), each)
    mos = rng.uniform(0.5, 2.5, clusters)[owner] + rng.uniform(0.5, 2.5, len(owner))
    error = rng.normal(0, 0.4, clusters)[owner] + rng.normal(0, 0.4, len(owner))
    std, votes = np.ones(len(owner)), np.full(len(owner), 20)
    return owner, (mos + error, mos + rng.normal(0, std / np.sqrt(votes)), std, votes)


def truth(rng, pairs=200_000):
    """Of independent pairs of images, of two clusters each."""
    (pred, mos, std, votes), (other, its_mos, _, _) = (simulated(rng, pairs, 1)[1] for _ in "ab")
    different = np.abs(mos - its_mos) > stats.norm.isf(0.025) * np.sqrt(2 * std**2 / votes)
    gap = (pred - other) * np.sign(mos - its_mos)
    won, similar = gap[different], np.abs(gap[~different])

    def area(above, below):
        return stats.mannwhitneyu(above, below).statistic / len(above) / len(below)

    values = area(np.abs(won), similar), area(won, -won), np.mean(won > 0)
    return dict(zip(vote_noise.POWER_METRICS, values, strict=True))


@pytest.mark.parametrize("each", [1, 4])
def test_coverage(each):
    """95% of intervals hold the truth, up to what 150 simulations can tell (3 standard errors)."""
    rng = np.random.default_rng(8)
    known = truth(rng)

    def draw():
        owner, columns = simulated(rng, 50 if each == 1 else 20, each)
        return owner, resampled(opinion_pairs(*columns), owner, "together" if each > 1 else None)

    for name, (inside, _, _) in coverage(known, draw, 150, 100, rng).items():
        assert inside >= 0.95 - 0.054, name

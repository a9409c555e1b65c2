"""Metrics against derivations of their definitions in plain NumPy, ties included."""

import math
import re
import warnings

import numpy as np
import pytest
from scipy import stats

from utils.statistics import metrics

# ---- oracles: the definitions, written out ----


def ranks(values):
    """Mean ranks: 1 + the number below + half the number of other equal ones."""
    values = np.asarray(values)
    return np.array([1 + np.sum(values < v) + (np.sum(values == v) - 1) / 2 for v in values])


def pearson(x, y):
    a, b = x - np.mean(x), y - np.mean(y)
    return np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))


def tau_b(x, y):
    balance = ties_x = ties_y = 0
    n = len(x)
    for i in range(n):
        for j in range(i):
            sx, sy = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            balance += sx * sy
            ties_x += sx == 0
            ties_y += sy == 0
    pairs = n * (n - 1) / 2
    return balance / np.sqrt((pairs - ties_x) * (pairs - ties_y))


ORACLES = {
    "srcc": lambda x, y: pearson(ranks(x), ranks(y)),
    "plcc": pearson,
    "krcc": tau_b,
    "rmse": lambda x, y: math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / len(x)),
    "mae": lambda x, y: sum(abs(a - b) for a, b in zip(x, y, strict=True)) / len(x),
}
CORRELATIONS = ("srcc", "plcc", "krcc")


def examples():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    yield "no ties", x, x + rng.normal(size=40)
    yield "ties", rng.integers(0, 5, 60).astype(float), rng.integers(0, 4, 60).astype(float)
    yield "two values", np.array([1.0, 2.0]), np.array([5.0, 3.0])
    yield "large offset", 100 + x, 3 * x


CASES = list(examples())


def scored(name, x, y):
    return metrics.score_metrics(x, y).values()[name]


def said(measured, match):
    """The values; one sentence says why some are nan."""
    (reason,) = measured.reasons
    assert re.search(match, reason), reason
    return measured.values()


@pytest.mark.parametrize(("x", "y"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("name", ORACLES)
def test_a_metric_is_its_definition(name, x, y):
    value = scored(name, x, y)
    assert type(value) is float and value == pytest.approx(ORACLES[name](x, y), rel=1e-8)
    assert name not in ("srcc", "plcc") or getattr(metrics, name)(x, y) == value


def test_textbook_examples():
    # Spearman without ties: 1 - 6 sum d^2 / (n (n^2 - 1)), with d = 0 1 1 0 0.
    assert metrics.srcc([1, 2, 3, 4, 5], [1, 3, 2, 4, 5]) == pytest.approx(1 - 12 / 120)
    # One of ten pairs is discordant.
    assert scored("krcc", [1, 2, 3, 4, 5], [1, 3, 2, 4, 5]) == pytest.approx((9 - 1) / 10)
    assert metrics.plcc([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert metrics.srcc([1, 2, 3], [9, 4, 1]) == pytest.approx(-1)


def test_rank_correlations_ignore_a_monotone_change_and_plcc_does_not():
    _, x, y = CASES[0]
    bent = np.exp(3 * x)
    assert metrics.srcc(bent, y) == pytest.approx(metrics.srcc(x, y))
    assert scored("krcc", bent, y) == pytest.approx(scored("krcc", x, y))
    assert metrics.plcc(bent, y) < metrics.plcc(x, y) - 0.01


@pytest.mark.parametrize("name", CORRELATIONS)
@pytest.mark.parametrize("value", [0.0, 0.3, 1e6])
def test_a_constant_is_nan_with_one_reason(name, value):
    flat, mos = np.full(7, value), np.arange(7.0)
    for x, y, what in (
        (flat, mos, "prediction"),
        (mos, flat, "mos"),
        (flat, flat, "prediction and mos"),
    ):
        found = said(
            metrics.score_metrics(x, y), f"^constant {what}: correlation is undefined: nan$"
        )
        assert math.isnan(found[name])


def test_single_correlations_warn():
    for name in ("srcc", "plcc"):
        with pytest.warns(UserWarning, match="constant prediction:") as caught:
            assert math.isnan(getattr(metrics, name)(np.ones(7), np.arange(7.0)))
        assert len(caught) == 1 and caught[0].filename == __file__


@pytest.mark.parametrize("name", CORRELATIONS)
def test_constant_up_to_rounding_is_constant(name):
    flat = 0.3 + np.array([0, 1, -1, 2, 0]) * np.spacing(0.3)
    assert math.isnan(said(metrics.score_metrics(flat, np.arange(5.0)), "constant")[name])


def test_a_small_spread_is_not_constant():
    x = 100 + np.arange(5) * 1e-3
    assert scored("plcc", x, np.arange(5.0)) == pytest.approx(1, abs=1e-6)


def test_one_reason_for_all_and_errors_all_the_same():
    found = said(metrics.score_metrics([2.0, 2.0], [1.0, 3.0]), "constant")
    assert list(found) == ["srcc", "plcc", "krcc", "rmse", "mae", "n"]
    assert all(math.isnan(found[name]) for name in CORRELATIONS)
    assert found["rmse"] == found["mae"] == 1.0 and found["n"] == 2
    empty = said(metrics.score_metrics([], []), "^correlation of 0 values is undefined: nan$")
    assert empty["n"] == 0 and all(math.isnan(v) for k, v in empty.items() if k != "n")
    single = said(metrics.score_metrics([1.0], [3.0]), "correlation of 1 values")
    assert single["mae"] == 2.0 and math.isnan(single["srcc"])


@pytest.mark.parametrize("name", ["srcc", "score_metrics"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_not_finite_names_the_first_index(name, bad):
    measure = getattr(metrics, name)
    with pytest.raises(ValueError, match=r"pred\[2\]: -?(nan|inf): must be finite"):
        measure([1, 2, bad, bad], [1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"mos\[0\]"):
        measure([1, 2, 3, 4], [bad, 2, 3, 4])


@pytest.mark.parametrize("name", ["srcc", "score_metrics"])
def test_shapes(name):
    measure = getattr(metrics, name)
    column = np.arange(4.0)[:, None]
    with pytest.raises(ValueError, match=r"pred: shape \(4, 1\)"):
        measure(column, np.arange(4.0))
    with pytest.raises(ValueError, match=r"mos: shape \(4, 1\)"):
        measure(np.arange(4.0), column)
    with pytest.raises(ValueError, match="pred has 3 values and mos 4"):
        measure(np.arange(3.0), np.arange(4.0))


def test_float32_input_is_computed_in_float64():
    rng = np.random.default_rng(1)
    x = (1000 + rng.normal(size=500)).astype(np.float32)
    y = rng.normal(size=500).astype(np.float32)
    expected = pearson(x.astype(np.float64), y.astype(np.float64))
    assert metrics.plcc(x, y) == pytest.approx(expected, abs=1e-12)


# ---- pairs ----


def test_pair_accuracy_counts_a_tie_as_half():
    better, worse = [2, 1, 0, 3], [1, 1, 5, 2]
    assert metrics.pair_accuracy(better, worse) == (1 + 0.5 + 0 + 1) / 4
    assert metrics.pair_accuracy(np.zeros(9), np.zeros(9)) == 0.5
    measured = metrics.pair_metrics([1.0, 2.0], np.array([1]), np.array([0]))
    assert measured.values() == {"pair_accuracy": 1.0, "n_pairs": 1} and not measured.reasons


def test_pair_accuracy_over_all_pairs_is_tau():
    _, x, y = CASES[0]
    order = np.argsort(y)[::-1]
    i, j = np.triu_indices(len(x), 1)
    accuracy = metrics.pair_metrics(x, order[i], order[j]).values()["pair_accuracy"]
    assert 2 * accuracy - 1 == pytest.approx(scored("krcc", x, y))


def test_no_pairs():
    with pytest.warns(UserWarning, match="no values: a mean over nothing is undefined: nan"):
        assert math.isnan(metrics.pair_accuracy([], []))
    none = np.zeros(0, dtype=np.int64)
    found = said(metrics.pair_metrics([], none, none), "no values")
    assert math.isnan(found["pair_accuracy"]) and found["n_pairs"] == 0


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
    found = metrics.order_metrics(pred, mos).values()
    assert found == {"pair_accuracy": pytest.approx(np.mean(right)), "n_pairs": len(right)}
    assert metrics.order_metrics(np.zeros(23), mos).values()["pair_accuracy"] == 0.5
    assert metrics.order_metrics(mos, mos).values()["pair_accuracy"] == pytest.approx(1)
    assert metrics.order_metrics(-mos, mos).values()["pair_accuracy"] == pytest.approx(0)


def test_no_order_to_find_has_no_accuracy():
    found = said(metrics.order_metrics([1.0, 2.0], [3.0, 3.0]), "no two images of different mos")
    assert math.isnan(found["pair_accuracy"]) and found["n_pairs"] == 0


def test_buckets_equal_a_loop():
    rng = np.random.default_rng(0)
    scores, buckets = rng.normal(5, 0.6, 15), rng.integers(3, 7, 15)
    first, second = rng.integers(0, 15, (2, 40))
    same = buckets[first] == buckets[second]
    right = [
        (abs(scores[a] - scores[b]) < 0.5) == y for a, b, y in zip(first, second, same, strict=True)
    ]
    found = metrics.bucket_metrics(scores, buckets, first, second, same).values()
    assert (
        found.pop("same_bucket_accuracy") == pytest.approx(np.mean(right)) and 0 < sum(right) < 40
    )
    assert found.pop("srcc") == pytest.approx(stats.spearmanr(scores, buckets).statistic)
    assert found.pop("krcc") == pytest.approx(stats.kendalltau(scores, buckets).statistic)
    assert found == {"n_pairs": 40, "n": 15}
    found = said(
        metrics.bucket_metrics(np.ones(15), buckets, first, second, same), "constant prediction"
    )
    assert found["same_bucket_accuracy"] == pytest.approx(same.mean())  # all "same"
    assert math.isnan(found["srcc"])


# ---- histograms ----


def histograms(n=6, bins=10, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(bins), size=(2, n))


@pytest.mark.parametrize("r", [1, 2])
def test_emd_is_the_papers_formula(r):
    p, q = histograms()
    rows = []
    for a, b in zip(p, q, strict=True):
        terms = [abs(sum(a[: k + 1]) - sum(b[: k + 1])) ** r for k in range(10)]
        rows.append((sum(terms) / 10) ** (1 / r))
    assert metrics.emd_of_each(p, q, r).mean() == pytest.approx(np.mean(rows), rel=1e-12)
    assert metrics.emd_of_each(p, p, r).max() == 0


def test_emd_of_order_one_is_scipys_wasserstein_distance():
    p, q = histograms()
    bins = np.arange(1, 11)
    rows = [stats.wasserstein_distance(bins, bins, a, b) for a, b in zip(p, q, strict=True)]
    assert metrics.emd_of_each(p, q, 1).mean() == pytest.approx(np.mean(rows) / 10, rel=1e-10)


def test_emd_from_one_end_to_the_other():
    p, q = np.eye(5)[:1], np.eye(5)[4:]
    assert metrics.emd_of_each(p, q, 1) == pytest.approx(4 / 5)
    assert metrics.emd_of_each(p, q, 2) == pytest.approx(math.sqrt(4 / 5))


def test_mean_and_std_are_those_of_the_votes():
    votes = np.array([[0, 3, 1, 0, 4], [7, 0, 0, 0, 0], [1, 0, 0, 0, 1]])
    probs = votes / votes.sum(axis=1, keepdims=True)
    samples = [np.repeat(np.arange(1, 6), row) for row in votes]
    assert metrics.distribution_mean(probs) == pytest.approx([s.mean() for s in samples])
    assert metrics.distribution_std(probs) == pytest.approx([s.std() for s in samples])


def test_distribution_metrics_are_made_of_the_single_ones():
    p, q = histograms(20)
    found = metrics.distribution_metrics(p, q).values()
    mean_p, mean_q = metrics.distribution_mean(p), metrics.distribution_mean(q)
    std_p, std_q = metrics.distribution_std(p), metrics.distribution_std(q)
    expected = {
        "emd_r1": metrics.emd_of_each(p, q, 1).mean(),
        "emd_r2": metrics.emd_of_each(p, q, 2).mean(),
        "two_class_accuracy": np.mean((mean_p > 5) == (mean_q > 5)),
        "cut": 5.0,
        **metrics.score_metrics(mean_p, mean_q).values(),
        "std_srcc": metrics.srcc(std_p, std_q),
        "std_plcc": metrics.plcc(std_p, std_q),
    }
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, abs=1e-6)  # votes are taken to six digits


def test_one_histogram_for_all_images_is_nan_with_one_reason():
    _, q = histograms(8)
    flat = np.repeat(q[:1], 8, axis=0)
    match = "constant predicted mean.*; constant predicted std"
    found = said(metrics.distribution_metrics(flat, q), match)
    assert math.isnan(found["srcc"]) and math.isnan(found["std_plcc"])
    assert found["emd_r1"] > 0 and found["rmse"] > 0


def test_equal_means_with_different_spread():
    p = np.array([[0, 0, 1.0, 0, 0], [0, 0.5, 0, 0.5, 0], [0.5, 0, 0, 0, 0.5]])
    _, q = histograms(3, 5)
    found = said(metrics.distribution_metrics(p, q), "constant predicted mean")
    assert math.isnan(found["srcc"]) and not math.isnan(found["std_srcc"])


def test_the_middle_of_a_scale():
    """NIMA's and AVA's 5 of 1..10: the lower of two middle scores."""
    assert [metrics.middle_score(k) for k in (2, 3, 4, 5, 7, 10)] == [1, 2, 2, 3, 4, 5]


@pytest.mark.parametrize("bins", [4, 5, 7, 10])
def test_two_class_accuracy_is_a_count_of_equal_sides(bins):
    """Votes as people gave them: the oracle averages the single votes, and counts."""
    rng = np.random.default_rng(bins)
    votes = rng.integers(0, 4, (40, bins)) + np.eye(bins, dtype=int)[rng.integers(bins, size=40)]
    probs = rng.dirichlet(np.ones(bins), size=40)
    cut = math.ceil(bins / 2)
    right = 0
    for row, guess in zip(votes, probs, strict=True):
        mean = np.mean(np.repeat(np.arange(1, bins + 1), row))
        expected = sum(share * (k + 1) for k, share in enumerate(guess))
        right += (mean > cut) == (expected > cut)
    target = (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)  # as labels are kept
    found = metrics.distribution_metrics(probs, target).values()
    assert found["cut"] == cut and 0 < right < 40
    assert found["two_class_accuracy"] == pytest.approx(right / 40, abs=1e-12)


def mirrored_votes() -> np.ndarray:
    """(200, 10) histograms in float32 with the mean 5, which float64 sums of them miss."""
    half = np.random.default_rng(0).integers(1, 50, (200, 4))
    votes = np.zeros((200, 10), int)
    votes[:, :4] = half  # 1..4, and 6..9 their mirror image
    votes[:, 5:9] = half[:, ::-1]
    probs = (votes / votes.sum(1, keepdims=True)).astype(np.float32)
    assert (metrics.distribution_mean(probs) > 5).any()
    assert (metrics.distribution_mean(probs) < 5).any()
    return probs


def test_votes_whose_mean_is_the_cut_are_low_however_they_are_rounded():
    target = np.concatenate([mirrored_votes(), np.eye(10)[[8]]])
    low = np.pad(histograms(201, 5)[0], ((0, 0), (0, 5)))
    assert metrics.distribution_metrics(low, target).values()["two_class_accuracy"] == 200 / 201
    high = low[:, ::-1]
    assert metrics.distribution_metrics(high, target).values()["two_class_accuracy"] == 1 / 201
    baseline = metrics.baseline_metrics(np.eye(10)[9], target)
    assert baseline["baseline_two_class_accuracy"] == pytest.approx(1 / 201)


def test_votes_that_differ_by_rounding_alone_tie():
    """The mean is 5 for all but one; so only that one has a rank of its own."""
    target = np.concatenate([mirrored_votes(), np.eye(10)[[8]]])
    probs = histograms(201)[0]
    mean = probs @ np.arange(1, 11)
    exact = [5.0] * 200 + [9.0]
    found = metrics.distribution_metrics(probs, target).values()
    assert found["srcc"] == pytest.approx(stats.spearmanr(mean, exact).statistic, abs=1e-9)
    assert found["krcc"] == pytest.approx(stats.kendalltau(mean, exact).statistic, abs=1e-9)


@pytest.mark.parametrize(("votes", "side"), [([6.0, 7.0], "above 5"), ([5.0, 2.0], "at most 5")])
def test_one_class_is_nan_with_a_reason(votes, side):
    target = np.eye(10)[[int(v) - 1 for v in votes]]
    match = f"all means of the votes are {side}: two-class accuracy is undefined: nan$"
    found = said(metrics.distribution_metrics(histograms(2)[0], target), match)
    assert math.isnan(found["two_class_accuracy"]) and found["emd_r1"] > 0


def test_the_baseline_is_the_scorecard_of_one_histogram_for_all():
    p, q = histograms(30)
    guess = p.mean(axis=0)
    found = metrics.baseline_metrics(guess, q)
    bins = np.arange(1, 11)
    distances = [stats.wasserstein_distance(bins, bins, guess, row) / 10 for row in q]
    roots = [np.sqrt(np.mean((np.cumsum(guess) - np.cumsum(row)) ** 2)) for row in q]
    agree = [(guess @ bins > 5) == (row @ bins > 5) for row in q]
    assert found == pytest.approx(
        {
            "baseline_emd_r1": np.mean(distances),
            "baseline_emd_r2": np.mean(roots),
            "baseline_two_class_accuracy": np.mean(agree),
        }
    )
    one_class = metrics.baseline_metrics(guess, np.eye(10)[[8, 9]])  # no warning of its own
    assert math.isnan(one_class["baseline_two_class_accuracy"])
    with pytest.raises(ValueError, match="differ in shape"):
        metrics.baseline_metrics(np.full(9, 1 / 9), q)


def test_bad_histograms_name_the_row():
    p, q = histograms(4)
    for value, name in ((-0.1, "negative"), (0.9, "sum")):
        broken = p.copy()
        broken[2, 0] = value
        if name == "negative":
            broken[2, 1] += p[2, 0] - value  # the sum stays 1
        with pytest.raises(ValueError, match=r"probs\[2\]: sum"):
            metrics.distribution_metrics(broken, q)
    broken[2, 0] = math.nan
    with pytest.raises(ValueError, match=r"probs\[2, 0\]: nan"):
        metrics.emd_of_each(broken, q)
    with pytest.raises(ValueError, match=r"probs: shape \(10,\) where \(N, K\)"):
        metrics.emd_of_each(p[0], q[0])
    with pytest.raises(ValueError, match="differ in shape"):
        metrics.emd_of_each(p, q[:3])
    with pytest.raises(ValueError, match="at least 1"):
        metrics.emd_of_each(p, q, 0.5)


def test_no_histograms():
    none = np.zeros((0, 5))
    found = said(metrics.distribution_metrics(none, none), "^correlation of 0 values .*; no values")
    assert found["n"] == 0 and math.isnan(found["emd_r2"])


def test_nothing_of_scipy_is_heard():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metrics.score_metrics(1 + np.arange(5) * 2e-6, np.arange(5.0)).values()
    assert found["srcc"] == pytest.approx(1)

"""Evaluation figures against derivations of their definitions in plain NumPy, ties included."""

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from utils import metrics

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
    yield "large offset", 1e6 + x, 3 * x


CASES = list(examples())


@pytest.mark.parametrize(("x", "y"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("name", ORACLES)
def test_figure_is_its_definition(name, x, y):
    figure = getattr(metrics, name)(x, y)
    assert type(figure) is float
    assert figure == pytest.approx(ORACLES[name](x, y), rel=1e-8)
    assert metrics.score_metrics(x, y)[name] == figure


def test_textbook_examples():
    # Spearman without ties: 1 - 6 sum d^2 / (n (n^2 - 1)), with d = 0 1 1 0 0.
    assert metrics.srcc([1, 2, 3, 4, 5], [1, 3, 2, 4, 5]) == pytest.approx(1 - 12 / 120)
    # One of ten pairs is discordant.
    assert metrics.krcc([1, 2, 3, 4, 5], [1, 3, 2, 4, 5]) == pytest.approx((9 - 1) / 10)
    assert metrics.plcc([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert metrics.srcc([1, 2, 3], [9, 4, 1]) == pytest.approx(-1)


def test_rank_correlations_ignore_a_monotone_change_and_plcc_does_not():
    _, x, y = CASES[0]
    bent = np.exp(3 * x)
    assert metrics.srcc(bent, y) == pytest.approx(metrics.srcc(x, y))
    assert metrics.krcc(bent, y) == pytest.approx(metrics.krcc(x, y))
    assert metrics.plcc(bent, y) < metrics.plcc(x, y) - 0.01


def one_warning(call, match):
    with pytest.warns(UserWarning, match=match) as caught:
        answer = call()
    assert len(caught) == 1, [str(w.message) for w in caught]
    assert caught[0].filename == __file__
    return answer


@pytest.mark.parametrize("name", CORRELATIONS)
@pytest.mark.parametrize("value", [0.0, 0.3, 1e6])
def test_constant_is_nan_and_one_warning(name, value):
    figure = getattr(metrics, name)
    flat, mos = np.full(7, value), np.arange(7.0)
    assert math.isnan(one_warning(lambda: figure(flat, mos), "constant prediction:"))
    assert math.isnan(one_warning(lambda: figure(mos, flat), "constant mos:"))
    assert math.isnan(one_warning(lambda: figure(flat, flat), "constant prediction and mos:"))


@pytest.mark.parametrize("name", CORRELATIONS)
def test_constant_up_to_rounding_is_constant(name):
    flat = 0.3 + np.array([0, 1, -1, 2, 0]) * np.spacing(0.3)
    assert math.isnan(one_warning(lambda: getattr(metrics, name)(flat, np.arange(5.0)), "constant"))


def test_a_small_spread_is_not_constant():
    x = 100 + np.arange(5) * 1e-6
    assert metrics.score_metrics(x, np.arange(5.0))["plcc"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", CORRELATIONS)
@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_values(name, values):
    figure = getattr(metrics, name)
    match = f"correlation of {len(values)} values"
    assert math.isnan(one_warning(lambda: figure(values, values), match))


def test_score_metrics_warns_once_for_all():
    figures = one_warning(lambda: metrics.score_metrics([2.0, 2.0], [1.0, 3.0]), "constant")
    assert list(figures) == ["srcc", "plcc", "krcc", "rmse", "mae", "n"]
    assert all(math.isnan(figures[name]) for name in CORRELATIONS)
    assert figures["rmse"] == figures["mae"] == 1.0 and figures["n"] == 2
    empty = one_warning(lambda: metrics.score_metrics([], []), "0 values")
    assert empty["n"] == 0 and all(math.isnan(v) for k, v in empty.items() if k != "n")
    single = one_warning(lambda: metrics.score_metrics([1.0], [3.0]), "1 values")
    assert single["mae"] == 2.0


@pytest.mark.parametrize("name", [*ORACLES, "score_metrics"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_not_finite_names_the_first_index(name, bad):
    figure = getattr(metrics, name)
    with pytest.raises(ValueError, match=r"pred\[2\]: -?(nan|inf): must be finite"):
        figure([1, 2, bad, bad], [1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"mos\[0\]"):
        figure([1, 2, 3, 4], [bad, 2, 3, 4])


@pytest.mark.parametrize("name", [*ORACLES, "score_metrics"])
def test_shapes(name):
    figure = getattr(metrics, name)
    column = np.arange(4.0)[:, None]
    with pytest.raises(ValueError, match=r"pred: shape \(4, 1\)"):
        figure(column, np.arange(4.0))
    with pytest.raises(ValueError, match=r"mos: shape \(4, 1\)"):
        figure(np.arange(4.0), column)
    with pytest.raises(ValueError, match="pred has 3 values and mos 4"):
        figure(np.arange(3.0), np.arange(4.0))


def test_float32_input_is_computed_in_float64():
    rng = np.random.default_rng(1)
    x = (1000 + rng.normal(size=500)).astype(np.float32)
    y = rng.normal(size=500).astype(np.float32)
    expected = pearson(x.astype(np.float64), y.astype(np.float64))
    assert metrics.plcc(x, y) == pytest.approx(expected, abs=1e-12)


# ---- pairs ----


def test_pair_accuracy_counts_a_tie_as_half():
    assert metrics.pair_accuracy([2, 1, 0, 3], [1, 1, 5, 2]) == (1 + 0.5 + 0 + 1) / 4
    assert metrics.pair_accuracy(np.zeros(9), np.zeros(9)) == 0.5
    assert metrics.pair_metrics([2.0], [1.0]) == {"pair_accuracy": 1.0, "n_pairs": 1}


def test_pair_accuracy_over_all_pairs_is_tau():
    _, x, y = CASES[0]
    order = np.argsort(y)[::-1]
    i, j = np.triu_indices(len(x), 1)
    accuracy = metrics.pair_accuracy(x[order][i], x[order][j])
    assert 2 * accuracy - 1 == pytest.approx(metrics.krcc(x, y))


def test_no_pairs():
    assert math.isnan(one_warning(lambda: metrics.pair_accuracy([], []), "no values"))
    figures = one_warning(lambda: metrics.pair_metrics([], []), "no values")
    assert math.isnan(figures["pair_accuracy"]) and figures["n_pairs"] == 0


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
    assert metrics.emd(p, q, r) == pytest.approx(np.mean(rows), rel=1e-12)
    assert metrics.emd(p, p, r) == 0


def test_emd_of_order_one_is_scipys_wasserstein_distance():
    p, q = histograms()
    bins = np.arange(1, 11)
    rows = [stats.wasserstein_distance(bins, bins, a, b) for a, b in zip(p, q, strict=True)]
    assert metrics.emd(p, q, 1) == pytest.approx(np.mean(rows) / 10, rel=1e-10)


def test_emd_from_one_end_to_the_other():
    p, q = np.eye(5)[:1], np.eye(5)[4:]
    assert metrics.emd(p, q, 1) == pytest.approx(4 / 5)
    assert metrics.emd(p, q, 2) == pytest.approx(math.sqrt(4 / 5))


def test_mean_and_std_are_those_of_the_votes():
    votes = np.array([[0, 3, 1, 0, 4], [7, 0, 0, 0, 0], [1, 0, 0, 0, 1]])
    probs = votes / votes.sum(axis=1, keepdims=True)
    samples = [np.repeat(np.arange(1, 6), row) for row in votes]
    assert metrics.distribution_mean(probs) == pytest.approx([s.mean() for s in samples])
    assert metrics.distribution_std(probs) == pytest.approx([s.std() for s in samples])


def test_distribution_metrics_are_made_of_the_single_figures():
    p, q = histograms(20)
    figures = metrics.distribution_metrics(p, q)
    mean_p, mean_q = metrics.distribution_mean(p), metrics.distribution_mean(q)
    std_p, std_q = metrics.distribution_std(p), metrics.distribution_std(q)
    assert figures == {
        "emd_r1": metrics.emd(p, q, 1),
        "emd_r2": metrics.emd(p, q, 2),
        **metrics.score_metrics(mean_p, mean_q),
        "std_srcc": metrics.srcc(std_p, std_q),
        "std_plcc": metrics.plcc(std_p, std_q),
    }


def test_one_histogram_for_all_images_is_nan_with_one_warning():
    _, q = histograms(8)
    flat = np.repeat(q[:1], 8, axis=0)
    match = "constant predicted mean.*; constant predicted std"
    figures = one_warning(lambda: metrics.distribution_metrics(flat, q), match)
    assert math.isnan(figures["srcc"]) and math.isnan(figures["std_plcc"])
    assert figures["emd_r1"] > 0 and figures["rmse"] > 0


def test_equal_means_with_different_spread():
    p = np.array([[0, 0, 1.0, 0, 0], [0, 0.5, 0, 0.5, 0], [0.5, 0, 0, 0, 0.5]])
    _, q = histograms(3, 5)
    figures = one_warning(lambda: metrics.distribution_metrics(p, q), "constant predicted mean")
    assert math.isnan(figures["srcc"]) and not math.isnan(figures["std_srcc"])


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
        metrics.emd(broken, q)
    with pytest.raises(ValueError, match=r"probs: shape \(10,\) where \(N, K\)"):
        metrics.emd(p[0], q[0])
    with pytest.raises(ValueError, match="differ in shape"):
        metrics.emd(p, q[:3])
    with pytest.raises(ValueError, match="at least 1"):
        metrics.emd(p, q, 0.5)


def test_no_histograms():
    none = np.zeros((0, 5))
    assert math.isnan(one_warning(lambda: metrics.emd(none, none), "no values"))
    figures = one_warning(lambda: metrics.distribution_metrics(none, none), "0 values")
    assert figures["n"] == 0 and math.isnan(figures["emd_r2"])


def test_nothing_of_scipy_is_heard():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = metrics.score_metrics(1 + np.arange(5) * 1e-12, np.arange(5.0))
    assert figures["srcc"] == pytest.approx(1)


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
    found = metrics.order_metrics(pred, mos)
    assert found == {"pair_accuracy": pytest.approx(np.mean(right)), "n_pairs": len(right)}
    assert metrics.order_metrics(np.zeros(23), mos)["pair_accuracy"] == 0.5
    assert metrics.order_metrics(mos, mos)["pair_accuracy"] == pytest.approx(1)
    assert metrics.order_metrics(-mos, mos)["pair_accuracy"] == pytest.approx(0)


def test_no_order_to_find_has_no_accuracy():
    with pytest.warns(UserWarning, match="no two images"):
        found = metrics.order_metrics([1.0, 2.0], [3.0, 3.0])
    assert math.isnan(found["pair_accuracy"]) and found["n_pairs"] == 0


def test_buckets_equal_a_loop():
    rng = np.random.default_rng(0)
    scores, buckets = rng.normal(5, 0.6, 15), rng.integers(3, 7, 15)
    first, second = rng.integers(0, 15, (2, 40))
    same = buckets[first] == buckets[second]
    right = [
        (abs(scores[a] - scores[b]) < 0.5) == y for a, b, y in zip(first, second, same, strict=True)
    ]
    found = metrics.bucket_metrics(scores, buckets, first, second, same)
    assert (
        found.pop("same_bucket_accuracy") == pytest.approx(np.mean(right)) and 0 < sum(right) < 40
    )
    assert found.pop("srcc") == pytest.approx(stats.spearmanr(scores, buckets).statistic)
    assert found.pop("krcc") == pytest.approx(stats.kendalltau(scores, buckets).statistic)
    assert found == {"n_pairs": 40, "n": 15}
    with pytest.warns(UserWarning, match="constant prediction"):
        found = metrics.bucket_metrics(np.ones(15), buckets, first, second, same)
    assert found["same_bucket_accuracy"] == pytest.approx(same.mean())  # all "same"
    assert math.isnan(found["srcc"])

"""Comparisons of models: published examples, a derivation in NumPy, error rates by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from tests.utils.statistics.test_bootstrap import one_warning, rated
from utils.statistics.bootstrap import bootstrap
from utils.statistics.compare_models import Compared, compare, holm, steiger, williams
from utils.statistics.metrics import score_metrics
from utils.statistics.resampled import Spearman
from utils.statistics.resampled_pairs import PairMean

# ---- tests of dependent correlations ----


def test_williams_published_examples():
    # Silver, Hittner and May, Applied Psychological Measurement 30, 2006.
    assert williams(0.3, 0.4, 0.5, 100) == pytest.approx((-1.0767, 0.2843), abs=5e-5)
    # Howell, Statistical Methods for Psychology, 6th edition, p. 262.
    assert williams(0.80, 0.72, 0.89, 26) == pytest.approx((1.361, 0.187), abs=5e-4)


def test_steiger_published_examples():
    assert steiger(0.3, 0.4, 0.5, 100) == pytest.approx((-1.0718, 0.2838), abs=5e-5)
    # Steiger 1980, p. 249, case A: -0.8913 there, from a covariance rounded to two digits.
    assert steiger(0.4, 0.5, 0.1, 103)[0] == pytest.approx(-0.8913, abs=3e-3)


@pytest.mark.parametrize("test", [williams, steiger])
def test_dependent_correlations_turned_round(test):
    statistic, p = test(0.8, 0.7, 0.6, 50)
    assert test(0.7, 0.8, 0.6, 50) == pytest.approx((-statistic, p))
    assert test(0.7, 0.7, 0.6, 50) == pytest.approx((0, 1))


@pytest.mark.parametrize("test", [williams, steiger])
@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((math.nan, 0.5, 0.5, 50), "not finite"),
        ((0.5, 0.5, 0.5, 3), "3 images"),
        ((1.0, 0.5, 0.5, 50), "no spread"),
        ((0.5, 0.5, 1.0, 50), "the same"),
    ],
)
def test_no_such_test(test, arguments, match):
    assert all(map(math.isnan, one_warning(lambda: test(*arguments), match)))


def test_holm():
    # By hand: .01 x 4, .03 x 3, .04 x 2 raised to .09, .2 x 1.
    assert holm([0.04, 0.01, 0.2, 0.03]) == pytest.approx([0.09, 0.04, 0.2, 0.09])
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])
    found = holm([0.04, math.nan, 0.01])
    assert math.isnan(found[1]) and found[[0, 2]] == pytest.approx([0.04, 0.02])
    assert len(holm([])) == 0


# ---- paired bootstrap ----


def compare_scores(made, mos, samples, seed) -> Compared:
    """By the metrics of scores, every image on its own."""
    metrics = {name: score_metrics(own, mos).metrics() for name, own in made.items()}
    return compare(metrics, np.arange(len(mos)), samples, np.random.default_rng(seed), made)


def models(generator, n, noise=(0.5, 0.5)):
    mos = generator.normal(size=n)
    shared = generator.normal(size=n)
    made = {
        name: mos + 0.5 * shared + scale * generator.normal(size=n)
        for name, scale in zip("abcdef", noise, strict=False)
    }
    return made, mos


def test_the_difference_of_rmse_as_derived():
    """Of squared errors the standard error of the mean difference is known; the delta method turns
    it into that of the RMSE.
    """
    made, mos = models(np.random.default_rng(0), 400, (0.5, 0.7))
    (row,) = (r for r in compare_scores(made, mos, 3000, 1).rows if r.metric == "rmse")
    a, b = ((made[name] - mos) ** 2 for name in "ab")
    slope = a / (2 * np.sqrt(a.mean())) - b / (2 * np.sqrt(b.mean()))
    error = stats.sem(slope)
    difference = np.sqrt(a.mean()) - np.sqrt(b.mean())
    assert row.difference == pytest.approx(difference)
    reach = stats.t.ppf(0.975, 399) * error
    assert (row.low, row.high) == pytest.approx(
        (difference - reach, difference + reach), abs=0.06 * reach
    )
    # A p this small follows its statistic only roughly.
    t = stats.t.isf(row.p / 2, 399)
    assert t == pytest.approx(abs(difference) / error, rel=0.06)


def test_rows_pairs_and_corrections():
    made, mos = models(np.random.default_rng(2), 120, (0.3, 0.5, 0.9))
    rows = compare_scores(made, mos, 400, 3).rows
    assert [(r.first, r.second, r.metric) for r in rows[:5]] == [
        ("a", "b", name) for name in ("srcc", "plcc", "krcc", "rmse", "mae")
    ]
    assert len(rows) == 15
    for name in ("srcc", "rmse"):
        same = [r for r in rows if r.metric == name]
        assert [r.p_holm for r in same] == pytest.approx(list(holm([r.p for r in same])))
    row = next(r for r in rows if r.metric == "srcc" and r.second == "c")
    r_a, r_c = (stats.spearmanr(made[m], mos).statistic for m in "ac")
    r_ac = stats.spearmanr(made["a"], made["c"]).statistic
    assert (row.value_first, row.value_second) == pytest.approx((r_a, r_c))
    assert row.low <= row.difference == pytest.approx(r_a - r_c) and row.difference <= row.high
    assert (row.williams_t, row.williams_p) == pytest.approx(williams(r_a, r_c, r_ac, 120))
    assert (row.steiger_z, row.steiger_p) == pytest.approx(steiger(r_a, r_c, r_ac, 120))
    steigers = [r.steiger_p for r in rows if r.metric == "srcc"]
    assert row.steiger_p_holm == pytest.approx(holm(steigers)[1])
    assert all(math.isnan(r.williams_p) for r in rows if r.metric in ("krcc", "rmse", "mae"))


def test_equal_models_differ_by_chance_only():
    """Two models that are equally good: 5% of tests find a difference, up to what 200 simulations
    can tell; with references, images taken for independent find more.
    """
    generator = np.random.default_rng(4)
    found = {"p": 0, "steiger_p": 0, "better": 0}
    for _ in range(200):
        owner, mos, hard = rated(generator, 20, 6, 0.0, 0.5)
        _, one, two = rated(generator, 20, 6, 0.0, 0.5)
        made = {"a": mos + 0.5 * hard + 0.5 * one, "b": mos + 0.5 * hard + 0.5 * two}
        made["c"] = mos + 0.2 * one
        metrics = {m: {"srcc": Spearman(x, mos)} for m, x in made.items()}
        rows = compare(metrics, owner, 150, generator).rows
        found["p"] += rows[0].p < 0.05
        found["better"] += rows[1].p_holm < 0.05
        r_a, r_b, r_ab = (
            stats.spearmanr(*x).statistic
            for x in ((made["a"], mos), (made["b"], mos), (made["a"], made["b"]))
        )
        found["steiger_p"] += steiger(r_a, r_b, r_ab, len(mos))[1] < 0.05
    assert found["p"] / 200 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
    assert found["steiger_p"] / 200 > found["p"] / 200 + 0.03
    assert found["better"] / 200 > 0.9


def test_pair_accuracy_of_two_rankings():
    """Any metric that can be resampled: here pairs, drawn by their reference."""
    rng = np.random.default_rng(5)
    owner = np.repeat(np.arange(12), 3)
    better, worse = np.arange(36)[::3], np.arange(36)[1::3]
    metrics = {
        name: {
            "pair_accuracy": PairMean((rng.random(12) < chance).astype(float), better, worse, owner)
        }
        for name, chance in (("good", 0.9), ("coin", 0.5))
    }
    found = compare(metrics, owner, 300, np.random.default_rng(9))
    (row,) = found.rows
    alone = bootstrap(metrics["good"], owner, 300, np.random.default_rng(9))["pair_accuracy"]
    own = found.intervals["good"]["pair_accuracy"]
    assert (own.value, own.low, own.high) == (alone.value, alone.low, alone.high)
    assert row.value_first == alone.value and row.low < row.difference < row.high


# ---- what does not exist ----


def test_identical_models():
    made, mos = models(np.random.default_rng(6), 40)
    found = compare_scores({"a": made["a"], "b": made["a"]}, mos, 200, 0)
    assert found.undefined == []
    assert found.untested[0] == "a against b: srcc is the same in all resamples"
    assert any(said.startswith("Williams' test: the two predictions") for said in found.untested)
    assert all(r.difference == 0 and math.isnan(r.p) and math.isnan(r.low) for r in found.rows)


def test_constants_and_few_images():
    mos = np.arange(12.0)
    found = compare_scores({"a": mos, "flat": np.ones(12)}, mos, 200, 0)
    assert "flat: srcc is undefined: no interval" in found.undefined[0]
    by = {r.metric: r for r in found.rows}
    assert math.isnan(by["plcc"].difference) and by["plcc"].value_first == 1
    assert by["mae"].difference < 0
    few = compare_scores({"a": mos[:4], "b": mos[:4] ** 2}, mos[:4], 200, 0)
    assert "4 independent images or references: too few" in few.undefined[0]
    assert all(math.isnan(r.p) for r in few.rows) and few.rows[3].difference < 0


def test_nothing_to_compare():
    made, mos = models(np.random.default_rng(8), 20, (0.5,))
    alone = compare_scores(made, mos, 100, 0)
    assert alone.rows == [] and alone.intervals["a"]["srcc"].low < 1
    found = compare({}, np.arange(5), 100, np.random.default_rng(0))
    assert found == Compared({}, [], [], [])

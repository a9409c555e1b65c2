"""Outliers and resolving power against their definitions, pair by pair."""

import math

import numpy as np
import pytest
from scipy import stats

from utils import vote_noise
from utils.vote_noise import outliers, resolving_power


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


def one_warning(call, match):
    with pytest.warns(UserWarning, match=match) as caught:
        answer = call()
    assert len(caught) == 1 and caught[0].filename == __file__
    return answer


def test_a_kind_of_pairs_that_is_missing():
    mos, std, votes = np.arange(6.0), np.ones(6), np.full(6, 50)
    all_different = one_warning(lambda: resolving_power(mos, mos, std, votes), "no similar pairs")
    assert math.isnan(all_different["auc_different"]) and all_different["auc_better"] == 1
    alike = one_warning(
        lambda: resolving_power(mos, mos, std, np.full(6, 0.01)), "no different pairs"
    )
    assert all(math.isnan(alike[name]) for name in vote_noise.FIGURES)
    assert (alike["n_different"], alike["n_similar"]) == (0, 15)
    empty = one_warning(lambda: resolving_power([], [], [], []), "no different and no similar")
    assert math.isnan(empty["auc_better"]) and empty["n_resolved"] == 0
    for bad in (np.nan, np.inf):
        broken = one_warning(lambda b=bad: resolving_power(mos + b, mos, std, votes), "not finite")
        assert math.isnan(broken["auc_better"])
    unvoted = one_warning(lambda: resolving_power(mos, mos, std, 0 * votes), "without votes")
    assert math.isnan(unvoted["correct_better"])


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

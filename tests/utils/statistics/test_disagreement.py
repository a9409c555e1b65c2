"""Pairs that two models order differently, against a loop over all pairs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from utils.statistics.disagreement import furthest_apart, opposed_pairs, share_opposed, standardised


def strongest(z1, z2, left):
    """(strength, {a, b}) of the strongest opposed pair among `left`, looked for one by one."""
    best = (0.0, frozenset())
    for a, b in itertools.permutations(left, 2):
        strength = min(z1[a] - z1[b], z2[b] - z2[a])
        if strength > best[0]:
            best = (strength, frozenset((a, b)))
    return best


@pytest.mark.parametrize("kind", ["independent", "alike", "ties", "opposite"])
@pytest.mark.parametrize("count", [2, 3, 7, 40])
def test_pairs_are_those_of_a_loop_over_all(kind, count):
    rng = np.random.default_rng(count)
    first = rng.normal(3, 2, count)
    second = {
        "independent": rng.normal(0, 9, count),
        "alike": first + rng.normal(0, 0.2, count),
        "ties": rng.integers(0, 3, count).astype(float),
        "opposite": -first,
    }[kind]
    if kind == "ties":
        first = np.round(first)
    z1 = (first - np.mean(first)) / (np.std(first) or 1)
    z2 = (second - np.mean(second)) / (np.std(second) or 1)
    found, left = opposed_pairs(first, second, 6), set(range(count))
    for pair in found:
        assert {pair.a, pair.b} <= left
        assert pair.lead_first == pytest.approx(z1[pair.a] - z1[pair.b])
        assert pair.lead_second == pytest.approx(z2[pair.b] - z2[pair.a])
        strength, _ = strongest(z1, z2, sorted(left))
        assert min(pair.lead_first, pair.lead_second) == pytest.approx(strength)
        left -= {pair.a, pair.b}
    # The list ends early only where nothing is left to disagree about.
    if len(found) < 6:
        assert strongest(z1, z2, sorted(left))[0] < 1e-12


def test_the_same_order_in_other_units_is_no_disagreement():
    scores = np.array([1.0, 5.0, 2.0, 9.0])
    assert opposed_pairs(scores, np.exp(scores)) == []
    assert opposed_pairs(scores, np.full(4, 0.1)) == []
    assert share_opposed(scores, np.exp(scores)) == 0
    assert (
        furthest_apart(scores, 10 * scores + 3) == []
        or max(np.abs(standardised(scores) - standardised(10 * scores + 3))) < 1e-12
    )


def test_one_odd_image_does_not_fill_the_list():
    first = np.arange(12.0)
    second = first.copy()
    second[11] = -50  # the best of one model is the worst of the other
    pairs = opposed_pairs(first, second)
    assert pairs[0].a == 11
    assert sum(11 in (pair.a, pair.b) for pair in pairs) == 1


@pytest.mark.parametrize("levels", [2, 4, 1000])
def test_share_is_that_of_a_loop(levels):
    rng = np.random.default_rng(levels)
    x, y = rng.integers(0, levels, 30).astype(float), rng.integers(0, levels, 30).astype(float)
    signs = [
        np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i, j in itertools.combinations(range(30), 2)
    ]
    assert share_opposed(x, y) == pytest.approx(np.mean(np.array(signs) < 0))
    assert math.isnan(share_opposed([1.0], [2.0]))


def test_images_are_sorted_by_the_distance_of_their_standardised_scores():
    first, second = np.array([0.0, 1, 2, 3, 4]), np.array([40.0, 10, 20, 30, 0])
    places = furthest_apart(first, second, 2)
    apart = np.abs((first - 2) / np.std(first) - (second - 20) / np.std(second))
    assert sorted(places) == sorted(np.argsort(-apart)[:2].tolist()) == [0, 4]


@pytest.mark.parametrize("bad", [[1.0, np.nan], [[1.0, 2.0]]])
def test_what_is_no_list_of_scores_is_refused(bad):
    with pytest.raises(ValueError, match="finite values"):
        standardised(bad)
    with pytest.raises(ValueError):
        opposed_pairs([1.0, 2.0], bad)

"""One tolerance for ties, wherever two values are compared."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from applications.tasks import TASKS
from criterions.batch_pairs import order_loss
from utils.statistics import metrics
from utils.statistics.disagreement import opposed_pairs, share_opposed
from utils.statistics.ladder_metrics import ladder_metrics
from utils.statistics.predictions import Predictions
from utils.statistics.resampled import Kendall, OrderShare, Spearman
from utils.statistics.ties import TIE, constant, tied, won


def near(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """As float32 keeps them: off by up to half of one of its steps."""
    steps = np.random.default_rng(seed).uniform(-0.5, 0.5, len(values))
    return values * (1 + steps * float(np.finfo(np.float32).eps))


@pytest.mark.parametrize("factor", [1.0, 100.0, -1.0, 1e-3])
def test_equal_but_for_rounding_is_equal(factor):
    whole = np.random.default_rng(1).integers(1, 9, 300) / 3 * factor
    found = tied(near(whole))
    assert np.abs(found - whole).max() < TIE * np.abs(whole).max()
    order = np.argsort(whole, kind="stable")
    assert np.array_equal(np.diff(found[order]) > 0, np.diff(whole[order]) > 0)
    assert len(np.unique(found)) == 8


def test_a_long_run_of_near_values_is_no_single_tie():
    dense = 5 + np.arange(5000) * 1e-7  # nearer than the tolerance, from 5 to 5.0005
    found = tied(dense)
    assert 200 < len(np.unique(found)) < 600 and (np.diff(found) >= 0).all()
    assert np.abs(found - dense).max() <= TIE * dense.max()
    assert not constant(dense) and constant(near(np.full(9, 7.3))) and constant(np.zeros(3))


def test_values_that_are_not_finite_stay():
    found = tied([np.nan, 1.0, np.inf, 1 + 1e-8, -np.inf])
    np.testing.assert_array_equal(found, [np.nan, 1, np.inf, 1, -np.inf])
    assert np.isnan(won([np.nan, 1.0], [1.0, 1.0])[0]) and len(tied([])) == 0


def votes(count: int = 60) -> tuple[np.ndarray, list[Fraction]]:
    """(histograms of 10 bins as float32, their exact means): many means are equal."""
    rng = np.random.default_rng(3)
    counts = rng.multinomial(7, np.full(10, 0.1), count) * rng.integers(1, 40, (count, 1))
    means = [Fraction(int(row @ np.arange(1, 11)), int(row.sum())) for row in counts]
    return (counts / counts.sum(axis=1, keepdims=True)).astype(np.float32), means


def test_votes_of_equal_mean_are_no_pair():
    """emd+rank counted means that differ by the rounding of float32 as pairs."""
    probs, means = votes()
    pairs = sum(a != b for i, a in enumerate(means) for b in means[:i])
    assert 0 < pairs < len(means) * (len(means) - 1) / 2
    voted = metrics.distribution_mean(probs)
    assert len(set(voted.tolist())) > len(set(means))  # the rounding is there
    pred = np.random.default_rng(4).dirichlet(np.ones(10), len(means)).astype(np.float32)
    score = metrics.distribution_mean(pred)
    right = sum(
        (score[i] > score[j]) == (means[i] > means[j])
        for i in range(len(means)) for j in range(i) if means[i] != means[j]
    )  # fmt: skip
    found = Predictions(score.astype(np.float32), pred)
    measured = TASKS["emd+rank"].measure({"probs": probs}, found)
    said = measured.values()
    assert (said["n_pairs"], said["pair_accuracy"]) == (pairs, pytest.approx(right / pairs))
    once = np.ones((1, len(means)))
    assert measured.metrics()["pair_accuracy"](once)[0] == pytest.approx(said["pair_accuracy"])
    # The loss draws the same pairs: with a prediction of one value each of them costs its margin.
    single = torch.full((len(means),), 3.0)
    asked = [float(abs(a - b)) for i, a in enumerate(means) for b in means[:i] if a != b]
    loss = order_loss(single, torch.from_numpy(voted.astype(np.float32)), share=0.5)
    assert float(loss) == pytest.approx(0.5 * np.mean(asked), rel=1e-4)


def test_every_order_takes_a_tie_for_a_tie():
    """Whatever compares scores says the same of rounded ones as of exact ones."""
    rng = np.random.default_rng(5)
    x, y = rng.integers(1, 7, 40) / 3, rng.integers(1, 7, 40) / 7
    a, b = near(x, 1), near(y, 2)
    once = np.ones((1, 40))
    for measure in (
        metrics.srcc, metrics.pair_accuracy, share_opposed,
        lambda x, y: metrics.score_metrics(x, y).values()["krcc"],
        lambda x, y: metrics.order_metrics(x, y).values()["pair_accuracy"],
        lambda x, y: metrics.order_metrics(x, y).values()["n_pairs"],
        lambda x, y: len(opposed_pairs(x, y, 99)),
        *(lambda x, y, kind=kind: kind(x, y)(once)[0] for kind in (Spearman, Kendall, OrderShare)),
    ):  # fmt: skip
        assert measure(a, b) == pytest.approx(measure(x, y), rel=1e-12)
    levels, names = np.tile(np.arange(5), 8), np.repeat([f"{i}" for i in range(8)], 5).tolist()
    exact, rounded = (
        ladder_metrics(own, names, ["blur"] * 40, levels).overall.values() for own in (x, a)
    )
    assert rounded == pytest.approx(exact, rel=1e-12)

"""Who trains, validates and tests, where it is drawn: shares, groups, strata and seeds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from dataloader.tables.splitting import parse_shares, stratified

SHARES = parse_shares("70/10/20")


def test_shares():
    assert SHARES == pytest.approx({"train": 0.7, "val": 0.1, "test": 0.2})
    assert parse_shares("80/20") == pytest.approx({"train": 0.8, "val": 0, "test": 0.2})


def test_single_images_in_their_shares_and_strata():
    scores = np.random.default_rng(0).normal(50, 10, 1000)
    names = stratified(np.arange(1000), scores, SHARES, 0)
    assert Counter(names) == {"train": 700, "val": 100, "test": 200}
    order = names[np.argsort(scores)].reshape(10, 100)
    for tenth in order:  # each tenth of the scores has the same shares, but for one or two
        counts = Counter(tenth)
        assert abs(counts["test"] - 20) <= 2 and abs(counts["val"] - 10) <= 2
    assert (names == stratified(np.arange(1000), scores, SHARES, 0)).all()
    assert (names != stratified(np.arange(1000), scores, SHARES, 1)).any()
    assert (names[:-1] == names[1:]).mean() < 0.8  # drawn, not dealt out in turn


def test_groups_stay_together():
    rng = np.random.default_rng(0)
    group = np.unique(rng.integers(0, 60, 600), return_inverse=True)[1]
    names = stratified(group, rng.random(600), SHARES, 3)
    for number in np.unique(group):
        assert len(set(names[group == number])) == 1
    assert (
        abs((names == "train").mean() - 0.7) < 0.06 and abs((names == "test").mean() - 0.2) < 0.06
    )


def test_every_split_gets_a_group():
    for seed in range(20):
        group = np.array([0] * 50 + [1, 2])
        assert set(stratified(group, None, SHARES, seed)) == {"train", "val", "test"}
    with pytest.raises(ValueError, match=r"2 group\(s\) cannot make 3 splits"):
        stratified(np.array([0, 1]), None, SHARES, 0)

"""Resampled figures of ladders against the drawn references written out, and their coverage."""

import warnings

import numpy as np
import pytest

from utils.statistics import ladder_resamples
from utils.statistics.bootstrap import bootstrap, cluster_numbers
from utils.statistics.ladder_resamples import resampled_ladders
from utils.statistics.ranking_metrics import FIGURES, SAFE_GAP, ladder_metrics


def ladders(seed, references, distortions=("blur", "noise"), levels=4, decimals=6):
    """(scores, references, distortions, levels) in a random order; a few images are missing, one
    photograph has no pristine image and another has two.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for photo in range(references):
        liking = rng.normal(0, 0.5)
        for copy in range({0: 0, 1: 2}.get(photo, 1)):
            rows.append((liking + 0.3 * copy, f"photo{photo}", "none", 0))
        for kind in distortions:
            for level in range(1, levels + 1):
                score = liking - 0.6 * level + rng.normal(0, 0.8)
                rows.append((score, f"photo{photo}", kind, level))
    kept = rng.permutation(len(rows))[: -references // 2]
    scores, *others = zip(*(rows[i] for i in kept), strict=True)
    return np.round(scores, decimals), *map(list, others)


def written_out(columns, times):
    """Figures of a resample: photograph r stands there times[r] times, under names of its own; of
    the P-test a loop over all pairs, none between copies of one photograph.
    """
    scores, references, kinds, levels = columns
    rows = [(i, copy) for i, name in enumerate(references) for copy in range(times[name])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = ladder_metrics(
            [scores[i] for i, _ in rows],
            [(references[i], copy) for i, copy in rows],
            [kinds[i] for i, _ in rows],
            [levels[i] for i, _ in rows],
        )
    won = []
    for kind in set(kinds) - {"none"}:
        # A pristine image heads the ladders that its photograph has.
        has = {r for r, k in zip(references, kinds, strict=True) if k == kind}
        mine = [i for i, _ in rows if kinds[i] == kind or (levels[i] == 0 and references[i] in has)]
        for a in mine:
            for b in mine:
                if references[a] != references[b] and levels[b] - levels[a] >= SAFE_GAP:
                    won.append((scores[a] > scores[b]) + 0.5 * (scores[a] == scores[b]))
    return {name: found[name] for name in FIGURES[:-1]} | {"p_test": np.mean(won)}


@pytest.mark.parametrize("decimals", [6, 0])
def test_a_resample_is_its_references_written_out(decimals):
    columns = ladders(0, 8, decimals=decimals)
    figures = resampled_ladders(*columns)
    names = sorted(set(columns[1]))
    rng = np.random.default_rng(1)
    for _ in range(8):
        times = dict(zip(names, rng.multinomial(8, np.full(8, 1 / 8)), strict=True))
        counts = np.array([[float(times[name]) for name in columns[1]]])
        found = {name: figure(counts)[0] for name, figure in figures.items()}
        assert found == pytest.approx(written_out(columns, times))


@pytest.mark.parametrize("exact", [True, False])
def test_every_reference_once_is_the_figure_itself(monkeypatch, exact):
    monkeypatch.setattr(ladder_resamples, "EXACT_REFERENCES", 12 if exact else 11)
    columns = ladders(2, 12, decimals=1)
    known = ladder_metrics(*columns)
    for name, figure in resampled_ladders(*columns).items():
        assert figure(np.ones((2, len(columns[0])))) == pytest.approx([known[name]] * 2), name


def test_the_p_test_to_first_order_agrees_in_the_interval(monkeypatch):
    """Of 80 references the ends of an interval move by less than 5% of its length."""
    columns, ends = ladders(3, 80, decimals=1), []
    for limit in (80, 79):
        monkeypatch.setattr(ladder_resamples, "EXACT_REFERENCES", limit)
        figures = {"p_test": resampled_ladders(*columns)["p_test"]}
        owner = cluster_numbers(columns[1])
        found = bootstrap(figures, owner, 400, np.random.default_rng(4))["p_test"]
        ends.append(np.array([found.low, found.high]))
    assert 0 < np.abs(ends[0] - ends[1]).max() < 0.05 * np.ptp(ends[0])


def test_what_does_not_exist_is_nan():
    """No pristine image; ladders of one level only; constant scores."""
    every = np.ones((1, 4))
    bare = resampled_ladders([1.0, 2, 3, 4], ["a", "a", "b", "b"], ["x"] * 4, [1, 2, 1, 2])
    for name in ("d_test", "d_test_auc", "p_test"):
        assert np.isnan(bare[name](every))
    single = resampled_ladders([1.0, 2, 3, 4], list("abcd"), ["x"] * 4, [1, 2, 1, 3])
    for name in ("ladder_accuracy", "monotone_ladders", "l_test_srcc", "l_test_krcc"):
        assert np.isnan(single[name](every))
    flat = resampled_ladders([1.0] * 4, list("aabb"), ["x"] * 4, [0, 2, 0, 2])
    assert np.isnan(flat["l_test_srcc"](every)) and np.isnan(flat["l_test_krcc"](every))
    for name in ("ladder_accuracy", "d_test", "d_test_auc", "p_test"):
        assert flat[name](every) == 0.5
    assert flat["monotone_ladders"](every) == 0
    # A resample without the only photograph that has a pristine image.
    one = resampled_ladders([1.0, 2, 3], list("aab"), ["x"] * 3, [0, 2, 2])
    assert np.isnan(one["d_test"](np.array([[0.0, 0.0, 2.0]])))


def simulated(rng, photos):
    """Every photograph is liked more or less, and hides distortions more or less."""
    levels = np.tile(np.repeat(np.arange(4), [1, 2, 2, 2]), photos)
    kinds = ["none", "blur", "noise", "blur", "noise", "blur", "noise"] * photos
    owner = np.repeat(np.arange(photos), 7)
    falls = rng.uniform(0.1, 0.7, photos)[owner]
    liked = rng.normal(0, 0.5, photos)[owner]
    return liked - falls * levels + rng.normal(0, 0.6, len(owner)), owner, kinds, levels


def test_coverage():
    """95% of intervals hold the truth, up to what 150 simulations can tell (3 standard errors)."""
    rng, runs, hits = np.random.default_rng(5), 150, dict.fromkeys(FIGURES, 0)
    known = ladder_metrics(*simulated(rng, 20_000))
    for _ in range(runs):
        columns = simulated(rng, 40)
        for name, found in bootstrap(resampled_ladders(*columns), columns[1], 150, rng).items():
            hits[name] += found.low <= known[name] <= found.high
    for name, number in hits.items():
        assert number / runs >= 0.95 - 0.054, (name, number / runs)

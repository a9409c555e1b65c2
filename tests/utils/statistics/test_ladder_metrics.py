"""Metrics of ladders against plain loops over all pairs, and SciPy; resamples against the drawn
references written out, and their coverage.
"""

from __future__ import annotations

import math
import re
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from tests.utils.statistics.test_bootstrap import coverage
from utils.statistics import ladder_metrics as module
from utils.statistics.bootstrap import bootstrap, cluster_numbers
from utils.statistics.ladder_metrics import LADDER_METRICS, ladder_metrics
from utils.statistics.ladders import SAFE_GAP, build_ladders

Image = tuple[float, str, str, int]  # score, reference, distortion, level


def judged(images: list[Image]) -> tuple[dict, tuple[str, ...]]:
    """(values, why some are nan)."""
    found = ladder_metrics(*map(list, zip(*images, strict=True)))
    return found.values(), found.overall.reasons


def made(images: list[Image]) -> dict:
    return judged(images)[0]


def some_ladders(
    seed: int, photographs=5, kinds=("jpeg", "blur", "noise"), levels=4, values=9, missing=0.2
) -> list[Image]:
    """Shuffled images with many tied scores; some are missing, level 0 among them, some come
    twice.
    """
    rng = np.random.default_rng(seed)
    images: list[Image] = []
    for photograph in range(photographs):
        rungs = [("none", 0), *((kind, k) for kind in kinds for k in range(1, levels + 1))]
        for kind, level in rungs:
            score = float(rng.integers(0, values) - level)
            for _ in range(rng.choice([0, 1, 2], p=[missing, 0.7, 0.3 - missing])):
                images.append((score + float(rng.integers(0, 2)), f"p{photograph}", kind, level))
    return [images[i] for i in rng.permutation(len(images))]


# ---- the oracle: loops over images


def won(better: float, worse: float) -> float:
    return 1.0 if better > worse else 0.5 if better == worse else 0.0


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def ladders_of(images: list[Image], kind: str) -> list[list[Image]]:
    found = []
    for photograph in sorted({i[1] for i in images if i[2] == kind and i[3] > 0}):
        mine = [i for i in images if i[1] == photograph and (i[3] == 0 or i[2] == kind)]
        found.append(sorted(mine, key=lambda i: i[3]))
    return found


def falls_strictly(ladder: list[Image]) -> float:
    levels = sorted({i[3] for i in ladder})
    return float(
        all(
            min(i[0] for i in ladder if i[3] == a) > max(i[0] for i in ladder if i[3] == b)
            for a, b in zip(levels, levels[1:], strict=False)
        )
    )


def correlation(measure, ladder: list[Image]) -> list[float]:
    """[] where the scores are constant."""
    if len({i[0] for i in ladder}) == 1:
        return []
    return [float(measure([i[0] for i in ladder], [-i[3] for i in ladder]).statistic)]


def best_threshold(good: list[float], bad: list[float]) -> float:
    limits = [-math.inf, *good, *bad]
    return max((mean([s > t for s in good]) + mean([s <= t for s in bad])) / 2 for t in limits)


def oracle(images: list[Image], kinds: list[str]) -> dict[str, float]:
    """The overall metrics of the given distortions."""
    pairs, known, srcc, krcc, monotone = [], [], [], [], []
    for kind in kinds:
        ladders = ladders_of(images, kind)
        for ladder in ladders:
            if len({i[3] for i in ladder}) < 2:
                continue
            pairs += [won(a[0], b[0]) for a, b in combinations(ladder, 2) if a[3] < b[3]]
            monotone.append(falls_strictly(ladder))
            srcc += correlation(stats.spearmanr, ladder)
            krcc += correlation(stats.kendalltau, ladder)
        of_kind = [i for ladder in ladders for i in ladder]
        known += [
            won(a[0], b[0]) for a in of_kind for b in of_kind if a[1] != b[1] and b[3] - a[3] >= 2
        ]
    owners = {i[1] for i in images if i[3] > 0 and i[2] in kinds}
    every = len(kinds) > 1  # a reference without any ladder is pristine all the same
    good = [i[0] for i in images if i[3] == 0 and (every or i[1] in owners)]
    bad = [i[0] for i in images if i[3] > 0 and i[2] in kinds]
    area = stats.mannwhitneyu(good, bad).statistic / (len(good) * len(bad))
    return {
        "ladder_accuracy": mean(pairs), "monotone_ladders": mean(monotone),
        "l_test_srcc": mean(srcc), "l_test_krcc": mean(krcc),
        "d_test": best_threshold(good, bad),
        "d_test_auc": float(area), "p_test": mean(known),
        "n_ladders": len(monotone), "n_ladder_pairs": len(pairs), "n_p_test_pairs": len(known),
    }  # fmt: skip


def oracle_steps(images: list[Image], kinds: list[str]) -> dict[int, list[float]]:
    """{level: outcomes of its pairs with the next better level of each ladder}."""
    steps: dict[int, list[float]] = {}
    for kind in kinds:
        for ladder in ladders_of(images, kind):
            levels = sorted({i[3] for i in ladder})
            for a, b in zip(levels, levels[1:], strict=False):
                steps.setdefault(b, []).extend(
                    won(x[0], y[0]) for x in ladder for y in ladder if (x[3], y[3]) == (a, b)
                )
    return steps


def check_levels(found: dict, images: list[Image], steps: dict[int, list[float]]) -> None:
    good = [i[0] for i in images if i[3] == 0]
    assert list(found) == sorted({i[3] for i in images})
    for level, own in found.items():
        here = [i[0] for i in images if i[3] == level]
        assert own["images"] == len(here)
        assert own["mean_score"] == pytest.approx(mean(here))
        assert own["n_steps"] == len(steps.get(level, []))
        wanted = mean(steps.get(level, []))
        assert own["step_accuracy"] == pytest.approx(wanted, nan_ok=True)
        pairs = [won(a, b) for a in good for b in here] if level else []
        assert own["d_test_auc"] == pytest.approx(mean(pairs), nan_ok=True)


# ---- values


@pytest.mark.parametrize("seed", range(12))
def test_metrics_are_those_of_plain_loops(seed: int) -> None:
    images = some_ladders(seed, values=3 if seed % 2 else 12)
    found = made(images)
    kinds = list(dict.fromkeys(i[2] for i in images if i[3] > 0))
    wanted = oracle(images, kinds)
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    assert list(found["by_distortion"]) == kinds
    for kind, own in found["by_distortion"].items():
        wanted = oracle(images, [kind])
        assert {name: own[name] for name in wanted} == pytest.approx(wanted, nan_ok=True)
        mine = [i for ladder in ladders_of(images, kind) for i in ladder]
        check_levels(own["levels"], mine, oracle_steps(images, [kind]))
    check_levels(found["by_level"], images, oracle_steps(images, kinds))


def test_a_worked_example() -> None:
    """Two photographs, one distortion, by hand."""
    images = [
        (5.0, "a", "none", 0), (4.0, "a", "jpeg", 1), (1.0, "a", "jpeg", 2),
        (3.0, "b", "none", 0), (3.0, "b", "jpeg", 1), (2.0, "b", "jpeg", 2),
    ]  # fmt: skip
    found = made(images)
    assert found["ladder_accuracy"] == 5.5 / 6  # one tie
    assert found["monotone_ladders"] == 0.5
    assert found["l_test_srcc"] == pytest.approx((1 + math.sqrt(3) / 2) / 2)
    assert found["l_test_krcc"] == pytest.approx((1 + 2 / math.sqrt(6)) / 2)
    assert found["d_test"] == 0.75  # above 2: both pristine ones, 2 of 4 distorted ones
    assert found["d_test_auc"] == 6.5 / 8  # 5 beats all four; 3 beats two, ties one, loses one
    assert (found["p_test"], found["n_p_test_pairs"]) == (1.0, 2)
    assert found["by_level"][1]["step_accuracy"] == 0.75
    assert found["by_level"][2]["step_accuracy"] == 1.0


def test_a_perfect_and_a_reversed_order() -> None:
    images = some_ladders(3, missing=0.0)
    best = made([(-float(i[3]), *i[1:]) for i in images])
    assert [best[name] for name in LADDER_METRICS] == pytest.approx([1.0] * len(LADDER_METRICS))
    worst = made([(float(i[3]), *i[1:]) for i in images])
    signs = {"l_test_srcc": -1.0, "l_test_krcc": -1.0, "d_test": 0.5}
    assert [worst[name] for name in LADDER_METRICS] == [
        pytest.approx(signs.get(name, 0.0)) for name in LADDER_METRICS
    ]


def test_what_level_0_is_called_and_the_order_of_images_do_not_matter() -> None:
    images = some_ladders(4, missing=0.0, values=40)
    renamed = [(s, r, "pristine" if k == 0 else d, k) for s, r, d, k in images]
    backwards = renamed[::-1]
    a, b = made(images), made(backwards)
    for name in LADDER_METRICS:
        assert a[name] == pytest.approx(b[name]), name
    assert set(a["by_distortion"]) == set(b["by_distortion"]) == {"jpeg", "blur", "noise"}


def test_scores_that_move_together_change_nothing() -> None:
    images = some_ladders(5, missing=0.0, values=60)
    a = made(images)
    b = made([(1e3 + 0.5 * i[0], *i[1:]) for i in images])
    assert [a[name] for name in LADDER_METRICS] == pytest.approx(
        [b[name] for name in LADDER_METRICS]
    )


# ---- what does not exist


def test_a_constant_prediction_has_chance_and_no_correlation() -> None:
    images = [(1.5, *i[1:]) for i in some_ladders(6, missing=0.0)]
    found, reasons = judged(images)
    assert reasons == ("all ladders have constant scores: the L-test is undefined: nan",)
    assert math.isnan(found["l_test_srcc"]) and math.isnan(found["l_test_krcc"])
    assert found["monotone_ladders"] == 0
    for name in ("ladder_accuracy", "d_test", "d_test_auc", "p_test"):
        assert found[name] == 0.5, name
        assert found["by_distortion"]["jpeg"][name] == 0.5, name


def test_a_few_constant_ladders_are_left_out_of_the_l_test_and_said() -> None:
    images = [(float(-k) if r else 0.0, f"p{r}", "jpeg", k) for r in range(3) for k in range(4)]
    found, (reason,) = judged(images)
    assert re.search("^1 of 3 ladders have constant scores: left out of the L", reason)
    assert found["l_test_srcc"] == pytest.approx(1)
    assert found["monotone_ladders"] == pytest.approx(2 / 3)


def test_without_level_0_the_d_test_alone_is_missing() -> None:
    images = [i for i in some_ladders(7, missing=0.0, values=60) if i[3]]
    found, (reason,) = judged(images)
    assert re.search(r"^no pristine image \(level 0\): the D-test is undefine", reason)
    assert {name for name in LADDER_METRICS if math.isnan(found[name])} == {"d_test", "d_test_auc"}
    assert list(found["by_level"]) == [1, 2, 3, 4]
    assert math.isnan(found["by_level"][1]["step_accuracy"])
    assert found["ladder_accuracy"] == pytest.approx(
        oracle([*images, (0.0, "other", "none", 0)], ["jpeg", "blur", "noise"])["ladder_accuracy"]
    )


def test_one_distortion_without_level_0_is_named() -> None:
    images = [(1.0, "a", "none", 0), (0.5, "a", "jpeg", 2), (0.6, "b", "none", 0),
              (0.4, "b", "jpeg", 2), (0.3, "c", "blur", 1), (0.2, "c", "blur", 3),
              (0.3, "d", "blur", 1), (0.2, "d", "blur", 3)]  # fmt: skip
    found, (reason,) = judged(images)
    assert re.search(r"D-test is undefined: nan \(blur\)$", reason)
    assert math.isnan(found["by_distortion"]["blur"]["d_test"]) and found["d_test"] == 0.75 + 0.25


def test_one_reference_has_no_pairs_across_references() -> None:
    images = some_ladders(8, photographs=1, missing=0.0, values=60)
    found, (reason,) = judged(images)
    assert re.search("^no two references 2 levels apart in one distortion: th", reason)
    assert math.isnan(found["p_test"]) and found["n_p_test_pairs"] == 0
    assert found["n_ladders"] == 3


def test_one_level_only_has_a_d_test_and_nothing_else() -> None:
    alone = [(0.1 * i, f"p{i}", "jpeg", 3) for i in range(4)]
    pristine = [(1.0 + 0.1 * i, f"q{i}", "none", 0) for i in range(4)]
    found, (reason,) = judged(alone + pristine)
    assert re.search("no ladder has two levels", reason)
    assert found["d_test"] == 1 and found["n_ladders"] == found["n_p_test_pairs"] == 0
    missing = {"ladder_accuracy", "monotone_ladders", "l_test_srcc", "l_test_krcc", "p_test"}
    assert {name for name in LADDER_METRICS if math.isnan(found[name])} == missing


@pytest.mark.parametrize("images", [[], [(1.0, "a", "none", 0), (2.0, "b", "none", 0)]])
def test_without_ladders_all_is_nan_and_said_once(images: list[Image]) -> None:
    measured = ladder_metrics(*(map(list, zip(*images, strict=True)) if images else [[]] * 4))
    assert len(measured.overall.reasons) == 1
    found = measured.values()
    assert all(math.isnan(found[name]) for name in LADDER_METRICS)
    assert found["by_distortion"] == {}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"scores\[1\]"):
        made([(1.0, "a", "jpeg", 1), (bad, "a", "jpeg", 2)])


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="1 scores, 2 references, 1 distortions and 1 levels"):
        ladder_metrics([1.0], ["a", "b"], ["jpeg"], [1])
    with pytest.raises(ValueError, match=r"\(1, 1\)"):
        ladder_metrics([[1.0]], ["a"], ["jpeg"], [1])
    for level in (-1, 0.5):
        with pytest.raises(ValueError, match="whole numbers"):
            ladder_metrics([1.0], ["a"], ["jpeg"], [level])


def test_far_apart_levels_need_no_more_memory() -> None:
    found = made([(1.0, "a", "none", 0), (0.5, "a", "jpeg", 10**12), (0.2, "a", "jpeg", 7)])
    assert found["by_level"][10**12]["step_accuracy"] == 0
    assert found["ladder_accuracy"] == pytest.approx(2 / 3)


def test_every_pair_of_a_ladder_comes_once() -> None:
    images = some_ladders(9)
    ladders = build_ladders(*map(list, zip(*images, strict=True)))
    found = [(int(a), int(b)) for x, y in ladders.pairs() for a, b in zip(x, y, strict=True)]
    rows = range(len(ladders.ladder))
    wanted = {(a, b) for a, b in combinations(rows, 2) if ladders.ladder[a] == ladders.ladder[b]}
    assert len(found) == len(wanted) and set(found) == wanted
    assert all(ladders.levels[ladders.image[a]] <= ladders.levels[ladders.image[b]]
               for a, b in found)  # fmt: skip


# ---- resamples


def resampled(*columns):
    return ladder_metrics(*columns).overall.metrics()


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
    """Metrics of a resample: photograph r stands there times[r] times, under names of its own; of
    the P-test a loop over all pairs, none between copies of one photograph.
    """
    scores, references, kinds, levels = columns
    rows = [(i, copy) for i, name in enumerate(references) for copy in range(times[name])]
    found = ladder_metrics(
        [scores[i] for i, _ in rows],
        [(references[i], copy) for i, copy in rows],
        [kinds[i] for i, _ in rows],
        [levels[i] for i, _ in rows],
    )
    won = {}
    for kind in set(kinds) - {"none"}:
        # A pristine image heads the ladders that its photograph has.
        has = {r for r, k in zip(references, kinds, strict=True) if k == kind}
        mine = [i for i, _ in rows if kinds[i] == kind or (levels[i] == 0 and references[i] in has)]
        won[kind] = [
            (scores[a] > scores[b]) + 0.5 * (scores[a] == scores[b])
            for a in mine for b in mine
            if references[a] != references[b] and levels[b] - levels[a] >= SAFE_GAP
        ]  # fmt: skip
    parts = {None: found.overall, **found.by_distortion}
    won[None] = sum(won.values(), [])
    return {
        kind: {n: v for n, v in own.values().items() if n in LADDER_METRICS}
        | {"p_test": np.mean(won[kind])}
        for kind, own in parts.items()
    }


@pytest.mark.parametrize("decimals", [6, 0])
def test_a_resample_is_its_references_written_out(decimals):
    columns = ladders(0, 8, decimals=decimals)
    found = ladder_metrics(*columns)
    parts = {None: found.overall, **found.by_distortion}
    names = sorted(set(columns[1]))
    rng = np.random.default_rng(1)
    for _ in range(8):
        times = dict(zip(names, rng.multinomial(8, np.full(8, 1 / 8)), strict=True))
        counts = np.array([[float(times[name]) for name in columns[1]]])
        expected = written_out(columns, times)
        assert parts.keys() == expected.keys()
        for kind, own in parts.items():
            resample = {name: metric(counts)[0] for name, metric in own.metrics().items()}
            assert resample == pytest.approx(expected[kind], nan_ok=True), kind


@pytest.mark.parametrize("exact", [True, False])
def test_every_reference_once_is_the_value(monkeypatch, exact):
    monkeypatch.setattr(module, "EXACT_REFERENCES", 12 if exact else 11)
    columns = ladders(2, 12, decimals=1)
    found = ladder_metrics(*columns)
    rows = [own for level in (*found.levels.values(), found.by_level) for own in level.values()]
    for own in (found.overall, *found.by_distortion.values(), *rows):
        for name, metric in own.metrics().items():
            both = metric(np.ones((2, len(columns[0]))))
            assert both == pytest.approx([metric.value] * 2, nan_ok=True), name


def test_the_p_test_to_first_order_agrees_in_the_interval(monkeypatch):
    """Of 80 references the ends of an interval move by less than 5% of its length."""
    columns, ends = ladders(3, 80, decimals=1), []
    for limit in (80, 79):
        monkeypatch.setattr(module, "EXACT_REFERENCES", limit)
        metrics = {"p_test": resampled(*columns)["p_test"]}
        owner = cluster_numbers(columns[1])
        found = bootstrap(metrics, owner, 400, np.random.default_rng(4))["p_test"]
        ends.append(np.array([found.low, found.high]))
    assert 0 < np.abs(ends[0] - ends[1]).max() < 0.05 * np.ptp(ends[0])


def test_what_does_not_exist_is_nan():
    """No pristine image; ladders of one level only; constant scores."""
    every = np.ones((1, 4))
    bare = resampled([1.0, 2, 3, 4], ["a", "a", "b", "b"], ["x"] * 4, [1, 2, 1, 2])
    for name in ("d_test", "d_test_auc", "p_test"):
        assert np.isnan(bare[name](every))
    single = resampled([1.0, 2, 3, 4], list("abcd"), ["x"] * 4, [1, 2, 1, 3])
    for name in ("ladder_accuracy", "monotone_ladders", "l_test_srcc", "l_test_krcc"):
        assert np.isnan(single[name](every))
    flat = resampled([1.0] * 4, list("aabb"), ["x"] * 4, [0, 2, 0, 2])
    assert np.isnan(flat["l_test_srcc"](every)) and np.isnan(flat["l_test_krcc"](every))
    for name in ("ladder_accuracy", "d_test", "d_test_auc", "p_test"):
        assert flat[name](every) == 0.5
    assert flat["monotone_ladders"](every) == 0
    # A resample without the only photograph that has a pristine image.
    one = resampled([1.0, 2, 3], list("aab"), ["x"] * 3, [0, 2, 2])
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
    rng = np.random.default_rng(5)
    known = ladder_metrics(*simulated(rng, 20_000)).overall
    known = {name: metric.value for name, metric in known.metrics().items()}

    def draw():
        columns = simulated(rng, 40)
        return columns[1], resampled(*columns)

    for name, (inside, _, _) in coverage(known, draw, 150, 150, rng).items():
        assert inside >= 0.95 - 0.054, name

"""All pairs of a batch, their margins and their loss, against plain loops over every two images."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from criterions.ranking_loss import RankingLoss
from dataloader.labels.labels import Labels, Version
from dataloader.targets.known_order import pairs_within
from dataloader.targets.pairs import PairTargets
from tests.label_rows import rows_of

MARGIN = 0.3


def random_ladders(seed: int) -> Labels:
    """Label lines and versions of their images: ladders with gaps and ties, some without their
    reference, some images of unknown level, and lines across references, across distortions,
    twice, and against the levels.
    """
    rng = np.random.default_rng(seed)
    kinds = []
    for reference, distortion in itertools.product("abc", ("jpeg", "blur", "noise")):
        kinds += [Version(reference, distortion, int(n)) for n in rng.integers(1, 6, 4)]
    kinds += [Version("a", "none", 0), Version("b", "none", 0), Version("b", "jpeg", 0)]
    kinds += [Version("a", "jpeg", None), Version("c", "blur", None)]
    kinds += [
        Version("", "jpeg", 1),
        Version("", "jpeg", 4),
        Version("", "none", 0),
    ]  # of no reference
    images = [Path(f"{i}.png") for i in rng.permutation(len(kinds))]
    two = [rng.choice(len(kinds), 2, replace=False) for _ in range(60)]
    chain = [(i, i + 1) for i in range(len(kinds) - 1)]  # every image has a line
    places = [*two, *chain, two[0], two[0]]
    pairs = [(images[better], images[worse]) for better, worse in places]
    version_of = dict(zip(images, kinds, strict=True))
    seen = dict.fromkeys(path for pair in pairs for path in pair)
    return Labels.of("pairs", pairs, versions=[version_of[path] for path in seen])


def is_above(a: Version, b: Version, across: int = 0) -> bool:
    """What the levels say, in words: same photograph, less of one distortion, or none at all; of
    two photographs only where they are `across` levels apart.
    """
    if a.level is None or b.level is None:
        return False
    if a.level >= b.level or not (a.level == 0 or a.distortion == b.distortion):
        return False
    one_reference = a.reference_id != "" and a.reference_id == b.reference_id
    return one_reference or 0 < across <= b.level - a.level


def pairs_of(labels: Labels, lines) -> list[tuple[Path, Path]]:
    """(better, worse) of some lines."""
    rows = rows_of(labels)
    return [rows[line][:2] for line in lines]


def expected_pairs(labels: Labels, lines, across: int) -> dict[tuple[Path, Path], int]:
    """(better, worse) -> levels apart, by a loop over every two images of the lines."""
    version_of = dict(zip(labels.sources, labels.versions, strict=True))
    chosen = pairs_of(labels, lines)
    found = dict.fromkeys(chosen, 1)
    for a, b in itertools.permutations({path for pair in chosen for path in pair}, 2):
        if is_above(version_of[a], version_of[b], across):
            found[a, b] = version_of[b].level - version_of[a].level
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [1, 2, 9, 40, 95])
@pytest.mark.parametrize("across", [0, 1, 3])
def test_all_pairs_their_margins_and_their_loss_equal_a_loop(seed, count, across):
    labels = random_ladders(seed)
    targets = PairTargets(labels, MARGIN, across)
    rng = np.random.default_rng(100 + seed)
    lines = rng.choice(len(labels), count, replace=False)
    images, found = targets.select(lines)
    expected = expected_pairs(labels, lines, across)
    assert len(set(images)) == len(images)
    names = [targets.paths[i] for i in images]
    pairs = [(names[b], names[w]) for b, w in zip(found["better"], found["worse"], strict=True)]
    assert sorted(pairs) == sorted(expected)  # none missing, none twice
    assert found["margin"].dtype == np.float32
    assert found["margin"] == pytest.approx([MARGIN * expected[pair] for pair in pairs])

    scores = rng.normal(size=len(images))
    score_of = dict(zip(names, scores, strict=True))
    total = 0.0
    for (better, worse), apart in expected.items():
        total += max(0.0, MARGIN * apart - (score_of[better] - score_of[worse]))
    tensors = {name: torch.from_numpy(array) for name, array in found.items()}
    tensors["margin"] = tensors["margin"].double()
    criterion = RankingLoss(1.0)

    def loss(values: torch.Tensor) -> torch.Tensor:
        return criterion(SimpleNamespace(scores=values, logits=None), tensors)

    assert loss(torch.from_numpy(scores)).item() == pytest.approx(total / len(expected), rel=1e-6)
    if count <= 9:
        assert torch.autograd.gradcheck(loss, torch.from_numpy(scores).requires_grad_())


def test_without_levels_the_lines_are_the_pairs():
    labels = replace(random_ladders(0), versions=None)
    targets = PairTargets(labels)
    lines = np.arange(len(labels))[::-2]
    images, found = targets.select(lines)
    assert set(found) == {"better", "worse"}
    ends = zip(images[found["better"]], images[found["worse"]], strict=True)
    assert [(targets.paths[a], targets.paths[b]) for a, b in ends] == pairs_of(labels, lines)


def test_figures_are_about_the_listed_lines():
    """Validation and its loss: the lines as they are, each with its own margin."""
    labels = random_ladders(1)
    whole = PairTargets(labels, MARGIN).all()
    pairs = pairs_of(labels, range(len(labels)))
    assert [labels.sources[i] for i in whole["better"]] == [better for better, _ in pairs]
    version_of = dict(zip(labels.sources, labels.versions, strict=True))
    for (better, worse), margin in zip(pairs, whole["margin"], strict=True):
        a, b = version_of[better], version_of[worse]
        apart = b.level - a.level if is_above(a, b) else 1
        assert margin == pytest.approx(MARGIN * apart)
    assert set(PairTargets(labels).all()) == {"better", "worse"}


def test_lines_of_a_ladder_are_a_group():
    """The ladder of the worse image: level 0 stands at the head of several."""
    labels = random_ladders(2)
    targets = PairTargets(labels)
    groups, versions = targets.groups(), labels.versions
    ladder = [(versions[w].reference_id or w, versions[w].distortion) for w in targets.worse]
    for a, b in itertools.combinations(range(len(labels)), 2):
        assert (groups[a] == groups[b]) == (ladder[a] == ladder[b])


@pytest.mark.parametrize(("flag", "given"), [("margin_by_level", (0.5,)), ("across", (None, 1))])
def test_what_asks_for_levels_is_refused_without_them(flag, given):
    labels = replace(random_ladders(0), versions=None)
    with pytest.raises(ValueError, match=rf"--{flag} needs .* levels.csv"):
        PairTargets(labels, *given)


def test_pairs_of_two_photographs_leave_each_its_own_crop():
    names = [f"{photo}{level}" for photo in "ab" for level in range(3)]
    pairs = [(Path(f"{p}0"), Path(f"{p}{n}")) for p in "ab" for n in (1, 2)]
    versions = [Version(name[0], "blur", int(name[1])) for name in names]
    targets = PairTargets(Labels.of("pairs", pairs, versions=versions), across=1)
    images, found = targets.select(np.arange(4))
    assert len(found["better"]) == 3 + 3 + 3 + 3
    keys = targets.view_keys(images, found)
    assert keys.tolist() == [0, 0, 0, 3, 3, 3]


@pytest.mark.parametrize("group", [[], [3], [1, 0, 1, 1], [2, 2, 7, 0, 7, 2]])
def test_pairs_within_a_group(group):
    a, b = pairs_within(np.array(group, dtype=np.int64))
    every = itertools.product(range(len(group)), repeat=2)
    expected = [(i, j) for i, j in every if group[i] == group[j]]
    assert sorted(zip(a.tolist(), b.tolist(), strict=True)) == expected


@pytest.mark.parametrize("margin", [1e-60, 2e38])
def test_a_margin_that_float32_cannot_hold_is_refused(margin):
    with pytest.raises(ValueError, match="not finite and above 0"):
        PairTargets(random_ladders(0), margin)

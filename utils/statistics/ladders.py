"""Ladders: the versions of one photograph under one distortion, from good to bad, as flat arrays.

A ladder is a (reference, distortion) and its images of level 1 and more; the images of level 0 of
that reference, the reference itself, stand at the head of every one of its ladders.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from utils.statistics.resampled import Floats, Ints, sums_of
from utils.statistics.resampled_pairs import shares_won
from utils.statistics.ties import tied

SAFE_GAP = 2  # levels between images of two references whose order counts as known


@dataclass(frozen=True)
class Ladders:
    """scores, levels (M,) of the images as they were given, and owner, the place of each one's
    reference in `references`. Of the R >= M rows of all ladders,
    sorted by ladder and level: image, position among the M; ladder 0..L-1; step, 0 for the best
    level that a ladder has, 1 for the next. Of the L ladders: reference, distortion, as places in
    `references` and `distortions`, which stand in the order of their first appearance.
    """

    scores: Floats  # (M,)
    levels: Ints  # (M,)
    owner: Ints  # (M,)
    image: Ints  # (R,)
    ladder: Ints  # (R,)
    step: Ints  # (R,)
    reference: Ints  # (L,)
    distortion: Ints  # (L,)
    references: list[Any]
    distortions: list[Any]

    def __len__(self) -> int:
        return len(self.reference)

    def by_level(self, image: Ints) -> tuple[Floats, Floats]:
        """(levels in order, mean score at each) of some of the M images."""
        levels, place = np.unique(self.levels[image], return_inverse=True)
        parts = self.scores[image], np.ones(len(image))
        total, size = sums_of(place.reshape(-1), len(levels), *parts)
        return levels.astype(np.float64), total / size

    def pairs(self) -> Iterator[tuple[Ints, Ints]]:
        """Every two rows of every ladder once, as (rows, other rows) with levels that do not fall.

        One turn for each distance between two rows: memory grows with the rows, not with the pairs.
        """
        longest = int(np.bincount(self.ladder).max()) if len(self.ladder) else 0
        for shift in range(1, longest):
            row = np.flatnonzero(self.ladder[:-shift] == self.ladder[shift:])
            yield row, row + shift

    def apart(self, kinds: Iterable[int]) -> Iterator[tuple[Ints, Ints]]:
        """(better images, worse images), every pair of which is at least SAFE_GAP levels apart,
        within one distortion; every such pair of the distortions `kinds` once.
        """
        for kind in kinds:
            image = self.image[self.distortion[self.ladder] == kind]
            level = self.levels[image]
            for low in np.unique(level):
                better, worse = image[level <= low - SAFE_GAP], image[level == low]
                if len(better):
                    yield better, worse


def build_ladders(
    scores: ArrayLike,
    references: Sequence[Hashable],
    distortions: Sequence[Hashable],
    levels: ArrayLike,
) -> Ladders:
    """Ladders of M images: scores (M,), higher is better; references, distortions (M,); levels (M,)
    of whole numbers, 0 for the reference itself, larger is worse.

    What the distortion of a level 0 is called does not matter. ValueError for other shapes, scores
    that are not finite, and levels below 0.
    """
    value, level = tied(_scores(scores)), _levels(levels)
    counts = (len(value), len(references), len(distortions), len(level))
    if len(set(counts)) > 1:
        said = "{} scores, {} references, {} distortions and {} levels".format(*counts)
        raise ValueError(f"{said}: must be equally many")
    below = np.flatnonzero(level > 0)
    reference, reference_names = _codes(references)
    kind, kind_names = _codes([distortions[i] for i in below.tolist()])
    # (below,), then sorted by reference and distortion
    key = reference[below] * len(kind_names) + kind
    keys, ladder = np.unique(key, return_inverse=True)
    owner, kind = np.divmod(keys, max(len(kind_names), 1))  # (L,)
    heads, of_ladder = _heads(np.flatnonzero(level == 0), reference, owner)
    image = np.concatenate([heads, below])  # (R,)
    ladder = np.concatenate([of_ladder, ladder.reshape(-1)])
    order = np.lexsort((level[image], ladder))
    image, ladder = image[order], ladder[order]
    step = _steps(ladder, level[image])
    return Ladders(
        value, level, reference, image, ladder, step, owner, kind, reference_names, kind_names
    )  # fmt: skip


def _scores(scores: ArrayLike) -> Floats:
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"scores: shape {array.shape} where (M,) is wanted")
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise ValueError(f"scores[{bad[0]}]: {array[bad[0]]}: must be finite")
    return array


def _levels(levels: ArrayLike) -> Ints:
    array = np.asarray(levels)
    whole = array.astype(np.int64)
    if array.ndim != 1 or (whole != array).any() or (whole < 0).any():
        raise ValueError("levels: whole numbers (M,) from 0 are wanted")
    return whole


def _codes(values: Sequence[Hashable]) -> tuple[Ints, list[Any]]:
    """(place of each value among the distinct ones, those in the order of their appearance)."""
    place: dict[Hashable, int] = {}
    codes = [place.setdefault(value, len(place)) for value in values]
    return np.array(codes, dtype=np.int64), list(place)


def _heads(pristine: Ints, reference: Ints, owner: Ints) -> tuple[Ints, Ints]:
    """(images, ladders): each pristine image once for every ladder of its reference. owner (L,):
    the ladders' references, which do not fall.
    """
    start = np.searchsorted(owner, reference[pristine], "left")
    count = np.searchsorted(owner, reference[pristine], "right") - start
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(pristine, count), np.repeat(start, count) + within


def _steps(ladder: Ints, level: Ints) -> Ints:
    """Place of each row's level among the levels of its ladder; rows sorted by ladder and level."""
    if not len(ladder):
        return np.zeros(0, dtype=np.int64)
    head = np.diff(ladder, prepend=ladder[0] - 1) != 0
    other = head | (np.diff(level, prepend=level[0]) != 0)
    place = np.cumsum(other) - 1
    return place - place[head][ladder]


@dataclass(frozen=True)
class Tally:
    """Of each ladder (L,): pairs of different levels, how many are won (a tie is half), pairs of
    different scores, pairs SAFE_GAP levels apart and how many of them are won, Spearman's
    correlation of scores with falling levels, nan where one of them is constant. Of S pairs of
    neighbouring levels: ladder, the worse level, won.
    """

    pairs: Floats
    wins: Floats
    untied: Floats
    far_pairs: Floats
    far_wins: Floats
    srcc: Floats
    step_ladder: Ints
    step_level: Ints
    step_won: Floats


def tally_of(found: Ladders) -> Tally:
    count, score, level = len(found), found.scores[found.image], found.levels[found.image]
    sums = np.zeros((5, count))
    steps: list[tuple[NDArray, ...]] = [(found.ladder[:0], level[:0], score[:0])]
    for a, b in found.pairs():
        gap, ladder = level[b] - level[a], found.ladder[a]
        won = shares_won(score[a], score[b])
        far, near = gap >= SAFE_GAP, found.step[b] - found.step[a] == 1
        weights = (gap > 0, won * (gap > 0), won != 0.5, far, won * far)
        sums += sums_of(ladder, count, *weights)
        steps.append((ladder[near], level[b][near], won[near]))
    # Ranks over all ladders, one after the other, are those within each but for a constant.
    x, y = (
        _centred(scipy.stats.rankdata(_keys(found.ladder, values)), found.ladder, count)
        for values in (score, -level)
    )
    xy, xx, yy = sums_of(found.ladder, count, x * y, x * x, y * y)
    defined = (xx > 0) & (yy > 0)
    srcc = np.clip(xy / np.sqrt(np.where(defined, xx * yy, 1.0)), -1, 1)
    ladder, worse, won = (np.concatenate(part) for part in zip(*steps, strict=True))
    pairs, wins, untied, far_pairs, far_wins = sums
    srcc = np.where(defined, srcc, np.nan)
    return Tally(pairs, wins, untied, far_pairs, far_wins, srcc, ladder, worse, won)


def _keys(group: Ints, values: NDArray) -> Ints:
    """Whole numbers (R,) in the order of groups, then of values; equal ones alike."""
    distinct, place = np.unique(values, return_inverse=True)
    return group * len(distinct) + place.reshape(-1)


def _centred(values: Floats, group: Ints, count: int) -> Floats:
    total, size = sums_of(group, count, values, np.ones_like(values))
    return values - (total / np.maximum(size, 1))[group]

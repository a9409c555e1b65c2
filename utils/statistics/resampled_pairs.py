"""Metrics of pairs of images, and of pairs of pairs, of many resamples at once.

As in utils/statistics/resampled.py: counts (B, N) of images in, (B,) out. A pair is drawn as often
as its two images meet: count x count for images of two clusters, which are drawn independently, and
as often as their cluster for images of one. The counts of a cluster's images are equal.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from utils.statistics.resampled import (
    Bools,
    Floats,
    Ints,
    Resampled,
    divided,
    floats,
    starts_of,
    summed,
    sums_of,
    weighted,
)

EXACT_PAIRS = 20_000  # pairs, those of 200 images, up to which each is drawn on its own
FEW_CLUSTERS = 100  # clusters up to which pairs of the same two are drawn together
_BINS = 128  # of the values of pairs that are drawn together
_AT_ONCE = 1 << 20  # entries of resamples in memory


class PairWeights:
    """How often pairs of images first, second (P,) are drawn. Pairs of the same two clusters are
    drawn alike: group (P,) is which of `size` groups each is of.

    cluster: of every image (N,), whole numbers from 0 without gaps; None: every image is its own.
    """

    def __init__(
        self, first: ArrayLike, second: ArrayLike, cluster: ArrayLike | None, images: int
    ) -> None:
        owner = np.arange(images) if cluster is None else np.asarray(cluster, dtype=np.int64)
        ends = owner[np.asarray(first)], owner[np.asarray(second)]
        codes, group = np.unique(
            np.minimum(*ends) * (images + 1) + np.maximum(*ends), return_inverse=True
        )
        self.images, self.size, self.group = images, len(codes), group.reshape(-1)
        image = np.unique(owner, return_index=True)[1]  # one of each cluster
        self._first, self._second = (image[end] for end in np.divmod(codes, images + 1))
        self._apart = self._first != self._second

    def __call__(self, counts: Floats) -> Floats:
        """(B, size): of each group."""
        weight = np.take(counts, self._first, axis=1)
        if self._apart.any():
            weight *= np.where(self._apart, np.take(counts, self._second, axis=1), 1.0)
        return weight

    def derivative(self, values: Floats) -> Floats:
        """(N,): of sum_p weight_p values_p by each image's count, at counts of 1. Counts of a
        cluster are equal, so its derivative is written to one of its images.
        """
        (sums,) = sums_of(self.group, self.size, values)
        second = sums_of(self._second, self.images, sums * self._apart)
        return (sums_of(self._first, self.images, sums) + second)[0]


class PairMean(Resampled):
    """Mean of values (P,) of pairs of images `first` and `second` (P,), such as won or lost.
    cluster, images: as in PairWeights.
    """

    scale = "share"

    def __init__(
        self,
        values: ArrayLike,
        first: ArrayLike,
        second: ArrayLike,
        cluster: ArrayLike | None,
        images: int | None = None,
    ) -> None:
        self._values, self._ends, self._cluster = floats(values), (first, second), cluster
        self.images = len(np.asarray(cluster)) if images is None else images

    @cached_property
    def _grouped(self) -> tuple[PairWeights, Floats]:
        """How often groups of pairs are drawn, and (sum of values, number) (size, 2) of each."""
        weights = PairWeights(*self._ends, self._cluster, self.images)
        parts = (self._values, np.ones_like(self._values))
        return weights, sums_of(weights.group, weights.size, *parts).T

    @property
    def value(self) -> float:
        return float(self._values.mean()) if len(self._values) else np.nan

    def __call__(self, counts: Floats) -> Floats:
        weights, sums = self._grouped
        rows = max(1, _AT_ONCE // max(weights.size, 1))
        drawn = (weights(counts[at : at + rows]) for at in range(0, len(counts), rows))
        parts = [weighted(some, sums) for some in drawn]
        return divided(*np.concatenate(parts).T) if parts else np.empty(0)


class FirstOrderShare(Resampled):
    """won / (won + lost) to first order around counts of 1, in log odds, where it spreads evenly:
    log(won / lost) + sum_i (c_i - 1) (won_i / won - lost_i / lost).

    won, lost: the sums with every image once; won_of, lost_of (N,): their derivatives by each
    image's count, at 1. For sums of products of counts, which would take every pair, or every pair
    of pairs, of every resample.
    """

    scale = "share"

    def __init__(self, won: float, lost: float, won_of: Floats, lost_of: Floats) -> None:
        self._won, self._lost, self._rise = won, lost, np.zeros(len(won_of))
        self.images = len(won_of)
        if won > 0 and lost > 0:
            self._rise = won_of / won - lost_of / lost

    def __call__(self, counts: Floats) -> Floats:
        if not (self._won > 0 and self._lost > 0):  # all won, all lost, or nothing to win
            share = divided(np.array([self._won]), np.array([self._won + self._lost]))
            return np.repeat(share, len(counts))
        odds = np.log(self._won / self._lost) + weighted(counts - 1, self._rise)
        return np.asarray(scipy.special.expit(odds), dtype=np.float64)


# ---- ROC areas


def wins_over(values: Floats, others: Floats) -> Floats:
    """How many of `others` each of `values` is above, a tie as half: by sorting."""
    ordered = np.sort(others)
    both = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return both / 2


def shares_won(better: Floats, worse: Floats | float) -> Floats:
    """1 where better is higher, 0.5 where both are equal, else 0."""
    return 0.5 * ((better > worse).astype(np.float64) + (better >= worse))


def weighted_area(drawn: Floats, is_above: Bools, values: Floats) -> Floats:
    """ROC area (B,) of entries in rising order of values (E,), drawn (B, E) times each: share of
    (above, other) with the larger value above, a tie is half. nan without one of them.
    """
    starts = starts_of(values)
    return _area(*(summed(drawn * side, starts) for side in (is_above, ~is_above)))


def _area(above: Floats, below: Floats) -> Floats:
    """ROC area (B,) of two histograms (B, K) over the same rising values."""
    beaten = np.cumsum(below, axis=1)
    beaten -= 0.5 * below
    won = np.einsum("be,be->b", above, beaten)
    return divided(won, above.sum(axis=1) * below.sum(axis=1))


class RocArea(Resampled):
    """ROC area of values (N,) of single images, those of the class `is_above` (N,) against the
    others.
    """

    scale = "share"

    def __init__(self, values: Floats, is_above: Bools) -> None:
        self._order = np.argsort(values, kind="stable")
        self._values, self._is_above = values[self._order], is_above[self._order]
        self.images = len(values)

    def __call__(self, counts: Floats) -> Floats:
        return weighted_area(np.take(counts, self._order, axis=1), self._is_above, self._values)


class BestThreshold(RocArea):
    """The accuracy at the best threshold of each resample, mean of both classes."""

    scale = "best"

    def __call__(self, counts: Floats) -> Floats:
        drawn = np.take(counts, self._order, axis=1)
        good, bad = drawn * self._is_above, drawn * ~self._is_above
        totals = [part.sum(axis=1, keepdims=True) for part in (good, bad)]
        # Just above the last of each group of equal scores.
        ends = np.append(starts_of(self._values)[1:], len(self._values)) - 1
        gained = np.cumsum(bad * totals[0] - good * totals[1], axis=1)[:, ends]
        both = (totals[0] * totals[1])[:, 0]
        return divided(0.5 * (both + gained.max(axis=1, initial=-np.inf)), both)


class PairArea(Resampled):
    """ROC area of values of pairs: the share of (above, below), a pair of images each, whose first
    has the larger value; a tie is half.

    above (A,), below (C,): values; above_pairs, below_pairs: which pairs of `weights` they are of.
    Every pair is drawn on its own, B x (A + C) steps for B resamples.
    """

    scale = "share"

    def __init__(
        self,
        weights: PairWeights,
        above: Floats,
        above_pairs: Ints,
        below: Floats,
        below_pairs: Ints,
    ) -> None:
        self._weights, self._sides, self.images = weights, (above, below), weights.images
        self._groups = weights.group[above_pairs], weights.group[below_pairs]

    @property
    def value(self) -> float:
        above, below = self._sides
        return float(wins_over(above, below).sum() / (len(above) * len(below)))

    @cached_property
    def _sorted(self) -> tuple[Floats, Ints, Bools]:
        """(values, their groups, whether they are of `above`), in the order of the values."""
        values = np.concatenate(self._sides)
        order = np.argsort(values, kind="stable")
        return values[order], np.concatenate(self._groups)[order], order < len(self._sides[0])

    def __call__(self, counts: Floats) -> Floats:
        values, groups, is_above = self._sorted
        rows = max(1, _AT_ONCE // max(len(values), 1))
        parts = (self._weights(counts[at : at + rows]) for at in range(0, len(counts), rows))
        found = [weighted_area(np.take(w, groups, axis=1), is_above, values) for w in parts]
        return np.concatenate(found) if found else np.empty(0)


class BinnedPairArea(PairArea):
    """The same of values in _BINS of equal size, those of one bin tied, which moves the area by
    less than 1e-4; pairs of the same two clusters are drawn together.
    """

    @cached_property
    def _binned(self) -> list[NDArray[np.float32]]:
        """(above, below), each (size, K): pairs of each group in each bin."""
        above, below = self._sides
        both = np.concatenate(self._sides)
        # Where above and below do not overlap, their order needs no limits of bins.
        unsure = both[(both >= above.min()) & (both <= below.max())]
        edges = np.unique(unsure)
        if len(edges) > _BINS:
            edges = np.unique(np.quantile(unsure, np.arange(_BINS) / _BINS))
        edges = np.append(edges, np.nextafter(below.max(), np.inf))
        shape = self._weights.size, len(edges) + 1
        cells = (
            np.bincount(
                groups * shape[1] + np.searchsorted(edges, values, "right"),
                minlength=shape[0] * shape[1],
            )
            for values, groups in zip(self._sides, self._groups, strict=True)
        )
        return [cell.reshape(shape).astype(np.float32) for cell in cells]

    def __call__(self, counts: Floats) -> Floats:
        weight = self._weights(counts).astype(np.float32)  # as fast again, and seven digits
        return _area(*((weight @ sums).astype(np.float64) for sums in self._binned))


def pair_area(
    weights: PairWeights,
    above: Floats,
    above_pairs: Ints,
    below: Floats,
    below_pairs: Ints,
    way: str,
) -> Resampled:
    """A PairArea that is drawn in one of three ways: "exact", "together" (BinnedPairArea), or
    "near", to first order, the better the more clusters.
    """
    parts = (weights, above, above_pairs, below, below_pairs)
    if way != "near":
        return {"exact": PairArea, "together": BinnedPairArea}[way](*parts)
    won = wins_over(above, below)  # of each above
    spared = len(above) - wins_over(below, above)  # of each below: how many are above it
    pairs = len(weights.group)

    def slope(of_above: Floats, of_below: Floats) -> Floats:
        both = sums_of(above_pairs, pairs, of_above) + sums_of(below_pairs, pairs, of_below)
        return weights.derivative(both[0])

    lost = len(below) - won
    slopes = slope(won, spared), slope(lost, len(above) - spared)
    return FirstOrderShare(float(won.sum()), float(lost.sum()), *slopes)


def pairs_way(pairs: int, clusters: int) -> str:
    """The way of `pair_area` that is fast enough."""
    if pairs <= EXACT_PAIRS:
        return "exact"
    return "together" if clusters <= FEW_CLUSTERS else "near"

"""Shares of things won, of many resamples at once: of sums, of images, and of pairs of pairs.

Figures as in utils/statistics/weighted_figures.py: counts (B, N) of images in, (B,) out. A pair of
images is drawn as `PairMean` says: count x count for images of two clusters, as often as their
cluster for images of one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from utils.statistics.weighted_figures import Figure, Floats, divided

Ints = NDArray[np.int64]

EXACT_PAIRS = 20_000  # pairs, those of 200 images, up to which each is drawn on its own
FEW_CLUSTERS = 100  # clusters up to which pairs of the same two are drawn together
_BINS = 128  # of the values of pairs that are drawn together
_AT_ONCE = 1 << 20  # entries of resamples in memory


class Ratio:
    """Sum of `above` (N,) over sum of `below` (N,), both by image; nan where `below` sums to 0."""

    def __init__(self, above: ArrayLike, below: ArrayLike, scale: str = "share") -> None:
        self._above = np.asarray(above, dtype=np.float64)
        self._below = np.asarray(below, dtype=np.float64)
        self.scale = scale

    def __call__(self, counts: Floats) -> Floats:
        return divided(counts @ self._above, counts @ self._below)


class Among:
    """A figure of some of the images only: `images`, positions (n,)."""

    def __init__(self, figure: Figure, images: ArrayLike) -> None:
        self._figure, self._images = figure, np.asarray(images, dtype=np.int64)
        self.scale = figure.scale

    def __call__(self, counts: Floats) -> Floats:
        return self._figure(np.take(counts, self._images, axis=1))


class FirstOrderShare:
    """won / (won + lost) to first order around counts of 1, in log odds, where it spreads evenly:
    log(won / lost) + sum_i (c_i - 1) (won_i / won - lost_i / lost).

    won, lost: the sums with every image once; won_of, lost_of (N,): their derivatives by each
    image's count, at 1. For sums of products of counts, which would take every pair, or every pair
    of pairs, of every resample.
    """

    scale = "share"

    def __init__(self, won: float, lost: float, won_of: Floats, lost_of: Floats) -> None:
        self._won, self._lost, self._rise = won, lost, np.zeros(len(won_of))
        if won > 0 and lost > 0:
            self._rise = won_of / won - lost_of / lost

    def __call__(self, counts: Floats) -> Floats:
        if not (self._won > 0 and self._lost > 0):  # all won, all lost, or nothing to win
            share = divided(np.array([self._won]), np.array([self._won + self._lost]))
            return np.repeat(share, len(counts))
        odds = np.log(self._won / self._lost) + (counts - 1) @ self._rise
        return np.asarray(special.expit(odds), dtype=np.float64)


class PairWeights:
    """How often pairs of images first, second (P,) are drawn; cluster: of every image (N,), whole
    numbers from 0 without gaps.
    """

    def __init__(self, first: Ints, second: Ints, cluster: ArrayLike) -> None:
        self.owner = np.asarray(cluster, dtype=np.int64)
        self.first, self.second = first, second
        self.apart = self.owner[first] != self.owner[second]
        self._images = len(self.owner)

    def __call__(self, counts: Floats) -> Floats:
        """(B, P)."""
        weight = np.take(counts, self.first, axis=1)
        weight *= np.where(self.apart, np.take(counts, self.second, axis=1), 1.0)
        return weight

    def derivative(self, values: Floats) -> Floats:
        """(N,): of sum_p weight_p values_p by each image's count, at counts of 1.

        A pair of one cluster is drawn as often as its first image; counts of a cluster are equal,
        so it does not matter which of its images a derivative is written to.
        """
        found = np.zeros(self._images)
        found += np.bincount(self.first, values, self._images)
        found += np.bincount(self.second, values * self.apart, self._images)
        return found


class PairArea:
    """ROC area of values of pairs: the share of (above, below), a pair of images each, whose first
    has the larger value; a tie is half.

    above (A,), below (C,): values; above_pairs, below_pairs: which pairs of `weights` they are of.
    way: "exact", B x (A + C) steps for B resamples; "together", where pairs of the same two
    clusters are drawn alike: their values in _BINS of equal size, values of one bin tied, which
    moves the area by less than 1e-4; "near", to first order, the better the more clusters.
    """

    scale = "share"

    def __init__(
        self,
        weights: PairWeights,
        above: Floats,
        above_pairs: Ints,
        below: Floats,
        below_pairs: Ints,
        way: str,
    ) -> None:
        self._weights = weights
        self._other: Callable[[Floats], Floats] | None = None
        if way != "exact":
            parts = (weights, above, above_pairs, below, below_pairs)
            self._other = _Together(*parts) if way == "together" else _near(*parts)
            return
        order = np.argsort(np.concatenate([above, below]), kind="stable")
        self._values = np.concatenate([above, below])[order]
        self._pairs = np.concatenate([above_pairs, below_pairs])[order]
        self._is_above = order < len(above)

    def __call__(self, counts: Floats) -> Floats:
        if self._other is not None:
            return self._other(counts)
        rows = max(1, _AT_ONCE // max(len(self._pairs), 1))
        parts = [self._exactly(counts[at : at + rows]) for at in range(0, len(counts), rows)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _exactly(self, counts: Floats) -> Floats:
        drawn = np.take(self._weights(counts), self._pairs, axis=1)
        return weighted_area(drawn, self._is_above, self._values)


class _Together:
    """The area of pairs in bins, those of the same two clusters together."""

    def __init__(
        self,
        weights: PairWeights,
        above: Floats,
        above_pairs: Ints,
        below: Floats,
        below_pairs: Ints,
    ) -> None:
        ends = weights.owner[weights.first], weights.owner[weights.second]
        clusters = int(weights.owner.max()) + 1
        codes, group = np.unique(
            np.minimum(*ends) * clusters + np.maximum(*ends), return_inverse=True
        )
        self._weights = PairWeights(*np.divmod(codes, clusters), np.arange(clusters))
        self._image = np.unique(weights.owner, return_index=True)[1]
        edges = _edges(above, below)
        self._sums = []  # above and below (C, K): pairs of each group in each bin
        for values, pairs in ((above, above_pairs), (below, below_pairs)):
            place = np.searchsorted(edges, values, "right")
            cells = np.bincount(
                group.reshape(-1)[pairs] * (len(edges) + 1) + place,
                minlength=len(codes) * (len(edges) + 1),
            )
            self._sums.append(cells.reshape(len(codes), -1).astype(np.float32))

    def __call__(self, counts: Floats) -> Floats:
        weight = self._weights(np.take(counts, self._image, axis=1))
        short = weight.astype(np.float32)  # as fast again, and seven digits
        above, below = ((short @ sums).astype(np.float64) for sums in self._sums)
        return _area(above, below)


def _edges(above: Floats, below: Floats) -> Floats:
    """Limits of bins; where above and below do not overlap, their order needs none."""
    both = np.concatenate([above, below])
    unsure = both[(both >= above.min()) & (both <= below.max())]
    edges = np.unique(unsure)
    if len(edges) > _BINS:
        edges = np.unique(np.quantile(unsure, np.arange(_BINS) / _BINS))
    return np.append(edges, np.nextafter(below.max(), np.inf))


def pairs_way(pairs: int, clusters: int) -> str:
    """The `way` of a PairArea that is fast enough."""
    if pairs <= EXACT_PAIRS:
        return "exact"
    return "together" if clusters <= FEW_CLUSTERS else "near"


def weighted_area(drawn: Floats, is_above: NDArray[np.bool_], values: Floats) -> Floats:
    """ROC area (B,) of entries in rising order of values (E,), drawn (B, E) times each: share of
    (above, other) with the larger value above, a tie is half. nan without one of them.
    """
    above, below = drawn * is_above, drawn * ~is_above
    starts = starts_of(values)
    if len(starts) < len(values):
        above, below = (np.add.reduceat(part, starts, axis=1) for part in (above, below))
    return _area(above, below)


def _area(above: Floats, below: Floats) -> Floats:
    """ROC area (B,) of two histograms (B, K) over the same rising values."""
    beaten = np.cumsum(below, axis=1)
    beaten -= 0.5 * below
    won = np.einsum("be,be->b", above, beaten)
    return divided(won, above.sum(axis=1) * below.sum(axis=1))


def starts_of(ordered: Floats) -> Ints:
    """(K,): where each new value begins among sorted ones (E,)."""
    new = np.ones(len(ordered), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return np.flatnonzero(new)


def wins_over(values: Floats, others: Floats) -> Floats:
    """How many of `others` each of `values` is above, a tie as half: by sorting."""
    ordered = np.sort(others)
    both = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return both / 2


def _near(
    weights: PairWeights, above: Floats, above_pairs: Ints, below: Floats, below_pairs: Ints
) -> FirstOrderShare:
    won = wins_over(above, below)  # of each above
    spared = len(above) - wins_over(below, above)  # of each below: how many are above it
    pairs = len(weights.first)

    def slope(of_above: Floats, of_below: Floats) -> Floats:
        both = np.zeros(pairs)
        both += np.bincount(above_pairs, of_above, pairs)
        both += np.bincount(below_pairs, of_below, pairs)
        return weights.derivative(both)

    return FirstOrderShare(
        float(won.sum()),
        float((len(below) - won).sum()),
        slope(won, spared),
        slope(len(below) - won, len(above) - spared),
    )

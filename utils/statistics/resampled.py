"""Metrics of many resamples at once: a resample of N images is how often each was drawn.

A metric here is called with counts (B, N) and returns (B,), the metric of each resample, equal to
that of the drawn images written out, ties included; its `value` is that of every image once. No
resample is sorted: the N values are sorted once, and the mid-ranks of a resample are running sums
of its counts, so B resamples cost B x N steps. What does not exist for a resample (a constant, no
image) is nan.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from utils.statistics.ties import constant, tied

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Kendall's tau is exact for resamples of up to so many images, else to first order.
EXACT_KENDALL = 1000
# Variances below this share of the mean square are rounding of the sums.
_ROUNDING = 1e-13


class Resampled:
    """A metric of `images` images, to be called with counts (B, images).

    scale: what kind of number it is, which decides where its spread is even: "correlation"
    (-1..1), "concordance" (Kendall's), "order" (the share of pairs in that), "error" (above 0),
    "share" (0..1), "best" (0.5..1, a share at the best of some thresholds, chosen anew in every
    resample, so that it comes out too high) or "difference". limits: least and most, beyond which
    no images can carry an "error".
    """

    scale: str
    images: int
    limits = (-np.inf, np.inf)

    def __call__(self, counts: Floats) -> Floats:
        raise NotImplementedError

    @property
    def value(self) -> float:
        """The metric itself: every image once."""
        return float(self(np.ones((1, self.images)))[0])


class Undefined(Resampled):
    """A metric that does not exist, and the reason why."""

    scale, images = "difference", 0

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __call__(self, counts: Floats) -> Floats:
        return np.full(len(counts), np.nan)


class Among(Resampled):
    """A metric of some of `images` images only: places (n,)."""

    def __init__(self, metric: Resampled, places: ArrayLike, images: int) -> None:
        self._metric, self._places = metric, np.asarray(places, dtype=np.int64)
        self.scale, self.limits, self.images = metric.scale, metric.limits, images

    def __call__(self, counts: Floats) -> Floats:
        return self._metric(np.take(counts, self._places, axis=1))

    @property
    def value(self) -> float:
        return self._metric.value


def floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def divided(above: Floats, below: Floats) -> Floats:
    """above / below (B,); nan where below is not above 0."""
    safe = np.where(below > 0, below, 1.0)
    return np.where(below > 0, above / safe, np.nan)


def weighted(counts: Floats, columns: Floats) -> Floats:
    """counts (B, N) @ columns (N,) or (N, K), by this thread alone: of few rows, such as a block of
    many images has, a BLAS makes threads that wait longer than they work.
    """
    return np.einsum("bn,...n->b...", counts, columns.T)


def sums_of(group: Ints, groups: int, *parts: ArrayLike) -> Floats:
    """Sums (len(parts), groups) of values (n,) by the group of each."""
    return np.stack([np.bincount(group, part, groups) for part in parts]).astype(np.float64)


# ---- means


class Mean(Resampled):
    """Mean of values (N,), such as absolute errors, or of 0 and 1 with the scale "share"."""

    def __init__(self, values: ArrayLike, scale: str = "error") -> None:
        self._values, self.scale = floats(values), scale
        self.images = len(self._values)
        if self.images and np.isfinite(self._values).all():
            self.limits = float(self._values.min()), float(self._values.max())

    def __call__(self, counts: Floats) -> Floats:
        return divided(weighted(counts, self._values), counts.sum(axis=1))


class RootMean(Mean):
    """Root of the mean of values (N,): the RMSE of squared errors."""

    def __init__(self, values: ArrayLike) -> None:
        super().__init__(values)
        least, most = self.limits
        self.limits = (float(np.sqrt(least)), float(np.sqrt(most))) if least >= 0 else (0.0, np.inf)

    def __call__(self, counts: Floats) -> Floats:
        return np.sqrt(super().__call__(counts))


class Ratio(Resampled):
    """Sum of `above` (N,) over sum of `below` (N,), both by image; nan where `below` sums to 0."""

    def __init__(self, above: ArrayLike, below: ArrayLike, scale: str = "share") -> None:
        self._above, self._below, self.scale = floats(above), floats(below), scale
        self.images = len(self._above)

    def __call__(self, counts: Floats) -> Floats:
        return divided(weighted(counts, self._above), weighted(counts, self._below))


# ---- correlations


class Pearson(Resampled):
    """Pearson's correlation of x (N,) and y (N,), from sums of moments."""

    scale = "correlation"

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        a, b = (_standard(floats(values)) for values in (x, y))
        self._moments = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b]).T  # (N, 6)
        self.images = len(a)

    def __call__(self, counts: Floats) -> Floats:
        sums = weighted(counts, self._moments)  # (B, 6)
        n = np.maximum(sums[:, :1], 1.0)
        mean_a, mean_b, aa, bb, ab = (sums[:, 1:] / n).T
        return _correlation(ab - mean_a * mean_b, aa - mean_a**2, bb - mean_b**2, aa, bb)


def _standard(values: Floats) -> Floats:
    """Centred and scaled, so that moments keep their digits; all zeros for a constant."""
    if constant(values):
        return np.zeros_like(values)
    centred = values - values.mean()
    return centred / np.abs(centred).max()


def _correlation(xy: Floats, xx: Floats, yy: Floats, scale_x: Floats, scale_y: Floats) -> Floats:
    """xy / sqrt(xx yy); nan where xx or yy is nothing but the rounding of its scale."""
    defined = (xx > _ROUNDING * scale_x) & (yy > _ROUNDING * scale_y)
    product = np.where(defined, xx * yy, 1.0)
    return np.where(defined, np.clip(xy / np.sqrt(product), -1, 1), np.nan)


class _Groups:
    """Values (N,) in their order, equal ones together: (G,) groups."""

    def __init__(self, values: Floats) -> None:
        self._order = np.argsort(values, kind="stable")
        self._starts = starts_of(values[self._order])
        first = np.zeros(len(values), dtype=np.int64)
        first[self._starts] = 1
        self._owner = np.empty(len(values), dtype=np.int64)  # (N,): the group of each value
        self._owner[self._order] = np.cumsum(first) - 1

    def sizes(self, counts: Floats) -> Floats:
        """Draws (B, G) of each group."""
        return summed(np.take(counts, self._order, axis=1), self._starts)

    def centred_ranks(self, sizes: Floats, total: Floats) -> Floats:
        """Mid-ranks (B, N) of every value among the drawn ones, less their mean."""
        ranks = np.cumsum(sizes, axis=1)
        ranks -= 0.5 * sizes
        ranks -= 0.5 * total
        return np.take(ranks, self._owner, axis=1)

    def spread(self) -> Floats:
        """How many values (N,) there are in the group that each value belongs to."""
        return self.sizes(np.ones((1, len(self._owner))))[0][self._owner]


def starts_of(ordered: Floats) -> Ints:
    """(G,): where each new value begins among sorted ones (N,)."""
    new = np.ones(len(ordered), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return np.flatnonzero(new)


def summed(drawn: Floats, starts: Ints) -> Floats:
    """Sums (B, G) of the columns (B, N) of each group."""
    return drawn if len(starts) == drawn.shape[1] else np.add.reduceat(drawn, starts, axis=1)


class Spearman(Resampled):
    """Spearman's correlation of x (N,) and y (N,), ties at their mean rank.

    The ranks' variance has a closed form: n var = (n^3 - sum_g size_g^3) / 12 over groups of ties.
    """

    scale = "correlation"

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        self._x, self._y = _Groups(tied(x)), _Groups(tied(y))
        self.images = len(np.asarray(x))

    def __call__(self, counts: Floats) -> Floats:
        total = counts.sum(axis=1, keepdims=True)
        sizes_x, sizes_y = self._x.sizes(counts), self._y.sizes(counts)
        product = self._x.centred_ranks(sizes_x, total)
        product *= self._y.centred_ranks(sizes_y, total)
        product *= counts
        cube = total[:, 0] ** 3
        xx, yy = ((cube - np.einsum("bg,bg,bg->b", s, s, s)) / 12 for s in (sizes_x, sizes_y))
        return _correlation(product.sum(axis=1), xx, yy, cube, cube)


class Kendall(Resampled):
    """Kendall's tau-b of x (N,) and y (N,).

    tau-b = S / sqrt(D_x D_y), where S = sum_ij c_i c_j sign(x_i - x_j) sign(y_i - y_j) and D counts
    the pairs that are not tied. Up to EXACT_KENDALL images S is that quadratic form, from a matrix
    of signs. Beyond, the three forms c'Ac are taken to first order around counts of 1, as
    2 c'A1 - 1'A1; the term left out is of the order 1/N of the value. With 600 images the ends of
    an interval move by less than 3% of its length. The value is always exact, in N log² N or less.
    """

    scale = "concordance"

    def __init__(self, x: ArrayLike, y: ArrayLike, exact: bool | None = None) -> None:
        self._a, self._b = tied(x), tied(y)
        self.images = len(self._a)
        self._exact = self.images <= EXACT_KENDALL if exact is None else exact

    @cached_property
    def _groups(self) -> tuple[_Groups, _Groups]:
        return _Groups(self._a), _Groups(self._b)

    @cached_property
    def _signs(self) -> NDArray[np.float32]:
        signs = np.sign(self._a[:, None] - self._a) * np.sign(self._b[:, None] - self._b)
        return signs.astype(np.float32)  # sums of whole numbers below 2^24 are exact

    @cached_property
    def _rows(self) -> Floats:
        """(N, 3): A1 of the three forms."""
        untied = [self.images - group.spread() for group in self._groups]
        return np.stack([balances(self._a, self._b), *untied]).T

    def __call__(self, counts: Floats) -> Floats:
        return self._of(*self._forms(counts))

    @property
    def value(self) -> float:
        pairs = [differing_pairs(values) for values in (self._a, self._b)]
        if self.images <= EXACT_KENDALL:  # and so without scipy.stats, which is slow to import
            balance = balances(self._a, self._b).sum() / 2
        else:
            tau = scipy.stats.kendalltau(self._a, self._b, variant="b").statistic
            balance = np.nan_to_num(tau) * np.sqrt(float(pairs[0]) * pairs[1])  # nan of a constant
        return float(self._of(*np.array([[balance], *([float(p)] for p in pairs)]))[0])

    def _of(self, balance: Floats, pairs_x: Floats, pairs_y: Floats) -> Floats:
        """The metric (B,) of S, D_x and D_y, (B,) each."""
        one = np.ones_like(balance)
        return _correlation(balance, pairs_x, pairs_y, one, one)

    def _forms(self, counts: Floats) -> Floats:
        """(S, D_x, D_y), (3, B)."""
        if not self._exact:
            return (2 * weighted(counts, self._rows) - self._rows.sum(axis=0)).T
        product = (counts.astype(np.float32) @ self._signs).astype(np.float64)
        square = counts.sum(axis=1) ** 2
        untied = [square - (group.sizes(counts) ** 2).sum(axis=1) for group in self._groups]
        return np.stack([np.einsum("bn,bn->b", product, counts), *untied])


class OrderShare(Kendall):
    """Share of all pairs of images whose y (N,) differ that x (N,) puts in the same order; a tie of
    x is half. As exact as Kendall's tau.
    """

    scale = "order"

    def _of(self, balance: Floats, pairs_x: Floats, pairs_y: Floats) -> Floats:
        return 0.5 + 0.5 * divided(balance, pairs_y)


def differing_pairs(values: Floats) -> int:
    """How many pairs of two different values (N,), or rows (N, D), there are."""
    axis = None if values.ndim == 1 else 0
    _, counts = np.unique(values, axis=axis, return_counts=True)
    return (len(values) ** 2 - int((counts.astype(np.int64) ** 2).sum())) // 2


def balances(x: Floats, y: Floats) -> Floats:
    """sum_j sign(x_i - x_j) sign(y_i - y_j) of each i (N,): concordant less discordant partners, in
    O(N log^2 N) and without a matrix of pairs.
    """
    a, b = (np.unique(values, return_inverse=True)[1].reshape(-1) for values in (x, y))
    concordant = _below_both(a, b) + _below_both(-a, -b)
    return (concordant - _below_both(a, -b) - _below_both(-a, b)).astype(np.float64)


def _below_both(a: Ints, b: Ints) -> Ints:
    """For each i the number of j with a_j < a_i and b_j < b_i (N,)."""
    # Equal a stand in falling order of b, so that none of them counts for another.
    order = np.lexsort((-b, a))
    result = np.empty(len(a), dtype=np.int64)
    result[order] = _smaller_before(b[order] - b.min(initial=0))
    return result


def _smaller_before(values: Ints) -> Ints:
    """For each place the number of smaller values before it (N,); values from 0.

    Merge sort from the bottom: at every step each right half counts into its left half.
    """
    place = np.arange(len(values))
    step, found = int(values.max(initial=0)) + 1, np.zeros(len(values), dtype=np.int64)
    half = 1
    while half < len(values):
        block, right = place // (2 * half), (place // half) % 2 == 1
        keys = block * step + values
        left = np.sort(keys[~right])
        # Every block before is full, with `half` values on its left.
        found[right] += np.searchsorted(left, keys[right]) - block[right] * half
        half *= 2
    return found

"""Figures of many resamples at once: a resample of N images is how often each was drawn.

Every figure here is called with counts (B, N) and returns (B,), the figure of each resample, equal
to that of the drawn images written out, ties included. No resample is sorted: the N values are
sorted once, and the mid-ranks of a resample are running sums of its counts, so B resamples cost
B x N steps. A figure that does not exist for a resample (a constant, no image) is nan.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from utils.statistics import metrics
from utils.statistics.kendall import balances
from utils.statistics.ties import constant, tied

Floats = NDArray[np.float64]

# Kendall's tau is exact for resamples of up to so many images, else to first order.
EXACT_KENDALL = 1000
_PAIRS_AT_ONCE = 1 << 20  # pairs of clusters in memory
# Variances below this share of the mean square are rounding of the sums.
_ROUNDING = 1e-13


class Figure(Protocol):
    """scale: what kind of number it is, which decides where its spread is even: "correlation"
    (-1..1), "concordance" (Kendall's), "order" (the share of pairs in that), "error" (above 0),
    "share" (0..1), "best" (0.5..1, a share at the best of some thresholds, chosen anew in every
    resample, so that it comes out too high) or "difference". An "error" may have `limits` (least,
    most), beyond which no images can carry it.
    """

    scale: str

    def __call__(self, counts: Floats) -> Floats: ...


def _values(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def divided(above: Floats, below: Floats) -> Floats:
    """above / below (B,); nan where below is not above 0."""
    safe = np.where(below > 0, below, 1.0)
    return np.where(below > 0, above / safe, np.nan)


def _limits(values: Floats) -> tuple[float, float]:
    """Of any mean of values (N,)."""
    if not np.isfinite(values).all() or not len(values):
        return -np.inf, np.inf
    return float(values.min()), float(values.max())


class Mean:
    """Mean of values (N,), such as absolute errors, or of 0 and 1 with the scale "share"."""

    def __init__(self, values: ArrayLike, scale: str = "error") -> None:
        self._values, self.scale = _values(values), scale
        self.limits = _limits(self._values)

    def __call__(self, counts: Floats) -> Floats:
        return divided(counts @ self._values, counts.sum(axis=1))


class RootMean:
    """Root of the mean of values (N,): the RMSE of squared errors."""

    scale = "error"

    def __init__(self, values: ArrayLike) -> None:
        self._mean = Mean(values)
        least, most = self._mean.limits
        self.limits = (float(np.sqrt(least)), float(np.sqrt(most))) if least >= 0 else (0.0, np.inf)

    def __call__(self, counts: Floats) -> Floats:
        return np.sqrt(self._mean(counts))


class PairMean:
    """Mean of values (P,) of pairs of images `first` and `second` (P,), such as won or lost.

    A pair is drawn as often as its two images meet: count x count for images of two clusters, which
    are drawn independently, and as often as their cluster for images of one. cluster: (N,), whole
    numbers from 0 without gaps; the counts of a cluster's images are equal.
    """

    scale = "share"

    def __init__(
        self, values: ArrayLike, first: ArrayLike, second: ArrayLike, cluster: ArrayLike
    ) -> None:
        owner, numbers = np.asarray(cluster), _values(values)
        a, b = owner[np.asarray(first)], owner[np.asarray(second)]
        # Pairs of the same two clusters are drawn alike: their sum stands for them.
        codes, place = np.unique(a * (len(owner) + 1) + b, return_inverse=True)
        place = place.reshape(-1)
        self._sums = np.bincount(place, numbers, len(codes))
        self._sizes = np.bincount(place, minlength=len(codes)).astype(np.float64)
        self._image = np.unique(owner, return_index=True)[1]  # (G,): one of each cluster
        self._first, self._second = np.divmod(codes, len(owner) + 1)
        self._apart = self._first != self._second

    def __call__(self, counts: Floats) -> Floats:
        drawn = np.take(counts, self._image, axis=1)
        rows = max(1, _PAIRS_AT_ONCE // max(len(self._sums), 1))
        parts = [self._mean(drawn[at : at + rows]) for at in range(0, len(drawn), rows)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _mean(self, drawn: Floats) -> Floats:
        weight = np.take(drawn, self._first, axis=1)
        if self._apart.any():
            weight *= np.where(self._apart, np.take(drawn, self._second, axis=1), 1.0)
        return divided(weight @ self._sums, weight @ self._sizes)


class Pearson:
    """Pearson's correlation of x (N,) and y (N,), as one matrix product of counts and moments."""

    scale = "correlation"

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        a, b = (_standard(_values(values)) for values in (x, y))
        self._moments = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], axis=1)  # (N, 6)

    def __call__(self, counts: Floats) -> Floats:
        sums = counts @ self._moments  # (B, 6)
        n = np.maximum(sums[:, :1], 1.0)
        mean_a, mean_b, aa, bb, ab = (sums[:, 1:] / n).T
        return _correlation(ab - mean_a * mean_b, aa - mean_a**2, bb - mean_b**2, aa, bb)


def _standard(values: Floats) -> Floats:
    """Centred and scaled, so that moments keep their digits; all zeros for a constant."""
    centred = values - values.mean() if len(values) else values
    spread = np.abs(centred).max(initial=0.0)
    return np.zeros_like(values) if constant(values) else centred / spread


def _correlation(xy: Floats, xx: Floats, yy: Floats, scale_x: Floats, scale_y: Floats) -> Floats:
    """xy / sqrt(xx yy); nan where xx or yy is nothing but the rounding of its scale."""
    defined = (xx > _ROUNDING * scale_x) & (yy > _ROUNDING * scale_y)
    product = np.where(defined, xx * yy, 1.0)
    return np.where(defined, np.clip(xy / np.sqrt(product), -1, 1), np.nan)


class _Groups:
    """Values (N,) in their order, equal ones together: (G,) groups."""

    def __init__(self, values: Floats) -> None:
        self._order = np.argsort(values, kind="stable")
        ordered = values[self._order]
        new = np.ones(len(values), dtype=bool)
        new[1:] = ordered[1:] != ordered[:-1]
        self._starts = np.flatnonzero(new)
        self._owner = np.empty(len(values), dtype=np.int64)  # (N,): the group of each value
        self._owner[self._order] = np.cumsum(new) - 1

    def sizes(self, counts: Floats) -> Floats:
        """Draws (B, G) of each group."""
        drawn = np.take(counts, self._order, axis=1)
        if len(self._starts) == drawn.shape[1]:
            return drawn
        return np.add.reduceat(drawn, self._starts, axis=1)

    def centred_ranks(self, sizes: Floats, total: Floats) -> Floats:
        """Mid-ranks (B, N) of every value among the drawn ones, less their mean."""
        ranks = np.cumsum(sizes, axis=1)
        ranks -= 0.5 * sizes
        ranks -= 0.5 * total
        return np.take(ranks, self._owner, axis=1)

    def spread(self, counts: Floats) -> Floats:
        """Draws (N,) of the group that each value belongs to, of all values once."""
        return self.sizes(counts)[0][self._owner]


class Spearman:
    """Spearman's correlation of x (N,) and y (N,), ties at their mean rank.

    The ranks' variance has a closed form: n var = (n^3 - sum_g size_g^3) / 12 over groups of ties.
    """

    scale = "correlation"

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        self._x, self._y = _Groups(tied(x)), _Groups(tied(y))

    def __call__(self, counts: Floats) -> Floats:
        total = counts.sum(axis=1, keepdims=True)
        sizes_x, sizes_y = self._x.sizes(counts), self._y.sizes(counts)
        product = self._x.centred_ranks(sizes_x, total)
        product *= self._y.centred_ranks(sizes_y, total)
        product *= counts
        cube = total[:, 0] ** 3
        xx, yy = ((cube - np.einsum("bg,bg,bg->b", s, s, s)) / 12 for s in (sizes_x, sizes_y))
        return _correlation(product.sum(axis=1), xx, yy, cube, cube)


class Kendall:
    """Kendall's tau-b of x (N,) and y (N,).

    tau-b = S / sqrt(D_x D_y), where S = sum_ij c_i c_j sign(x_i - x_j) sign(y_i - y_j) and D counts
    the pairs that are not tied. Up to EXACT_KENDALL images S is that quadratic form, from a matrix
    of signs. Beyond, the three forms c'Ac are taken to first order around counts of 1, as
    2 c'A1 - 1'A1; the term left out is of the order 1/N of the value. With 600 images the ends of
    an interval move by less than 3% of its length
    (tests/utils/statistics/test_weighted_figures.py).
    """

    scale = "concordance"

    def __init__(self, x: ArrayLike, y: ArrayLike, exact: bool | None = None) -> None:
        a, b = tied(x), tied(y)
        self._x, self._y = _Groups(a), _Groups(b)
        self._exact = len(a) <= EXACT_KENDALL if exact is None else exact
        if self._exact:
            signs = np.sign(a[:, None] - a) * np.sign(b[:, None] - b)
            self._signs = signs.astype(np.float32)  # sums of whole numbers below 2^24 are exact
            return
        one = np.ones((1, len(a)))
        rows = [balances(a, b), len(a) - self._x.spread(one), len(a) - self._y.spread(one)]
        self._rows = np.stack(rows, axis=1)  # (N, 3): A1 of the three forms

    def __call__(self, counts: Floats) -> Floats:
        balance, pairs_x, pairs_y = self.forms(counts)
        return _correlation(balance, pairs_x, pairs_y, np.ones_like(balance), np.ones_like(balance))

    def forms(self, counts: Floats) -> tuple[Floats, Floats, Floats]:
        """(S, D_x, D_y), (B,) each."""
        if self._exact:
            whole = counts.astype(np.float32)
            balance = np.einsum("bn,bn->b", (whole @ self._signs).astype(np.float64), counts)
            square = counts.sum(axis=1) ** 2
            pairs_x, pairs_y = (square - (g.sizes(counts) ** 2).sum(1) for g in (self._x, self._y))
            return balance, pairs_x, pairs_y
        balance, pairs_x, pairs_y = (2 * (counts @ self._rows) - self._rows.sum(axis=0)).T
        return balance, pairs_x, pairs_y


class OrderShare(Kendall):
    """Share of all pairs of images whose y (N,) differ that x (N,) puts in the same order; a tie of
    x is half. As exact as Kendall's tau.
    """

    scale = "order"

    def __call__(self, counts: Floats) -> Floats:
        balance, _, pairs = self.forms(counts)
        return 0.5 + 0.5 * divided(balance, pairs)


class _Nothing:
    """The figure of predictions that are not finite."""

    scale = "difference"

    def __call__(self, counts: Floats) -> Floats:
        return np.full(len(counts), np.nan)


def score_figures(pred: ArrayLike, mos: ArrayLike) -> dict[str, Figure]:
    """srcc, plcc (raw), krcc, rmse and mae of predictions (N,) against MOS (N,), to be resampled;
    none exists where a value is not finite.
    """
    x, y = (np.asarray(values, dtype=np.float64) for values in (pred, mos))
    if not np.isfinite(x + y).all():
        return dict.fromkeys(("srcc", "plcc", "krcc", "rmse", "mae"), _Nothing())
    return {
        "srcc": Spearman(x, y),
        "plcc": Pearson(x, y),
        "krcc": Kendall(x, y),
        "rmse": RootMean((x - y) ** 2),
        "mae": Mean(np.abs(x - y)),
    }


def histogram_figures(probs: Floats, votes: Floats) -> dict[str, Figure]:
    """NIMA's scorecard of histograms (N, K) against those of the votes (N, K), to be resampled."""
    mean, std = metrics.distribution_mean(probs), metrics.distribution_std(probs)
    voted_mean, voted_std = metrics.moments_of_votes(votes)
    cut = metrics.middle_score(votes.shape[1])
    agree = metrics.above(mean, cut) == metrics.above(voted_mean, cut)
    return {
        "emd_r1": Mean(metrics.emd_of_each(probs, votes, 1)),
        "emd_r2": Mean(metrics.emd_of_each(probs, votes, 2)),
        "two_class_accuracy": Mean(agree, "share"),
        **score_figures(mean, voted_mean),
        "std_srcc": Spearman(std, voted_std),
        "std_plcc": Pearson(std, voted_std),
    }

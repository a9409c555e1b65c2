"""Losses over all pairs of a step's images, where each image has a label of its own: the order of
voted means, and buckets of them.

No pair is made: sorted, the images that make a pair with one of them stand together, so that sums
over all pairs are differences of running sums, N log^2 N steps for N images. Such differences cost
digits: they are taken in float64, on the CPU where the device has none.
"""

from __future__ import annotations

import torch
from torch import nn

from criterions.contrastive_loss import MARGIN
from criterions.inputs import (
    Prediction,
    at_least_float32,
    require_same_shape,
    require_target,
    require_vector,
)
from utils.runtime.device import has_float64
from utils.statistics.ties import TIE


def _check(scores: torch.Tensor, name: str, values: torch.Tensor) -> None:
    require_vector("scores", scores)
    require_same_shape("scores", scores, name, values)


def _exact(values: torch.Tensor) -> torch.Tensor:
    return _near(values.detach()).double()


def _near(values: torch.Tensor) -> torch.Tensor:
    """Where they are, which nobody waits for, if float64 can be computed there."""
    return values if has_float64(values.device) else values.cpu()


def _with_slope(scores: torch.Tensor, value: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """`value` (), in the type of the scores (N,), and with the gradient `slope` (N,) by them; nan
    where a score is not finite.
    """
    scores = at_least_float32(scores)
    value, slope = (exact.to(scores.dtype).to(scores.device) for exact in (value, slope))
    linear = (scores * slope).sum()
    return linear - linear.detach() + value


# ---- order


def order_loss(scores: torch.Tensor, voted: torch.Tensor, share: float) -> torch.Tensor:
    """Mean over all pairs with voted[i] > voted[j] of the margin ranking loss with a margin of its
    own, share * (voted[i] - voted[j]).

    A pair about whose order the votes are nearly undecided then asks for next to nothing, and
    the margin fits any number of bins.

    scores: (N,) predicted means, in bins.
    voted: (N,) means of the votes, in bins; a tie (utils/statistics/ties.py) makes no pair.
    share: part of the voted lead that the prediction must show; above 0.

    Returns (), 0 where the votes order no two images. Raises ValueError for shapes that are not
    both (N,), or a share not above 0.
    """
    _check(scores, "voted", voted)
    if not 0 < share < float("inf"):
        raise ValueError(f"share {share}: must be finite and above 0")
    if not len(voted):
        return scores.sum()
    with torch.no_grad():
        means, order = torch.sort(_exact(voted))
        # A pair loses max(0, short_i - short_j): only which pairs lose has to be counted.
        short = share * means - _exact(scores)[order]
        short -= short.mean()
        place, rising = torch.arange(len(short), device=short.device), torch.sort(short).values
        worse = torch.searchsorted(means, means - TIE * means.abs().amax())  # (N,): how many
        better = len(short) - torch.searchsorted(worse, place, right=True)  # the same pairs
        smaller = torch.searchsorted(rising, short)
        larger = len(short) - torch.searchsorted(rising, short, right=True)
        lost = _fewer(worse, smaller) - _fewer(better.flip(0), larger.flip(0)).flip(0)
        weight = lost.double() / worse.sum().clamp(min=1)
        slope = torch.empty_like(short)
        slope[order] = -weight
    return _with_slope(scores, (short * weight).sum(), slope)


def _fewer(ends: torch.Tensor, ranks: torch.Tensor) -> torch.Tensor:
    """int64 (N,): how many of the first ends[i] items have a smaller rank (0 to N - 1) than item i.

    A merge sort: the first items are sorted runs whose lengths are the powers of two in ends[i].
    """
    count, found = len(ranks), torch.zeros_like(ranks)
    place = torch.arange(count, device=ranks.device)
    for power in range(count.bit_length()):
        runs = torch.sort((place >> power) * count + ranks).values
        run = (ends >> power) - 1
        smaller = torch.searchsorted(runs, run * count + ranks) - (run << power)
        found += torch.where((ends >> power) % 2 == 1, smaller, 0)
    return found


# ---- buckets


def bucket_loss(scores: torch.Tensor, bucket: torch.Tensor) -> torch.Tensor:
    """Contrastive loss over all pairs of images: half of it the mean over those of one bucket, half
    that over those of two, as the recipe has equally many of both; all of it where there is only
    one kind.

    scores: (N,) predicted means, in bins. bucket: (N,) int64. Returns (), 0 where there is no pair
    at all. Raises ValueError for shapes that are not both (N,).
    """
    _check(scores, "bucket", bucket)
    if not len(bucket):
        return scores.sum()
    with torch.no_grad():
        exact = _exact(scores)
        values, order = torch.sort(exact - exact.mean())
        bucket = _near(bucket)
        # (N,) below N: how many are of a lower bucket.
        number = torch.searchsorted(torch.sort(bucket).values, bucket)
        inside = _Groups(values, number[order])
        both = _Groups(values, torch.zeros_like(order))
        pairs, all_pairs = inside.pairs(), both.pairs()
        same, same_slope = inside.apart()
        near, near_slope = both.near()
        mine, mine_slope = inside.near()
        counts = torch.stack([pairs, all_pairs - pairs])
        shares = (counts > 0) / (counts * (counts > 0).sum()).clamp(min=1)
        value = shares[0] * same + shares[1] * (near - mine)
        slope = torch.empty_like(values)
        slope[order] = shares[0] * same_slope + shares[1] * (near_slope - mine_slope)
    return _with_slope(scores, value, slope)


class _Groups:
    """Rising values float64 (N,), each of a group int64 (N,) below N, and sums over pairs of one
    group; each sum with its slope (N,) by the values.
    """

    def __init__(self, values: torch.Tensor, group: torch.Tensor) -> None:
        self.values, self._least = values, group * (len(values) + 1)
        self._rank = torch.searchsorted(values, values)  # (N,): how many are smaller
        self._keys, order = torch.sort(self._least + self._rank)
        powers = torch.stack([torch.ones_like(values), values[order], values[order] ** 2])
        self._sums = torch.nn.functional.pad(powers.cumsum(dim=1), (1, 0))  # (3, N + 1)

    def _among(self, first: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """(3, N): number, sum and sum of squares of those of each value's group that have the ranks
        first (N,) to end (N,).
        """
        low, high = (torch.searchsorted(self._keys, self._least + rank) for rank in (first, end))
        return self._sums[:, high] - self._sums[:, low]

    def _all(self) -> torch.Tensor:
        none = torch.zeros_like(self._rank)
        return self._among(none, none + len(none))

    def pairs(self) -> torch.Tensor:
        """(): how many there are."""
        return (self._all()[0] - 1).sum() / 2

    def apart(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the squares of distances."""
        (count, sums, squares), values = self._all(), self.values
        each = count * values**2 - 2 * values * sums + squares
        return each.sum() / 2, 2 * (count * values - sums)

    def near(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Of (MARGIN - d)^2 over distances d below it; equal values have no slope."""
        values, rank = self.values, self._rank
        after = torch.searchsorted(values, values, right=True)
        count, sums, squares = self._among(
            torch.searchsorted(values, values - MARGIN, right=True), rank
        )
        equal = self._among(rank, after)[0] - 1
        left = MARGIN - values
        each = count * left**2 + 2 * left * sums + squares + equal / 2 * MARGIN**2
        above, sums_above, _ = self._among(after, torch.searchsorted(values, values + MARGIN))
        slope = (MARGIN + values) * above - sums_above - left * count - sums
        return each.sum(), 2 * slope


class OrderLoss(nn.Module):
    """`order_loss` of the predicted means against those of the votes."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, prediction: Prediction, targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """Targets: `probs` (N, K). Returns ()."""
        probs = require_target(targets, "probs", "emd+rank")
        bins = torch.arange(1, probs.shape[1] + 1, device=probs.device, dtype=probs.dtype)
        voted = (probs * bins).sum(dim=1)  # (N,): no matrix product, which autocast would round
        return order_loss(prediction.scores, voted, self.share)


class BucketLoss(nn.Module):
    """`bucket_loss` of the predicted means."""

    def forward(self, prediction: Prediction, targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """Targets: `bucket` (N,). Returns ()."""
        return bucket_loss(prediction.scores, require_target(targets, "bucket", "emd+siamese"))

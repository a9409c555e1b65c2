"""Losses over all pairs of a step's images, where each image has a label of its own: the order of
voted means, and buckets of them.

Pairs are made a block of rows at a time, so that a validation split of thousands of images fits
into memory; a step of training is one block.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from criterions.contrastive_loss import contrastive_loss
from criterions.inputs import Prediction, require_same_shape, require_target, require_vector
from criterions.ranking_loss import ranking_loss
from utils.statistics.ties import TIE

BLOCK = 1024  # rows: with 10,000 images some 10 million pairs at a time

Pairs = tuple[torch.Tensor, torch.Tensor]


def _blocks(count: int, block: int) -> Iterator[slice]:
    return (slice(start, start + block) for start in range(0, count, block))


def _check(scores: torch.Tensor, name: str, values: torch.Tensor) -> None:
    require_vector("scores", scores)
    require_same_shape("scores", scores, name, values)


def _pairs(wanted: torch.Tensor, rows: slice) -> Pairs:
    """int64 (P,), (P,): where `wanted` (rows, N) is true, its rows counted from rows.start."""
    row, column = wanted.nonzero(as_tuple=True)
    return row + rows.start, column


def order_loss(
    scores: torch.Tensor, voted: torch.Tensor, share: float, block: int = BLOCK
) -> torch.Tensor:
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
    apart = TIE * voted.abs().amax() if len(voted) else 0.0
    total, count = scores.sum() * 0, 0  # in the graph, also where no pair follows
    for rows in _blocks(len(voted), block):
        lead = voted[rows, None] - voted[None, :]  # (rows, N)
        better, worse = _pairs(lead > apart, rows)
        if len(better):
            margin = share * lead[better - rows.start, worse]
            total = total + ranking_loss(scores, better, worse, margin) * len(better)
            count += len(better)
    return total / max(count, 1)


def bucket_loss(scores: torch.Tensor, bucket: torch.Tensor, block: int = BLOCK) -> torch.Tensor:
    """Contrastive loss over all pairs of images: half of it the mean over those of one bucket, half
    that over those of two, as the recipe has equally many of both; all of it where there is only
    one kind.

    scores: (N,) predicted means, in bins. bucket: (N,) int64. Returns (), 0 where there is no pair
    at all. Raises ValueError for shapes that are not both (N,).
    """
    _check(scores, "bucket", bucket)
    place = torch.arange(len(bucket), device=bucket.device)
    total, count = {True: scores.sum() * 0, False: scores.sum() * 0}, {True: 0, False: 0}
    for rows in _blocks(len(bucket), block):
        later = place[rows, None] < place[None, :]  # (rows, N): each pair once
        equal = bucket[rows, None] == bucket[None, :]
        for kind in (True, False):
            first, second = _pairs(later & (equal == kind), rows)
            if len(first):
                same = torch.full_like(first, kind, dtype=torch.bool)
                loss = contrastive_loss(scores, first, second, same)
                total[kind] = total[kind] + loss * len(first)
                count[kind] += len(first)
    kinds = [total[kind] / count[kind] for kind in (True, False) if count[kind]]
    return sum(kinds, scores.sum() * 0) / max(len(kinds), 1)


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

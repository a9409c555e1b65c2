"""Margin ranking loss (RankIQA, Liu et al., ICCV 2017, eq. 2) on raw scores."""

from __future__ import annotations

import math

import torch
from torch import nn

from criterions import inputs
from criterions.inputs import Prediction


def _check_share(share: float) -> None:
    if not 0 < share <= 1:
        raise ValueError(f"hard_share {share}: must be above 0 and at most 1, which is every pair")


def ranking_loss(
    scores: torch.Tensor,
    better: torch.Tensor,
    worse: torch.Tensor,
    margin: float | torch.Tensor,
    hard_share: float = 1.0,
) -> torch.Tensor:
    """mean_p max(0, margin_p - (scores[better_p] - scores[worse_p])), RankIQA eq. 2.

    scores: (N,), higher is better. No sigmoid comes before this: it saturates, so that a pair in
        the wrong order gets no gradient, and no margin above 1 is in reach.
    better, worse: (P,) int64, positions in `scores` of each pair's images.
    margin: gap wanted between the two scores, in score units; one number, or (P,). Numbers of a
        tensor are not looked at, for which a device would be waited for: one that is not finite and
        above 0 makes the loss nan.
    hard_share: the mean is over this share of the pairs, those with the largest loss: the nearest
        whole number, at least one; of equal losses the earlier pair counts.

    Returns (), and raises ValueError for a shape or type that does not fit, no pairs, a number as
    margin that is not above 0, or a share that is not above 0 and at most 1.
    """
    inputs.require_vector("scores", scores)
    inputs.require_positions({"better": better, "worse": worse})
    if isinstance(margin, torch.Tensor):
        if margin.ndim > 0:
            inputs.require_same_shape("margin", margin, "better", better)
        margin = torch.where((margin > 0) & margin.isfinite(), margin, math.nan)
    else:
        inputs.require_margin(margin)
    _check_share(hard_share)
    scores = inputs.at_least_float32(scores)
    gap = scores[better] - scores[worse]  # (P,)
    losses = torch.relu(margin - gap)
    if hard_share < 1:
        hard = max(1, round(hard_share * len(losses)))
        # topk leaves open which of equal losses it takes; every process must take the same.
        losses = torch.sort(losses, descending=True, stable=True).values[:hard]
    return losses.mean()


class RankingLoss(nn.Module):
    """`ranking_loss` with `margin` for every pair, unless the targets hold a margin per pair."""

    def __init__(self, margin: float, hard_share: float = 1.0) -> None:
        super().__init__()
        inputs.require_margin(margin)
        _check_share(hard_share)
        self.margin, self.hard_share = margin, hard_share

    def forward(self, prediction: Prediction, targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """Targets: `better` (P,), `worse` (P,) and optionally `margin` (P,). Returns ()."""
        better = inputs.require_target(targets, "better", "rank")
        worse = inputs.require_target(targets, "worse", "rank")
        margin = targets.get("margin", self.margin)
        return ranking_loss(prediction.scores, better, worse, margin, self.hard_share)

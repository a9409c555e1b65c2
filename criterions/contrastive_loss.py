"""Contrastive loss on the distance of two scores (Hadsell, Chopra and LeCun, CVPR 2006, eq. 4,
without its factor 1/2), as Siamese NIMA trains with it.
"""

from __future__ import annotations

import torch
from torch import nn

from criterions import inputs
from criterions.inputs import Prediction

MARGIN = 1.0  # of the recipe: a distance of half of it is where "same" ends


def contrastive_loss(
    scores: torch.Tensor,
    first: torch.Tensor,
    second: torch.Tensor,
    same: torch.Tensor,
    margin: float = MARGIN,
) -> torch.Tensor:
    """mean_p y d^2 + (1 - y) max(margin - d, 0)^2 with d = |scores[first_p] - scores[second_p]|.

    It knows apart from together, not which of two is better: that has to come from the weights
    training starts with. Two equal scores take no gradient, whatever the pair.

    scores: (N,). first, second: (P,) int64, positions in `scores` of each pair's images.
    same: (P,) bool, y: whether both belong together.
    margin: distance in score units from which images that do not belong together are left alone.

    Returns (), and raises ValueError for a shape or type that does not fit, no pairs, or a margin
    not above 0.
    """
    inputs.require_vector("scores", scores)
    inputs.require_positions({"first": first, "second": second})
    inputs.require_same_shape("same", same, "first", first)
    if same.dtype != torch.bool:
        raise ValueError(f"same: {same.dtype} where bool is wanted")
    inputs.require_margin(margin)
    scores = inputs.at_least_float32(scores)
    distance = (scores[first] - scores[second]).abs()  # (P,)
    apart = torch.relu(margin - distance)
    return torch.where(same, distance, apart).square().mean()


class ContrastiveLoss(nn.Module):
    """`contrastive_loss` of the pairs that the targets name."""

    def __init__(self, margin: float = MARGIN) -> None:
        super().__init__()
        inputs.require_margin(margin)
        self.margin = margin

    def forward(self, prediction: Prediction, targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """Targets: `first` (P,), `second` (P,) and `same` (P,). Returns ()."""
        names = ("first", "second", "same")
        first, second, same = (inputs.require_target(targets, name, "siamese") for name in names)
        return contrastive_loss(prediction.scores, first, second, same, self.margin)

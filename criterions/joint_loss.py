"""Several losses of one prediction at once, each with a weight."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from criterions.inputs import Prediction


class JointLoss(nn.Module):
    """sum_i weights[i] * parts[i](prediction, targets).

    ValueError for as many weights as there are no parts, a weight below 0, or none above 0.
    """

    def __init__(self, parts: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        if len(parts) != len(weights):
            raise ValueError(f"{len(weights)} weights for {len(parts)} losses: give one for each")
        if not all(0 <= weight < math.inf for weight in weights) or sum(weights) == 0:
            raise ValueError(f"weights {tuple(weights)}: none below 0, and one above it")
        self.parts, self.weights = nn.ModuleList(parts), tuple(weights)

    def forward(self, prediction: Prediction, targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """Targets: what the parts want. Returns ()."""
        losses = (part(prediction, targets) for part in self.parts)
        return torch.stack(
            [weight * loss for weight, loss in zip(self.weights, losses, strict=True)]
        ).sum()

"""Earth mover's distance between score histograms (NIMA, Talebi and Milanfar, TIP 2018, eq. 1)."""

from __future__ import annotations

import math

import torch
from torch import nn

from criterions import inputs
from criterions.inputs import Prediction


def _check_order(r: float) -> None:
    if not 1 <= r < math.inf:
        raise ValueError(f"r {r}: must be at least 1 (2 to train, 1 to report)")


def emd_loss(logits: torch.Tensor, target: torch.Tensor, r: float = 2) -> torch.Tensor:
    """mean_n (mean_k |CDF_p(k) - CDF_t(k)|^r)^(1/r) with p = softmax(logits), NIMA eq. 1.

    The gradient at an exact match is 0, where a plain root would give nan.

    logits: (N, K), before the softmax, computed here in float32 or wider.
    target: (N, K) opinion histograms over the bins 1..K, each summing to 1.
    r: order of the distance; NIMA trains with 2 and reports 1.

    Returns (), and raises ValueError for shapes that differ or are not (N, K) with K >= 2, no
    images, or r below 1.
    """
    _check_order(r)
    inputs.require_same_shape("logits", logits, "target", target)
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(
            f"logits: shape {tuple(logits.shape)} where (N, K) with K of at least 2 is wanted: "
            "a histogram of one bin is always right"
        )
    if logits.shape[0] == 0:
        raise ValueError("no images: the mean over nothing is undefined, so skip this batch")
    probs = torch.softmax(inputs.at_least_float32(logits), dim=1)  # (N, K)
    difference = torch.cumsum(probs, dim=1) - torch.cumsum(target.to(probs.dtype), dim=1)  # (N, K)
    power = difference.abs().pow(r).mean(dim=1)  # (N,)
    exact = power == 0
    # Both `where` are needed: the gradient of the branch not taken is multiplied by 0, and
    # 0 * inf is nan, so the root must not see the 0 at all.
    root = torch.where(exact, torch.ones_like(power), power).pow(1 / r)
    return torch.where(exact, torch.zeros_like(root), root).mean()


class EMDLoss(nn.Module):
    """`emd_loss` of order `r` as a module."""

    def __init__(self, r: float = 2) -> None:
        super().__init__()
        _check_order(r)
        self.r = r

    def forward(self, prediction: Prediction, targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """Targets: `probs` (N, K). Returns ()."""
        return emd_loss(prediction.logits, inputs.require_target(targets, "probs", "emd"), self.r)

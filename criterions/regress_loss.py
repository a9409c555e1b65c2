"""Regression of the mean opinion score: L1, L2 or Huber."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from criterions import inputs
from criterions.inputs import Prediction

KINDS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "l1": lambda error: error.abs().mean(),
    "l2": lambda error: error.square().mean(),
    "huber": lambda error: F.huber_loss(error, torch.zeros_like(error), delta=1.0),
}


def _check_settings(kind: str, scale: float) -> None:
    if kind not in KINDS:
        raise ValueError(f"regression loss {kind!r}: unknown, use one of {', '.join(KINDS)}")
    if not 0 < scale < math.inf:
        raise ValueError(f"scale {scale}: must be finite and above 0")


def regress_loss(
    scores: torch.Tensor, mos: torch.Tensor, kind: str = "l1", scale: float = 1.0
) -> torch.Tensor:
    """Mean over images of |e|, e^2 or Huber(e) (quadratic within 1), e = (scores - mos) / scale.

    scores: (N,) predictions on the MOS scale. mos: (N,) mean opinion scores, higher is better.
    kind: "l1", "l2" or "huber".
    scale: MOS units that count as an error of 1, so that one learning rate fits a MOS of 1..5 and
        one of 0..100.

    Returns (), and raises ValueError for shapes that are not both (N,), no images, an unknown kind,
    and a scale not above 0.
    """
    _check_settings(kind, scale)
    inputs.require_same_shape("scores", scores, "mos", mos)
    inputs.require_vector("scores", scores)
    if scores.numel() == 0:
        raise ValueError("no images: the mean over nothing is undefined, so skip this batch")
    scores = inputs.at_least_float32(scores)
    return KINDS[kind]((scores - mos.to(scores.dtype)) / scale)


class RegressLoss(nn.Module):
    """`regress_loss` of one kind and scale as a module."""

    def __init__(self, kind: str = "l1", scale: float = 1.0) -> None:
        super().__init__()
        _check_settings(kind, scale)
        self.kind = kind
        self.scale = scale

    def forward(self, prediction: Prediction, targets: dict[str, torch.Tensor]) -> torch.Tensor:
        """Targets: `mos` (N,). Returns ()."""
        mos = inputs.require_target(targets, "mos", "regress")
        return regress_loss(prediction.scores, mos, self.kind, self.scale)

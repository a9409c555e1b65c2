"""Heads: pooled features -> logits and scores. Only a head knows how logits become a score."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ScoreHead(nn.Module):
    """Dropout and one linear layer.

    K = 1: score = offset + scale * logit. offset and scale are buffers, so that a network with
    small outputs predicts on the MOS scale and an exported file needs no extra numbers.
    K > 1: score = sum_k k * softmax(logits)_k with k = 1..K, the mean of the opinion histogram
    (NIMA, Talebi and Milanfar 2018, section III).

    trained_for: the criteria that this head was trained with, the latest one last; () when it is
    fresh. Whether it was trained cannot be read off its values: a loss of pairs, for example, never
    moves the bias of a single branch. It is no tensor: checkpoints keep it beside them.
    """

    def __init__(self, features: int, num_classes: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes: must be at least 1: got {num_classes}")
        self.num_classes = num_classes
        self.trained_for: tuple[str, ...] = ()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(features, num_classes)
        nn.init.zeros_(self.fc.bias)
        if num_classes == 1:
            self.register_buffer("offset", torch.tensor(0.0))
            self.register_buffer("scale", torch.tensor(1.0))
        else:
            bins = torch.arange(1, num_classes + 1, dtype=torch.float32)
            self.register_buffer("bins", bins, persistent=False)  # (K,)

    def set_scale(self, offset: float, scale: float) -> None:
        """Map logit 0 to `offset` and a step of 1 to `scale`, in units of MOS.

        Raises ValueError when K > 1, where the bins are the scale.
        """
        if self.num_classes != 1:
            raise ValueError(f"set_scale: only for num_classes 1: this head has {self.num_classes}")
        self.offset.fill_(offset)
        self.scale.fill_(scale)

    def record(self, criterion: str) -> None:
        """Note that the head has been trained with this criterion, after those before it."""
        if self.trained_for[-1:] != (criterion,):
            self.trained_for += (criterion,)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """features (N, F) -> scores (N,), logits (N, K), both float32 (also under autocast)."""
        # bfloat16 has 8 bits: close scores would become ties, which have no order to learn from.
        with torch.autocast(features.device.type, enabled=False):
            logits = self.fc(self.dropout(features.float()))  # (N, K)
        return self.scores(logits), logits

    def scores(self, logits: Tensor) -> Tensor:
        """logits (N, K) -> scores (N,)."""
        if self.num_classes == 1:
            return self.offset + self.scale * logits[:, 0]
        return (torch.softmax(logits, dim=1) * self.bins).sum(dim=1)

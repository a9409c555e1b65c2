"""Where a training stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Position:
    """Where training stands: the next step of an epoch, updates made, the sums of the epoch so far,
    the best figure.
    """

    epoch: int = 0
    step: int = 0
    updates: int = 0
    loss_sum: float = 0.0
    lines: int = 0
    best: float | None = None
    best_epoch: int | None = None

    def place(self, step: int | None = None) -> str:
        """In words, counted from 1: the given step, or the last one that was made."""
        return f"epoch {self.epoch + 1}, step {self.step if step is None else step}"

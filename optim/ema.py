"""Exponential moving average of a model's weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    # Not state_dict(): that lists a shared tensor under each of its names, and every name would
    # average it once more.
    yield from model.named_parameters()
    yield from model.named_buffers()


class WeightEMA:
    """Averaged copy of a model: w_ema += (1 - d) (w - w_ema), d = min(decay, (1 + n) / (10 + n)).

    n counts the updates made before, so that the first steps do not drag the initial weights
    along for 1 / (1 - decay) steps. Buffers of floats (running statistics of batch norm) are
    averaged like weights, for averaged weights need averaged statistics; other buffers (counters)
    are copied. `module` is the copy to evaluate: in evaluation mode, without gradients.

    Wrap the bare model, not its distributed wrapper, once its settings are final.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"EMA decay {decay}: must be above 0 and below 1")
        self.decay = decay
        self.updates = 0
        self.module = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights of `model` after an optimizer step; ValueError for a model whose
        tensors are not those of the one that was copied.
        """
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        new = dict(_tensors(model))
        old = dict(_tensors(self.module))
        if new.keys() != old.keys():
            first = sorted(new.keys() ^ old.keys())[0]
            raise ValueError(f"EMA: another model than the one copied: {first!r} is in one only")
        for name, average in old.items():
            if average.is_floating_point():
                average.lerp_(new[name].to(average), 1 - decay)
            else:
                average.copy_(new[name])
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Count of updates and the averaged tensors: builtins and tensors only."""
        return {"updates": self.updates, "module": dict(self.module.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict()` gave; torch's loader raises on wrong names or shapes."""
        self.module.load_state_dict(state["module"])
        self.updates = int(state["updates"])

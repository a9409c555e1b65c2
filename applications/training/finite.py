"""Values that are not finite end a training before they are learned from, or saved: the good state
stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from optim.ema import WeightEMA
from optim.finite import first_not_finite
from utils.runtime import distributed

LEAST_SCALE = 2.0**-14  # of fp16's gradients: 30 updates in a row were left out by then


def lost(what: str, place: str, kept: Path) -> ValueError:
    """What is not finite, where training stood, what is left and what helps."""
    return ValueError(
        f"{what} in {place}: lower --lr, or pass --amp off; the state before it stays in {kept}"
    )


def fault_of_step(
    model: nn.Module,
    loss: float,
    gradients: Sequence[float],
    scaler: torch.amp.GradScaler,
    alone: bool,
) -> str | None:
    """What is wrong with a step, on every process or on none; None for nothing and for what fp16's
    scaler makes up for, which leaves the update out and scales less.

    loss: of the steps of the epoch so far; gradients: `optim.finite.total` of them, or nothing
    where the step makes no update. Processes share gradients, and where a loss is not finite, no
    gradient is: all of them see that at the next update.
    """
    bad_loss, learned = not math.isfinite(loss), all(map(math.isfinite, gradients))
    scaled = scaler.is_enabled()
    if bad_loss and (alone or not (learned or scaled)):
        return f"the loss is {loss}"
    if learned:
        return None
    if scaled:
        if distributed.any_rank(bad_loss):
            return "the loss is not finite"
        return "no gradient is finite" if scaler.get_scale() < LEAST_SCALE else None
    named = ((name, p.grad) for name, p in model.named_parameters() if p.grad is not None)
    return f"the gradient of {first_not_finite(named)} is not finite"


def fault_of_state(
    model: nn.Module, ema: WeightEMA | None, optimizer: torch.optim.Optimizer
) -> str | None:
    """What is wrong with a state that is to be saved or judged; every process gets an answer where
    one of them has found something.
    """
    name = first_not_finite(_tensors(model, ema, optimizer))
    if not distributed.any_rank(name is not None):
        return None
    return f"{name} is not finite" if name else "another process has a value that is not finite"


def _tensors(
    model: nn.Module, ema: WeightEMA | None, optimizer: torch.optim.Optimizer
) -> Iterator[tuple[str, Tensor]]:
    yield from model.state_dict().items()
    if ema:
        yield from ((f"the average of {n}", t) for n, t in ema.module.state_dict().items())
    for parameter in optimizer.state.values():
        for name, value in parameter.items():
            if isinstance(value, Tensor):
                yield f"the optimizer's {name}", value

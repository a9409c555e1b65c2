"""Optimizers by name: four from torch, the rest from timm."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from optim.param_groups import param_groups
from utils.runtime.late_compiler import plain_optimizer

Groups = list[dict[str, Any]]


# Listed without importing timm, so that the help of the command line stays quick.
OPTIMIZERS: dict[str, Callable[[Groups, float, float], torch.optim.Optimizer]] = {
    "sgd": lambda groups, lr, momentum: plain_optimizer(torch.optim.SGD)(
        groups, lr=lr, momentum=momentum, nesterov=momentum > 0
    ),
    "adam": lambda groups, lr, _momentum: plain_optimizer(torch.optim.Adam)(groups, lr=lr),
    "adamw": lambda groups, lr, _momentum: plain_optimizer(torch.optim.AdamW)(groups, lr=lr),
    "radam": lambda groups, lr, _momentum: plain_optimizer(torch.optim.RAdam)(groups, lr=lr),
}


def list_optimizers() -> list[str]:
    """Every name `make_optimizer` takes: the four of torch first, then timm's. Imports timm."""
    from timm.optim import get_optimizer_info
    from timm.optim import list_optimizers as timm_optimizers

    # A second-order optimizer needs a graph of the gradient, which the training step never builds.
    others = (name for name in timm_optimizers() if not get_optimizer_info(name).second_order)
    return [*OPTIMIZERS, *(name for name in others if name not in OPTIMIZERS)]


def _from_timm(name: str, groups: Groups, lr: float, momentum: float) -> torch.optim.Optimizer:
    from timm.optim import create_optimizer_v2

    known = list_optimizers()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"use one of {', '.join(known)}"
        raise ValueError(f"optimizer {name!r}: unknown: {hint}")
    try:
        return create_optimizer_v2(groups, opt=name, lr=lr, momentum=momentum)
    except (AssertionError, ImportError, NameError) as error:  # apex or bitsandbytes is missing
        raise ValueError(
            f"optimizer {name!r}: needs a package that is not installed ({error}): "
            f"install it, or use one of {', '.join(OPTIMIZERS)}"
        ) from error


def make_optimizer(
    model: nn.Module,
    name: str,
    lr: float,
    weight_decay: float,
    momentum: float = 0.9,
    rates: Mapping[str, float] | None = None,
) -> torch.optim.Optimizer:
    """The optimizer `name` over the trainable parameters of `model`.

    `sgd` is Nesterov's when momentum is above 0; `adam` adds the decay to the gradient, `adamw`
    decays the weights themselves. Biases and normalisation layers never decay (`param_groups`).
    Optimizers without a momentum of their own ignore `momentum`. rates: learning rates of the
    model's children, where they differ from each other (`param_groups`).

    Raises ValueError for an unknown name (with the nearest ones), a rate not above 0, a negative
    weight decay, a momentum outside [0, 1), or nothing to train.
    """
    for rate in (lr, *(rates or {}).values()):
        if not 0 < rate < math.inf:
            raise ValueError(f"learning rate {rate}: must be finite and above 0")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum {momentum}: must be at least 0 and below 1")
    groups = param_groups(model, weight_decay, rates)
    key = name.lower()
    if key in OPTIMIZERS:
        return OPTIMIZERS[key](groups, lr, momentum)
    return _from_timm(key, groups, lr, momentum)

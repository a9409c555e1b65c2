"""Optimizers by name: four from torch, the rest from timm."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from optim.param_groups import param_groups
from utils.runtime.device import fused_updates
from utils.runtime.late_compiler import plain_optimizer

Groups = list[dict[str, Any]]


# Listed without importing timm, so that the help of the command line stays quick.
OPTIMIZERS: dict[str, Callable[[Groups, float, float], torch.optim.Optimizer]] = {
    "sgd": lambda groups, lr, momentum: plain_optimizer(torch.optim.SGD)(
        groups, lr=lr, momentum=momentum, nesterov=momentum > 0, fused=_fused(groups)
    ),
    "adam": lambda groups, lr, _momentum: plain_optimizer(torch.optim.Adam)(
        groups, lr=lr, fused=_fused(groups)
    ),
    "adamw": lambda groups, lr, _momentum: plain_optimizer(torch.optim.AdamW)(
        groups, lr=lr, fused=_fused(groups)
    ),
    "radam": lambda groups, lr, _momentum: plain_optimizer(torch.optim.RAdam)(groups, lr=lr),
}
# What these keep in the shape of a parameter.
MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer")


def _fused(groups: Groups) -> bool:
    return fused_updates(groups[0]["params"][0].device)


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
    if key not in OPTIMIZERS:
        return _from_timm(key, groups, lr, momentum)
    optimizer = OPTIMIZERS[key](groups, lr, momentum)
    optimizer.register_load_state_dict_pre_hook(_computed_as_here)
    optimizer.register_load_state_dict_post_hook(_laid_out)
    return optimizer


def _computed_as_here(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """How updates are computed depends on the device, and is not taken from what was saved."""
    pairs = zip(state["param_groups"], optimizer.param_groups, strict=True)
    groups = [
        {**stored, **({"fused": own["fused"]} if "fused" in own else {})} for stored, own in pairs
    ]
    return {**state, "param_groups": groups}


def _laid_out(optimizer: torch.optim.Optimizer) -> None:
    """Moments lie in memory as their parameters do, which fused updates rely on without a look;
    files keep them in another order.
    """
    for parameter, values in optimizer.state.items():
        for name in MOMENTS:
            if isinstance(values.get(name), torch.Tensor):
                values[name] = torch.empty_like(parameter).copy_(values[name])

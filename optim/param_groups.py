"""Which parameters decay, and at which rate each part of a model learns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn


def param_groups(
    model: nn.Module, weight_decay: float, rates: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Trainable parameters in two groups: matrices and kernels decay, all else does not.

    Biases and the scales of normalisation layers (any parameter of one dimension or none) are
    left alone: shrinking them regularises nothing and moves the working point of each layer.
    Frozen parameters (`requires_grad=False`) are in neither group; an empty group is left out.

    rates: learning rate of each child of the model, where they differ. Each child then has its own
        two groups, in the order of `rates`, which carry `lr` and the child's name as `part`.

    Groups are dicts of `params` and `weight_decay`, as torch optimizers take them, decaying ones
    first. Raises ValueError for a negative weight decay, a model with nothing to train, or a
    trainable parameter that is in no child named by `rates`.
    """
    if not weight_decay >= 0:
        raise ValueError(f"weight decay {weight_decay}: must not be negative")
    if not rates:
        groups = _decayed_and_not(model.named_parameters(), weight_decay)
    else:
        groups = []
        for part, rate in rates.items():
            own = ((n, p) for n, p in model.named_parameters() if n.split(".")[0] == part)
            groups += [
                {**group, "lr": rate, "part": part} for group in _decayed_and_not(own, weight_decay)
            ]
    if not groups:
        raise ValueError("nothing to train: every parameter is frozen, so thaw a part of the model")
    taken = sum(len(group["params"]) for group in groups)
    if taken < sum(p.requires_grad for p in model.parameters()):
        raise ValueError(f"parts {', '.join(rates or ())}: a parameter of the model is in none")
    return groups


def _decayed_and_not(
    named: Iterable[tuple[str, nn.Parameter]], weight_decay: float
) -> list[dict[str, Any]]:
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in named:
        if parameter.requires_grad:
            plain = parameter.ndim <= 1 or name.endswith(".bias")
            (kept if plain else decayed).append(parameter)
    groups = [(decayed, weight_decay), (kept, 0.0)]
    return [{"params": params, "weight_decay": decay} for params, decay in groups if params]


def present_rates(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """{"lr": rate}, or the rate of each part that has its own, by the part's name."""
    groups = optimizer.param_groups
    parts = {group["part"]: group["lr"] for group in groups if "part" in group}
    return parts or {"lr": groups[0]["lr"]}

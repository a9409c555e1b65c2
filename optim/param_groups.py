"""Which parameters decay."""

from __future__ import annotations

from typing import Any

from torch import nn


def param_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trainable parameters in two groups: matrices and kernels decay, all else does not.

    Biases and the scales of normalisation layers (any parameter of one dimension or none) are
    left alone: shrinking them regularises nothing and moves the working point of each layer.
    Frozen parameters (`requires_grad=False`) are in neither group; an empty group is left out.

    Returns:
        Groups of `params` and `weight_decay`, as torch optimizers take them, decaying ones first.

    Raises:
        ValueError: a negative weight decay, or a model with nothing to train.
    """
    if not weight_decay >= 0:
        raise ValueError(f"weight decay {weight_decay}: must not be negative")
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            plain = parameter.ndim <= 1 or name.endswith(".bias")
            (kept if plain else decayed).append(parameter)
    if not decayed and not kept:
        raise ValueError("nothing to train: every parameter is frozen, so thaw a part of the model")
    groups = [(decayed, weight_decay), (kept, 0.0)]
    return [{"params": params, "weight_decay": decay} for params, decay in groups if params]

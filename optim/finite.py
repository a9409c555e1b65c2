"""Whether tensors are finite, at the price of reading them once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


def total(tensors: Sequence[Tensor]) -> Tensor:
    """float32 (), finite only where all of the tensors are; nobody waits for the device.

    Their sum on the CPU, which is the least that can be computed; elsewhere their norm, which takes
    few launches for many tensors.
    """
    if not tensors:
        return torch.zeros(())
    if tensors[0].device.type != "cpu":
        return nn.utils.get_total_norm(tensors).float()
    return torch.stack([tensor.sum().float() for tensor in tensors]).sum()


def first_not_finite(named: Iterable[tuple[str, Tensor]]) -> str | None:
    """The name of the first tensor that holds nan or an infinity; counters hold none."""
    devices: dict[torch.device, list[tuple[str, Tensor]]] = {}
    for name, tensor in named:
        if tensor.is_floating_point():
            devices.setdefault(tensor.device, []).append((name, tensor.detach()))
    for found in devices.values():
        if not total([tensor for _, tensor in found]).isfinite():
            # A sum may overflow where nothing else does.
            for name, tensor in found:
                if not tensor.isfinite().all():
                    return name
    return None

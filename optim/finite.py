"""Whether tensors are finite, at the price of reading them once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """float32 (P,): the Euclidean norm of each of the tensors, in few launches for many of them;
    nobody waits for the device.
    """
    # What torch.nn.utils.get_total_norm computes, which keeps only the norm of these.
    return torch.stack([norm.float() for norm in torch._foreach_norm(list(tensors))])


def sizes(tensors: Sequence[Tensor]) -> Tensor:
    """float32 (P,), each finite only where that of the tensors is; nobody waits for the device. A
    sum on the CPU, which is the least that can be computed, elsewhere the norm.
    """
    if not tensors:
        return torch.zeros(0)
    if tensors[0].device.type != "cpu":
        return norms(tensors)
    return torch.stack([tensor.sum().float() for tensor in tensors])


def first_not_finite(named: Iterable[tuple[str, Tensor]]) -> str | None:
    """The name of the first tensor that holds nan or an infinity; counters hold none."""
    devices: dict[torch.device, list[tuple[str, Tensor]]] = {}
    for name, tensor in named:
        if tensor.is_floating_point():
            devices.setdefault(tensor.device, []).append((name, tensor.detach()))
    for found in devices.values():
        if not sizes([tensor for _, tensor in found]).sum().isfinite():
            # A sum may overflow where nothing else does.
            for name, tensor in found:
                if not tensor.isfinite().all():
                    return name
    return None

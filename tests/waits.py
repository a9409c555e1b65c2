"""What a program would wait for a card for: a value of a tensor that Python asks for, a shape that
depends on values, a copy to the CPU. Seen on the CPU, where each of them is asked for in the same
way.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

OPERATORS = (
    "_local_scalar_dense nonzero masked_select equal _unique2 unique_dim unique_consecutive "
    "repeat_interleave bincount is_nonzero"
).split()
METHODS = {torch.Tensor.cpu, torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.item}


class _Operators(TorchDispatchMode):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        masks = name.startswith("index") and any(
            index is not None and index.dtype in (torch.bool, torch.uint8)
            for index in (args[1] if isinstance(args[1], (list, tuple)) else ())
        )
        if name in OPERATORS or masks:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in METHODS:
            self.found.append(func.__name__)
        return func(*args, **(kwargs or {}))


@contextmanager
def waits(found: list[str]):
    """Adds to `found` what is waited for inside, by name."""
    with _Methods(found), _Operators(found):
        yield

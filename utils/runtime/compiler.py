"""torch's compiler (torch.compile) for a network that learns. It is imported when it is used, as
that takes as long as torch itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from utils.runtime.device import compiles
from utils.runtime.stopping import Stopped

OF_COMPILER = ("torch._dynamo", "torch._functorch", "torch._inductor", "torch.fx")
WITHOUT = "or leave --compile out"
# What torch, or the C++ compiler that it calls, says where something is missing, and the cure.
MISSING = {
    "No working C++ compiler": "it needs a C++ compiler: install g++ or clang++ (CXX names "
    f"another one), {WITHOUT}",
    "Python.h": f"it needs the headers of Python (Python.h): install python3-dev, {WITHOUT}",
}


class Compiled(nn.Module):
    """The forward pass of a network, and with it the backward pass, compiled at its first call with
    two images or more, for as many as there may be; one image alone goes through as ever.

    Random numbers are those of the network as it is, so that results differ by rounding alone. The
    network itself stays what it was: state, copies and evaluation know nothing of this.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        # What was compiled for the network of an earlier training would count against a limit,
        # beyond which nothing is compiled any more.
        torch.compiler.reset()
        self._forward = torch.compile(network.forward, options={"fallback_random": True})

    def forward(self, images: Tensor) -> Any:
        """images (N, 3, H, W) -> what the network makes of them."""
        if len(images) < 2:  # torch would compile once more, for a single one
            return self.network(images)
        torch._dynamo.maybe_mark_dynamic(images, 0)
        return self._forward(images)


@cache
def check_compiler(device: torch.device) -> None:
    """ValueError, one line with the cure, where nothing can be compiled for the device: found out
    by compiling a sum, which takes 5 to 25 s.
    """
    if not compiles(device):
        raise ValueError(
            f"--compile: torch compiles nothing for {device.type}: leave --compile out"
        )
    double: Callable[[Tensor], Tensor] = torch.compile(lambda x: x + x)
    with explained():
        double(torch.ones(2, device=device))


@contextmanager
def explained() -> Iterator[None]:
    """Errors of the compiler as a ValueError with one line; others stay as they are. A signal also
    ends what the compiler has still to do.
    """
    try:
        yield
    except Stopped:
        _forget()
        raise
    except Exception as error:
        if not type(error).__module__.startswith(OF_COMPILER):
            raise
        said = str(error)
        cure = next((cure for word, cure in MISSING.items() if word in said), None)
        first = said.splitlines()[0] if said else type(error).__name__
        raise ValueError(
            f"--compile: torch's compiler does not work here: {cure or f'{first}: {WITHOUT}'}"
        ) from error


def _forget() -> None:
    """The interpreter would wait at its end for all kernels whose turn has not come."""
    module = sys.modules.get("torch._inductor.async_compile")
    if module is not None and module.get_compile_threads() > 1:
        module.AsyncCompile.pool().shutdown(wait=False, cancel_futures=True)
        module.AsyncCompile.pool.cache_clear()

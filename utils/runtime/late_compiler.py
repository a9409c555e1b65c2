"""torch's compiler is imported when something is compiled, and not before: importing it takes as
long as torch itself. torchvision and timm ask for it while they are imported, and torch's
optimizers when they are made.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import torch

from utils.runtime.collector import at_rest

ASKED = "torch._dynamo.utils"  # by torchvision/ops/roi_align.py, for a function it may call later
# What torch wraps so that the compiler, which the wrappers import, leaves it alone.
WRAPPED = ("step", "zero_grad", "add_param_group", "state_dict", "load_state_dict")


class _Late(ModuleType):
    """Stands for a module that is imported when one of its functions is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *given: getattr(importlib.import_module(self.__name__), name)(*given)


class _Withdraw:
    """A finder of modules that finds nothing: where the compiler is imported after all, its own
    modules are wanted.
    """

    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        """None, after the stand-in is gone where `name` is the compiler."""
        if name == ASKED.rpartition(".")[0]:
            sys.modules.pop(ASKED, None)


def _late_disable(fn: Callable | None = None, recursive: bool = True, **_: Any) -> Any:
    """torch.compiler.disable as torch itself does it: the compiler is imported at the first call
    of what is decorated.
    """
    return torch._disable_dynamo(fn, recursive)


@contextmanager
def without_compiler() -> Iterator[None]:
    """Inside, torchvision and timm can be imported without the compiler, and are not looked at by
    the garbage collector.
    """
    with at_rest():
        if ASKED in sys.modules:
            yield
            return
        disable, torch.compiler.disable = torch.compiler.disable, _late_disable
        sys.modules[ASKED] = _Late(ASKED)
        sys.meta_path.insert(0, _Withdraw)
        try:
            yield
        finally:
            torch.compiler.disable = disable
            sys.meta_path.remove(_Withdraw)
            if isinstance(sys.modules.get(ASKED), _Late):
                del sys.modules[ASKED]


@cache
def plain_optimizer(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """The optimizer of torch, step for step, without what guards it against a compiler that is not
    there.
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in WRAPPED}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(kind.__name__, (kind,), {**methods, "__doc__": kind.__doc__})

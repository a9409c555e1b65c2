"""An Ascend NPU made of Python: the code path of `npu` without the card.

`install()` registers a backend named "npu" whose tensors are wrappers around CPU tensors, puts a
stand-in for `torch_npu` at `torch.npu`, and registers "hccl" over gloo. As on the card, float64 and
channels-last are refused and tensors of two devices do not mix. It proves that the code runs, and
says nothing about numerics or speed.

A process can install it once and not take it back, so it is for subprocesses. Either the process
calls it before anything else,

    python -c "import tests.npu_emulator as e; e.install(); import main; main.main([...])"

or `environment(folder)` makes `import torch` do so through the entry point that torch-npu uses:

    subprocess.run([sys.executable, "main.py", ...], env=npu_emulator.environment(tmp_path))
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from torch.library import Library, fallthrough_kernel
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

aten = torch.ops.aten
KIND = "npu"
DEVICE_COUNT = "NPU_EMULATOR_DEVICES"  # how many cards to answer with; all are the same one

# Operators that make a tensor from nothing; the others build on these.
FACTORIES = (
    "empty.memory_format empty_strided arange arange.start arange.start_step linspace logspace "
    "eye eye.m randperm randperm.generator tril_indices triu_indices"
).split()
# What autocast computes in 16 bits on the card; every other operator takes what it is given.
LOW_PRECISION = (
    "conv1d conv2d conv3d conv_transpose2d linear matmul mm addmm bmm baddbmm addbmm "
    "scaled_dot_product_attention"
).split()
# Operators that may take tensors of two devices, as on real accelerators.
MIXING = {
    aten.copy_.default,
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
}

_libraries: list[Library] = []  # a registration lives as long as its Library
calls: set[str] = set()  # operators that ran on the device, for a test to look at


class NpuTensor(torch.Tensor):
    """Shape and strides of `raw`, a tensor on the CPU, under the name of device npu:0."""

    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> NpuTensor:
        # torch's own GradScaler inverts its one scale in float64, which the card leaves to the CPU.
        if raw.dtype == torch.float64 and raw.numel() > 1:
            raise RuntimeError(f"npu emulator: {raw.dtype} is not supported on the NPU")
        self = torch.Tensor._make_wrapper_subclass(
            cls,
            raw.size(),
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=torch.device(KIND, 0),
            requires_grad=raw.requires_grad,
        )
        self.raw = raw
        return self

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __repr__(self, **_options: Any) -> str:
        return f"NpuTensor({self.raw!r})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is aten.record_stream.default:
            return None  # nothing here runs later than it is called
        _refuse_channels_last(kwargs)
        target = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        if func not in MIXING:
            _refuse_mixture(func, args, kwargs)
        calls.add(func._schema.name)
        out = func(*_unwrap(args), **_unwrap(kwargs))
        if func is aten.copy_.default and not isinstance(args[0], NpuTensor):
            return args[0]  # from the device to the CPU, in place
        if func.namespace == "c10d":
            return _same_wrappers(out, args)
        if target is not None and target.type != KIND:
            return out
        return return_and_correct_aliasing(func, args, kwargs, _wrap(out))


def _unwrap(tree: Any) -> Any:
    return tree_map(lambda x: x.raw if isinstance(x, NpuTensor) else x, tree)


def _wrap(tree: Any) -> Any:
    return tree_map(lambda x: NpuTensor(x) if type(x) is torch.Tensor else x, tree)


def _same_wrappers(out: Any, args: Any) -> Any:
    """A collective returns its own arguments: give back their wrappers, not new ones."""
    wrappers = {id(x.raw): x for x in tree_flatten(args)[0] if isinstance(x, NpuTensor)}
    leaves, spec = tree_flatten(out)
    return tree_unflatten([wrappers.get(id(leaf), leaf) for leaf in leaves], spec)


def _refuse_channels_last(kwargs) -> None:
    if kwargs.get("memory_format") is torch.channels_last:
        raise RuntimeError("ERR01007: npu emulator: channels-last is not supported on the NPU")


def _refuse_mixture(func, args, kwargs) -> None:
    """Real kernels take a CPU tensor beside device tensors only when it is a single number."""
    for leaf in tree_flatten((args, kwargs))[0]:
        if isinstance(leaf, torch.Tensor) and not isinstance(leaf, NpuTensor) and leaf.dim() > 0:
            raise RuntimeError(
                f"npu emulator: {func}: expected all tensors to be on the same device, "
                "but found at least two devices, npu:0 and cpu"
            )


def _register_factories() -> None:
    library = Library("aten", "IMPL")
    for name in FACTORIES:
        packet, _, overload = name.partition(".")
        op = getattr(getattr(aten, packet), overload or "default")
        library.impl(name, _factory(op), "PrivateUse1")
    library.impl("_copy_from", _copy_from, "PrivateUse1")
    _libraries.append(library)


def _factory(op):
    def make(*args, device=None, pin_memory=None, **kwargs):
        _refuse_channels_last(kwargs)
        return NpuTensor(op(*args, device="cpu", **kwargs))

    return make


def _copy_from(source, target, non_blocking=False):
    _unwrap(target).copy_(_unwrap(source))
    return target


def _register_autocast() -> None:
    rest = Library("_", "IMPL")
    rest.fallback(fallthrough_kernel, "AutocastPrivateUse1")
    library = Library("aten", "IMPL")
    for name in LOW_PRECISION:
        library.impl(name, _lowered(getattr(aten, name)), "AutocastPrivateUse1")
    _libraries.extend((rest, library))


def _lowered(op):
    key = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def run(*args, **kwargs):
        with torch._C._ExcludeDispatchKeyGuard(key):
            dtype = torch.get_autocast_dtype(KIND)

            def lower(x):
                floating = isinstance(x, NpuTensor) and x.is_floating_point()
                return x.to(dtype) if floating else x

            args, kwargs = tree_map(lower, (args, kwargs))
            return op(*args, **kwargs)

    return run


def _backend_module() -> ModuleType:
    """The part of `torch_npu.npu` that this project and torch itself call."""
    npu = ModuleType("torch.npu")
    npu.is_available = npu.is_initialized = lambda: True
    npu.is_bf16_supported = lambda: True
    npu.device_count = lambda: int(os.environ.get(DEVICE_COUNT, "1"))
    npu.current_device = lambda: 0
    npu.set_device = lambda device=None: None
    npu._is_in_bad_fork = lambda: False
    npu.manual_seed = npu.manual_seed_all = lambda seed: None  # draws come from the CPU's generator
    npu.get_rng_state = lambda device=None: torch.get_rng_state()
    npu.set_rng_state = lambda state, device=None: torch.set_rng_state(state)
    npu.get_amp_supported_dtype = lambda: [torch.float16, torch.bfloat16]
    npu.get_device_properties = lambda device=None: SimpleNamespace(
        name="emulated NPU", total_memory=2**30
    )
    npu.settings = {}
    npu.set_compile_mode = npu.settings.update
    npu.config = SimpleNamespace(allow_internal_format=True)
    npu.conv = SimpleNamespace(allow_hf32=True)
    npu.matmul = SimpleNamespace(allow_hf32=False)
    return npu


def _register_hccl() -> None:
    """Collectives on wrappers run on their CPU tensors, through the group's gloo."""
    dist.Backend.register_backend(
        "hccl",
        lambda store, rank, size, timeout: dist.ProcessGroupGloo(store, rank, size, timeout),
        devices=[KIND],
    )


def install() -> None:
    """Register the device; once per process, before anything asks for it."""
    _setup_privateuseone_for_python_backend(KIND, backend_module=_backend_module())
    _register_factories()
    _register_autocast()
    _register_hccl()
    torch.Tensor.pin_memory = lambda self, device=None: self
    for name in ("synchronize", "set_device_index"):
        setattr(torch.accelerator, name, lambda *args: None)


def environment(folder: Path, devices: int = 1) -> dict[str, str]:
    """Environment in which `import torch` finds the emulator as it would find torch-npu.

    `folder` gets the few files of an installed package with torch's entry point.
    """
    package = folder / "npu_emulator-0.dist-info"
    package.mkdir(parents=True, exist_ok=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: npu-emulator\nVersion: 0\n")
    entry = f"[torch.backends]\nnpu = {install.__module__}:{install.__name__}\n"
    (package / "entry_points.txt").write_text(entry)
    repository = Path(__file__).resolve().parent.parent
    paths = [str(folder), str(repository), os.environ.get("PYTHONPATH")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        DEVICE_COUNT: str(devices),
    }

"""Devices: the only file that knows the names of accelerators and of their collective libraries.

Everything else asks here and then works with a `torch.device`. An NPU (Ascend) is looked for before
CUDA, because torch-npu is only ever installed on purpose. torch-npu is never imported here: it
registers itself through torch's entry point, and `torch.npu` exists once it has. The path for an
NPU has been exercised on an emulated device only.

Numerical policy: float32 means float32. TF32 (CUDA) and HF32 (Ascend) are switched off so that
scores of one model agree between devices; `--amp bf16` is the way to trade digits for speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

ACCELERATORS = ("npu", "cuda")  # in the order in which "auto" looks for them
DEVICE_NAMES = ("auto", "cpu", *ACCELERATORS)
AMP_MODES = ("off", "bf16", "fp16")

# What the collective libraries (gloo, nccl) say when another process of the group ended.
LOST_PEER_MESSAGES = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "Timed out waiting",  # of gloo, after half an hour: a host that is cut off closes nothing
    "ncclRemoteError",
)

_AMP_DTYPES = {"off": torch.bfloat16, "bf16": torch.bfloat16, "fp16": torch.float16}
# What prepare_device sets on CUDA: float32 as it is written, and algorithms that repeat.
_CUDA_POLICY: tuple[tuple[Any, str, Any], ...] = (
    (torch.backends.cuda.matmul, "fp32_precision", "ieee"),
    (torch.backends.cudnn.conv, "fp32_precision", "ieee"),
    (torch.backends.cudnn, "deterministic", True),
    (torch.backends.cudnn, "benchmark", False),
)
_REMEDIES = {
    "cuda": "install a CUDA build of torch and check the driver with nvidia-smi, "
    "or pass --device cpu",
    "npu": "install Ascend CANN, then pip install -r requirements-npu.txt in an environment of its "
    "own (and leave TORCH_DEVICE_BACKEND_AUTOLOAD unset), or pass --device cpu",
}


class DeviceChoice(NamedTuple):
    """The device of this process, and one line to print when it is not what the flags suggest."""

    device: torch.device
    note: str | None


def _module(device_type: str) -> ModuleType | None:
    """`torch.cuda`, `torch.npu` or None where torch has no such backend (`torch.device("npu")`
    raises there).
    """
    return getattr(torch, device_type, None)


def count_devices(device_type: str) -> int:
    """Usable devices of a type: 0 where the backend, its driver or the card is missing; the CPU
    counts as 1.

    Creates no context on the device, so a launcher may ask before it starts its processes.
    """
    if device_type == "cpu":
        return 1
    module = _module(device_type)
    if module is None or not module.is_available():
        return 0
    return module.device_count()


def choose_device(name: str = "auto", gpus: int | None = None, local_rank: int = 0) -> DeviceChoice:
    """Turn `--device` and `--gpus` into the device of the process `local_rank` on this machine.

    "auto" takes an NPU, then CUDA, then the CPU; `gpus == 0` is the CPU; `gpus == 1` without an
    accelerator is the CPU with a note. Several processes on the CPU must be asked for by name
    (`--device cpu -g 2`). Raises ValueError for an unknown name, a device that was asked for and is
    absent, or more devices than there are.
    """
    if name not in DEVICE_NAMES:
        raise ValueError(f"--device {name}: unknown device: choose from {', '.join(DEVICE_NAMES)}")
    if gpus is not None and gpus < 0:
        raise ValueError(f"--gpus {gpus}: cannot be negative: pass 0 for the CPU")
    if gpus == 0 and name in ACCELERATORS:
        raise ValueError(
            f"--gpus 0 with --device {name}: 0 means the CPU: pass --gpus 1 or --device cpu"
        )
    if name == "cpu" or gpus == 0:
        return DeviceChoice(torch.device("cpu"), None)

    wanted = ACCELERATORS if name == "auto" else (name,)
    found = next((kind for kind in wanted if count_devices(kind) > 0), None)
    if found is not None:
        return DeviceChoice(_nth_device(found, gpus, local_rank), None)
    if name != "auto":
        raise ValueError(f"--device {name}: no such device on this machine: {_REMEDIES[name]}")
    if gpus is not None and gpus > 1:
        raise ValueError(
            f"--gpus {gpus}: no accelerator on this machine: pass --gpus 1, "
            f"or --device cpu --gpus {gpus} for {gpus} processes on the CPU"
        )
    note = f"--gpus {gpus}: no accelerator on this machine, running on the CPU" if gpus else None
    return DeviceChoice(torch.device("cpu"), note)


def _nth_device(device_type: str, gpus: int | None, local_rank: int) -> torch.device:
    available = count_devices(device_type)
    needed = max(gpus or 1, local_rank + 1)
    if needed > available:
        raise ValueError(
            f"--gpus {needed}: this machine has {available} {device_type} device(s): "
            f"pass --gpus {available}"
        )
    return torch.device(device_type, local_rank)


def set_device(device: torch.device) -> None:
    """Make `device` the one that bare calls of its backend mean. Nothing to do on the CPU."""
    if device.type != "cpu":
        torch.get_device_module(device).set_device(device)


def prepare_device(device: torch.device) -> None:
    """Select `device` and apply the numerical policy of this module; call it before the model
    moves.

    Algorithms are pinned on CUDA (cuDNN deterministic, no benchmark) so that a continued run
    repeats the uninterrupted one. On Ascend, operators are not compiled at run time and keep the
    plain memory layout.
    """
    set_device(device)
    if device.type == "cuda":
        for owner, name, value in _CUDA_POLICY:
            setattr(owner, name, value)
    elif device.type == "npu":
        npu = torch.get_device_module(device)
        npu.set_compile_mode(jit_compile=False)
        npu.config.allow_internal_format = False
        npu.conv.allow_hf32 = False
        npu.matmul.allow_hf32 = False


@contextmanager
def prepared(device: torch.device) -> Iterator[None]:
    """`prepare_device` for a while, where the process is a caller's and not ours: the selected
    device and CUDA's settings are put back. Ascend's cannot be asked for, and stay.
    """
    if device.type == "cpu":
        yield
        return
    backend = torch.get_device_module(device)
    selected = backend.current_device()
    policy = _CUDA_POLICY if device.type == "cuda" else ()
    settings = [(owner, name, getattr(owner, name)) for owner, name, _ in policy]
    prepare_device(device)
    try:
        yield
    finally:
        for owner, name, value in settings:
            setattr(owner, name, value)
        backend.set_device(selected)


def check_amp(device: torch.device, mode: str) -> None:
    """Raise ValueError for a mixed-precision mode that `device` cannot run."""
    if mode not in AMP_MODES:
        raise ValueError(f"--amp {mode}: unknown mode: choose one of {', '.join(AMP_MODES)}")
    if mode == "fp16" and device.type == "cpu":
        raise ValueError("--amp fp16: the CPU has no fast float16: pass --amp bf16 or --amp off")


def default_amp(device: torch.device) -> str:
    """The mode that is fast and safe on `device`: bf16 where the hardware has it, else fp16; off on
    an older CPU.
    """
    if device.type == "cpu":
        return "bf16" if _cpu_has_bf16() else "off"
    return "bf16" if torch.get_device_module(device).is_bf16_supported() else "fp16"


def _cpu_has_bf16() -> bool:
    """Whether bfloat16 arithmetic is native; emulated bfloat16 is slower than float32."""
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.cpu._is_avx512_bf16_supported()  # older torch has no public way to ask


def autocast(device: torch.device, mode: str) -> AbstractContextManager:
    """Mixed precision for the forward pass and the loss; does nothing for "off", so there is one
    path in the step.
    """
    return torch.autocast(device.type, dtype=_AMP_DTYPES[mode], enabled=mode != "off")


def grad_scaler(device: torch.device, mode: str) -> torch.amp.GradScaler:
    """Loss scaler for fp16; disabled, hence an identity, for the other modes.

    First-generation Atlas cards saturate on overflow instead of giving inf, which a loss scaler
    cannot see: use bf16 or off there.
    """
    return torch.amp.GradScaler(device.type, enabled=mode == "fp16")


def channels_last_helps(device: torch.device) -> bool:
    """Whether to keep images and weights in channels-last memory: faster on CPU and CUDA, refused
    by torch-npu.
    """
    return device.type in ("cpu", "cuda")


def fused_updates(device: torch.device) -> bool:
    """Whether torch has optimizers there that update a parameter in one pass over memory."""
    return device.type in ("cpu", "cuda")


def has_float64(device: torch.device) -> bool:
    """Whether the device is known to compute in float64."""
    return device.type in ("cpu", "cuda")


def compiles(device: torch.device) -> bool:
    """Whether torch's compiler is known to make code for the device."""
    return device.type in ("cpu", "cuda")


def pin_memory(device: torch.device) -> bool:
    """Whether the data loader should pin its batches: only copies to an accelerator gain."""
    return device.type != "cpu"


def group_backend(device: torch.device) -> str:
    """Backend of a process group that moves tensors of `device` and of the CPU, each through its
    own library: gloo, nccl or hccl, whichever torch has registered for it.
    """
    backend = dist.get_default_backend_for_device(device)
    return backend if device.type == "cpu" else f"cpu:gloo,{device.type}:{backend}"


def describe(device: torch.device) -> str:
    """One line for a person: the device, its name, its memory or threads."""
    if device.type == "cpu":
        return f"cpu, {torch.get_num_threads()} thread(s)"
    properties = torch.get_device_module(device).get_device_properties(device)
    return f"{device}, {properties.name}, {properties.total_memory / 2**30:.1f} GiB"

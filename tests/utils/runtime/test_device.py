"""Which device, which precision, and what is refused; accelerators are pretended by their count."""

import contextlib
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from utils.runtime import device as devices

CPU = torch.device("cpu")
CUDA = torch.device("cuda", 0)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many accelerators of each kind."""

    def pretend(**counts: int) -> None:
        monkeypatch.setattr(devices, "count_devices", lambda kind: counts.get(kind, 0))

    pretend()
    return pretend


@pytest.mark.parametrize(
    "count, flags, chosen, note",
    [
        (0, ("auto", None), CPU, None),
        (0, ("auto", 0), CPU, None),
        (0, ("cpu", 2), CPU, None),
        (4, ("cpu", None), CPU, None),
        (4, ("auto", 0), CPU, None),
        (0, ("auto", 1), CPU, "--gpus 1: no accelerator on this machine, running on the CPU"),
        (4, ("auto", 4, 3), torch.device("cuda", 3), None),
        (4, ("auto", None), CUDA, None),
    ],
)
def test_the_device_of_a_process(machine, count, flags, chosen, note):
    machine(cuda=count)
    assert devices.choose_device(*flags) == (chosen, note)


@pytest.mark.parametrize(
    "counts, name, gpus, message",
    [
        ({}, "tpu", None, r"--device tpu: .*auto, cpu, npu, cuda"),
        ({}, "cuda", None, r"--device cuda: no such device .*--device cpu"),
        ({}, "npu", 1, r"--device npu: .*CANN.*requirements-npu\.txt"),
        ({}, "auto", 2, r"--gpus 2: no accelerator .*--device cpu --gpus 2"),
        ({}, "auto", -1, r"--gpus -1: .*pass 0"),
        ({"cuda": 1}, "cuda", 0, r"--gpus 0 with --device cuda: .*--gpus 1"),
        ({"cuda": 2}, "auto", 4, r"--gpus 4: this machine has 2 cuda device\(s\): pass --gpus 2"),
    ],
)
def test_wrong_choice_is_one_line_with_a_remedy(machine, counts, name, gpus, message):
    machine(**counts)
    with pytest.raises(ValueError, match=message) as error:
        devices.choose_device(name, gpus)
    assert "\n" not in str(error.value)


def test_a_backend_that_torch_does_not_know_counts_zero():
    assert devices.count_devices("no_such_backend") == 0
    assert devices.count_devices("cpu") == 1


@pytest.mark.parametrize("mode, dtype", [("off", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_is_one_path(mode, dtype):
    with devices.autocast(CPU, mode):
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype
    assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.float32


@pytest.mark.parametrize(
    "capabilities, mode",
    [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx2": True}, "off")],
)
def test_default_on_a_cpu_follows_its_instructions(monkeypatch, capabilities, mode):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert devices.default_amp(CPU) == mode


def test_fp16_on_the_cpu_is_refused():
    with pytest.raises(ValueError, match="--amp fp16: .*--amp bf16"):
        devices.check_amp(CPU, "fp16")
    with pytest.raises(ValueError, match="--amp half: unknown mode: choose one of off, bf16, fp16"):
        devices.check_amp(CPU, "half")
    devices.check_amp(CPU, "bf16")
    devices.check_amp(CUDA, "fp16")


def test_scaler_is_an_identity_without_fp16():
    loss = torch.tensor(3.0)
    for mode in ("off", "bf16"):
        assert devices.grad_scaler(CPU, mode).scale(loss) is loss


def test_backends_and_memory():
    npu = SimpleNamespace(type="npu")  # torch.device("npu") raises without its backend
    assert [devices.channels_last_helps(d) for d in (CPU, CUDA, npu)] == [True, True, False]
    assert [devices.pin_memory(d) for d in (CPU, CUDA, npu)] == [False, True, True]
    assert devices.group_backend(CPU) == "gloo"
    assert devices.group_backend(CUDA) == "cpu:gloo,cuda:nccl"


def test_cpu_needs_no_preparation():
    devices.prepare_device(CPU)
    assert re.fullmatch(r"cpu, \d+ thread\(s\)", devices.describe(CPU))


@pytest.mark.parametrize("broken", [False, True])
def test_a_callers_device_settings_are_put_back(monkeypatch, broken):
    """On a stand-in for CUDA's backend: what prepare_device sets holds inside and nowhere else."""
    selected = [1]
    backend = SimpleNamespace(
        current_device=lambda: selected[-1],
        set_device=lambda device: selected.append(getattr(device, "index", device)),
    )
    monkeypatch.setattr(torch, "get_device_module", lambda _: backend)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    owners = [(torch.backends.cuda.matmul, "fp32_precision"), (torch.backends.cudnn, "benchmark")]
    owners += [
        (torch.backends.cudnn.conv, "fp32_precision"),
        (torch.backends.cudnn, "deterministic"),
    ]

    def settings() -> list:
        return [getattr(owner, name) for owner, name in owners]

    before = settings()
    with contextlib.suppress(KeyError), devices.prepared(torch.device("cuda", 0)):
        assert settings() == ["ieee", False, "ieee", True] and selected == [1, 0]
        if broken:
            raise KeyError
    assert settings() == before and selected == [1, 0, 1]
    with devices.prepared(CPU):
        assert settings() == before and selected == [1, 0, 1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_computes_float32_as_float32():
    device = devices.choose_device("cuda").device
    devices.prepare_device(device)
    a, b = torch.rand(64, 512), torch.rand(512, 64)
    got = (a.to(device) @ b.to(device)).cpu().double()
    assert torch.allclose(got, a.double() @ b.double(), rtol=1e-5)

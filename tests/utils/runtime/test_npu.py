"""The path for an NPU, on an emulated device and in processes of their own: it runs, no more."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

from tests import npu_emulator
from tests.cli import PATIENCE

ROOT = Path(__file__).resolve().parents[3]

CHOICE = """
import torch
from utils.runtime import device as devices

chosen, note = devices.choose_device("auto", 1)
assert chosen == torch.device("npu", 0) and note is None, chosen
assert devices.choose_device("auto", 0).device.type == "cpu"
assert devices.choose_device("npu").device == chosen
try:
    devices.choose_device("npu", 2)
except ValueError as error:
    assert "this machine has 1 npu device(s)" in str(error), error
else:
    raise AssertionError("two of one device")

devices.prepare_device(chosen)
assert torch.npu.settings == {"jit_compile": False}
assert not torch.npu.config.allow_internal_format
assert not torch.npu.conv.allow_hf32 and not torch.npu.matmul.allow_hf32

assert devices.default_amp(chosen) == "bf16"
assert devices.group_backend(chosen) == "cpu:gloo,npu:hccl"
assert devices.describe(chosen) == "npu:0, emulated NPU, 1.0 GiB"
"""

TRAINING = """
import io

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from criterions.batch_pairs import bucket_loss, order_loss
from utils.runtime import device as devices
from utils.runtime.rng_state import rng_state, seed_step, set_rng_state


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8), nn.SiLU(),
        nn.Conv2d(8, 8, 3, groups=8), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(8, 1),
    )


def train(device, amp, steps=4):
    seed_step("network")
    model = network().to(device)
    if devices.channels_last_helps(device):
        model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    scaler = devices.grad_scaler(device, amp)
    data = TensorDataset(torch.rand(4 * steps, 3, 16, 16), torch.rand(4 * steps))
    losses = []
    for step, (images, mos) in enumerate(
        DataLoader(data, batch_size=4, pin_memory=devices.pin_memory(device))
    ):
        seed_step(step)
        with devices.autocast(device, amp):
            scores = model(images.to(device, non_blocking=True))[:, 0].float()
            loss = (scores - mos.to(device)).square().mean()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return losses


cpu, npu = torch.device("cpu"), devices.choose_device("auto").device
devices.prepare_device(npu)
for amp in ("off", "bf16"):
    expected, got = train(cpu, amp), train(npu, amp)
    gaps = [abs(a - b) for a, b in zip(expected, got)]
    assert max(gaps) < (1e-5 if amp == "off" else 2e-2), (amp, expected, got)
assert all(0 <= loss < 10 for loss in train(npu, "fp16"))

# The state of the card's generator is kept in a file of tensors.
file = io.BytesIO()
torch.save(rng_state(npu), file)
file.seek(0)
state = torch.load(file, map_location="cpu", weights_only=True)
draws = []
for _ in range(2):
    set_rng_state(state, npu)
    draws.append(torch.rand(3, device=npu).cpu())
assert torch.equal(*draws)

# Losses over all pairs are sums of float64, which the card does not have.
for loss, labels in (
    (lambda scores, voted: order_loss(scores, voted, 0.5), torch.rand(9)),
    (bucket_loss, torch.arange(9) % 3),
):
    found = []
    for device in (cpu, npu):
        scores = torch.linspace(-1, 1, 9).to(device).requires_grad_()
        value = loss(scores, labels.to(device))
        value.backward()
        found.append(torch.cat([value.detach().cpu()[None], scores.grad.cpu()]))
    assert found[0].abs().max() > 0 and torch.allclose(*found), found
"""

# The two are forks of one that has torch, without a launcher above them.
PROCESSES = """
import gc
import os
import sys

import torch
from torch import nn

from tests.cli import places
from utils.runtime import device as devices
from utils.runtime import distributed as d
from utils.runtime.rng_state import seed_step

children = []
for place in places(2):
    children.append(os.fork())
    if not children[-1]:
        os.environ.update(place)
        break
else:
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children))

assert d.launched()
place = d.world()
device = devices.choose_device("npu", 2, place.local_rank).device
devices.prepare_device(device)
d.setup(device)
seed_step("data")
images = torch.rand(4, 3, 8, 8)


def train(model, part):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        loss = model(part).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.cat([p.detach().cpu().flatten() for p in model.parameters()])


def network():
    seed_step("network")
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 1))


mine = images[list(d.shard(4, place.rank, 2))].to(device)
wrapped = nn.parallel.DistributedDataParallel(network().to(device), device_ids=[device.index])
weights = train(wrapped, mine)
assert torch.allclose(weights, train(network(), images), atol=1e-6)  # one process, all images

rows = d.all_gather_rows(torch.arange(place.rank + 1.0, device=device))
assert rows.device.type == "npu" and rows.cpu().tolist() == [0, 0, 1]
assert d.all_gather_rows(torch.ones(place.rank)).tolist() == [1]
assert d.any_rank(place.rank == 1)
# The wrapper holds the group: left to the interpreter's end, a thread of gloo that lets go of a
# tensor made in Python there aborts the process (pytorch issues 38228, 190489).
del wrapped
gc.collect()
d.teardown()
"""


def run(folder: Path, code: str, devices: int = 1) -> subprocess.CompletedProcess:
    script = folder / "script.py"
    script.write_text(textwrap.dedent(code))
    return subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        env=npu_emulator.environment(folder / "site", devices),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_on_one_device(tmp_path):
    done = run(tmp_path, CHOICE + TRAINING)
    assert done.returncode == 0, done.stderr


def test_two_processes_train_like_one(tmp_path):
    done = run(tmp_path, PROCESSES, devices=2)
    assert done.returncode == 0, done.stderr


def test_the_requirements_fit_each_other():
    lines = (ROOT / "requirements-npu.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(re.fullmatch(r"([\w-]+)==(.+)", line).groups() for line in lines if "==" in line)
    assert pins["torch"] == pins["torch-npu"] == "2.12.0"
    # torchvision's minor number runs 15 ahead of torch's.
    major, minor, _ = map(int, pins["torch"].split("."))
    assert (major, pins["torchvision"]) == (2, f"0.{minor + 15}.0")


def test_the_requirements_cover_those_of_other_machines():
    def names(file: str) -> set[str]:
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        return {re.match(r"[\w-]+", line).group() for line in lines if line and line[0] != "#"}

    assert names("requirements.txt") <= names("requirements-npu.txt")

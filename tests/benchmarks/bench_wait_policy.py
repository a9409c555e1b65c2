"""Training steps per second while another program keeps one core busy: OpenMP threads that spin
while they wait (torch's default) against threads that sleep (what main.py sets).

    python tests/benchmarks/bench_wait_policy.py

Both run alternately in processes of their own; the ratio of medians counts.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ROUNDS = 3
STEPS = 5
CHILD = f"""
import sys, time, torch
sys.path.insert(0, {str(ROOT)!r})
from models.quality_net import build_model
model = build_model("resnet18", 1, (128, 128)).to(memory_format=torch.channels_last).train()
images = torch.rand(32, 3, 128, 128).contiguous(memory_format=torch.channels_last)
for step in range({STEPS} + 2):
    if step == 2:
        begun = time.perf_counter()
    model(images).scores.mean().backward()
print({STEPS} / (time.perf_counter() - begun))
"""


def steps_per_second(policy: str) -> float:
    environment = {**os.environ, "OMP_WAIT_POLICY": policy}
    found = subprocess.run(
        [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=True
    )
    return float(found.stdout)


def main() -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        rows = [(steps_per_second("ACTIVE"), steps_per_second("PASSIVE")) for _ in range(ROUNDS)]
    finally:
        busy.kill()
    active, passive = (statistics.median(column) for column in zip(*rows, strict=True))
    import torch

    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}, ", end="")
    print(f"Python {platform.python_version()}, torch {torch.__version__}")
    print(f"spinning {active:.2f} steps/s, sleeping {passive:.2f}: {passive / active:.1f} times")


if __name__ == "__main__":
    main()

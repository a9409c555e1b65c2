"""What freezing saves: seconds per training step with nothing, a half and all of a backbone frozen.

    python tests/benchmarks/bench_freeze.py --arch efficientnet_b0 --size 224

The ways take turns step by step, so that other work on the machine hits all of them alike.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.freezing import freeze, frozen_part  # noqa: E402
from models.quality_net import build_model  # noqa: E402
from optim.factory import make_optimizer  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="efficientnet_b0")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--freeze", nargs="+", default=["none", "0.5", "backbone"])
    flags = parser.parse_args()
    torch.set_num_threads(1)
    ways = {what: _training(flags.arch, flags.size, what) for what in flags.freeze}
    images = torch.rand(flags.batch, 3, flags.size, flags.size)
    seconds: dict[str, list[float]] = {what: [] for what in ways}
    for step in range(flags.steps + 1):  # the first one warms up
        for what, (model, optimizer) in ways.items():
            begun = time.process_time()
            model(images).scores.square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            if step:
                seconds[what].append(time.process_time() - begun)
    whole = statistics.median(seconds[flags.freeze[0]])
    for what, (model, _) in ways.items():
        median = statistics.median(seconds[what])
        part = frozen_part(model, what) or "nothing frozen"
        print(f"--freeze {what}: {median:.3f} s a step, {whole / median:.2f} times; {part}")


def _training(arch: str, size: int, what: str) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = build_model(arch, 1, (size, size))
    freeze(model, what)
    return model.train(), make_optimizer(model, "adamw", 1e-3, 0.01)


if __name__ == "__main__":
    main()

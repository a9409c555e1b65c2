"""Speed of the two EfficientNet-B0: timm's against efficientnet-pytorch's.

    python tests/benchmarks/bench_efficientnet.py [--size 128] [--batch 8] [--rounds 7]

The two take turns within every round, so that a busy machine is busy for both; the figure is the
ratio of their medians. Decides which library `efficientnet_b*` means (models/registry.py).
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import platform
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.quality_net import QualityNet, build_model  # noqa: E402

ARCHS = ("timm:efficientnet_b0", "efficientnet_pytorch:efficientnet_b0")


def train_step(model: QualityNet, images: torch.Tensor) -> None:
    model.train().zero_grad(set_to_none=True)
    model(images).scores.sum().backward()


def inference(model: QualityNet, images: torch.Tensor) -> None:
    with torch.inference_mode():
        model.eval()(images)


def images_per_second(work, model: QualityNet, images: torch.Tensor) -> float:
    start = time.perf_counter()
    work(model, images)
    return len(images) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128, help="image side in pixels")
    parser.add_argument("--batch", type=int, default=8, help="images per step")
    parser.add_argument("--rounds", type=int, default=7, help="timed turns of each network")
    args = parser.parse_args()

    versions = (f"{name} {importlib.metadata.version(name)}" for name in ("torch", "timm"))
    print(
        f"{datetime.date.today()}, {platform.machine()}, {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, {', '.join(versions)}, float32, "
        f"{args.batch} images of {args.size} x {args.size}"
    )
    models = {arch: build_model(arch, image_size=(args.size, args.size)) for arch in ARCHS}
    images = torch.rand(args.batch, 3, args.size, args.size)
    for work in (train_step, inference):
        speeds: dict[str, list[float]] = {arch: [] for arch in ARCHS}
        for turn in range(args.rounds + 1):
            for arch, model in models.items():
                speed = images_per_second(work, model, images)
                if turn:  # the first turn warms up
                    speeds[arch].append(speed)
        medians = {arch: statistics.median(found) for arch, found in speeds.items()}
        for arch, median in medians.items():
            spread = f"{min(speeds[arch]):.1f} to {max(speeds[arch]):.1f}"
            print(f"{work.__name__:<11}{arch:<40}{median:8.1f} images/s ({spread})")
        print(f"{work.__name__:<11}ratio {medians[ARCHS[0]] / medians[ARCHS[1]]:.2f}")


if __name__ == "__main__":
    main()

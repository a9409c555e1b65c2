"""Size and speed of backbones that one may choose from: the table of docs/backbones.md.

    python tests/benchmarks/bench_backbones.py [ARCH ...] [--size 224] [--rounds 7]

Parameters and multiply-adds are those of the summary (`python main.py --arch NAME`); the time is
processor time of one image on one thread, the least of all rounds, because other work on the
machine only ever adds to it. All networks take turns within a round.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import platform
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.quality_net import build_model  # noqa: E402
from models.summary import summarize  # noqa: E402

ARCHS = (
    "resnet10t", "mobilenetv3_small_100", "mobilenetv3_large_100", "tf_efficientnet_lite0",
    "efficientnet_b0", "efficientnet_b2", "resnet18", "resnet50", "convnext_tiny",
    "vit_small_patch16_224",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archs", nargs="*", default=ARCHS, metavar="ARCH")
    parser.add_argument("--size", type=int, default=224, help="image side in pixels")
    parser.add_argument("--rounds", type=int, default=7, help="timed turns of each network")
    args = parser.parse_args()

    torch.set_num_threads(1)
    versions = (f"{name} {importlib.metadata.version(name)}" for name in ("torch", "timm"))
    side = f"{args.size} x {args.size}"
    print(f"{datetime.date.today()}, {platform.machine()}, {', '.join(versions)}, float32, {side}")
    size = (args.size, args.size)
    models = {arch: build_model(arch, image_size=size).eval() for arch in args.archs}
    least = dict.fromkeys(models, float("inf"))
    image = torch.rand(1, 3, *size)
    with torch.inference_mode():
        for _ in range(args.rounds + 1):
            for arch, model in models.items():
                start = time.process_time()
                model(image)
                least[arch] = min(least[arch], time.process_time() - start)
    print(f"{'backbone':<26}{'parameters':>12}{'multiply-adds':>16}{'CPU time':>12}")
    for arch, seconds in least.items():
        found = summarize(arch, image_size=size)
        amount = f"{found.multiply_adds / 1e9:.2f} G"
        millions = f"{found.parameters / 1e6:.1f} M"
        print(f"{arch:<26}{millions:>12}{amount:>16}{1000 * seconds:>9.0f} ms")


if __name__ == "__main__":
    main()

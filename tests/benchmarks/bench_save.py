"""What a save of a training costs beside plain torch.save and os.replace of the same tensors.

    python -m tests.benchmarks.bench_save [ARCH] [RUNS]

The state is that of ARCH (inception_resnet_v2) with two moments of AdamW; a new best has the
weights alone as well, and both are put into a second folder as checkpoints/ has them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import torch

from models.quality_net import build_model
from tests.benchmarks.paired import HEAD, machine, row
from utils.files import checkpoint


def main(arch: str = "inception_resnet_v2", runs: str = "5") -> None:
    model = build_model(arch, 1, (224, 224)).state_dict()
    moments = {n: {name: w.clone().float() for name, w in model.items()} for n in ("m", "v")}
    parts = {"last": {"model": model, "optimizer": moments}, "best": {"model": model}}
    print(f"{machine('torch')}; {arch}", HEAD, sep="\n")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)

        def ours(names: tuple[str, ...]) -> None:
            for name in names:
                file = folder / f"{name}.pth"
                checkpoint.save(file, parts[name], keep=folder / f"previous_{name}.pth")
                checkpoint.publish(file, folder / "published" / file.name)

        def plain(names: tuple[str, ...]) -> None:
            for name in names:
                torch.save(parts[name], folder / "plain.tmp")
                os.replace(folder / "plain.tmp", folder / f"plain_{name}.pth")

        for what, names in (("an epoch with a new best", ("last", "best")), ("a save", ("last",))):
            print(row(what, lambda n=names: ours(n), lambda n=names: plain(n), int(runs)))  # type: ignore[misc]


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What a quality map costs on the CPU: ours, beside passes of as many parts as -b says by the
network as it is, by turns; and how far the two maps are apart.

python -m tests.benchmarks.bench_maps [--archs A,B] [-b 32] [--runs 3] [--threads 1]

The image is one of 640x480 with noise, seen at 224x224; networks have random weights, which changes
no time. Processor seconds.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from applications.evaluation import quality_maps
from applications.evaluation.quality_maps import QualityMap, quality_map
from applications.evaluation.scoring import Scorer
from dataloader.sources import GivenImage
from models.quality_net import build_model
from tests.benchmarks.paired import HEAD, machine, row
from tests.tiny_data import picture
from utils.imaging.images import ViewRule


def plainly(scorer: Scorer, image: GivenImage) -> QualityMap:
    """The map as it was made before."""
    ours = quality_maps.CPU_VIEWS, quality_maps.folded
    quality_maps.CPU_VIEWS, quality_maps.folded = scorer.batch_size, lambda model, _: model
    try:
        return quality_map(scorer, image)
    finally:
        quality_maps.CPU_VIEWS, quality_maps.folded = ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archs", default="resnet18,mobilenetv3_large_100,efficientnet_b0")
    parser.add_argument("-b", "--batch_size", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    print(machine("torch", "timm"), HEAD, sep="\n\n")
    image = GivenImage(np.asarray(picture(np.random.default_rng(0), 20, (480, 640))), "noise")
    for arch in given.archs.split(","):
        model = build_model(arch).eval().to(memory_format=torch.channels_last)
        scorer = Scorer(model, torch.device("cpu"), ViewRule((224, 224)), given.batch_size)
        grids = [way(scorer, image).grid for way in (quality_map, plainly)]
        apart = np.nanmax(np.abs(grids[0] - grids[1])) / np.nanmax(np.abs(grids[1]))
        name = f"{arch}, {apart:.0e} of its largest fall apart"
        print(
            row(
                name,
                lambda s=scorer: quality_map(s, image),
                lambda s=scorer: plainly(s, image),
                given.runs,
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()

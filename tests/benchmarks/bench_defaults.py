"""What a training on the CPU takes where no flag says it (applications/training/probe.py), beside
every precision and number of threads that could be passed by hand, by turns in one run.

python -m tests.benchmarks.bench_defaults [--archs A,B] [-b 8] [--size 224] [--runs 5] [--tries 3]

A row is a way to train: processor seconds and seconds by the clock of a step (medians), and how
many of --tries choices, made anew before, between and after the steps, took it. "chosen over best"
below is the clock's ratio of the choice that was made most often to the quickest way by hand, of
all of them and of those on as many threads as the machine has cores or on one.
"""

from __future__ import annotations

import argparse
import statistics
from collections import Counter
from functools import partial

import torch

from applications.training.probe import IMAGES, Way, fastest, timed_step
from models.quality_net import build_model
from tests.benchmarks.paired import machine, seconds

ARCHS = "mobilenet_v3_large,efficientnet_b0,resnet18"
HEAD = """| network | way | processor, s | clock, s | chosen |
|---|---|---|---|---|"""


def rows(arch: str, given: argparse.Namespace) -> list[str]:
    """Lines of the table, and one that says how the choice compares."""
    size = (given.size, given.size)
    model = build_model(arch, 1, size)
    step = timed_step(model, given.batch_size, size)
    probe = timed_step(model, min(IMAGES, given.batch_size), size)
    ways = [Way(amp, threads) for threads in (given.threads, 1) for amp in ("off", "bf16")]
    ways = list(dict.fromkeys(ways))
    for way in ways:
        step(way)
    taken, spent = [], {way: [] for way in ways}
    turns = max(given.tries, given.runs)
    for turn in range(turns):
        if turn < given.tries:
            taken.append(fastest(probe, given.threads, fewer=True)[0])
        if turn < given.runs:
            for way in ways:
                spent[way].append(seconds(partial(step, way)))
    times = Counter(taken)
    middle = {
        way: [statistics.median(column) for column in zip(*spent[way], strict=True)] for way in ways
    }
    table = [
        f"| {arch} | {way} | {middle[way][0]:.2f} | {middle[way][1]:.2f} "
        f"| {times[way]} of {given.tries} |"
        for way in ways
    ]
    (chosen, _), *_ = times.most_common(1)
    ratios = [middle[chosen][kind] / min(middle[way][kind] for way in ways) for kind in (0, 1)]
    said = f"{arch}: chosen over best, processor {ratios[0]:.2f}, clock {ratios[1]:.2f}"
    return [*table, said]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archs", default=ARCHS)
    parser.add_argument("-b", "--batch_size", type=int, default=8)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    print(
        f"{machine('torch', 'torchvision', 'timm')}; steps of {given.batch_size} images of "
        f"{given.size}x{given.size}, --threads {given.threads}"
    )
    told = []
    print(HEAD)
    for arch in given.archs.split(","):
        *table, said = rows(arch, given)
        print("\n".join(table), flush=True)
        told.append(said)
    print("\n" + "\n".join(told))


if __name__ == "__main__":
    main()

"""What reading images costs a training: steps from files and from the cache against the same steps
on tensors that are ready, in one run by turns.

python -m tests.benchmarks.bench_train_input [--photos DIR] [--archs A,B] [--steps 6] [-b 16]
    [--runs 5] [-j 2] [--amp bf16] [--device cpu] [--profile FROM]

The files are JPEGs of 640x480 pixels, made of photographs of DIR, or of installed packages; they
are read by -j processes, as --train reads them. The ratio is the share of the ready tensors' speed
that is left, in processor seconds of all processes, and by the clock. --profile files (or cache):
where the time of reading goes, by cProfile, in one process.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import torch

from applications.evaluation.scoring import to_input
from dataloader.batch import Batch
from dataloader.image_cache import ImageCache
from dataloader.labels.labels import Labels
from dataloader.loader import BatchPlan, StepDataset, StepSampler, batches, make_loader
from dataloader.targets.images import ScoreTargets
from dataloader.views.transforms import TrainTransform
from models.quality_net import build_model
from tests.benchmarks.bench_decode import write_file
from tests.benchmarks.paired import HEAD, machine, seconds
from utils.data_generate.photos import find_photos, package_photos
from utils.imaging.images import ViewRule
from utils.runtime import child_processes
from utils.runtime.device import autocast, channels_last_helps

ARCHS = "mobilenetv3_large_100,resnet18,efficientnet_b0"
RULE = ViewRule((224, 224))
MOST = 10**9


def datasets(folder: Path, given: argparse.Namespace) -> dict[str, StepDataset]:
    """Steps of one epoch, from files and from the cache."""
    photos = list(find_photos(given.photos) if given.photos else package_photos())
    files = []
    for number in range(given.steps * given.batch_size):
        files.append(folder / f"{number}.jpg")
        first = number % len(photos)
        write_file(files[-1], (640, 480), photos[first:] + photos[:first])
    targets = ScoreTargets(Labels.of("scores", files, [float(n) for n in range(len(files))]))
    plan = BatchPlan(len(files), given.batch_size, 1, 0)
    cache = ImageCache(folder / "kept", MOST)
    cache.fill(cache.missing(files, RULE), RULE, 0)
    transform = TrainTransform(RULE)
    return {
        "files": StepDataset(targets, transform, plan, 0, MOST),
        "cache": StepDataset(targets, transform, plan, 0, MOST, cache),
    }


def trainer(arch: str, given: argparse.Namespace) -> Callable[[Iterable[Batch]], None]:
    """Steps of training on batches, as the product takes them."""
    device = torch.device(given.device)
    model = build_model(arch, 1, (224, 224)).to(device).train()
    if channels_last_helps(device):
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)

    def steps(loaded: Iterable[Batch]) -> None:
        for batch in loaded:
            with autocast(device, given.amp):
                scores = model(to_input(batch.images, device)).scores
            loss = (scores - batch.targets["mos"].to(device)).abs().mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            assert loss.item() == loss.item()

    return steps


def loaded(dataset: StepDataset, given: argparse.Namespace) -> Iterator[Batch]:
    """The dataset's steps, again and again."""
    sampler = StepSampler(dataset.plan.steps(), 1000)
    device = torch.device(given.device)
    return batches(make_loader(dataset, sampler, given.workers, device))


def workers_seconds(workers: Iterable[int]) -> float:
    """Processor seconds of processes that run."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in workers]
    return sum(int(own[11]) + int(own[12]) for own in fields) / os.sysconf("SC_CLK_TCK")


def compared(
    what: str,
    steps: Callable[[Iterable[Batch]], None],
    dataset: StepDataset,
    ready: list[Batch],
    given: argparse.Namespace,
) -> str:
    """A line of the table. All that the reading processes do counts for ours, also what they read
    ahead while the other side has its turn; their start and end do not.
    """
    before, items = child_processes.running(), loaded(dataset, given)
    steps(islice(items, 2))
    workers = [child.pid for child in child_processes.running() - before]
    pairs = []
    for _ in range(given.runs):
        theirs_too = workers_seconds(workers)
        mine = seconds(partial(steps, islice(items, given.steps)))
        theirs = seconds(partial(steps, ready))
        reading = workers_seconds(workers) - theirs_too
        pairs.append((mine[0] + reading, theirs[0], mine[1], theirs[1]))
    items.close()
    ours, other, ours_clock, other_clock = (list(column) for column in zip(*pairs, strict=True))
    cells = []
    for a, b in ((ours, other), (ours_clock, other_clock)):
        ratios = [y / x for x, y in zip(a, b, strict=True)]
        ratio = statistics.median(b) / statistics.median(a)
        cells.append(f"{ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
    middle = f"{statistics.median(ours):.3g} | {statistics.median(other):.3g}"
    return f"| {what} | {middle} | {cells[0]} | {cells[1]} | {given.runs} |"


def profile(dataset: StepDataset) -> None:
    watch = cProfile.Profile()
    watch.runcall(lambda: [dataset[0, step] for step in range(dataset.plan.steps())])
    pstats.Stats(watch, stream=sys.stdout).sort_stats("tottime").print_stats(14)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, metavar="DIR")
    parser.add_argument("--archs", default=ARCHS)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("-b", "--batch_size", type=int, default=16)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("-j", "--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--amp", default="bf16")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--profile", choices=("files", "cache"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as place:
        sets = datasets(Path(place), given)
        if given.profile:
            profile(sets[given.profile])
            return
        ready = [sets["cache"][0, step] for step in range(given.steps)]
        print(
            f"{machine('torch', 'torchvision', 'pillow', 'timm')}; {given.steps} steps of "
            f"{given.batch_size}, -j {given.workers} --threads {given.threads}, --amp {given.amp}, "
            f"{given.device}\n{HEAD}"
        )
        for arch in given.archs.split(","):
            steps = trainer(arch, given)
            steps(ready[:2])
            for name, dataset in sets.items():
                what = f"{arch}: {name} over ready tensors"
                print(compared(what, steps, dataset, ready, given), flush=True)


if __name__ == "__main__":
    main()

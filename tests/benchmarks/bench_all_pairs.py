"""All pairs from one pass against the plain two-branch pass, which forwards both images of each
pair.

    python tests/benchmarks/bench_all_pairs.py [--photos DIR] [--arch resnet18] [--crop 96] ...

The layouts of one step are those of RankIQA's training (Liu et al., ICCV 2017):

    live  4 distortions x 2 photographs each x levels 0..5 = 48 images. Each image of a level is
          above all images of the same distortion at a worse level, of both photographs:
          15 pairs of levels x 2 x 2 x 4 = 240 pairs, so 480 images in two branches: 10x.
    tid   9 ladders (a distortion of a photograph) x levels 0..4 = 45 images, 10 pairs of levels
          x 9 = 90 pairs, so 180 images in two branches: 4x.

The two ways have the same network, the same first weights and the same images, and take turns, so
that a busy machine is busy for both. First pairs per second (forward, loss, backward, update), as
the ratio of medians; then training, on crops of photographs, until the pair accuracy on crops of
other photographs reaches a goal: the clock runs in the steps only. Batch normalisation is the one
difference between them: an image counts once, or once per pair.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from criterions.ranking_loss import ranking_loss  # noqa: E402
from dataloader.labels.labels import Labels, Version  # noqa: E402
from dataloader.targets.pairs import PairTargets  # noqa: E402
from models.quality_net import QualityNet, build_model  # noqa: E402
from utils.data_generate.distortions import distort, distortions_of  # noqa: E402
from utils.data_generate.photos import find_photos, package_photos  # noqa: E402
from utils.imaging.images import read_image  # noqa: E402
from utils.runtime.seed import numpy_generator  # noqa: E402

KINDS = distortions_of("basic")
MARGIN = 0.5
WORTH = 0.9  # of the arithmetic ratio


@dataclass(frozen=True)
class Layout:
    """Images of a step as (ladder, level): `kinds` has a ladder's number of the distortion."""

    name: str
    kinds: tuple[int, ...]
    levels: int
    targets: PairTargets
    slots: list[tuple[int, int]]

    @property
    def ratio(self) -> float:
        return 2 * len(self.targets) / len(self.slots)


def layout(name: str, ladders: int, per_kind: int, levels: int) -> Layout:
    """Ladders in groups of `per_kind` that share a distortion, and the pairs of each group."""
    pairs = []
    for group in range(ladders // per_kind):
        members = range(group * per_kind, (group + 1) * per_kind)
        for (better, worse), a, b in product(combinations(range(levels), 2), members, members):
            pairs.append((Path(f"{a}/{better}"), Path(f"{b}/{worse}")))
    slots = {path: tuple(map(int, path.parts)) for pair in pairs for path in pair}
    known = [Version(str(ladder), "x", level) for ladder, level in slots.values()]
    # Levels do not order the images of two photographs: those pairs are listed.
    versions = known if per_kind == 1 else None
    targets = PairTargets(Labels.of("pairs", pairs, versions=versions))
    kinds = tuple(ladder // per_kind % len(KINDS) for ladder in range(ladders))
    return Layout(name, kinds, levels, targets, list(slots.values()))


LAYOUTS = {"live": layout("live", 8, 2, 6), "tid": layout("tid", 9, 1, 5)}


def make_bank(photos: list[Path], crops: int, size: int, seed: int) -> torch.Tensor:
    """uint8 (photos * crops, distortions, 6 levels, 3, size, size): one crop, all its versions."""
    rows = []
    for number, photo in enumerate(photos):
        whole = np.asarray(read_image(photo))
        for crop in range(crops):
            rng = numpy_generator(seed, "crop", number, crop)
            top, left = (int(rng.integers(side - size + 1)) for side in whole.shape[:2])
            piece = np.ascontiguousarray(whole[top : top + size, left : left + size])
            rows.append(
                [[distort(piece, kind, level, rng) for level in range(6)] for kind in KINDS]
            )
    return torch.from_numpy(np.array(rows)).permute(0, 1, 2, 5, 3, 4).contiguous()


def step_images(bank: torch.Tensor, shape: Layout, seed: int, step: int) -> torch.Tensor:
    """float32 (images, 3, size, size) of one step, in the order of `shape.slots`."""
    drawn = numpy_generator(seed, "step", step).permutation(len(bank))[: len(shape.kinds)]
    rows = [bank[drawn[ladder], shape.kinds[ladder], level] for ladder, level in shape.slots]
    return torch.stack(rows).float() / 255


def one_pass(model: QualityNet, images: torch.Tensor, targets: PairTargets) -> torch.Tensor:
    chosen, pairs = targets.select(np.arange(len(targets)))
    scores = model(images[torch.from_numpy(chosen)]).scores
    better, worse = (torch.from_numpy(pairs[name]).to(images.device) for name in pairs)
    return ranking_loss(scores, better, worse, MARGIN)


def two_branches(model: QualityNet, images: torch.Tensor, targets: PairTargets) -> torch.Tensor:
    # One forward pass of both: in two, batch normalisation would take the better images' mean from
    # the one branch and the worse images' from the other, which is what the network should tell.
    both = torch.from_numpy(np.concatenate([targets.better, targets.worse]))
    scores = model(images[both]).scores
    first = torch.arange(len(targets), device=images.device)
    return ranking_loss(scores, first, first + len(targets), MARGIN)


WAYS: dict[str, Callable[[QualityNet, torch.Tensor, PairTargets], torch.Tensor]] = {
    "one pass": one_pass,
    "two branches": two_branches,
}


class Learner:
    """One way to train; both begin with the same weights. `seconds`: spent in steps so far."""

    def __init__(self, way: str, size: int, args: argparse.Namespace) -> None:
        torch.manual_seed(args.seed)
        self.loss = WAYS[way]
        model = build_model(args.arch, image_size=(size, size), dropout=0.0)
        self.model = model.to(args.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=args.lr)
        self.seconds, self.steps = 0.0, 0
        self.accuracies: list[float] = []

    def step(self, images: torch.Tensor, targets: PairTargets) -> float:
        """Seconds of one update."""
        self.model.train()
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.model, images, targets)
        loss.backward()
        self.optimizer.step()
        loss.item()  # an accelerator has finished when its number is here
        taken = time.perf_counter() - start
        self.seconds, self.steps = self.seconds + taken, self.steps + 1
        return taken

    @torch.inference_mode()
    def judge(self, bank: torch.Tensor) -> float:
        """Pair accuracy over every two levels of every ladder of the bank, a tie counts half: the
        median of the last three, because a single one jumps.
        """
        self.model.eval()
        images = bank.flatten(0, 2)
        parts = [self.model(part.float() / 255).scores for part in images.split(256)]
        scores = torch.cat(parts).reshape(-1, 6)
        first, second = torch.combinations(torch.arange(6)).T
        gap = scores[:, first] - scores[:, second]
        self.accuracies.append(float(((gap > 0).float() + (gap == 0).float() / 2).mean()))
        return statistics.median(self.accuracies[-3:])


def bench_speed(shape: Layout, bank: torch.Tensor, args: argparse.Namespace) -> None:
    learners = {way: Learner(way, args.crop, args) for way in WAYS}
    speeds: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(args.rounds + 1):
        images = step_images(bank, shape, args.seed, turn).to(args.device)
        for way, learner in learners.items():
            speed = len(shape.targets) / learner.step(images, shape.targets)
            if turn:  # the first turn warms up
                speeds[way].append(speed)
    medians = {way: statistics.median(found) for way, found in speeds.items()}
    for way, median in medians.items():
        low, high = min(speeds[way]), max(speeds[way])
        print(f"{shape.name:<5}{way:<14}{median:9.1f} pairs/s ({low:.1f} to {high:.1f})")
    ratio = medians["one pass"] / medians["two branches"]
    share = ratio / shape.ratio
    print(
        f"{shape.name:<5}{len(shape.targets)} pairs from {len(shape.slots)} images: ratio "
        f"{ratio:.2f} of {shape.ratio:.0f}, which is {share:.2f} "
        f"(wanted: {WORTH}, {'reached' if share >= WORTH else 'MISSED'})",
        flush=True,
    )


def bench_accuracy(
    shape: Layout, bank: torch.Tensor, held_out: torch.Tensor, args: argparse.Namespace
) -> None:
    learners = {way: Learner(way, args.train_crop, args) for way in WAYS}
    running = dict(learners)
    for step in range(args.steps):
        images = step_images(bank, shape, args.seed + 1, step).to(args.device)
        for way, learner in list(running.items()):
            learner.step(images, shape.targets)
            if learner.steps % args.judge_every == 0 and learner.judge(held_out) >= args.goal:
                del running[way]
        if not running:
            break
    for way, learner in learners.items():
        word = "not reached after" if way in running else "reached after"
        print(
            f"{shape.name:<5}{way:<14}pair accuracy {args.goal:.2f} {word} {learner.steps} steps, "
            f"{learner.seconds:.1f} s (last {learner.accuracies[-1]:.3f})"
        )
    if not running:
        ratio = learners["two branches"].seconds / learners["one pass"].seconds
        print(f"{shape.name:<5}time to the same pair accuracy: {ratio:.2f} times shorter")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="pristine photographs (default: packages')")
    parser.add_argument("--held_out", type=int, default=3, help="photographs that judge")
    parser.add_argument("--crops", type=int, default=4, help="crops of each photograph")
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--crop", type=int, default=96, help="side in pixels to measure speed")
    parser.add_argument("--train_crop", type=int, default=48, help="side in pixels to learn")
    parser.add_argument("--rounds", type=int, default=5, help="timed turns of each way")
    parser.add_argument("--steps", type=int, default=60, help="most updates to learn; 0: none")
    parser.add_argument("--judge_every", type=int, default=2, help="updates between judgements")
    parser.add_argument("--goal", type=float, default=0.7, help="pair accuracy to reach")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)

    versions = (f"{name} {importlib.metadata.version(name)}" for name in ("torch", "timm"))
    print(
        f"{datetime.date.today()}, {platform.machine()}, {args.device}, "
        f"{torch.get_num_threads()} thread(s), Python {platform.python_version()}, "
        f"{', '.join(versions)}, {args.arch}, float32, crops of {args.crop} (speed) and "
        f"{args.train_crop} (learning) pixels"
    )
    photos = find_photos(args.photos) if args.photos else package_photos()
    train, judges = photos[args.held_out :], photos[: args.held_out]
    print(f"{len(train)} photographs to learn from, {len(judges)} others to judge", flush=True)
    bank = make_bank(train, args.crops, args.crop, args.seed)
    for name in args.layouts:
        bench_speed(LAYOUTS[name], bank, args)
    if args.steps:
        bank = make_bank(train, args.crops, args.train_crop, args.seed)
        held_out = make_bank(judges, args.crops, args.train_crop, args.seed).to(args.device)
        for name in args.layouts:
            bench_accuracy(LAYOUTS[name], bank, held_out, args)


if __name__ == "__main__":
    main()

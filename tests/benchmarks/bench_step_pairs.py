"""Losses and pairs of a large step: ours against all pairs made one by one, in turns.

    python tests/benchmarks/bench_step_pairs.py [--images 1024 4096] [--runs 9]

order_loss and bucket_loss, forwards and backwards, of as many images, in float32; and the pairs of
a step of --across 1: as many lines of ladders, each of a reference and one of 4 distortions at 5
levels of it. Told are milliseconds of the processor (medians; NumPy's BLAS and torch have one
thread), the median and the ends of the ratios, run by run, and how far the two are apart in float64
(the pairs of a step are the same).
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
import numpy as np  # noqa: E402
import torch  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from criterions.batch_pairs import bucket_loss, order_loss  # noqa: E402
from criterions.contrastive_loss import contrastive_loss  # noqa: E402
from criterions.ranking_loss import ranking_loss  # noqa: E402
from dataloader.labels.labels import Labels, Version  # noqa: E402
from dataloader.targets.pairs import PairTargets  # noqa: E402

SHARE, DISTORTIONS, LEVELS = 0.5, 4, 5


def all_orders(scores: torch.Tensor, voted: torch.Tensor) -> torch.Tensor:
    lead = voted[:, None] - voted
    better, worse = (lead > 0).nonzero(as_tuple=True)
    return ranking_loss(scores, better, worse, SHARE * lead[better, worse])


def all_buckets(scores: torch.Tensor, bucket: torch.Tensor) -> torch.Tensor:
    first, second = torch.combinations(torch.arange(len(bucket))).T
    same = bucket[first] == bucket[second]
    kinds = [
        contrastive_loss(scores, first[kind], second[kind], same[kind]) for kind in (same, ~same)
    ]
    return (kinds[0] + kinds[1]) / 2


def all_across(targets: PairTargets) -> np.ndarray:
    """(2, P): better and worse images of the pairs of all lines, from every two images."""
    order, images = targets.order, np.arange(len(targets.paths))
    better, worse = (part.reshape(-1) for part in np.meshgrid(images, images, indexing="ij"))
    known = order.known(better, worse)
    code = np.concatenate([better[known], targets.better]) * len(images)
    code += np.concatenate([worse[known], targets.worse])
    return np.stack(np.divmod(np.unique(code), len(images)))


def ladders(lines: int) -> PairTargets:
    each = DISTORTIONS * LEVELS
    names = [(n // each, f"kind{n % each // LEVELS}", 1 + n % LEVELS) for n in range(lines)]
    pairs = [(f"{reference}", f"{reference}/{kind}/{level}") for reference, kind, level in names]
    known: dict[str, Version] = {}
    for (reference, kind, level), (better, worse) in zip(names, pairs, strict=True):
        known.setdefault(better, Version(better, "", 0))
        known[worse] = Version(str(reference), kind, level)
    return PairTargets(Labels.of("pairs", pairs, versions=known.values()), across=1)


def paired(name: str, count: int, ours: Callable, other: Callable, runs: int, apart: float) -> None:
    taken: dict[Callable, list[float]] = {ours: [], other: []}
    for turn in range(runs + 1):
        for way, found in taken.items():
            begun = time.process_time()
            way()
            if turn:  # the first turn warms up
                found.append(1000 * (time.process_time() - begun))
    ratios = [b / a for a, b in zip(taken[ours], taken[other], strict=True)]
    mine, theirs = (statistics.median(found) for found in taken.values())
    print(
        f"{name:12}{count:6}: ours {mine:8.1f} ms, all pairs {theirs:8.1f} ms: ratio "
        f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}, {runs} runs), "
        f"apart {apart:.1e}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--runs", type=int, default=9)
    flags = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{datetime.date.today()}, {platform.machine()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, NumPy {np.__version__}"
    )
    for count in flags.images:
        rng = np.random.default_rng(0)
        votes = rng.integers(0, 60, (count, 10))
        voted = torch.tensor(votes @ np.arange(1, 11) / votes.sum(axis=1))
        scores = voted + torch.tensor(rng.normal(0, 0.5, count))
        of_buckets = (bucket_loss, all_buckets, torch.round(2 * voted).long())
        of_order = (lambda s, v: order_loss(s, v, SHARE), all_orders, voted)
        for name, (ours, other, labels) in (("order_loss", of_order), ("bucket_loss", of_buckets)):

            def value(loss: Callable, kind: torch.dtype, labels=labels, scores=scores):
                leaf = scores.to(kind, copy=True).requires_grad_()
                one = labels.to(kind) if labels.is_floating_point() else labels
                found = loss(leaf, one)
                found.backward()
                return torch.cat([found.detach()[None], leaf.grad])

            exact = [value(loss, torch.float64) for loss in (ours, other)]
            apart = float((exact[0] - exact[1]).abs().max())
            single = (lambda way=way: value(way, torch.float32) for way in (ours, other))
            paired(name, count, *single, flags.runs, apart)
        targets = ladders(count)

        def drawn(targets=targets, count=count) -> np.ndarray:
            found = targets.select(np.arange(count))[1]
            return np.stack([found["better"], found["worse"]])

        assert np.array_equal(drawn(), all_across(targets))
        paired("--across 1", count, drawn, lambda t=targets: all_across(t), flags.runs, 0.0)


if __name__ == "__main__":
    main()

"""Processor seconds and memory of the search for near duplicates, by the number of images.

    python tests/benchmarks/bench_near.py [--images 4000 16000 50000 255000]

Thumbnails are drawn, not decoded: random colours at four scales, with grain, about as photographs
are, and one in a hundred a second time with noise. Each number runs in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.duplicates.groups import near_groups  # noqa: E402
from utils.duplicates.near_duplicates import SIDE  # noqa: E402

SCALES = ((3, 60), (6, 40), (12, 25), (24, 15))  # cells on a side, and how strong, in grey levels
EVERY, PART = 100, 5000


def drawn(count: int) -> np.ndarray:
    """uint8 (count, SIDE, SIDE), the last ones copies of the first ones."""
    rng, originals = np.random.default_rng(0), count - count // EVERY
    shown = np.empty((count, SIDE, SIDE), np.uint8)
    place = (np.arange(SIDE) + 0.5) / SIDE
    for start in range(0, originals, PART):
        size = min(PART, originals - start)
        part = 128 + rng.normal(0, 4, (size, SIDE, SIDE)).astype(np.float32)
        for cells, strength in SCALES:
            tents = np.maximum(1 - np.abs(place[:, None] * (cells - 1) - np.arange(cells)), 0)
            tents = tents.astype(np.float32)  # (SIDE, cells)
            part += tents @ rng.normal(0, strength, (size, cells, cells)).astype("f4") @ tents.T
        shown[start : start + size] = np.clip(part, 0, 255)
    copies = shown[: count - originals] + rng.normal(0, 3, (count - originals, SIDE, SIDE))
    shown[originals:] = np.clip(copies, 0, 255)
    return shown


def measure(count: int) -> None:
    shown = drawn(count)
    before, start = peak(), time.process_time()
    groups = near_groups(shown)
    spent = time.process_time() - start
    print(
        f"{count:8} images {spent:8.1f} s of CPU {1000 * spent / count:6.2f} ms an image, "
        f"{peak() - before:5.0f} MB more than {shown.nbytes / 1e6:.0f} MB of thumbnails; "
        f"{len(groups)} groups of {count // EVERY} planted",
        flush=True,
    )


def peak() -> float:
    """MB of this process, at the most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[4000, 16000, 50000, 255000])
    for number in parser.parse_args().images:
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(number,))
        process.start()
        process.join()

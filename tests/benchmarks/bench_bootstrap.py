"""Seconds that bootstrap intervals take: 10,000 samples of 10,000 images.

    python tests/benchmarks/bench_bootstrap.py --images 10000 --samples 10000

One thread of NumPy and one process; each metric alone, then all of them from the same resamples.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.statistics.bootstrap import bootstrap  # noqa: E402
from utils.statistics.metrics import score_metrics  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument(
        "--references", type=int, default=0, help="draw whole references; 0: images"
    )
    flags = parser.parse_args()
    rng = np.random.default_rng(0)
    mos = np.round(rng.normal(3, 1, flags.images), 2)  # two decimals: ties
    pred = mos + rng.normal(0, 0.5, flags.images)
    owner = np.arange(flags.images)
    if flags.references:
        owner = owner % flags.references
    begun = time.perf_counter()
    metrics = score_metrics(pred, mos).metrics()
    print(f"prepared in {time.perf_counter() - begun:.2f} s")
    for name, chosen in [*((n, {n: f}) for n, f in metrics.items()), ("all five", metrics)]:
        wall, cpu = time.perf_counter(), time.process_time()
        found = bootstrap(chosen, owner, flags.samples, rng)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        first = next(iter(found.values()))
        shown = f"{first.value:.4f} [{first.low:.4f}, {first.high:.4f}]" if len(found) == 1 else ""
        print(f"{name:9} {wall:6.2f} s, {cpu:6.2f} s of processor  {shown}", flush=True)


if __name__ == "__main__":
    main()

"""How often the 95% intervals of metrics over pairs of images hold the truth, and what they cost.

    python tests/benchmarks/bench_coverage_pairs.py --simulations 1000

Resolving power of images with votes, alone and in references of four; metrics of ladders of 15 to
150 photographs. In brackets: truth below the interval, above it. Last, seconds of the intervals of
25 references x 24 distortions x 5 levels.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.utils.statistics import test_ladder_metrics, test_vote_noise  # noqa: E402
from tests.utils.statistics.test_bootstrap import coverage  # noqa: E402
from utils.statistics.bootstrap import bootstrap, cluster_numbers  # noqa: E402
from utils.statistics.ladder_metrics import ladder_metrics  # noqa: E402
from utils.statistics.resampled import Resampled  # noqa: E402
from utils.statistics.vote_noise import opinion_pairs, resolving_power  # noqa: E402

Drawn = tuple[np.ndarray, Mapping[str, Resampled]]  # clusters, metrics


def show(title: str, known: Mapping[str, float], draw: Callable[[], Drawn], flags) -> None:
    rng = np.random.default_rng(1)
    print(title)
    for name, shares in coverage(known, draw, flags.simulations, flags.samples, rng).items():
        print("  {:17} {:.1f} ({:.1f}, {:.1f})".format(name, *(100 * shares)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=200)
    flags = parser.parse_args()
    warnings.simplefilter("ignore")  # of a metric that is the same in all resamples
    rng = np.random.default_rng(0)
    votes = test_vote_noise.truth(rng, 1_000_000)
    for clusters, each in ((60, 1), (20, 4)):

        def rated(clusters: int = clusters, each: int = each) -> Drawn:
            owner, columns = test_vote_noise.simulated(rng, clusters, each)
            return owner, resolving_power(opinion_pairs(*columns), owner).metrics()

        show(f"resolving power, {clusters} clusters of {each}", votes, rated, flags)
    many = ladder_metrics(*test_ladder_metrics.simulated(rng, 50_000)).overall
    ladders = {name: metric.value for name, metric in many.metrics().items()}
    for photos in (15, 40, 150):

        def laddered(photos: int = photos) -> Drawn:
            columns = test_ladder_metrics.simulated(rng, photos)
            return columns[1], ladder_metrics(*columns).overall.metrics()

        show(f"ladders of {photos} photographs", ladders, laddered, flags)
    levels = np.tile(np.append(0, np.tile(np.arange(1, 6), 24)), 25)
    kinds = [0, *np.repeat(np.arange(24), 5).tolist()] * 25
    photos = np.repeat(np.arange(25), 121).tolist()
    begun = time.process_time()
    metrics = ladder_metrics(rng.normal(size=len(levels)) - levels, photos, kinds, levels).overall
    bootstrap(metrics.metrics(), cluster_numbers(photos), 1000, rng)
    print(f"1000 resamples of 25 x 24 x 5 images: {time.process_time() - begun:.2f} s of processor")


if __name__ == "__main__":
    main()

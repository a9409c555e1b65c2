"""How often a nominal 95% interval holds the truth, for five kinds of bootstrap interval.

    python tests/benchmarks/bench_coverage.py --simulations 1000

Bivariate normal scores and MOS, of which SRCC, PLCC, KRCC and RMSE are known, in clusters with a
common part ("rated"), or in clusters that each span the scores, whose errors have it ("spanned").
percentile: quantiles of the resamples; wide: the same with tails of Student's t (Hesterberg 2015);
bca, bca wide: Efron 1987, jackknife over clusters; used: utils/statistics/bootstrap.py. In
brackets: truth below the interval, above it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special, stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.utils.statistics.test_bootstrap import rated, spanned, truth  # noqa: E402
from utils.statistics.bootstrap import bootstrap  # noqa: E402
from utils.statistics.resampled import Kendall, Pearson, RootMean, Spearman  # noqa: E402

# how they are drawn, clusters, images in each, correlation, share of the variance that is the
# cluster's
CASES = (
    (rated, 50, 1, 0.3, 0.0), (rated, 50, 1, 0.8, 0.0), (rated, 200, 1, 0.9, 0.0),
    (rated, 10, 12, 0.8, 0.3), (rated, 25, 8, 0.8, 0.3), (rated, 80, 5, 0.9, 0.3),
    (spanned, 10, 20, 0.8, 0.3), (spanned, 10, 20, 0.8, 0.47), (spanned, 10, 20, 0.8, 0.77),
    (spanned, 20, 20, 0.8, 0.47), (spanned, 20, 20, 0.8, 0.77), (rated, 10, 20, 0.8, 0.77),
)  # fmt: skip
KINDS = ("percentile", "wide", "bca", "bca wide", "used")


def bca(value: float, resamples: np.ndarray, jackknife: np.ndarray, tail: float) -> np.ndarray:
    share = np.mean(0.5 * (resamples < value) + 0.5 * (resamples <= value))
    bias = special.ndtri(np.clip(share, 1 / len(resamples), 1 - 1 / len(resamples)))
    pulls = jackknife.mean() - jackknife
    acceleration = np.sum(pulls**3) / (6 * np.sum(pulls**2) ** 1.5)
    ends = bias + np.array([-tail, tail])
    return np.quantile(resamples, special.ndtr(bias + ends / (1 - acceleration * ends)))


def simulate(case: tuple[Any, int, int, float, float], runs: int, samples: int, seed: int) -> None:
    draw, clusters, each, rho, share = case
    rng = np.random.default_rng(seed)
    known = truth(rho)
    hits = {(name, kind): np.zeros(3) for name in known for kind in KINDS}
    wide = stats.t.ppf(0.975, clusters - 1) * np.sqrt(clusters / (clusters - 1))
    for _ in range(runs):
        owner, x, y = draw(rng, clusters, each, rho, share)
        metrics = {
            "srcc": Spearman(x, y), "plcc": Pearson(x, y),
            "krcc": Kendall(x, y), "rmse": RootMean((x - y) ** 2),
        }  # fmt: skip
        left_out = (owner[None, :] != np.arange(clusters)[:, None]).astype(np.float64)
        for name, found in bootstrap(metrics, owner, samples, rng).items():
            jackknife = metrics[name](left_out)
            ends = {
                "percentile": np.quantile(found.resamples, [0.025, 0.975]),
                "wide": np.quantile(found.resamples, special.ndtr([-wide, wide])),
                "bca": bca(found.value, found.resamples, jackknife, 1.96),
                "bca wide": bca(found.value, found.resamples, jackknife, wide),
                "used": (found.low, found.high),
            }
            for kind, (low, high) in ends.items():
                at = known[name]
                hits[name, kind] += (low <= at <= high, at < low, at > high)
    print(
        f"{clusters} clusters of {each}, correlation {rho}, common share {share} ({draw.__name__})"
    )
    for name in known:
        cells = []
        for kind in KINDS:
            inside, below, above = 100 * hits[name, kind] / runs
            cells.append(f"{kind} {inside:.1f} ({below:.1f}, {above:.1f})")
        print(f"  {name}  {'  '.join(cells)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, nargs="+", default=range(len(CASES)), metavar="I")
    flags = parser.parse_args()
    for case in (CASES[i] for i in flags.cases):
        simulate(case, flags.simulations, flags.samples, flags.seed)


if __name__ == "__main__":
    main()

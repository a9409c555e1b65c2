"""Logistic fits against SciPy's least squares from 16 free starts, on six kinds of random data.

    python tests/benchmarks/bench_logistic_fit.py --images 40
    python tests/benchmarks/bench_logistic_fit.py --write

Of each kind of data: the largest excess of a fit's RMSE over the best of the 16, how many of the 16
were better by more than 0.01%, by how much ours was better at most, and the largest excess of the
RMSE over that of a straight line and of 5p over 4p. --write: the table of the 16 that
tests/utils/statistics/test_logistic_fit.py compares with.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.utils.statistics.test_logistic_fit import (  # noqa: E402
    CASES,
    KINDS_OF_DATA,
    KNOWN,
    case,
    many_starts,
    rmse,
)
from utils.statistics.logistic_fit import KINDS, fit_logistic  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--cases", type=int, default=CASES, help="of each kind of data")
    parser.add_argument("--write", action="store_true", help="write the table of the tests")
    flags = parser.parse_args()
    rows, spent = [], np.zeros(2)
    for data in KINDS_OF_DATA:
        found = []
        for number in range(flags.cases):
            x, y = case(data, number, flags.images)
            begun = time.process_time()
            own = [rmse(fit_logistic(kind, x, y)(x), y) for kind in KINDS]
            between = time.process_time()
            best = [many_starts(kind, x, y) for kind in KINDS]
            spent += between - begun, time.process_time() - between
            line = rmse(np.polyval(np.polyfit(x, y, 1), x), y)
            found.append((*own, *best, line))
            rows.append("{:.7g} {:.7g}\n".format(*best))
        table = np.array(found)
        excess = table[:, :2] / table[:, 2:4] - 1
        cells = [
            f"{kind}: {e.max():+.1e}, {np.sum(e > 1e-4)} of {len(e)}, {e.min():+.1e}"
            for kind, e in zip(KINDS, excess.T, strict=True)
        ]
        straight = (table[:, :2] / table[:, 4:] - 1).max()
        both = (table[:, 1] / table[:, 0] - 1).max()
        print(f"{data}: {'; '.join(cells)}; line {straight:+.1e}; 5p over 4p {both:+.1e}")
    print("seconds: {:.1f} of our fits, {:.1f} of 16 starts".format(*spent), flush=True)
    if flags.write:
        assert flags.images == 40 and flags.cases == CASES  # what the tests draw
        KNOWN.write_text("".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()

"""`python -m tests.faults [KIND ...] [--short]`: all trials, a table, and exit code 1 where one
went wrong. The long form is z_task_shell/faults.sh.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults import disks, label_fuzz, moments, names, pictures, weights
from tests.faults.trial import Trial

KINDS: dict[str, Callable[[Path, bool], Iterator[Trial]]] = {
    "kills": moments.kills,
    "signals": moments.signals,
    "disks": disks.trials,
    "weights": weights.trials,
    "pictures": pictures.trials,
    "labels": label_fuzz.trials,
    "names": names.trials,
}


def run(kinds: list[str], short: bool, root: Path) -> int:
    """Prints a line for every trial that went wrong, then the table; returns how many did."""
    rows, total = [], 0
    for kind in kinds:
        begun, count, wrong = time.monotonic(), 0, 0
        for name, trial in KINDS[kind](root / kind, short):
            found = trial()
            count += 1
            if found is not None:
                wrong += 1
                print(f"WRONG  {kind}: {name}: {found}", flush=True)
        total += wrong
        rows.append(f"{kind:10} {count:6} {count - wrong:6} {time.monotonic() - begun:8.0f}")
        print(rows[-1], flush=True)
    print(f"\n{'kind':10} {'trials':>6} {'right':>6} {'seconds':>8}", *rows, sep="\n")
    return total


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS], help="default: all")
    parser.add_argument("--short", action="store_true", help="as the test suite runs them")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        return min(1, run(flags.kinds or list(KINDS), flags.short, Path(root)))


if __name__ == "__main__":
    sys.exit(main())

"""How long a training with 255,000 rows takes to start, and how much memory: AVA.txt and label.txt.

    python tests/benchmarks/bench_label_start.py

Makes a data set in a temporary folder: every image is there by name (an empty file with many
links), so that each is looked up, and --no_check leaves decoding out. Each way runs in a process of
its own, from the command line to the first step's share of the rows: reading, splits, targets, the
training set, and what a head and a loss are fitted to. Told are the seconds after the imports (and
those of the CPU, which other work on the machine does not stretch), the peak of resident memory of
the whole process, the part of it that the imports alone take, and what lies between.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

LINKS = 30_000  # of one file: file systems allow few more
WAYS = {
    "AVA.txt, emd": ("ava", "emd", "label.txt"),
    "AVA.txt, regress": ("ava", "regress", "label.txt"),
    "label.txt, emd": ("split", "emd", "votes.txt"),
    "label.txt, regress": ("split", "regress", "mos.txt"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=255_000)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.child:
        print(json.dumps(_start(*flags.child)))
        return
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), flags.rows)
        for title, (place, criterion, label_name) in WAYS.items():
            child = [sys.executable, __file__, "--child", f"{folder}/{place}", criterion]
            done = subprocess.run([*child, label_name], capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{title}: {found['rows']} rows to train; {found['seconds']:.1f} s "
                f"({found['cpu']:.1f} s of CPU) after {found['imports']:.1f} s of imports; peak "
                f"{found['peak']:.0f} MB, imports {found['before']:.0f} MB, the start "
                f"{found['peak'] - found['before']:.0f} MB"
            )


def _start(data: str, criterion: str, label_name: str) -> dict[str, float]:
    begun = time.perf_counter()
    # All that a training imports, timm with it: what is loaded lazily counts as an import.
    import timm  # noqa: F401

    from applications.inputs.data import read_data
    from applications.inputs.runtime import open_runtime
    from applications.tasks import TASKS
    from applications.training.parts import fewest_images, training_set
    from config import make_config

    imported, busy = time.perf_counter(), time.process_time()
    before = _peak()
    flags = {"data": data, "criterion": criterion, "label_name": label_name, "no_check": True}
    config = make_config({**flags, "train": True, "gpus": 0, "batch_size": 16})
    with open_runtime(config) as runtime:
        found = read_data(config, TASKS[criterion], runtime)
        dataset = training_set(config, found, runtime)
        fewest_images(dataset)
        targets = found.splits["train"].targets.all()
        TASKS[criterion].criterion(config, targets)
        dataset.share(0, 0)
    return {
        "imports": imported - begun,
        "seconds": time.perf_counter() - imported,
        "cpu": time.process_time() - busy,
        "before": before,
        "peak": _peak(),
        "rows": len(dataset.targets),
    }


def _peak() -> float:
    """MB that this process has had in memory at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _write(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    ids = rng.permutation(4 * rows)[:rows]
    votes = rng.integers(0, 60, (rows, 10))
    votes[:, 4] += 1
    number = np.arange(1, rows + 1)
    (folder / "ava").mkdir()
    table = np.column_stack([number, ids, votes, rng.integers(0, 67, (rows, 3))])
    np.savetxt(folder / "ava" / "AVA.txt", table, fmt="%d")
    _touch(folder / "ava" / "images", [f"{i}.jpg" for i in ids])
    mos = (votes @ np.arange(1, 11)) / votes.sum(axis=1)
    for split, part in (("train", slice(0, -5000)), ("val", slice(-5000, None))):
        names = [f"{i}.jpg" for i in ids[part]]
        _touch(folder / "split" / split, names)
        for file, values in (("votes.txt", votes[part]), ("mos.txt", mos[part, None])):
            lines = zip(names, values.tolist(), strict=True)
            text = "".join(f"{n},{','.join(f'{v:.6g}' for v in row)}\n" for n, row in lines)
            (folder / "split" / split / file).write_text(text)


def _touch(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True)
    for i, name in enumerate(names):
        if i % LINKS == 0:
            first = folder / name
            first.touch()
        else:
            os.link(first, folder / name)


if __name__ == "__main__":
    main()

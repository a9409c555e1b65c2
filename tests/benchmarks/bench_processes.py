"""Training in several processes on the CPU (-g N --device cpu) beside one process on the same
global batch: images a second by the clock and by processor seconds, and the metrics of both.

python -m tests.benchmarks.bench_processes [--arch resnet18] [--images 64] [-b 32] [-g 2]
    [--runs 3] [--amp off] [-j 1]

The same JPEGs of 640x480 are trained on by turns: -b for all processes together, so each of N has
b / N of them; one process has N threads, each of N processes has one. An epoch is the difference of
a call of three epochs and a call of one, divided by two.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.bench_iqa_pytorch import ROOT, write_files
from tests.benchmarks.paired import machine
from tests.benchmarks.process_tree import cost
from utils.runtime.logger import read_metrics

EPOCHS = (1, 3)


def write_data(place: Path, images: int) -> None:
    """train/ and a small val/, each with a score for every image."""
    for split, count in (("train", images), ("val", 8)):
        files = write_files(place / "data" / split / "images", count)
        lines = [f"images/{file.name},{1 + number % 5}" for number, file in enumerate(files)]
        (place / "data" / split / "label.txt").write_text("\n".join(lines) + "\n")


def metrics(place: Path) -> dict[str, float]:
    """Of the last epoch of the newest run."""
    newest = max((place / "runs").iterdir(), key=lambda run: run.stat().st_mtime_ns)
    found = {}
    for record in read_metrics(newest / "metrics.jsonl"):
        kinds = {name: value for name, value in record.items() if isinstance(value, float)}
        found |= {f"{record['split']} {name}": value for name, value in kinds.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("-b", "--batch_size", type=int, default=32)
    parser.add_argument("-g", "--processes", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--amp", default="off")
    parser.add_argument("-j", "--workers", type=int, default=1)
    given = parser.parse_args()
    each = given.processes
    words = (
        f"--train --criterion regress --data data --arch {given.arch} --no_pretrained --no_check "
        f"--no_report --bootstrap 0 --opt sgd --dropout 0 --amp {given.amp} -j {given.workers} "
        f"--device cpu"
    )
    sides = {
        "one process": f"{words} -b {given.batch_size} --threads {each}",
        f"-g {each}": f"{words} -b {given.batch_size // each} --threads 1 -g {each}",
    }
    with tempfile.TemporaryDirectory() as name:
        place, found, judged = Path(name), {side: [] for side in sides}, {}
        write_data(place, given.images)
        for _ in range(given.runs):
            for side, call in sides.items():
                costs = []
                for epochs in EPOCHS:
                    command = [sys.executable, str(ROOT / "main.py"), *call.split()]
                    more = {"HF_HUB_OFFLINE": "1"}
                    costs.append(cost([*command, "--epochs", str(epochs)], place, more))
                    print(side, epochs, costs[-1].processor, costs[-1].clock, file=sys.stderr)
                found[side].append(costs)
                judged[side] = metrics(place)
    epochs = EPOCHS[1] - EPOCHS[0]
    print(f"{machine('torch')}; {given.arch}, batch {given.batch_size}, --amp {given.amp}\n")
    print("| | images a s by the clock | images a processor second | peak MB |\n|---|---|---|---|")
    speeds = {}
    for side, pairs in found.items():
        clock = [given.images * epochs / (b.clock - a.clock) for a, b in pairs]
        processor = [given.images * epochs / (b.processor - a.processor) for a, b in pairs]
        speeds[side] = clock, processor
        peak = statistics.median(b.megabytes for _, b in pairs)
        print(
            f"| {side} | {statistics.median(clock):.2f} | {statistics.median(processor):.2f} "
            f"| {peak:.0f} |"
        )
    one, several = speeds
    for what, alone, many in zip(
        ("the clock", "processor seconds"), speeds[one], speeds[several], strict=True
    ):
        ratios = [b / a for a, b in zip(alone, many, strict=True)]
        middle = statistics.median(many) / statistics.median(alone)
        print(
            f"{several} over one process by {what}: {middle:.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}), {given.runs} runs"
        )
    for name in sorted(judged[one].keys() & judged[several].keys() - {"train data_wait"}):
        alone, many = judged[one][name], judged[several][name]
        print(f"{name}: {alone:.7g} and {many:.7g}, difference {abs(alone - many):.2g}")


if __name__ == "__main__":
    main()

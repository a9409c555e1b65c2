"""CPU seconds of `--help`, of `--predict` of a few images and of `--train` up to its first step:
this checkout against another one, alternating.

python tests/benchmarks/bench_start.py OTHER [RUNS]
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.cli import ROOT, TINY
from tests.tiny_data import write_data

TRAIN = (
    f"--train --criterion regress {TINY} --no_pretrained --epochs 1 --no_report --bootstrap 0 "
    "--no_check"
)
CALLS = {
    "--help": "--help",
    "--train": TRAIN,
    "--predict": "--predict data/test/images -j 0 -g 0 --threads 1 --resume w.pth",
}


def started(tree: Path, words: str, folder: Path) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    if "no_pretrained" not in (tree / "config.py").read_text():  # it always began from random ones
        words = words.replace("--no_pretrained", "")
    command = [sys.executable, str(tree / "main.py"), *words.split()]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def seconds(tree: Path, words: str, folder: Path) -> float:
    """CPU seconds of one call, its children included; of a training up to its first step."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = started(tree, words, folder)
    if "--train" in words:
        text = b""
        while b" step " not in text:
            more = process.stderr.read1()
            assert more, text.decode()
            text += more
        process.kill()
    process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    other, runs = Path(sys.argv[1]).resolve(), int((*sys.argv, "5")[2])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_data(folder / "data", "regress", 2, 1)
        started(ROOT, TRAIN, folder).communicate()
        (folder / "checkpoints/model_best_test_resnet.pth").rename(folder / "w.pth")
        for name, words in CALLS.items():
            pairs = [[seconds(tree, words, folder) for tree in (other, ROOT)] for _ in range(runs)]
            old, new = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(
                f"{name}: {old:.2f} s there, {new:.2f} s here, ratio {new / old:.2f}, {runs} runs"
            )


if __name__ == "__main__":
    main()

"""--predict -o FILE on many small images: peak memory at two counts, and what a kill costs.

python tests/benchmarks/bench_predict.py [--few 1000] [--many 100000] [--kills 5] [-j 0]

Writes the images (32x32, of one folder) and a tiny network of random weights to a temporary folder;
scores the few and the many; kills a third call at random moments, has it go on with --continue, and
compares its file with the undisturbed one byte for byte.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from models.quality_net import build_model  # noqa: E402


def write_images(folder: Path, count: int) -> None:
    """Of 50 contents, each file one of its own."""
    rng = np.random.default_rng(0)
    contents = []
    folder.mkdir()
    for _ in range(50):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / "x.jpg")
        contents.append((folder / "x.jpg").read_bytes())
    (folder / "x.jpg").unlink()
    for number in range(count):
        (folder / f"photograph-{number:07}.jpg").write_bytes(contents[number % 50])


def command(place: Path, images: str, output: str, workers: int) -> list[str]:
    words = f"--predict {images} -o {output} --resume w.pth --arch test_resnet --image_size 32"
    words += f" -g 0 --threads 1 -j {workers} --continue"
    return [sys.executable, str(ROOT / "main.py"), *words.split()]


def run(place: Path, words: list[str]) -> tuple[float, float]:
    """(seconds, peak MB of the main process) of a call that ends by itself."""
    begun = time.perf_counter()
    with open(place / "stderr.txt", "ab") as log:
        process = subprocess.Popen(words, cwd=place, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(words)}: {(place / 'stderr.txt').read_text()[-2000:]}")
    return time.perf_counter() - begun, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("-j", "--workers", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        torch.save(build_model("test_resnet", 1, (32, 32)).state_dict(), place / "w.pth")
        for images, count in (("few", given.few), ("many", given.many)):
            write_images(place / images, count)
            words = command(place, images, f"{images}.csv", given.workers)
            seconds, peak = run(place, words)
            print(f"{count:8} images: {seconds:7.1f} s, peak {peak:7.1f} MB", flush=True)
        if given.kills:
            kill(place, given)


def kill(place: Path, given: argparse.Namespace) -> None:
    words = command(place, "many", "killed.csv", given.workers)
    whole = (place / "many.csv").stat().st_size
    part = place / "killed.csv.part"
    for size in sorted(random.Random(0).sample(range(1000, whole), given.kills)):
        process = subprocess.Popen(words, cwd=place, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (part.exists() and part.stat().st_size >= size):
            time.sleep(0.01)
        process.kill()
        process.wait()
        rows = part.read_bytes().count(b"\n") - 1 if part.exists() else given.many
        print(f"killed at {rows} rows", flush=True)
    seconds, _ = run(place, words)
    same = (place / "killed.csv").read_bytes() == (place / "many.csv").read_bytes()
    print(f"the rest in {seconds:.1f} s; equal to the undisturbed file: {same}")


if __name__ == "__main__":
    main()

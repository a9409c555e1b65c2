"""Time, memory and recall of --check on many generated images with planted copies.

    python tests/benchmarks/bench_check.py [--images 50000] [--workers 2] [--folder DIR]

Writes small JPEGs (64x64 to 160x120, about 4 KB each, every one of random colours at four scales
and grain) into a temporary folder, in three splits, and plants a copy of one in a hundred: the same
bytes, re-encoded, resized, brightened, or cropped. Then runs the command as a user would.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("bytes", "jpeg", "resize", "bright", "crop")
EVERY = 100  # one planted copy for so many images


def content(number: int) -> Image.Image:
    rng = np.random.default_rng(number)
    width, height = int(rng.integers(64, 161)), int(rng.integers(64, 121))
    smooth = np.full((height, width, 3), 128, np.float32)
    for cells, strength in ((3, 60), (6, 40), (12, 25), (24, 15)):  # about as photographs are
        coarse = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        for channel in range(3):
            plane = Image.fromarray(coarse[:, :, channel])
            smooth[:, :, channel] += plane.resize((width, height), Image.Resampling.BICUBIC)
    grain = rng.normal(0, 8, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))


def copy(image: Image.Image, kind: str) -> tuple[Image.Image, int]:
    """The copy and its JPEG quality."""
    width, height = image.size
    if kind == "jpeg":
        return image, 40
    if kind == "resize":
        return image.resize((round(width * 0.6), round(height * 0.6))), 85
    if kind == "bright":
        return ImageEnhance.Brightness(image).enhance(1.1), 85
    if kind == "crop":
        box = (0.04 * width, 0.02 * height, width, 0.98 * height)
        return image.crop(tuple(round(edge) for edge in box)), 85
    return image, 85


def write(folder: Path, number: int) -> None:
    """Image `number`, and its copy where it gets one."""
    jobs = [(f"{number:06}.jpg", content(number), 85)]
    if number % EVERY == 0:
        kind = KINDS[number // EVERY % len(KINDS)]
        jobs.append((f"{number:06}_{kind}.jpg", *copy(jobs[0][1], kind)))
    for name, image, quality in jobs:
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=quality)
        (folder / split_of(name) / name).write_bytes(packed.getvalue())


def split_of(name: str) -> str:
    """Originals by their number; half of the copies in another split than their original."""
    number = int(name[:6])
    if "_" in name and number // EVERY // len(KINDS) % 2:
        return ("val", "test", "train")[number % 3]
    return ("train", "val", "test")[number % 3]


def generate(folder: Path, images: int, workers: int) -> list[tuple[str, str]]:
    """(original, copy) of what was planted."""
    for split in ("train", "val", "test"):
        (folder / split).mkdir(parents=True)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pool.map(functools.partial(write, folder), range(images), chunksize=64)
    for split in ("train", "val", "test"):
        files = sorted(path.name for path in (folder / split).glob("*.jpg"))
        lines = [f"{name},{1 + n % 9}" for n, name in enumerate(files)]
        (folder / split / "label.txt").write_text("\n".join(lines) + "\n")
    numbers = range(0, images, EVERY)
    return [(f"{n:06}.jpg", f"{n:06}_{KINDS[n // EVERY % len(KINDS)]}.jpg") for n in numbers]


def judge(report: dict, planted: list[tuple[str, str]]) -> None:
    found = [*report["exact_duplicates"], *report["near_duplicates"]]
    groups = [{Path(image["path"]).name for image in group["images"]} for group in found]
    home: dict[str, set[int]] = {}
    for n, group in enumerate(groups):
        for name in group:
            home.setdefault(name, set()).add(n)
    total, hit, leaks = Counter(), Counter(), Counter()
    for original, copied in planted:
        kind = copied[7:-4]
        shared = home.get(original, set()) & home.get(copied, set())
        total[kind] += 1
        hit[kind] += bool(shared)
        across = split_of(original) != split_of(copied)
        leaks["planted"] += across
        leaks["found"] += across and any(found[n]["leak"] for n in shared)
    for kind in KINDS:
        print(f"  {kind:7} {hit[kind]} of {total[kind]} found")
    wrong = sum(len({name[:6] for name in group}) > 1 for group in groups)
    print(f"  copies across splits: {leaks['found']} of {leaks['planted']} told as leaks")
    print(f"  groups with images that are no copies of each other: {wrong} of {len(groups)}")


def run(folder: Path, images: int, workers: int) -> None:
    start = time.perf_counter()
    planted = generate(folder / "data", images, workers)
    size = sum(path.stat().st_size for path in (folder / "data").glob("*/*.jpg"))
    count = images + len(planted)
    spent = time.perf_counter() - start
    print(f"{count} images, {size / 1e6:.0f} MB, made in {spent:.0f} s", flush=True)
    subprocess.run([sys.executable, "-c", "import applications.check"], cwd=ROOT, check=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    words = ["--check", "data", "--criterion", "regress", "-j", str(workers), "-o", "found.json"]
    start = time.perf_counter()
    command = [sys.executable, str(ROOT / "main.py"), *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    wall, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 1 or "Traceback" in done.stderr:  # leaks are planted
        sys.exit(f"exit code {done.returncode}: {done.stderr}")
    print("  " + done.stderr.replace("\n", "\n  ").rstrip())
    print(f"  --check in all: {wall:.0f} s, largest process {used.ru_maxrss / 1024:.0f} MiB,")
    print(f"  of which {before:.0f} MiB are torch and the other libraries, imported")
    judge(json.loads((folder / "found.json").read_text()), planted)
    print(f"  page: {(folder / 'found.html').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        run(Path(made), given.images, given.workers)

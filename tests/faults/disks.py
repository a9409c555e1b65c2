"""Full disks: every command that writes, on a file system or with a file size that is too small."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from tests.cli import ROOT
from tests.faults.trial import Outcome, Trial, attempt, fingerprint, leftovers
from tests.small_photos import write_photos
from tests.tiny_data import write_data

TINY = "-a test_resnet --image_size 64 -j 0 --threads 1 -g 0".split()  # of every mode with weights
SHORT = [*TINY, *"--warmup 0 -b 8 --amp off --epochs 1 --report_maps 0".split()]  # of training
WEIGHTS = "checkpoints/model_best_test_resnet.pth"
# What writes, and the largest file in bytes that it may write: each too small for something.
COMMANDS: dict[str, tuple[Sequence[str], Sequence[int]]] = {
    "train": (["--train", "--criterion", "regress", *SHORT],
              (8_000, 300_000, 1_700_000)),
    "features": (["--train", "--criterion", "regress", *SHORT, "--freeze", "backbone",
                  "--cache_features"], (20_000,)),
    "images": (["--train", "--criterion", "regress", *SHORT, "--cache", "images"], (20_000,)),
    "evaluate": (["-e", "--resume", WEIGHTS, *TINY, "-o", "found.csv"], (4_096, 9_000)),
    "predict": (["--predict", "data", "--resume", WEIGHTS, *TINY, "-o", "scores.csv"], (1_000,)),
    "maps": (["--predict", "data/test", "--resume", WEIGHTS, *TINY, "--maps", "maps"], (4_096,)),
    "export": (["--jit", "--resume", WEIGHTS, *TINY], (4_096, 1_000_000)),
    "check": (["--check", "--photos", "photos", "-j", "0", "-o", "check.html"],
              (4_096,)),
    "generate": (["--generate", "basic", "--photos", "photos", "--data", "made", "-j", "0"],
                 (4_096,)),
    "buckets": (["--make_buckets", "data/train/label.txt", "-o", "buckets.txt"], (400,)),
    "compare": (["--compare", "a.csv", "b.csv", "-o", "both.html"], (4_096,)),
}  # fmt: skip
SAYS = ("no space left", "a file of this size", "no memory to share")


def trials(root: Path, short: bool) -> Iterator[Trial]:
    """A limit on the size of a file; and, where mounting is allowed, a full file system."""
    place = Place(root)
    chosen = ("train", "predict", "export") if short else tuple(COMMANDS)
    for name in chosen:
        words, limits = COMMANDS[name]
        for limit in limits[:1] if short else limits:
            yield f"{name}, files of at most {limit} bytes", partial(_limited, place, words, limit)
    if can_mount():
        for name in ("train",) if short else tuple(COMMANDS):
            words, _ = COMMANDS[name]
            for size in (64,) if short else (64, 2048):
                yield f"{name}, {size} kB free", partial(_full, place, words, size)


class Place:
    """A folder with data and weights, made once; each trial works on a copy."""

    def __init__(self, root: Path) -> None:
        self.root, self.number = root / "disks", 0

    def folder(self) -> Path:
        whole = self.root / "whole"
        if not whole.exists():
            write_data(whole / "data", "regress")
            write_photos(whole / "photos")
            done = attempt(whole, [*COMMANDS["train"][0], "--no_report"])
            assert done.code == 0, done
            for name in ("a", "b"):
                rows = "".join(f"{n}.png,{n}.5,{n}\n" for n in range(30))
                (whole / f"{name}.csv").write_text(f"path,score,mos\n{rows}")
            shutil.rmtree(whole / "runs")
        self.number += 1
        made = self.root / f"trial{self.number}"
        shutil.copytree(whole, made)
        return made


def _limited(place: Place, words: Sequence[str], limit: int) -> str | None:
    folder = place.folder()
    before = fingerprint(folder / "data", folder / "photos", folder / "checkpoints")
    done = attempt(folder, words, partial(_limit, limit))
    if wrong := _wrong(done, folder, before):
        return wrong
    shutil.rmtree(folder)
    return None


def _limit(size: int) -> None:
    # Python would leave modules that it has cut short in its cache.
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _full(place: Place, words: Sequence[str], size: int) -> str | None:
    """The command's working directory is a file system of `size` kB, but for what it reads."""
    folder = place.folder()
    before = fingerprint(folder / "data", folder / "photos", folder / "checkpoints")
    script = (
        f"mkdir small && mount -t tmpfs -o size={size}k tmpfs small && cd small && "
        "ln -s ../data ../photos ../a.csv ../b.csv . && mkdir checkpoints && "
        "ln -s ../../checkpoints/model_best_test_resnet.pth checkpoints/ && "
        '"$@"; code=$?; find . -name ".*.tmp" -o -name ".new-*" >../left; exit $code'
    )
    command = [sys.executable, os.fspath(ROOT / "main.py"), *words]
    found = subprocess.run(
        ["unshare", "-m", "bash", "-c", script, "bash", *command],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    done = Outcome(found.returncode, found.stdout, found.stderr)
    if left := (folder / "left").read_text():
        return f"left behind: {left}"
    if wrong := _wrong(done, folder, before):
        return wrong
    shutil.rmtree(folder)
    return None


def _wrong(done: Outcome, folder: Path, before: dict) -> str | None:
    if done.code == 0:
        return None  # it fitted
    if wrong := done.wrong(1):
        return wrong
    error = next(line for line in done.err.splitlines() if line.startswith("error:"))
    if not any(word in error for word in SAYS) or "/" not in error and "." not in error:
        return f"names no file or no cause: {error}"
    if left := leftovers(folder):
        return f"left behind: {left}"
    after = fingerprint(folder / "data", folder / "photos")
    return None if after.items() <= before.items() else "an input has changed"


def can_mount() -> bool:
    """Whether this machine lets us mount a file system of our own."""
    if shutil.which("unshare") is None:
        return False
    words = ["unshare", "-m", "bash", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0

"""Ladders of distorted photographs on disk, with pairs to rank and targets to regress.

    OUT/plan.json                               what was asked for; another plan is refused
    OUT/SPLIT/refimgs/NAME.png                  level 0, bit for bit
    OUT/SPLIT/DISTORTION/DISTORTIONn/NAME.png   levels 1..5, lossless
    OUT/SPLIT/label.txt                         better,worse for every two levels of a ladder
    OUT/SPLIT/label_mos.txt                     path,target where targets are asked for
    OUT/SPLIT/levels.csv                        path,reference_id,distortion,level

Paths are relative to the split's folder. A photograph, with all its tiles, is in one split. A
level that leaves a photograph as it was (the saturation of a grey one) is not written. The
same seed gives the same bytes whatever the number of processes, as long as NumPy, SciPy and Pillow
stay the same.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path

from utils.data_generate.distortions import distortions_of
from utils.data_generate.opening import MAX_SIDE
from utils.data_generate.photos import name_photos
from utils.data_generate.worker import PRISTINE, PhotoJob, Written, distort_photo, finished
from utils.files.writing import write_csv, write_json, write_text
from utils.imaging.images import DEFAULT_MAX_PIXELS
from utils.runtime.child_processes import work
from utils.runtime.seed import key

PAIRS_FILE, TARGETS_FILE, LEVELS_FILE = "label.txt", "label_mos.txt", "levels.csv"
_SYNTHETIC = (
    "# SYNTHETIC targets, no human opinion: SSIM (Wang et al. 2004) with the pristine image, "
    "on luma averaged over 4 x 4 pixels"
)


@dataclass(frozen=True)
class Summary:
    """What lies in the output folder, per split; `made`: photographs distorted by this call."""

    photos: dict[str, int]
    images: dict[str, int]
    pairs: dict[str, int]
    made: int


def generate(
    splits: Mapping[str, Sequence[Path]],
    out: Path,
    distortion_set: str,
    seed: int = 0,
    workers: int = 0,
    tile: int | None = None,
    max_side: int | None = MAX_SIDE,
    targets: str | None = "ssim",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Write `splits` ({"train": photographs, ...}) with every distortion of the set to `out`.

    tile: side of the square tiles that training photographs are cut into, pixels; those of other
    splits stay whole; None keeps all whole. max_side: larger photographs are shrunk to it first.
    targets: "ssim" or None.
    workers: processes; 0 works in this one. progress(done, total) counts photographs.
    A call that was killed is taken up where it stopped. ValueError for an unknown set, a
    photograph that cannot be used, or an `out` that holds something else.
    """
    if targets not in ("ssim", None):
        raise ValueError(f"targets {targets!r}: expected 'ssim' or None")
    named = name_photos([photo for photos in splits.values() for photo in photos])
    names = {photo: name for name, photo in named.items()}
    kinds = distortions_of(distortion_set)
    jobs = {
        split: [
            PhotoJob(
                photo,
                folder=out / split,
                record=out / ".records" / f"{names[photo]}.json",
                name=names[photo],
                keys=tuple((kind, key(seed, names[photo], kind)) for kind in kinds),
                tile=tile if split == "train" else None,
                max_side=max_side,
                targets=targets,
                max_pixels=max_pixels,
            )
            for photo in photos
        ]
        for split, photos in splits.items()
    }
    plan = {
        "format": 2,
        "distortion_set": distortion_set,
        "distortions": list(kinds),
        "seed": seed,
        "tile": tile,
        "max_side": max_side,
        "targets": targets,
        "photographs": {
            split: {job.name: hashlib.sha256(_read(job.photo)).hexdigest() for job in members}
            for split, members in jobs.items()
        },
    }
    _claim(out, plan, jobs)
    try:
        written, made = _run(list(chain.from_iterable(jobs.values())), workers, progress)
    finally:
        for unfinished in out.rglob(".*.tmp"):  # of processes that were killed
            unfinished.unlink(missing_ok=True)
    files = {
        split: [f for job in sorted(members, key=lambda j: j.name) for f in written[job.name]]
        for split, members in jobs.items()
    }
    return Summary(
        photos={split: len(members) for split, members in jobs.items()},
        images={split: len(members) for split, members in files.items()},
        pairs={s: _write_labels(out / s, members, targets) for s, members in files.items()},
        made=made,
    )


def _read(photo: Path) -> bytes:
    try:
        return photo.read_bytes()
    except OSError as error:
        raise ValueError(f"{photo}: {error.strerror}: take it out or mend it") from None


def _claim(out: Path, plan: dict, jobs: Iterable[str]) -> None:
    """Put the plan into the folder; refuse one that holds another plan, or data without any."""
    file = out / "plan.json"
    if file.exists():
        try:
            old = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            old = {}
        differ = [k for k in plan if not isinstance(old, dict) or old.get(k) != plan[k]]
        if differ:
            what = ", ".join(differ)
            raise ValueError(
                f"{out}: holds data generated with another {what}: "
                "give another --data, or delete that folder first"
            )
        return
    there = [split for split in jobs if (out / split).exists()]
    if there:
        raise ValueError(
            f"{out}: has {', '.join(there)} already, not written by --generate: give another --data"
        )
    write_json(file, plan)


def _run(
    jobs: list[PhotoJob], workers: int, progress: Callable[[int, int], None] | None
) -> tuple[dict[str, list[Written]], int]:
    """({name: its files}, number of photographs that had to be made)."""
    written = {job.name: files for job in jobs if (files := finished(job)) is not None}
    todo = [job for job in jobs if job.name not in written]
    made: Iterable[list[Written]] = map(distort_photo, todo)
    if workers and todo:
        died = "a process that distorts photographs died: pass a smaller -j"
        made = work(min(workers, len(todo)), distort_photo, todo, died)
    for job, files in zip(todo, made, strict=True):
        written[job.name] = files
        if progress is not None:
            progress(len(written), len(jobs))
    return written, len(todo)


def _write_labels(folder: Path, files: list[Written], targets: str | None) -> int:
    """Write a split's label files and return the number of pairs."""
    rows = ([f.path, f.reference_id, f.distortion, f.level] for f in files)
    write_csv(folder / LEVELS_FILE, [["path", "reference_id", "distortion", "level"], *rows])
    if targets is not None:
        lines = [f"{f.path},{f.target:.6f}" for f in files]
        write_text(folder / TARGETS_FILE, "\n".join([_SYNTHETIC, *lines]) + "\n")
    pairs = [f"{better},{worse}" for better, worse in _pairs(files)]
    write_text(folder / PAIRS_FILE, "\n".join(["# better,worse", *pairs]) + "\n")
    return len(pairs)


def _pairs(files: list[Written]) -> Iterable[tuple[str, str]]:
    """Every two levels of every ladder: the pristine image, then one distortion of it, 1 to 5."""
    ladders: dict[tuple[str, str], list[Written]] = defaultdict(list)
    for file in files:
        if file.distortion != PRISTINE:
            ladders[Path(file.path).name, file.distortion].append(file)
    for (name, _), ladder in ladders.items():
        ordered = [f"refimgs/{name}"]
        ordered += [file.path for file in sorted(ladder, key=lambda f: f.level)]
        yield from combinations(ordered, 2)

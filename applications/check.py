"""--check: every fault of a data set's labels and images in one pass."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from applications.data import SPLITS, find_bad_images, label_file, labelled_images
from applications.runtime import Runtime
from applications.tasks import TASKS
from applications.vote_files import refuse_flags, vote_file
from applications.voted import VotedImages
from config import Config
from dataloader.labels import LabelError, LabelFile, check_splits, read_labels
from utils.data_generate.distortions import SMALLEST_SIDE
from utils.data_generate.photos import find_photos
from utils.files import write_json


def run(config: Config, runtime: Runtime) -> int:
    """Prints what was found, -o FILE.json keeps it; 1 when anything is wrong. Nothing in DATA is
    changed.
    """
    if config.photos and not config.check:
        return _check_photographs(config, runtime)
    if config.check:
        config = dataclasses.replace(config, data=config.check)
    if votes := vote_file(config):
        return _check_votes(config, runtime, votes)
    refuse_flags(config)
    task = TASKS[config.criterion]
    names = [name for name in SPLITS if label_file(config, name).exists()]
    if not names:
        raise ValueError(
            f"{config.data}: no {config.label_name} in any of {', '.join(s + '/' for s in SPLITS)}"
        )
    files, faults = _read(config, task.label_kind, names)
    try:
        check_splits(files)
    except LabelError as error:
        faults += error.faults
    bad = find_bad_images(config, labelled_images(files), runtime)
    for name, file in files.items():
        print(f"{name}: {len(file.labels)} lines")
        for note in file.notes:
            print(f"  {note}")
    splits = {
        name: {"file": str(f.file), "lines": len(f.labels), "notes": list(f.notes)}
        for name, f in files.items()
    }
    return _conclude(config, splits, faults, bad)


def _conclude(
    config: Config, splits: dict[str, Any], faults: list, unreadable: tuple, missing: tuple = ()
) -> int:
    """Tells and keeps what was found; the exit code."""
    bad = (*missing, *unreadable)
    if faults:
        print(LabelError(faults))
    for image in bad:
        print(f"{image.path}: {image.reason}")
    images = f"{len(missing)} missing and " if missing else ""
    print(
        f"{len(faults)} label fault(s), {images}{len(unreadable)} unreadable image(s)"
        if faults or bad
        else "no faults found"
    )
    if config.output:
        write_json(Path(config.output), _report(splits, faults, bad))
    return 1 if faults or bad else 0


def _check_votes(config: Config, runtime: Runtime, file: Path) -> int:
    """Every row of a vote file and its image, whatever the task; and which split it would be in,
    were those at fault left out.
    """
    try:
        votes = VotedImages(config, file)
    except LabelError as error:
        return _conclude(config, {}, error.faults, ())
    missing = votes.missing()
    rows = np.flatnonzero(votes.usable)
    unreadable = find_bad_images(config, votes.paths(rows), runtime)
    votes.leave_out(rows, unreadable)
    try:
        splits, notes = votes.splits(), votes.lines(votes.splits())
    except ValueError as error:  # of the flags, not of the data
        splits, notes = {}, [str(error)]
    print("\n".join(notes))
    told = {name: {"file": str(file), "lines": len(r), "notes": []} for name, r in splits.items()}
    return _conclude(config, told, [], unreadable, missing)


def _check_photographs(config: Config, runtime: Runtime) -> int:
    """--check --photos DIR: what --generate and --distort could not use."""
    photos = find_photos(Path(config.photos or ""))
    bad = find_bad_images(config, photos, runtime, SMALLEST_SIDE)
    print(f"{config.photos}: {len(photos)} photographs")
    for image in bad:
        print(f"{image.path}: {image.reason}")
    print(f"{len(bad)} unusable photograph(s)" if bad else "no faults found")
    if config.output:
        write_json(Path(config.output), _report({}, [], bad))
    return 1 if bad else 0


def _read(config: Config, kind: str, names: list[str]) -> tuple[dict[str, LabelFile], list]:
    files, faults = {}, []
    bins = config.num_classes if kind == "distributions" else None
    for name in names:
        try:
            files[name] = read_labels(kind, label_file(config, name), Path(config.data), bins)
        except LabelError as error:
            faults += error.faults
    return files, faults


def _report(splits: dict[str, Any], faults: list, bad: tuple) -> dict[str, Any]:
    return {
        "splits": splits,
        "label_faults": [
            {k: str(v) if isinstance(v, Path) else v for k, v in dataclasses.asdict(f).items()}
            for f in faults
        ],
        "unreadable_images": [{"path": str(b.path), "reason": b.reason} for b in bad],
    }

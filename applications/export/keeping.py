"""Exports are made in a folder of their own, run from the disk, and moved to their places only
where they compute what the network computes.
"""

from __future__ import annotations

import glob
import hashlib
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import torch

from applications.export.base import TOLERANCE, About, Artefact, Format, Subject, said
from utils.files.disk_full import WriteError, named_place
from utils.files.lock import try_lock, when_abandoned
from utils.files.writing import sweep, write_atomic, write_json
from utils.runtime.faults import MEMORY, explained

BATCHES = (1, 7)
LOCK = "lock"


def parts_of(kind: Format, target: Path) -> list[Path]:
    """The files of an export, that which is opened last, and its description."""
    suffixes = (*kind.beside, kind.suffix, ".json")
    return [target.with_suffix(suffix) for suffix in suffixes]


def keep(
    kind: Format, subject: Subject, about: About, target: Path, precision: str = "fp32",
    differ: Callable[[Artefact], float] | None = None, tolerance: float = TOLERANCE,
) -> float:  # fmt: skip
    """Makes the export, runs it from the disk, and puts it in its place with a .json beside it
    where it computes what the network computes; the largest difference, nan of a format that
    another system runs. ValueError otherwise.

    differ: what says how much it differs (default: `compare`); tolerance: by how much it may.
    """
    name, arch = about.get("export", "torchscript"), about.get("arch", "this network")
    if kind.one_size and subject.any_size:
        raise ValueError(
            f"{target}: not made: {name} wants one size of images: pass --resize squash, crop or "
            "pad"
        )
    # Beside the target: a disk that is full is then the one that the message speaks of.
    target.parent.mkdir(parents=True, exist_ok=True)
    with _workshop(target, parts_of(kind, target)) as folder:
        made = folder / target.name
        with _converting(f"{target}: not made: {name} cannot hold {arch}"), named_place(target):
            kind.make(subject, about, made, *([] if precision == "fp32" else [precision]))
            export = kind.open(made, None)
            worst = math.nan
            if not kind.elsewhere:
                worst = compare(subject, export) if differ is None else differ(export)
        if not (kind.elsewhere or worst <= tolerance):
            raise ValueError(
                f"{target}: not kept: it differs from the network by {worst:.2e}, more than "
                f"{tolerance:g}"
            )
        *parts, described = parts_of(kind, target)
        sha256 = file_digest(made)
        for part in parts:
            if made.is_dir():
                replace_folder(made, part)
                continue
            with open(made.with_name(part.name), "rb") as source:
                write_atomic(part, lambda file, source=source: shutil.copyfileobj(source, file))
    # Last: a call that is killed here leaves a .json of an older export, but the file itself says
    # all that a client needs.
    write_json(described, {**about, "file_sha256": sha256})
    return worst


def file_digest(made: Path) -> str:
    """SHA-256 of a file, or of a folder: of a line for each file in it, by name, with the file's
    own SHA-256, two spaces and its place inside, as sha256sum prints them.
    """
    if made.is_file():
        return hashlib.sha256(made.read_bytes()).hexdigest()
    files = sorted(file.relative_to(made).as_posix() for file in made.rglob("*") if file.is_file())
    lines = [f"{file_digest(made / name)}  {name}\n" for name in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@contextmanager
def _workshop(target: Path, parts: list[Path]) -> Iterator[Path]:
    """A folder beside the target, removed at the end, after what killed processes left of such
    folders and of the target's parts.
    """
    for part in parts:
        sweep(part.parent, f".{glob.escape(part.name[:40])}.*.tmp")
    for left in target.parent.glob(f".{glob.escape(target.name)}.*/{LOCK}"):
        when_abandoned(left, partial(shutil.rmtree, left.parent, ignore_errors=True))
    prefix = f".{target.name}."
    with (
        tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix) as folder,
        ExitStack() as held,
    ):
        with suppress(OSError):  # without locks nothing is ever swept
            lock = held.enter_context(open(Path(folder) / ".new", "wb"))
            try_lock(lock.fileno())
            os.rename(lock.name, Path(folder) / LOCK)  # only now may another process look at it
        yield Path(folder)


def replace_folder(made: Path, target: Path) -> None:
    """The folder `made`, of the same disk, in the place of `target`, which is whole or not there at
    any moment; where that fails the old one comes back.
    """
    with named_place(target), tempfile.TemporaryDirectory(dir=made.parent) as aside:
        old = Path(aside) / target.name
        try:
            if target.exists():
                os.rename(target, old)
            os.rename(made, target)
        finally:
            if old.exists() and not os.path.lexists(target):
                os.rename(old, target)


@contextmanager
def _converting(what: str) -> Iterator[None]:
    """Whatever a converter or a runtime raises at a network as a ValueError of one line: there are
    as many kinds of exceptions as libraries. A full disk and too little memory stay what they are.
    """
    try:
        yield
    except WriteError:
        raise
    except Exception as error:
        if explained(error) == MEMORY:
            raise
        raise ValueError(
            f"{what}: {said(error)}: choose another format or backbone (docs/export.md has those "
            "that were tried)"
        ) from error


@torch.inference_mode()
def compare(subject: Subject, export: Artefact) -> float:
    """Largest difference of any output between the export and the network, as a share of the
    largest value of that output where it is above 1; nan where either answers with one.
    """
    found = []
    batches = [subject.images[:size] for size in BATCHES]
    asked = [(subject.network, export.run, pixels) for pixels in batches]
    if subject.decoded and export.run_decoded:
        decoded, images = subject.decoded
        asked += [(decoded, export.run_decoded, image) for image in images]
    for network, run, given in asked:
        ours, theirs = network(given), run(given.numpy())
        ours = ours if isinstance(ours, tuple) else (ours,)
        for name, value in zip(subject.names, ours, strict=True):
            other = torch.from_numpy(np.asarray(theirs[name]))
            if other.shape != value.shape:
                return float("nan")
            found.append((value - other).abs().max() / value.abs().max().clamp(min=1))
    return float(torch.stack(found).max())  # nan where any is: max(0.0, nan) would be 0

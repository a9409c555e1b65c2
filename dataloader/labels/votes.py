"""One file with the votes of many images: AVA.txt, or idealo's JSON samples, as arrays.

Such a file names images by id, and which of them train is for a rule to say (`split_rows`); a label
file of a split (labels.py) does both itself.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from dataloader.labels.ava import read_ava
from dataloader.labels.records import MOST_FAULTS, Fault, LabelError, unreadable
from dataloader.labels.samples import read_samples
from utils.files.reading import UnreadableFile, read_text
from utils.imaging.images import READABLE_EXTENSIONS
from utils.text import quoted

USUAL = ".jpg"


@dataclass(frozen=True)
class VoteTable:
    """names: the images' ids, each once; probs float64 (N, K): their histograms, which sum to 1;
    repeated: rows left out because an earlier one says the same. votes (N,): how many each
    histogram was made of; None where the file may hold shares.
    """

    file: Path
    names: list[str]
    probs: np.ndarray
    repeated: int
    votes: np.ndarray | None = None

    def digest(self, rows: np.ndarray) -> str:
        """SHA-256 of ids and histograms of some rows, in their order."""
        names = "\n".join(self.names[row] for row in rows)
        found = hashlib.sha256(names.encode("utf-8", "surrogatepass"))  # JSON can spell anything
        found.update(self.probs[rows].astype("<f8").tobytes())
        return found.hexdigest()


def read_votes(file: Path) -> VoteTable:
    """A whole file: JSON samples where its name ends in .json, else AVA.txt. LabelError names every
    fault.
    """
    if file.suffix.lower() == ".json":
        samples = read_samples(file)
        return VoteTable(file, samples.names, samples.probs, samples.repeated)
    table = read_ava(file)
    counts = table.votes.sum(axis=1)
    probs = table.votes / counts[:, None]
    return VoteTable(file, [str(i) for i in table.ids.tolist()], probs, table.repeated, counts)


def read_ids(file: Path) -> set[str]:
    """Image ids of a list such as AVA's generic_test.jpgl, one a line; a readable extension is
    taken off. LabelError for a line that is no id, and for a list of none.
    """
    cure = "give a list of image ids, one a line"
    try:
        lines = read_text(file).splitlines()
    except FileNotFoundError:
        raise LabelError([Fault(file, 0, 0, f"no such file: {cure}")]) from None
    except UnreadableFile as error:
        raise unreadable(file, error, cure) from None
    wrong = (n for n, line in enumerate(lines, start=1) if len(line.split()) > 1)
    faults = [
        Fault(file, n, 1, f"{quoted(lines[n - 1])}: give one image id a line")
        for n in islice(wrong, MOST_FAULTS)
    ]
    found = {_stem(line.strip()) for line in lines if line.strip()}
    if not found:
        faults.append(Fault(file, 1, 1, "an empty list: give one image id a line"))
    if faults:
        raise LabelError(faults)
    return found


def listed_rows(names: Iterable[str], ids: Collection[str]) -> np.ndarray:
    """bool (N,): which names are among the ids, extensions aside."""
    return np.array([_stem(name) in ids for name in names], dtype=bool)


def _stem(name: str) -> str:
    stem, extension = os.path.splitext(name)
    return stem if extension.lower() in READABLE_EXTENSIONS else name


def find_files(folder: Path, names: Iterable[str]) -> list[str]:
    """The file of each id in the folder, "" where there is none; the folder is listed once.

    `7` is 7.jpg, else the file `7` itself, else 7 with another extension of images in the folder.
    A link in it may lead anywhere. ValueError for a folder that cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            listed = {
                e.name for e in entries
                if e.is_file(follow_symlinks=False) or os.path.isfile(e.path)
            }  # fmt: skip
    except OSError as error:
        raise ValueError(
            f"{folder}: {error.strerror}: name the images' folder (--images)"
        ) from None
    spelled = {os.path.splitext(name)[1] for name in listed}
    others = sorted(e for e in spelled if e.lower() in READABLE_EXTENSIONS)
    return [_file_of(name, listed, others) for name in names]


def _file_of(name: str, listed: Collection[str], extensions: Sequence[str]) -> str:
    usual = name + USUAL
    if usual in listed:
        return usual
    return next((n for n in (name, *(name + e for e in extensions)) if n in listed), "")


def split_rows(
    usable: np.ndarray,
    held_out: np.ndarray,
    val_size: int,
    train_size: int | None = None,
    trains: bool = True,
) -> dict[str, np.ndarray]:
    """Rows of each split, in the file's order; a split of none is left out.

    usable, held_out: bool (N,). Usable rows that are held out test; of the others the last
    `val_size` validate and the first `train_size` (None: all that are left) train.
    ValueError when no row is usable and, if somebody `trains`, when nothing is left to train.
    """
    if not usable.any():
        raise ValueError("no row has an image that can be used")
    rest = np.flatnonzero(usable & ~held_out)
    trained = max(0, len(rest) - val_size)
    if trains and not trained:
        raise ValueError(
            f"--val_size {val_size}: of {len(rest)} usable rows nothing is left to train: pass a "
            "smaller one"
        )
    splits = {
        "train": rest[:trained][:train_size],
        "val": rest[trained:],
        "test": np.flatnonzero(usable & held_out),
    }
    return {name: rows for name, rows in splits.items() if len(rows)}

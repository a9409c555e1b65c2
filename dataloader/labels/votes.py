"""One file with the votes of many images: AVA.txt, or idealo's JSON samples.

Such a file names images by id, and which of them train is for a rule to say (`split_rows`); a label
file of a split (text.py) does both itself.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dataloader.labels.ava import read_ava
from dataloader.labels.faults import (
    MOST_FAULTS,
    MOST_VOTES,
    Fault,
    LabelError,
    histogram_fault,
    unreadable,
)
from dataloader.labels.labels import Labels
from dataloader.labels.quick import read_samples_quickly
from dataloader.tables.matching import images_in
from utils.files.names import AT_ONCE, FileNames, Texts, among, hashes_of
from utils.files.reading import UnreadableFile, read_json, read_text
from utils.files.tar_files import TAR, is_tar
from utils.imaging.image_folders import READABLE_EXTENSIONS
from utils.text import cut, quoted

USUAL = ".jpg"
EXAMPLE = '{"image_id": "231893", "label": [2, 8, 19, 36, 76, 52, 23, 14, 5, 5]}'


def read_votes(file: Path) -> Labels:
    """A whole file, whose `sources` are image ids: JSON samples where its name ends in .json, else
    AVA.txt. LabelError names every fault.
    """
    return read_samples(file) if file.suffix.lower() == ".json" else read_ava(file)


def read_samples(file: Path) -> Labels:
    """idealo's JSON samples, a list of EXAMPLE, in the file's order, each image once; `label` holds
    the votes for the bins 1..K or their shares, and nobody can tell which.

    LabelError names every sample that is at fault, counted from 1: no image_id or label, another
    number of bins than the first, what cannot be a histogram, and an image that an earlier sample
    gives another label.
    """
    if (found := _read_quickly(file)) is not None:
        return replace(found, file=file)
    entries = _entries(file)
    names: dict[str, tuple[list[float], int]] = {}  # label, and number of the sample
    faults = []
    bins = 0
    for number, entry in enumerate(entries, start=1):
        found = _sample(entry, bins)
        if not isinstance(found, str):
            name, label = found
            bins = bins or len(label)
            earlier, first = names.setdefault(name, (label, number))
            if earlier == label:
                continue
            found = (
                f"sample {first} gives image {cut(repr(name))} another label: take one of them out"
            )
        faults.append(Fault(file, 0, 0, f"sample {number}: {found}"))
    if not entries:
        faults.append(Fault(file, 1, 1, f"no samples in this file: give a list of {EXAMPLE}"))
    if faults:
        raise LabelError(faults)
    votes = np.array([label for label, _ in names.values()], dtype=np.float64)
    probs = votes / votes.sum(axis=1, keepdims=True)
    numbers = np.array([number for _, number in names.values()])
    return Labels(
        "distributions", Texts(names), np.arange(len(names)), probs, numbers,
        file=file, repeated=len(entries) - len(names),
    )  # fmt: skip


def _read_quickly(file: Path) -> Labels | None:
    try:
        return read_samples_quickly(read_text(file))
    except (FileNotFoundError, UnreadableFile):  # which the other way says
        return None


def _entries(file: Path) -> list[Any]:
    try:
        content = read_json(file)
    except FileNotFoundError:
        raise LabelError([Fault(file, 0, 0, f"no such file: give a list of {EXAMPLE}")]) from None
    except UnreadableFile as error:
        raise unreadable(file, error, f"give a list of {EXAMPLE}") from None
    if isinstance(content, list):
        return content
    raise LabelError([Fault(file, 1, 1, f"a list of samples is wanted: give [{EXAMPLE}, ...]")])


def _sample(entry: Any, bins: int) -> tuple[str, list[float]] | str:
    """(image id, label), or what is wrong and what to do."""
    if not isinstance(entry, dict) or not {"image_id", "label"} <= entry.keys():
        return f"image_id and label are wanted: give {EXAMPLE}"
    name, label = entry["image_id"], entry["label"]
    if isinstance(name, list | dict):
        return "image_id is no text: give the file's name without its extension"
    shown = cut(repr(name))
    if type(name) not in (str, int) or not str(name) or "\0" in str(name):
        return f"image_id {shown}: give the file's name without its extension"
    if not isinstance(label, list) or any(type(value) not in (int, float) for value in label):
        return f"image {shown}: label must be a list of numbers: give votes or probabilities"
    if len(label) < 2 or len(label) != (bins or len(label)):
        wanted = f"{bins} as in the first sample" if bins else "at least 2"
        return f"image {shown}: {len(label)} bins, {wanted} wanted: mend the label"
    if not all(0 <= value < MOST_VOTES for value in label):  # nan is not, either
        return f"image {shown}: a label that is no histogram: give votes or probabilities"
    if message := histogram_fault(label):
        return f"image {shown}: {message}: give votes or probabilities"
    return str(name), label


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


def find_files(folder: Path, names: Iterable[str]) -> Iterator[str]:
    """The file of each id in the folder, "" where there is none; the folder is listed once.

    `7` is 7.jpg, else the file `7` itself, else 7 with another extension of images in the folder.
    A link in it may lead anywhere. Where no image lies there, those in its tar files count, and the
    folder may be a tar file. ValueError for a folder that cannot be listed.
    """
    if is_tar(folder):
        return _among({name.rpartition("/")[2]: name for name in images_in(folder)}, names)
    ends: set[str] = set()
    listed = FileNames(_listed(folder, ends))
    if others := _image_ends(ends):
        return _files_of(names, listed, others)
    known = {name: name for name in _listed(folder, ends)}
    for shard in sorted(name for name in known if name.lower().endswith(TAR)):
        inside = images_in(os.path.join(folder, shard))
        known |= {name.rpartition("/")[2]: f"{shard}/{name}" for name in inside}
    return _among(known, names)


def _listed(folder: Path, ends: set[str]) -> Iterator[str]:
    """The names of the files in a folder, whose extensions join `ends`."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) or os.path.isfile(entry.path):
                    ends.add(_end(entry.name))
                    yield entry.name
    except OSError as error:
        raise ValueError(
            f"{folder}: {error.strerror}: name the images' folder (--images)"
        ) from None


def _end(name: str) -> str:
    """What follows the last dot, or something that is no extension; `splitext` is slow."""
    return os.path.splitext(name)[1] if name.startswith(".") else name[name.rfind(".") :]


def _among(listed: Mapping[str, str], names: Iterable[str]) -> Iterator[str]:
    """What the file of each id is listed as, "" where there is none."""
    others = _image_ends({os.path.splitext(name)[1] for name in listed})
    return (listed.get(_file_of(name, listed, others), "") for name in names)


def _image_ends(ends: Iterable[str]) -> list[str]:
    """Those of the extensions that images have, as they are spelled."""
    return sorted(end for end in ends if end.lower() in READABLE_EXTENSIONS)


def _files_of(names: Iterable[str], listed: FileNames, extensions: Sequence[str]) -> Iterator[str]:
    """`_file_of` each."""
    rest = iter(names)
    while some := list(islice(rest, AT_ONCE)):
        usual = [name + USUAL for name in some]
        there = among(hashes_of(usual), listed.hashes).tolist()
        for name, file, known in zip(some, usual, there, strict=True):
            yield file if known else _file_of(name, listed, extensions)


def _file_of(name: str, listed: Container[str], extensions: Sequence[str]) -> str:
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

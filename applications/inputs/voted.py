"""The rows of a vote file with their images: which are usable, and which split each is in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from applications.inputs.vote_files import find_test_list, image_folder, official_list
from config import Config
from dataloader.labels.labels import Labels
from dataloader.labels.votes import find_files, listed_rows, read_ids, read_votes, split_rows
from dataloader.sources import PathTable
from dataloader.tables.matching import without_label
from utils.check_images import BadImage
from utils.files.names import AT_ONCE, CODE, differing, hashes_of, row_of

NO_FILE = "no such image"
HOLD_OUT = {"val": "--val_size N", "test": "--test_list FILE"}


class VotedImages:
    """Rows of a vote file, their images and their splits.

    rows: the labels of all of them. usable (M,): which have an image. notes: what is said of the
    file before its images are looked at. unlabelled: of images without a row. title: what the rows
    are called. undivided: whether nobody says which images test.
    ValueError names what is wrong with the file, the folder or the test list.
    """

    undivided = False
    notes: Sequence[str] = ()
    lack = "missing"

    @property
    def remedy(self) -> str:
        """What to do about `missing`, which are called `lack`."""
        return f"put them into {self.folder}"

    def __init__(self, config: Config, file: Path) -> None:
        self.config, self.title = config, file
        self.rows = read_votes(file)
        self.folder = Path(os.path.abspath(image_folder(config)))
        self.files = PathTable(find_files(self.folder, self.rows.sources))
        self._refuse_two_names()
        self.usable = np.fromiter(map(bool, self.files.texts()), bool)
        top = os.path.join(self.folder, "")
        have = (top + name for name in self.files.texts() if name)
        self.unlabelled = without_label(self.folder, have)
        self.notes = [f"{self.folder}: {self.unlabelled}"] if self.unlabelled else []
        self.held_out = np.zeros(len(self.files), dtype=bool)
        self.listed: Path | None = find_test_list(config, file)
        self.ids = 0
        if self.listed:
            ids = read_ids(self.listed)
            self.ids, self.held_out = len(ids), listed_rows(self.rows.sources, ids)
            if not self.held_out.any():
                raise ValueError(
                    f"--test_list {self.listed}: none of its {len(ids)} ids is in {file}"
                )

    def _refuse_two_names(self) -> None:
        """ValueError where two ids lead to one image, which could come into two splits."""
        hashes = np.sort(hashes_of(filter(None, self.files.texts())))
        if differing(hashes) == len(hashes):
            return
        owners: dict[str, str] = {}
        for name, file in zip(self.rows.sources, self.files.texts(), strict=True):
            if file and (first := owners.setdefault(file, name)) != name:
                raise ValueError(
                    f"{self.rows.file}: image {name!r} is image {first!r}, both are {file}: take "
                    "one of them out"
                )

    def missing(self) -> tuple[BadImage, ...]:
        """Images that are not in the folder, named as they would usually be."""
        rows = np.flatnonzero(~self.usable)
        return tuple(
            BadImage(self.folder / f"{self.rows.sources[row]}.jpg", NO_FILE) for row in rows
        )

    def refuse_copies(self, splits: dict[str, np.ndarray]) -> None:
        """ValueError where two splits have the same image; nothing here, where a file has one name
        and a row one split.
        """

    def paths(self, rows: np.ndarray) -> PathTable:
        return self.files.take(rows).below(self.folder)

    def labels(self, rows: np.ndarray) -> Labels:
        """The histograms of some rows, each about an image of its own."""
        part = row_of(rows)
        votes = None if self.rows.votes is None else self.rows.votes[part]
        return replace(
            self.rows, sources=self.paths(rows), images=np.arange(len(rows)), votes=votes,
            values=self.rows.values[part], lines=self.rows.lines[part],
        )  # fmt: skip

    def digest(self, rows: np.ndarray) -> str:
        """SHA-256 of ids and histograms of some rows, in their order."""
        return digest_of(self.rows.sources.take(rows), self.rows.values, rows)

    def leave_out(self, rows: np.ndarray, bad: Iterable[BadImage]) -> None:
        """Counts those of the rows whose images are bad as unusable; one that was missing may be
        there by now, with another suffix.
        """
        if not (names := {image.path.name for image in bad}):
            return
        for row in rows:
            if (
                os.path.basename(self.files.text(row)) in names
                or f"{self.rows.sources[row]}.jpg" in names
            ):
                self.usable[row] = False

    def to_hold_out(self, names: Sequence[str]) -> str:
        """What to do where no rows are held out for the first of these splits."""
        return f"pass {HOLD_OUT[names[0]]}"

    def splits(self) -> dict[str, np.ndarray]:
        """Rows of each split, of what is usable now. Training needs rows to train, and --check says
        whether there are some, unless every row tests.
        """
        c = self.config
        trains = c.train or (c.check is not None and bool((self.usable & ~self.held_out).any()))
        try:
            return split_rows(self.usable, self.held_out, c.val_size, c.train_size, trains)
        except ValueError as error:
            raise ValueError(f"{self.rows.file}: {error}") from None

    def lines(self, splits: dict[str, np.ndarray]) -> list[str]:
        """What the user should hear of: how many rows went into these splits, and why."""
        file, rows = self.rows.file, len(self.files)
        where = [f"{len(found)} {name}" for name, found in splits.items()]
        others = {
            "not used": int(self.usable.sum()) - sum(map(len, splits.values())),
            "left out": int((~self.usable).sum()),
            "repeated": self.rows.repeated,
        }
        where += [f"{count} {what}" for what, count in others.items() if count]
        said = [f"{file}: {rows + self.rows.repeated} rows: {', '.join(where)}"]
        asked, trained = self.config.train_size, len(splits.get("train", ()))
        if trained and asked is not None and trained < asked:
            said.append(f"--train_size {asked}: only {trained} rows are left to train")
        if self.listed:
            tested = int((self.usable & self.held_out).sum())
            said.append(f"{self.listed}: {tested} of {self.ids} ids have votes and an image")
        elif official := official_list(file):
            said.append(f"{official} was not used: --test_list {official.name} tests on its images")
        return said


def digest_of(names: Iterable[str], values: np.ndarray, rows: np.ndarray) -> str:
    """SHA-256 of the names of some rows (N,), a line each, and of their values, in their order."""
    found, rest, between = hashlib.sha256(), iter(names), ""
    while some := list(islice(rest, AT_ONCE)):
        found.update((between + "\n".join(some)).encode(*CODE))
        between = "\n"
    for at in range(0, len(rows), AT_ONCE):
        found.update(values[rows[at : at + AT_ONCE]].astype("<f8").tobytes())
    return found.hexdigest()

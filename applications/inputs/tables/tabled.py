"""The rows of somebody's own table with their images: what was read, what is missing, and which
split each is in where the table says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from applications.inputs.splits import kept_by
from applications.inputs.vote_files import SPLITS, table_images
from applications.inputs.voted import NO_FILE, VotedImages, digest_of
from config import Config
from dataloader.labels.faults import MOST_FAULTS, LabelError
from dataloader.labels.labels import Labels
from dataloader.sources import PathTable
from dataloader.tables.columns import NONE, Columns, find_columns
from dataloader.tables.labels import read_rows
from dataloader.tables.matching import MOST_NEAR, ImageIndex, at_odds, first_of, said_of
from dataloader.tables.reading import read_table
from dataloader.tables.table import Table
from utils.check_images import BadImage
from utils.text import printable


class TabledImages(VotedImages):
    """Images of a table's rows, found in a folder.

    rows: the Labels of all distinct images, whose sources are paths from `folder`, of those that
    are not there the table's own names. undivided: the table does not say which image is in which
    split. ValueError names what is wrong with the table, and the flag that settles a doubt.
    """

    def __init__(self, config: Config, file: Path, kind: str | None = None) -> None:
        self.config, self.title = config, file
        wants = None if kind is None else kind == "distributions"
        table, columns = self._read(file, wants)
        keys, missing = self._find(table, columns.image)
        found = read_rows(table, columns, keys, bool(wants), config.num_classes)
        self.rows, self.split_of = found.labels, found.splits
        self.undivided = found.splits is None
        self.usable = np.array([source not in missing for source in self.rows.sources])
        self._why = missing
        have = sum(key not in missing for key in keys)
        self.unlabelled = self._alone(keys)
        unused = columns.unused(table)
        self.notes = [
            f"{printable(self.title)}: {len(table):,} rows, {table.how}"
            + ("" if table.header else ", no header")
            + f"; image: {table.called(columns.image)}; {'; '.join(found.notes)}"
            + (f"; not read: {first_of(unused, 6)}" if unused else ""),
            f"{have:,} of {len(table):,} rows have an image in {printable(self.folder)}"
            + (f"; {self.rows.repeated} repeat an earlier row" if self.rows.repeated else "")
            + (f"; {self.unlabelled}" if self.unlabelled else ""),
        ]  # fmt: skip

    def _read(self, file: Path, wants_votes: bool | None) -> tuple[Table, Columns]:
        """The table and its columns; sets `folder`, and whatever `_find` needs."""
        c = self.config
        self.folder = Path(os.path.abspath(table_images(c, file)))
        table = read_table(file, c.sheet)
        # Pictures of runs are not its images.
        self._index = index = ImageIndex(self.folder, Path(c.logdir))
        if not index.files:
            raise ValueError(f"{self.folder}: no images there: name their folder with --images")
        columns = find_columns(table, asked_columns(c), index.matched, wants_votes, divides(c))
        return table, columns

    def _find(self, table: Table, name: str) -> tuple[list[str], dict[str, str]]:
        return _files(table, name, self._index)

    def _alone(self, keys: Sequence[str]) -> str:
        """What is said of files that no row names."""
        return said_of(sorted(set(self._index.files) - set(keys)))

    def missing(self) -> tuple[BadImage, ...]:
        """Rows whose image is not there, named as the table does."""
        names = [self.rows.sources[row] for row in np.flatnonzero(~self.usable)]
        return tuple(
            BadImage(self.folder / name, NO_FILE + (f": did you mean {near}" if near else ""))
            for name, near in ((name, self._why.get(name, "")) for name in names)
        )

    def paths(self, rows: np.ndarray) -> PathTable:
        return PathTable((self.rows.sources[row] for row in rows), self.folder)

    def labels(self, rows: np.ndarray) -> Labels:
        """Those of some images."""
        chosen = self.rows.select(rows)
        return replace(chosen, sources=self.paths(rows))

    def digest(self, rows: np.ndarray) -> str:
        """SHA-256 of the images and of what is said of them, in their order."""
        assert self.rows.values is not None
        return digest_of((self.rows.sources[row] for row in rows), self.rows.values, rows)

    def leave_out(self, rows: np.ndarray, bad: Iterable[BadImage]) -> None:
        """Counts those of the rows whose images are bad as unusable."""
        bad_paths = {str(image.path) for image in bad}
        for row in rows if bad_paths else ():
            if str(self.folder / self.rows.sources[row]) in bad_paths:
                self.usable[row] = False

    def to_hold_out(self, names: Sequence[str]) -> str:
        return f"write {names[0]} into the column of splits, or pass --split another one"

    def splits(self) -> dict[str, np.ndarray]:
        """Usable rows of each split; of a table that is still to be divided all of them train."""
        if self.split_of is None:
            return {"train": np.flatnonzero(self.usable)}
        found = {n: np.flatnonzero(self.usable & (self.split_of == n)) for n in SPLITS}
        return {name: rows for name, rows in found.items() if len(rows)}

    def lines(self, splits: dict[str, np.ndarray]) -> list[str]:
        return []


def divides(config: Config) -> bool:
    """Whether it matters which column is the groups."""
    return config.train or bool(config.repeat)


def asked_columns(config: Config) -> dict[str, str | None]:
    """Columns by what flags say they are. A split that is to be drawn leaves the table's aside."""
    drawn = config.split_by is not None or config.split_shares is not None or config.repeat
    return {
        "image": config.image_column,
        "score": config.score_column,
        "votes": config.votes_column,
        "rater": config.rater_column,
        "std": config.std_column,
        "count": config.count_column,
        "split": NONE if drawn else config.split_column,
        "group": None if kept_by(config) in ("auto", "image", "reference") else kept_by(config),
    }


def _files(table: Table, name: str, index: ImageIndex) -> tuple[list[str], dict[str, str]]:
    """(the file of each row, where there is none the row's own text; those texts, each with the
    file that may be meant). LabelError for a name that could be two files, and for two names that
    cannot both be the file that they lead to.
    """
    known: dict[str, str] = {}
    missing: dict[str, str] = {}
    faults = []
    named: dict[str, list[tuple[str, int]]] = {}  # the names of each file, and their first rows
    word = "line" if table.counted else "row"
    for row, text in enumerate(table.column(name)):
        if text in known:
            continue
        found = index.find(text) if text else []
        known[text] = index.files[found[0]] if len(found) == 1 else text
        if len(found) > 1 and len(faults) < MOST_FAULTS:
            both = " and ".join(index.files[place] for place in found[:2])
            said = f"{text!r} could be {both}: write the path from {index.folder}"
            faults.append(table.fault(row, name, said))
        if len(found) == 1:
            others = named.setdefault(known[text], [])
            if odd := next((one for one in others if at_odds(one[0], text)), None):
                said = (
                    f"{text!r} and {odd[0]!r} in {word} {table.lines[odd[1]]} both lead to "
                    f"{known[text]}, the only such file in {index.folder}: mend the names, or pass "
                    "the folder of both with --images"
                )
                faults += [table.fault(row, name, said)] if len(faults) < MOST_FAULTS else []
            others.append((text, row))
        if not found:
            missing[text] = index.near(text) if len(missing) < MOST_NEAR else ""
    if faults:
        raise LabelError(faults)
    return [known[text] for text in table.column(name)], missing

"""Rows of numbers on the disk, found by name: for what is dear to compute and never changes.

NumPy and the standard library only.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from utils.files.reading import read_json
from utils.files.tar_files import stat_file
from utils.files.writing import sweep, write_atomic, write_json
from utils.text import printable, to_stderr

NAME = "S32"  # a digest in hexadecimal
ABOUT = "about.json"
HEADER = 64  # bytes that NumPy writes before the rows, at the least
DIGEST = 32  # bytes of SHA-256 at the end of the data
BLOCK = 2**20  # bytes that are read at once for it
UNKNOWN = -1  # in place of a checksum


def row_name(*parts: str | int) -> bytes:
    """The name of a row that depends on `parts` alone."""
    text = json.dumps(parts)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest().encode()


def file_name(path: str | os.PathLike[str], *parts: str | int) -> bytes:
    """The name of a row that depends on a file as it is now, and on `parts`. Of the file its path,
    size and times of change count, as for git's index: reading every file to take its digest would
    take too long. The time of its last change of state (ctime) is among them, because programs can
    set the time of modification back. Look before the file is read, so that a change in between
    gives another name the next time. OSError where there is no such file.
    """
    status = stat_file(path)
    times = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return row_name(os.path.abspath(path), *times, *parts)


class Rows:
    """Rows (N, *shape) of a store in the order they were asked for, read from the disk as needed.

    parts: memory-mapped arrays; part (N,), place (N,): where each row stands.
    """

    def __init__(self, parts: list[np.ndarray], part: np.ndarray, place: np.ndarray) -> None:
        self.parts, self.part, self.place = parts, part, place

    def __len__(self) -> int:
        return len(self.part)

    def take(self, rows: np.ndarray) -> Rows:
        """The given rows (n,), in that order."""
        return Rows(self.parts, self.part[rows], self.place[rows])

    def read(self, rows: np.ndarray, first: np.ndarray | None = None) -> np.ndarray:
        """(n, *shape) of the given rows; with `first` (n,) that index into each one."""
        whole = self.parts[0].shape[1:]
        shape = whole if first is None else whole[1:]
        found = np.empty((len(rows), *shape), self.parts[0].dtype)
        part = self.part[rows]
        for number in np.unique(part):
            where = np.flatnonzero(part == number)
            places = self.place[rows[where]]
            key = places if first is None else (places, first[where])
            found[where] = self.parts[number][key]
        return found


class RowStore:
    """A folder of parts: `PART.npy`, (n, *shape) of `dtype`, is memory-mapped; `PART.names.npy`
    says whose rows they are, and `about.json` what all of them are.

    A part is written once, whole or not at all, and never changed: whoever reads it is not
    disturbed by others who add to the store. Its data ends with a digest of its names and of all
    before; a part is read against it once, before the first of its rows is served, unless the store
    is not `checked`: where a part is larger than what is read of it. Then a checksum of each row
    stands behind the names, and `find` reads against that. The folder may be removed at any time
    nobody uses it.

    damaged: parts that `missing` has found damaged, and removed.
    """

    def __init__(
        self,
        folder: Path,
        about: Mapping[str, Any],
        shape: tuple[int, ...],
        dtype: type[np.generic] = np.float32,
        checked: bool = True,
    ) -> None:
        self.folder, self.about, self.shape = Path(folder), dict(about), tuple(shape)
        self.dtype, self.checked = np.dtype(dtype), checked
        self.damaged: list[Path] = []
        self._checked: set[Path] = set()
        self._told: set[Path] = set()
        self._index: _Index | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_index": None}  # a process that is sent it looks by itself

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)

    def find(self, name: bytes) -> np.ndarray | None:
        """The row of one name, to be read only, as it lies on the disk; None where it was not there
        when the first one was asked for, or is there no longer, and where it is damaged, which is
        said once of each part.
        """
        if self._index is None:
            parts = self._parts()
            self._index = _Index(parts, [self._sums(*part) for part in parts])
        if (found := self._index.place(name)) is None:
            return None
        data, place, kept = found
        try:
            row = _mapped(data)[place]
        except (OSError, ValueError):  # removed since, or torn: `missing` finds that, too
            return None
        if kept in (UNKNOWN, zlib.crc32(row)):
            return row
        if data not in self._told:
            self._told.add(data)
            to_stderr(
                f"{printable(data)}: a row does not match its checksum: what it held is computed "
                "anew, each time; without this file it is kept again"
            )
        return None

    def missing(self, names: np.ndarray) -> np.ndarray:
        """int64 (M,): positions in `names` (N,) whose rows are not there. A damaged part that
        should have some of them is removed first, so that they can be added again; for one process.
        """
        kept = []
        for data, own in self._parts():
            if not np.isin(own, names).any() or self._is_whole(data, own):
                kept.append((data, own))
                continue
            self.damaged.append(data)
            data.unlink(missing_ok=True)
            self._names_file(data).unlink(missing_ok=True)
        return np.flatnonzero(~np.isin(names, self._names(kept)))

    def add(self, names: np.ndarray, rows: np.ndarray) -> None:
        """Writes a part: rows (n, *shape) of the names (n,)."""
        if rows.shape != (len(names), *self.shape):
            raise ValueError(f"rows {rows.shape} for {len(names)} names of {self.shape} each")
        names, rows = np.asarray(names, NAME), np.ascontiguousarray(rows, self.dtype)
        part = hashlib.blake2b(names.tobytes(), digest_size=8).hexdigest()
        file = self.folder / f"{part}.names.npy"
        if self._part(file):  # another run has come first
            return
        # The names first: a part without its data is none.
        sums = [] if self.checked else [np.array([zlib.crc32(row) for row in rows], np.int64)]
        self._write(file, names, *sums)
        data = self.folder / f"{part}.npy"
        self._write(data, rows, of=names)
        self._checked.add(data)
        self._index = None

    def rows(self, names: np.ndarray) -> Rows:
        """The rows of `names`, all there: else KeyError; ValueError where one is damaged."""
        parts = self._parts()
        counts = [len(own) for _, own in parts]
        known = self._names(parts)
        order = np.argsort(known, kind="stable")
        at = order[np.minimum(np.searchsorted(known, names, sorter=order), len(known) - 1)]
        if len(known) == 0 or (known[at] != names).any():
            raise KeyError(f"{self.folder}: rows are missing")
        part = np.repeat(np.arange(len(parts)), counts)[at]
        place = np.concatenate([np.arange(count) for count in counts])[at]
        used, part = np.unique(part, return_inverse=True)
        for data, own in (parts[i] for i in used):
            if not self._is_whole(data, own):
                raise ValueError(
                    f"{data}: damaged, it does not match its digest: remove it, and what it held "
                    "is computed anew"
                )
        return Rows([self._open(parts[i][0]) for i in used], part.reshape(-1), place)

    def prepare(self) -> None:
        """Makes the folder, checks what it says of itself, and clears away what killed writers
        left; for one process. ValueError for a folder of something else.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        about = self.folder / ABOUT
        if not about.exists():
            write_json(about, self.about)
        elif read_json(about) != self.about:
            raise ValueError(f"{about}: is about other rows: remove {self.folder}")
        sweep(self.folder)

    def _parts(self) -> list[tuple[Path, np.ndarray]]:
        """(data file, names (n,)) of each part, in a fixed order."""
        found = (self._part(file) for file in sorted(self.folder.glob("*.names.npy")))
        return [part for part in found if part]

    def _part(self, file: Path) -> tuple[Path, np.ndarray] | None:
        """The part of a file of names; None where some of it is missing, as in a torn copy."""
        data = file.with_name(file.name.replace(".names.npy", ".npy"))
        try:
            names = np.load(file, allow_pickle=False)
            size = os.path.getsize(data)
        except (OSError, EOFError, ValueError):
            return None
        whole = size >= len(names) * self.row_bytes + HEADER
        return (data, names) if whole and names.dtype == NAME else None

    def _is_whole(self, data: Path, names: np.ndarray) -> bool:
        """Whether the part is as it was written; it is read once for that. Of a store that is not
        checked, whether it can be opened and has a row for each name.
        """
        if not self.checked:
            try:
                shape, dtype = (stored := _mapped(data)).shape, stored.dtype
            except (OSError, ValueError):
                return False
            return shape == (len(names), *self.shape) and dtype == self.dtype
        if data not in self._checked:
            state, left = _digest(names), os.path.getsize(data) - DIGEST
            with open(data, "rb") as file:
                while left > 0 and (block := file.read(min(left, BLOCK))):
                    state.update(block)
                    left -= len(block)
                if file.read() != state.digest():
                    return False
            self._checked.add(data)
        return True

    @staticmethod
    def _names_file(data: Path) -> Path:
        return data.with_name(f"{data.stem}.names.npy")

    @staticmethod
    def _names(parts: list[tuple[Path, np.ndarray]]) -> np.ndarray:
        return np.concatenate([np.empty(0, NAME), *(names for _, names in parts)])

    @staticmethod
    def _open(data: Path) -> np.ndarray:
        """Small parts, of which there may be thousands, are read: mapping keeps a file open."""
        mapped = os.path.getsize(data) > 2**20
        return np.load(data, mmap_mode="r" if mapped else None, allow_pickle=False)

    def _sums(self, data: Path, names: np.ndarray) -> np.ndarray:
        """int64 (n,): the checksum of each row, UNKNOWN where none was kept, as before there were
        any.
        """
        try:
            with open(self._names_file(data), "rb") as file:
                np.load(file, allow_pickle=False)
                sums = np.load(file, allow_pickle=False)
        except (OSError, EOFError, ValueError):
            return np.full(len(names), UNKNOWN)
        return sums if sums.shape == names.shape else np.full(len(names), UNKNOWN)

    @staticmethod
    def _write(path: Path, *arrays: np.ndarray, of: np.ndarray | None = None) -> None:
        """of: the names of the rows, where a digest of both is to follow them."""

        def write(file: BinaryIO) -> None:
            hashed = _Hashed(file, np.empty(0, NAME) if of is None else of)
            for array in arrays:
                np.lib.format.write_array(hashed, array, allow_pickle=False)
            if of is not None:
                file.write(hashed.state.digest())

        write_atomic(path, write)


class _Index:
    """Where the row of each name of some parts stands, and its checksum. sums: those of each part,
    as of `RowStore._sums`.
    """

    def __init__(self, parts: list[tuple[Path, np.ndarray]], sums: list[np.ndarray]) -> None:
        self.files = [data for data, _ in parts]
        names = RowStore._names(parts)
        order = np.argsort(names, kind="stable")
        counts = [len(own) for _, own in parts]
        self.names = names[order]
        self.part = np.repeat(np.arange(len(parts), dtype=np.int32), counts)[order]
        starts = np.repeat(np.cumsum([0, *counts])[:-1], counts)
        self.row = (np.arange(len(names)) - starts)[order]
        self.sums = np.concatenate([np.empty(0, np.int64), *sums])[order]

    def place(self, name: bytes) -> tuple[Path, int, int] | None:
        """(file, row in it, checksum of the row)."""
        at = int(np.searchsorted(self.names, name))
        if at == len(self.names) or self.names[at] != name:
            return None
        return self.files[self.part[at]], int(self.row[at]), int(self.sums[at])


@lru_cache(maxsize=256)  # each keeps a file open, of which a process may have 1,024
def _mapped(data: Path) -> np.ndarray:
    return np.load(data, mmap_mode="r", allow_pickle=False)


def _digest(names: np.ndarray) -> Any:
    return hashlib.sha256(names.tobytes())


class _Hashed:
    """A file that takes a digest of the names and of all that is written."""

    def __init__(self, file: BinaryIO, names: np.ndarray) -> None:
        self.file, self.state = file, _digest(names)

    def write(self, block: bytes) -> int:
        self.state.update(block)
        return self.file.write(block)

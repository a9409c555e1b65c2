"""The same bytes under two names, where one of them would be learned and the other one judged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.files.tar_files import place_of, read_at

_PIECE = 512  # bytes of the middle of a file, which tell most of one size apart


def copied(files: Sequence[Path], owners: np.ndarray) -> list[tuple[int, int]]:
    """(position of a file, that of the first one of another owner with the same bytes), each file
    once, in rising order. Files may lie in tar files; owners (n,): a number from 0 of each.

    Sizes are compared first, then a piece of those that share one, and at last whole files, so that
    few are read. OSError for one that is gone.
    """
    rows = np.arange(len(files))
    keys = np.empty(0, np.int64)
    for look in (_size, _piece, _whole):
        keys = np.fromiter((look(files[row]) for row in rows), np.int64, len(rows))
        both = _of_several(keys, owners[rows])
        rows, keys = rows[both], keys[both]
    first: dict[int, int] = {}
    pairs = [
        (int(row), first.setdefault(int(key), int(row)))
        for row, key in zip(rows, keys, strict=True)
    ]
    return [(row, other) for row, other in pairs if owners[row] != owners[other]]


def _of_several(keys: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """bool (n,): whether items of two owners have the item's key."""
    if not len(keys):
        return np.empty(0, bool)
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=keys[order[0]] - 1))
    lowest, highest = (find.reduceat(owners[order], starts) for find in (np.minimum, np.maximum))
    counts = np.diff(np.append(starts, len(keys)))
    found = np.empty(len(keys), bool)
    found[order] = np.repeat(lowest < highest, counts)
    return found


def _size(file: Path) -> int:
    return place_of(file)[2]


def _piece(file: Path) -> int:
    holder, start, size = place_of(file)
    return _digest(read_at(holder, start + size // 2, min(_PIECE, size - size // 2)))


def _whole(file: Path) -> int:
    return _digest(read_at(*place_of(file)))


def _digest(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)

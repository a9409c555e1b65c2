"""Very many names in little memory: each as the 64 bits of its hash."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable

import numpy as np


def hashes_of(texts: Iterable[str]) -> np.ndarray:
    """int64 (N,): Python's hash of each; the same in one process, and another in the next one."""
    return np.fromiter(map(hash, texts), np.int64)


def among(sought: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """bool (N,): which of `sought` (N,) are among rising numbers (M,)."""
    if not len(ordered):
        return np.zeros(len(sought), dtype=bool)
    place = np.searchsorted(ordered, sought)
    return ordered[np.minimum(place, len(ordered) - 1)] == sought


def differing(ordered: np.ndarray) -> int:
    """How many numbers there are among rising ones (N,), each counted once."""
    return len(ordered) and 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


class FileNames:
    """Names, each kept as the 64 bits of its hash alone: a million of them take 8 MB, and one that
    is not among them passes for one that is with a chance of 1 in 10^13.
    """

    def __init__(self, names: Iterable[str]) -> None:
        found = hashes_of(names)
        found.sort()
        self._hashes = array("q", found.tobytes())

    def __contains__(self, name: str) -> bool:
        sought, hashes = hash(name), self._hashes
        place = bisect_left(hashes, sought)
        return place < len(hashes) and hashes[place] == sought

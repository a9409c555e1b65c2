"""Very many names in little memory: as one text, or each as the 64 bits of its hash."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import islice
from typing import TypeVar

import numpy as np

AT_ONCE = 1 << 14  # of many texts in one block, those that are objects at once
BLOCK = 1 << 20  # bytes of them that are gone through at once
CODE = ("utf-8", "surrogatepass")  # JSON can spell anything, and names of files may be any bytes


T = TypeVar("T", bound="Texts")


def hashes_of(texts: Iterable[str]) -> np.ndarray:
    """int64 (N,): Python's hash of each; the same in one process, and another in the next one."""
    return np.fromiter(map(hash, texts), np.int64)


def among(sought: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """bool (N,): which of `sought` (N,) are among rising numbers (M,)."""
    found = np.zeros(len(sought), dtype=bool)
    if len(ordered):
        order = np.argsort(sought)  # neighbours are looked for one after the other: in the cache
        rising = sought[order]
        place = np.searchsorted(ordered, rising)
        found[order] = ordered[np.minimum(place, len(ordered) - 1)] == rising
    return found


def differing(ordered: np.ndarray) -> int:
    """How many numbers there are among rising ones (N,), each counted once."""
    return len(ordered) and 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def row_of(places: np.ndarray) -> slice | np.ndarray:
    """Places, int64 (N,), as a slice where they follow each other: what is taken by one is not
    copied.
    """
    if len(places) and (np.diff(places) == 1).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


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

    @property
    def hashes(self) -> np.ndarray:
        """int64 (N,), rising: what `among` looks many names up in, each by its hash."""
        return np.frombuffer(self._hashes, np.int64)


class Texts(Sequence[str]):
    """A sequence of texts without a null character, kept as one block of text: 255,000 names take
    5 MB where as many objects take 15.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._fill(iter(texts))

    def _fill(self, texts: Iterator[str]) -> None:
        parts, count = [], 0
        while some := list(islice(texts, AT_ONCE)):
            parts.append("\0".join([*some, ""]).encode(*CODE))
            count += len(some)
        self._keep(b"".join(parts))
        assert len(self) == count, "a null character in a text"

    def _keep(self, text: bytes) -> None:
        """text: all texts, each with a null character behind it."""
        data = np.frombuffer(text, np.uint8)
        some = range(0, len(data), BLOCK)
        ends = (at + 1 + np.flatnonzero(data[at : at + BLOCK] == 0) for at in some)
        self._text, self._bounds = text, np.concatenate([np.zeros(1, np.int64), *ends])

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self.text(range(len(self))[index])  # negative ones, and IndexError

    def __iter__(self) -> Iterator[str]:
        return self.texts()

    def text(self, index: int) -> str:
        """The one at `index`, from 0."""
        start, end = self._bounds[index : index + 2].tolist()
        return self._text[start : end - 1].decode(*CODE)

    def texts(self) -> Iterator[str]:
        """All of them."""
        for at in range(0, len(self), AT_ONCE):
            start, end = self._bounds[[at, min(at + AT_ONCE, len(self))]].tolist()
            yield from self._text[start : end - 1].decode(*CODE).split("\0")

    def take(self: T, places: np.ndarray) -> T:
        """Those at some places, int64 (n,), in that order."""
        text, parts, found = self._text, [], copy(self)
        part = row_of(places)
        if isinstance(part, slice):
            if part.stop - part.start < len(self):
                start, end = self._bounds[[part.start, part.stop]].tolist()
                found._keep(text[start:end])
            return found
        for at in range(0, len(places), AT_ONCE):
            some = places[at : at + AT_ONCE]
            ends = zip(self._bounds[some].tolist(), self._bounds[some + 1].tolist(), strict=True)
            parts.append(b"".join([text[start:end] for start, end in ends]))
        found._keep(b"".join(parts))
        return found

"""Paths as one block of text: 255,000 of them take 5 MB where as many Path objects take 100, and
loader processes that only read it share it with their parent.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np


class PathTable(Sequence[Path]):
    """A sequence of `folder`/`name`, each a Path made when it is asked for."""

    def __init__(self, names: Iterable[str], folder: str | os.PathLike[str] = "") -> None:
        encoded = [os.fsencode(name) for name in names]
        self._folder = os.path.join(folder, "") if folder else ""
        self._text = b"".join(encoded)
        ends = accumulate(map(len, encoded), initial=0)
        self._bounds = np.fromiter(ends, np.int64, len(encoded) + 1)

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Path(self.text(range(len(self))[index]))  # negative ones, and IndexError

    def __iter__(self) -> Iterator[Path]:
        return map(Path, self.texts())

    def text(self, index: int) -> str:
        """The path at `index`, from 0, as text."""
        start, end = self._bounds[index : index + 2].tolist()
        return self._folder + os.fsdecode(self._text[start:end])

    def texts(self) -> Iterator[str]:
        return map(self.text, range(len(self)))

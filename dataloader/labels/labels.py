"""Labels as columns, whatever they were read from: label files, AVA.txt, JSON or photographs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from dataloader.sources import PathTable, Source
from utils.files.names import Texts

T = TypeVar("T")


class Version(NamedTuple):
    """The version of `reference_id` at strength `level` of `distortion`; level 0 is the reference
    itself, whatever its distortion is called. None: how strong is not known, which says nothing
    about the order.
    """

    reference_id: str
    distortion: str
    level: int | None


class Versions(Sequence[Version]):
    """The versions of M images as columns: reference_id and distortion, texts (M,), and level int64
    (M,), -1 where it is not known. An item is a Version.
    """

    def __init__(self, rows: Iterable[tuple[str, str, int | None]]) -> None:
        rows = list(rows)
        self.reference_id = np.array([row[0] for row in rows], dtype=object)
        self.distortion = np.array([row[1] for row in rows], dtype=object)
        levels = [-1 if row[2] is None else row[2] for row in rows]
        self.level = np.array(levels, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.level)

    def __getitem__(self, index):
        if not isinstance(index, int | np.integer):
            return Versions(self[int(i)] for i in np.arange(len(self))[index])
        level = int(self.level[index])
        named = self.reference_id[index], self.distortion[index]
        return Version(*named, None if level < 0 else level)


@dataclass(frozen=True)
class Labels:
    """L label lines about M distinct images.

    kind: what a line says, one of faults.EXAMPLES. sources (M,): the images in order of first
    appearance; of a vote file their ids, before a folder was searched for them. images int64 (L,):
    the image of each line; (L, 2) of pairs, the better one first. values: float64 (L,) scores or
    (L, K) histograms that sum to 1, int64 (L,) buckets; None of pairs. Lines of one image agree.
    lines int64 (L,): where they stand in `file`. votes int64 (L,): of how many opinions each
    histogram or score was made, 0 where that is not said; None where it is not known of any. std
    float64 (L,): the standard deviation of those opinions, NaN where it is not said; None where it
    is not known of any. Both come from a table (dataloader/tables); std.csv beside label files says
    the same and is read where it is judged. versions, reals (real paths): of `sources`. repeated:
    lines that say what an earlier one does. notes: one-line remarks for the user, such as that
    votes were normalised.
    """

    kind: str
    sources: Sequence[Any]
    images: np.ndarray
    values: np.ndarray | None
    lines: np.ndarray
    votes: np.ndarray | None = None
    std: np.ndarray | None = None
    versions: Versions | None = None
    reals: PathTable | None = None
    file: Path = Path()
    repeated: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        kind: str,
        named: Iterable[Any],
        values: Any = None,
        lines: Any = None,
        votes: Any = None,
        versions: Iterable[tuple[str, str, int | None]] | None = None,
    ) -> Labels:
        """From the image of each line, of pairs from (better, worse); lines: 1.. if not given;
        versions: of the images in order of first appearance.
        """
        named, pairs = list(named), kind == "pairs"
        sources, images = distinct(chain.from_iterable(named) if pairs else named)
        if values is not None:
            values = np.asarray(values, dtype=np.int64 if kind == "buckets" else np.float64)
        return cls(
            kind,
            sources,
            images.reshape(-1, 2) if pairs else images,
            values,
            np.asarray(range(1, len(named) + 1) if lines is None else lines, dtype=np.int64),
            None if votes is None else np.asarray(votes, dtype=np.int64),
            versions=None if versions is None else Versions(versions),
        )

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def bins(self) -> int | None:
        """K of histograms; None for other labels."""
        return None if self.values is None or self.values.ndim == 1 else self.values.shape[1]

    def means(self) -> np.ndarray:
        """float64 (L,): scores, buckets, or the means of histograms over 1..K; not of pairs."""
        assert self.values is not None, "pairs have no means"
        if self.values.ndim == 1:
            return self.values.astype(np.float64)
        return self.values @ np.arange(1, self.values.shape[1] + 1)

    def as_scores(self) -> Labels:
        """The same lines with the mean of each histogram in its place, and the deviation of its
        votes, of the people asked as an estimate for all, where they are counted.
        """
        means, std, votes = self.means(), self.std, self.votes
        if self.values is not None and self.bins and votes is not None and (votes > 1).all():
            squares = self.values @ np.arange(1, self.bins + 1) ** 2
            std = np.sqrt(np.maximum(squares - means**2, 0) * votes / (votes - 1))
        return replace(self, kind="scores", values=means, std=std)

    def of_sources(self, column: np.ndarray) -> np.ndarray:
        """(M, ...): what a column (L, ...) of lines about one image each says of every image."""
        found = np.empty((len(self.sources), *column.shape[1:]), column.dtype)
        found[self.images] = column
        return found

    def first_lines(self) -> np.ndarray:
        """int64 (M,): the line where each image appears first."""
        _, first = np.unique(self.images, return_index=True)
        return self.lines[first // (self.images.size // max(1, len(self)))]

    def select(self, rows: np.ndarray) -> Labels:
        """Some of the lines, int64 (L',) or bool (L,), and the images that they are about."""
        used, first, images = np.unique(self.images[rows], return_index=True, return_inverse=True)
        order = np.argsort(first)  # of appearance
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        kept = used[order]
        return replace(
            self,
            sources=_take(self.sources, kept),
            images=place[images].reshape(self.images[rows].shape),
            values=None if self.values is None else self.values[rows],
            lines=self.lines[rows],
            votes=None if self.votes is None else self.votes[rows],
            std=None if self.std is None else self.std[rows],
            versions=None if self.versions is None else self.versions[kept],
            reals=None if self.reals is None else self.reals.take(kept),
        )

    def without(self, bad: Iterable[Source]) -> Labels:
        """Without the lines about any of these images."""
        bad = set(bad)
        if not bad:
            return self
        good = np.array([source not in bad for source in self.sources], dtype=bool)
        return self.select(good[self.images].reshape(len(self), -1).all(axis=1))


def joined(parts: Sequence[Labels]) -> Labels:
    """The lines of several labels of one kind that share no image, one after the other. Their
    versions are known where they are of all parts.
    """
    starts = np.cumsum([0, *(len(part.sources) for part in parts)])
    images = [part.images + start for part, start in zip(parts, starts, strict=False)]
    values = [part.values for part in parts if part.values is not None]
    votes = [part.votes for part in parts if part.votes is not None]
    std = [part.std for part in parts if part.std is not None]
    versions = [part.versions for part in parts if part.versions is not None]
    return Labels(
        parts[0].kind,
        PathTable(str(source) for part in parts for source in part.sources),
        np.concatenate(images),
        np.concatenate(values) if values else None,
        np.concatenate([part.lines for part in parts]),
        votes=np.concatenate(votes) if len(votes) == len(parts) else None,
        std=np.concatenate(std) if len(std) == len(parts) else None,
        versions=Versions(chain(*versions)) if len(versions) == len(parts) else None,
    )


def distinct(items: Iterable[T]) -> tuple[list[T], np.ndarray]:
    """(each item once, in order of first appearance (M,), int64 (N,): which of these each is)."""
    place: dict[T, int] = {}
    which = [place.setdefault(item, len(place)) for item in items]
    return list(place), np.array(which, dtype=np.int64)


def _take(sources: Sequence[Any], places: np.ndarray) -> Sequence[Any]:
    if isinstance(sources, Texts):
        return sources.take(places)
    return [sources[i] for i in places.tolist()]

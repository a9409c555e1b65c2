"""What a published data set says of its images, and what of it could not be used."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataloader.datasets.source_tree import Images, SourceTree

PRISTINE = "none"  # the distortion that levels.csv names for level 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One image.

    path: from the source's folder, as on disk, with `/`. mos: higher is better; None for an image
    that nobody rated. std: standard deviation in the units of mos; votes: number of opinions;
    counts: opinions (or shares of them) over 1..K. reference_id: the image that this is a version
    of, or what else versions have in common. level: strength of the distortion, 0 is the
    reference itself, None where it is no severity. group: what stays in one split (default: the
    reference, else the image). split: of the official division, or "". part: "" for what label.txt
    lists, else NAME of label_NAME.txt.
    """

    path: str
    mos: float | None = None
    std: float | None = None
    votes: int | None = None
    counts: tuple[float, ...] | None = None
    reference_id: str = ""
    distortion: str = ""
    level: int | None = None
    group: str = ""
    split: str = ""
    part: str = ""

    @property
    def content(self) -> str:
        """What must not be in two splits."""
        return self.group or self.reference_id or self.path


def counts_mean(counts: Sequence[float]) -> float:
    """Mean of votes over 1..K from how many there are of each."""
    return sum(k * n for k, n in enumerate(counts, start=1)) / sum(counts)


def counts_std(counts: Sequence[float]) -> float | None:
    """Standard deviation of votes over 1..K from how many there are of each; None for no votes."""
    total = sum(counts)
    if total <= 0:
        return None
    mean = counts_mean(counts)
    return math.sqrt(sum(n * (k - mean) ** 2 for k, n in enumerate(counts, start=1)) / total)


@dataclass
class Reading:
    """The records of a source, in the order of its list; `images`: where they were looked for;
    dropped: reason -> number of rows of the list; notes: decisions a user should know.
    """

    images: Sequence[Images]
    records: list[Record] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    _paths: set[str] = field(default_factory=set)

    def add(self, path: str, **known: Any) -> None:
        """A record of this image with the fields that are known, unless it has one already."""
        if path in self._paths:
            self.dropped["listed twice: the first row counts"] += 1
        else:
            self._paths.add(path)
            self.records.append(Record(path=path, **known))

    def add_reference(self, path: str | None, reference_id: str, split: str = "") -> None:
        """The pristine image at the head of a reference's ladders, unless it is missing."""
        if path is not None and path not in self._paths:
            self.add(path, reference_id=reference_id, distortion=PRISTINE, level=0, split=split)

    @property
    def missing(self) -> list[str]:
        """Images that the list names and the source has not got."""
        return [name for images in self.images for name in images.missing()]

    @property
    def surplus(self) -> list[str]:
        """Images of the source that the list does not name."""
        return [path for images in self.images for path in images.surplus()]


@dataclass(frozen=True)
class DataSet:
    """title, paper: for the data card. read: the folder -> records; ValueError with file and line
    for what cannot be meant. scores: what label.txt holds and how it was turned so that higher is
    better. scale: lowest and highest MOS there can be, None where that depends on the file. rated:
    images the publication rates. std: where std.csv comes from; std_of_mean: by its size it is the
    error of the score, not the spread of the votes. split: the division in words. val: share of
    the groups for validation, where the set says nothing.
    """

    title: str
    paper: str
    read: Callable[[SourceTree], Reading]
    scores: str
    scale: tuple[float, float] | None
    rated: int | None
    split: str
    std: str = "none"
    std_of_mean: bool = False
    val: float = 0.1

"""The splits of a data set: the labels of each, and what they came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from applications.inputs.photographs import Photographs
from dataloader.batch import Targets
from dataloader.labels.labels import Labels
from utils.check_images import BadImage


@dataclass(frozen=True)
class Split:
    """targets: what is to be learned of the labels; file: where these came from, in words where
    that is no label file; sha256: of all that they depend on; pooled: label files that they were
    drawn from together.
    """

    name: str
    labels: Labels
    targets: Targets
    file: Path | str
    sha256: str
    pooled: tuple[Path, ...] = ()

    @property
    def label_files(self) -> tuple[Path, ...]:
        """Those that its labels stand in; none where they were made."""
        return (self.file,) if isinstance(self.file, Path) else self.pooled

    @property
    def title(self) -> str:
        """The split's folder, or what it was made of."""
        return str(self.file.parent) if isinstance(self.file, Path) else self.file


@dataclass(frozen=True)
class Data:
    """The splits that exist, the images left out because they could not be read, and the
    photographs that are distorted on the fly, if any.
    """

    splits: dict[str, Split]
    skipped: tuple[BadImage, ...] = ()
    photographs: Photographs | None = None

    def digests(self) -> dict[str, str]:
        """SHA-256 of each split's label file."""
        return {name: split.sha256 for name, split in self.splits.items()}

"""levels.csv, beside a split's label file: which version of which reference an image is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataloader.labels.side_table import read_side_table
from utils.text import quoted

LEVELS_FILE = "levels.csv"
MOST_LEVEL = 1_000_000  # a step of a ladder, not a file size
COLUMNS = ("path", "reference_id", "distortion", "level")


@dataclass(frozen=True, slots=True)
class Level:
    """The version of `reference_id` at strength `level` of `distortion`; level 0 is the reference
    itself, whatever its distortion is called. None (an empty cell): how strong is not known, which
    says nothing about the order.
    """

    reference_id: str
    distortion: str
    level: int | None


def read_levels(
    file: Path, paths: Sequence[Path], images: Path | None = None
) -> list[Level] | None:
    """The level of each of `paths`, in their order; None where there is no such file. LabelError as
    by `read_side_table`.
    """
    return read_side_table(file, COLUMNS, _level, paths, images)


def _level(cells: list[str]) -> Level:
    reference_id, distortion, level = cells
    if level and not (level.isdecimal() and len(level) < 20 and int(level) <= MOST_LEVEL):
        raise ValueError(
            f"level {quoted(level)}: must be a whole number, 0 or more, at most {MOST_LEVEL}, or "
            "nothing"
        )
    return Level(reference_id, distortion, int(level) if level else None)

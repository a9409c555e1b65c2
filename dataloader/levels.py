"""levels.csv, beside a split's label file: which version of which reference an image is."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LEVELS_FILE = "levels.csv"
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
    """The level of each of `paths`, in their order; None where there is no such file.

    Paths in the file are relative to its folder or to `images` (see labels.images_root), or
    absolute. ValueError names the file and line
    of a row that cannot be meant, and an image of `paths` that no row names.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: cannot be read ({error}): mend it or take it away") from None
    rows = csv.reader(text.splitlines())
    if tuple(next(rows, ())) != COLUMNS:
        raise ValueError(f"{file}:1: the header must be {','.join(COLUMNS)}")
    folders = [os.path.abspath(folder) for folder in (file.parent, images) if folder is not None]
    found: dict[str, Level] = {}
    for row in rows:
        if row:
            path, level = _level(file, rows.line_num, row)
            for folder in folders:
                found[os.path.normpath(os.path.join(folder, path))] = level
    missing = [path for path in paths if str(path) not in found]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(f"{file}: no row for {missing[0]}{more}: add it, or take the file away")
    return [found[str(path)] for path in paths]


def _level(file: Path, line: int, row: list[str]) -> tuple[str, Level]:
    if len(row) != len(COLUMNS):
        raise ValueError(f"{file}:{line}: {len(row)} columns where {','.join(COLUMNS)} are wanted")
    path, reference_id, distortion, level = row
    if level and not level.isdecimal():
        raise ValueError(
            f"{file}:{line}: level {level!r}: must be a whole number, 0 or more, or nothing"
        )
    return path, Level(reference_id, distortion, int(level) if level else None)

"""std.csv, beside a split's label file: standard deviations of the votes behind its scores."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SPREAD_FILE = "std.csv"
COLUMNS = ("path", "std", "votes")


def read_spread(
    file: Path, paths: Sequence[Path], images: Path | None = None
) -> tuple[np.ndarray, np.ndarray | None] | None:
    """(std (M,), votes (M,) or None where a number is not given) of `paths`; None where there is no
    such file.

    Paths in the file are relative to its folder or to `images`, or absolute. ValueError names the
    file and line of a row that cannot be meant, and an image of `paths` that no row names.
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
    found: dict[str, tuple[float, float]] = {}
    for row in rows:
        if row:
            figures = _figures(file, rows.line_num, row)
            for folder in folders:
                found[os.path.normpath(os.path.join(folder, row[0]))] = figures
    missing = [path for path in paths if str(path) not in found]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(f"{file}: no row for {missing[0]}{more}: add it, or take the file away")
    std, votes = np.array([found[str(path)] for path in paths], dtype=np.float64).reshape(-1, 2).T
    return std, None if np.isnan(votes).any() else votes


def _figures(file: Path, line: int, row: list[str]) -> tuple[float, float]:
    """(std, votes); votes nan for an empty cell."""
    if len(row) != len(COLUMNS):
        raise ValueError(f"{file}:{line}: {len(row)} columns where {','.join(COLUMNS)} are wanted")
    try:
        std, votes = float(row[1]), float(row[2]) if row[2].strip() else math.nan
    except ValueError:
        std = votes = math.nan
    if not 0 <= std < math.inf or votes <= 0 or math.isinf(votes):
        raise ValueError(
            f"{file}:{line}: {','.join(row[1:])}: std must be 0 or more, votes above 0 or nothing"
        )
    return std, votes

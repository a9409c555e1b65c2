"""std.csv, beside a split's label file: standard deviations of the votes behind its scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataloader.side_table import read_side_rows, read_side_tables
from utils.text import quoted

SPREAD_FILE = "std.csv"
COLUMNS = ("path", "std", "votes")


def read_spread(
    files: Sequence[Path], paths: Sequence[Path], images: Path | None = None
) -> tuple[np.ndarray, np.ndarray | None] | None:
    """(std (M,), votes (M,) or None where a number is not given) of `paths`, which the files name
    between them; None where there is no such file. LabelError as by `read_side_table`.
    """
    found = read_side_tables(files, COLUMNS, _figures, paths, images)
    if found is None:
        return None
    std, votes = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return std, None if np.isnan(votes).any() else votes


def spread_rows(file: Path, images: Path | None = None) -> dict[str, tuple[float, float]] | None:
    """(std, votes) by absolute path, votes nan where they are not given; None where there is no
    such file. LabelError as by `read_side_rows`.
    """
    return read_side_rows(file, COLUMNS, _figures, images)


def _figures(cells: list[str]) -> tuple[float, float]:
    """(std, votes); votes nan for an empty cell."""
    try:
        std, votes = float(cells[0]), float(cells[1]) if cells[1].strip() else math.nan
    except ValueError:
        std = votes = math.nan
    if not 0 <= std < math.inf or votes <= 0 or math.isinf(votes):
        said = quoted(",".join(cells))
        raise ValueError(f"{said}: std must be 0 or more, votes above 0 or nothing")
    return std, votes

"""std.csv, beside a split's label file: how far the votes behind its scores are spread.

path,std,votes          standard deviation of an image's votes, and how many there are or nothing
path,standard_error     of the score itself, where a data set publishes no more than that
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dataloader.labels.side_table import read_side_rows, read_side_tables
from utils.files.reading import read_text
from utils.text import quoted

SPREAD_FILE = "std.csv"
COLUMNS = ("path", "std", "votes")
ERROR_COLUMNS = ("path", "standard_error")


def read_spread(
    files: Sequence[Path], paths: Sequence[Path], images: Path | None = None
) -> tuple[np.ndarray, np.ndarray | None, bool] | None:
    """(std (M,), votes (M,) or None where a number is not given, whether std is that of the votes)
    of `paths`, which the files name between them; None where there is no such file. A standard
    error is what the std of a single vote would be. LabelError as by `read_side_table`.
    """
    errors = next((_gives_errors(file) for file in files if file.is_file()), False)
    found = read_side_tables(files, *_wanted(errors), paths, images)
    if found is None:
        return None
    std, votes = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return std, None if np.isnan(votes).any() else votes, not errors


def spread_rows(file: Path, images: Path | None = None) -> dict[str, tuple[float, float]] | None:
    """(std, votes) by absolute path, votes nan where they are not given; None where there is no
    such file. LabelError as by `read_side_rows`.
    """
    return read_side_rows(file, *_wanted(file.is_file() and _gives_errors(file)), images)


def _gives_errors(file: Path) -> bool:
    """Whether the header says so; what else may be wrong with the file is said when it is read."""
    try:
        return read_text(file).partition("\n")[0].strip() == ",".join(ERROR_COLUMNS)
    except ValueError:
        return False


def _wanted(errors: bool) -> tuple[Sequence[str], Callable[[list[str]], tuple[float, float]]]:
    """The columns, and what parses them."""
    return (ERROR_COLUMNS, lambda cells: _figures([*cells, "1"])) if errors else (COLUMNS, _figures)


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

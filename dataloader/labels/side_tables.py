"""The csv files beside a split's label file that say more of its images.

levels.csv  path,reference_id,distortion,level: which version of which reference an image is
std.csv     path,std,votes: standard deviation of an image's votes, and how many there are, if known
            path,standard_error: of the score itself, where a data set publishes no more than that
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from dataloader.labels.faults import Fault, LabelError, unreadable
from dataloader.labels.labels import Version, Versions
from utils.files.reading import UnreadableFile, csv_rows, read_text
from utils.text import quoted

LEVELS_FILE, SPREAD_FILE = "levels.csv", "std.csv"
LEVELS_COLUMNS = ("path", "reference_id", "distortion", "level")
SPREAD_COLUMNS = ("path", "std", "votes")
ERROR_COLUMNS = ("path", "standard_error")
MOST_LEVEL = 1_000_000  # a step of a ladder, not a file size

T = TypeVar("T")


def read_versions(file: Path, paths: Sequence[Path], images: Path | None = None) -> Versions | None:
    """What levels.csv says of each of `paths`; None where there is no such file. images: see
    `paths.images_root`. LabelError names the line of the first row that cannot be meant, or that
    says something else of an image than an earlier one; or an image that no row names.
    """
    found = _of_paths([file], [_rows_of(file, LEVELS_COLUMNS, _version, images)], paths)
    return None if found is None else Versions(found)


def _version(cells: list[str]) -> Version:
    reference_id, distortion, level = cells
    if level and not (level.isdecimal() and len(level) < 20 and int(level) <= MOST_LEVEL):
        raise ValueError(
            f"level {quoted(level)}: must be a whole number, 0 or more, at most {MOST_LEVEL}, or "
            "nothing"
        )
    return Version(reference_id, distortion, int(level) if level else None)


def read_spread(
    files: Sequence[Path], paths: Sequence[Path], images: Path | None = None
) -> tuple[np.ndarray, np.ndarray | None, bool] | None:
    """(std (M,), votes (M,) or None where a number is not given, whether std is that of the votes)
    of `paths`, which several std.csv name between them; None where there is no such file. A
    standard error is what the std of a single vote would be. LabelError as by `read_versions`.
    """
    errors = next((_gives_errors(file) for file in files if file.is_file()), False)
    tables = [_rows_of(file, *_wanted(errors), images) for file in files]
    found = _of_paths(files, tables, paths)
    if found is None:
        return None
    std, votes = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return std, None if np.isnan(votes).any() else votes, not errors


def spread_rows(file: Path, images: Path | None = None) -> dict[str, tuple[float, float]] | None:
    """(std, votes) by absolute path, votes nan where they are not given; None where there is no
    such file. LabelError as by `read_versions`, but that images may be without a row.
    """
    return _rows_of(file, *_wanted(file.is_file() and _gives_errors(file)), images)


def _gives_errors(file: Path) -> bool:
    """Whether the header says so; what else may be wrong with the file is said when it is read."""
    try:
        return read_text(file).partition("\n")[0].strip() == ",".join(ERROR_COLUMNS)
    except ValueError:
        return False


def _wanted(errors: bool) -> tuple[Sequence[str], Callable[[list[str]], tuple[float, float]]]:
    """The columns, and what parses them."""
    return (
        (ERROR_COLUMNS, lambda cells: _figures([*cells, "1"]))
        if errors
        else (SPREAD_COLUMNS, _figures)
    )


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


def _of_paths(
    files: Sequence[Path], tables: Sequence[dict[str, T] | None], paths: Sequence[Path]
) -> list[T] | None:
    """What the rows of several files say of each of `paths`; None where no file is there.
    LabelError for an image without a row.
    """
    found: dict[str, T] = {}
    for rows in tables:
        found |= rows or {}
    if all(rows is None for rows in tables):
        return None
    names = list(map(str, paths))
    missing = [name for name in names if name not in found]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        exists = next(file for file, rows in zip(files, tables, strict=True) if rows is not None)
        raise _fault(exists, 0, f"no row for {missing[0]}{more}: add it, or take the file away")
    return [found[name] for name in names]


def _rows_of(
    file: Path, columns: Sequence[str], parse: Callable[[list[str]], T], images: Path | None
) -> dict[str, T] | None:
    """What `parse` makes of the cells behind each path, by absolute path; None where there is no
    such file.

    columns: the header, the path first. parse: ValueError says what is wrong with a row. Paths in
    the file are relative to its folder or to `images`, or absolute.
    """
    if not os.path.lexists(file):
        return None
    try:
        return _rows(file, columns, parse, images)
    except FileNotFoundError:
        raise _fault(file, 0, "a link to nothing: mend it or take it away") from None
    except UnreadableFile as error:
        raise unreadable(file, error) from None


def _rows(
    file: Path, columns: Sequence[str], parse: Callable[[list[str]], T], images: Path | None
) -> dict[str, T]:
    rows, header = csv_rows(read_text(file), file), ",".join(columns)
    first = next(rows, (1, []))[1]
    if first != list(columns):
        raise _fault(file, 1, f"the header must be {header}, not {quoted(','.join(first))}")
    here = os.path.abspath(file.parent)
    found: dict[str, tuple[T, int]] = {}  # and the line
    elsewhere: dict[str, tuple[T, int, str]] = {}  # the same place in `images`; and the first one
    for line, row in rows:
        if not row:
            continue
        if len(row) != len(columns):
            raise _fault(file, line, f"{len(row)} columns where {header} are wanted")
        try:
            value = parse(row[1:])
        except ValueError as error:
            raise _fault(file, line, str(error)) from None
        place = os.path.normpath(os.path.join(here, row[0]))
        earlier, at = found.setdefault(place, (value, line))
        if earlier != value:
            raise _contradiction(file, at, line, place)
        if images is not None and not os.path.isabs(row[0]):
            there = os.path.normpath(os.path.join(os.path.abspath(images), row[0]))
            elsewhere[there] = (value, line, place)
    for there, (value, line, place) in elsewhere.items():
        earlier, at = found.get(there, (value, line))
        if earlier != value and not os.path.exists(place):  # what lies beside the file comes first
            raise _contradiction(file, *sorted((at, line)), there)
    return {place: said[0] for place, said in (elsewhere | found).items()}


def _contradiction(file: Path, first: int, line: int, place: str) -> LabelError:
    return _fault(file, line, f"line {first} says something else of this image: {quoted(place)}")


def _fault(file: Path, line: int, message: str) -> LabelError:
    return LabelError([Fault(file, line, 0, message)])

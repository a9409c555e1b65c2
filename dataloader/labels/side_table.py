"""A csv beside a split's label file that says more of its images, such as levels.csv or std.csv."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from dataloader.labels.records import Fault, LabelError, unreadable
from utils.files.reading import UnreadableFile, csv_rows, read_text
from utils.text import quoted

T = TypeVar("T")


def read_side_table(
    file: Path,
    columns: Sequence[str],
    parse: Callable[[list[str]], T],
    paths: Sequence[Path],
    images: Path | None = None,
) -> list[T] | None:
    """What `parse` makes of the cells behind the path of each of `paths`, in their order; None
    where there is no such file. LabelError as by `read_side_rows`, or names an image that no row
    names.
    """
    return read_side_tables([file], columns, parse, paths, images)


def read_side_tables(
    files: Sequence[Path],
    columns: Sequence[str],
    parse: Callable[[list[str]], T],
    paths: Sequence[Path],
    images: Path | None = None,
) -> list[T] | None:
    """As `read_side_table`, of images that several files name between them."""
    found: dict[str, T] = {}
    for rows in (tables := [read_side_rows(file, columns, parse, images) for file in files]):
        found |= rows or {}
    if all(rows is None for rows in tables):
        return None
    missing = [path for path in paths if str(path) not in found]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        exists = next(file for file, rows in zip(files, tables, strict=True) if rows is not None)
        raise _fault(exists, 0, f"no row for {missing[0]}{more}: add it, or take the file away")
    return [found[str(path)] for path in paths]


def read_side_rows(
    file: Path, columns: Sequence[str], parse: Callable[[list[str]], T], images: Path | None = None
) -> dict[str, T] | None:
    """What `parse` makes of the cells behind each path, by absolute path; None where there is no
    such file.

    columns: the header, the path first. parse: ValueError says what is wrong with a row. Paths in
    the file are relative to its folder or to `images` (see label_paths.images_root), or absolute.
    LabelError names the line of the first row that cannot be meant, or that says something else of
    an image than an earlier one.
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

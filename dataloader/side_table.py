"""A csv beside a split's label file that says more of its images, such as levels.csv or std.csv."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from dataloader.label_records import Fault, LabelError

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
    LabelError names the line of the first row that cannot be meant.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _fault(file, 0, f"cannot be read ({error}): mend it or take it away") from None
    rows, header = csv.reader(text.splitlines()), ",".join(columns)
    if tuple(next(rows, ())) != tuple(columns):
        raise _fault(file, 1, f"the header must be {header}")
    folders = [os.path.abspath(folder) for folder in (file.parent, images) if folder is not None]
    found: dict[str, T] = {}
    for row in filter(None, rows):
        if len(row) != len(columns):
            raise _fault(file, rows.line_num, f"{len(row)} columns where {header} are wanted")
        try:
            value = parse(row[1:])
        except ValueError as error:
            raise _fault(file, rows.line_num, str(error)) from None
        for folder in folders:
            found[os.path.normpath(os.path.join(folder, row[0]))] = value
    return found


def _fault(file: Path, line: int, message: str) -> LabelError:
    return LabelError([Fault(file, line, 0, message)])

"""Label tables of data sets: lines of columns, csv, spreadsheets and MATLAB files.

Every fault is a ValueError of one line with the file and, where there is one, the line.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from utils.files import reading as read_file
from utils.flag_types import is_number
from utils.text import cut, quoted


def lines(file: Path) -> Iterator[tuple[int, str]]:
    """(line number, text without blanks at its ends) of every line that is not blank."""
    for number, text in enumerate(_text(file).split("\n"), start=1):
        if text.strip():
            yield number, text.strip()


def columns(file: Path, count: int, header: bool = False) -> Iterator[tuple[str, list[str]]]:
    """(place of the line, its `count` fields apart by blanks); ValueError for another number.

    header: a first line of names may stand there, and is passed over: its second field, an id, is
    no number (the first one may be none in a row as well: `d1`).
    """
    for line, text in lines(file):
        fields, place = text.split(), f"{file}:{line}"
        if header and line == 1 and not is_number(fields[min(1, len(fields) - 1)]):
            continue
        if len(fields) != count:
            raise ValueError(
                f"{place}: {count} columns expected, found {len(fields)}: {quoted(text)}"
            )
        yield place, fields


def csv_rows(file: Path, *needed: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(place of the row, fields by the header's names in small letters); ValueError when a `needed`
    column is not there. Columns without a name are left out.
    """
    rows = read_file.csv_rows(_text(file), file)
    header = [name.strip().casefold() for name in next(rows, (1, []))[1]]
    for name in needed:
        if name not in header:
            raise ValueError(
                f"{file}:1: no column {name!r}: has {cut(', '.join(filter(None, header)))}"
            )
    for line, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        place = f"{file}:{line}"
        if len(row) < len(header) and any(header[len(row) :]):
            raise ValueError(f"{place}: {len(row)} columns where the header has {len(header)}")
        yield place, {k: v.strip() for k, v in zip(header, row, strict=False) if k}


def sheet_rows(file: Path, sheet: str, *needed: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """As csv_rows, for a sheet of an .xlsx file (another one only where there is one in all).

    The header is the first row with all `needed` names, wherever on the sheet. Cells come as text,
    whole numbers without a point, so that an image called 1600 is one.
    """
    rows = _sheet(file, sheet)
    header: list[str] = []
    for number, cells in enumerate(rows, start=1):
        words = [str(cell).strip() if cell is not None else "" for cell in cells]
        if not header:
            small = [word.casefold() for word in words]
            header = small if set(needed) <= set(small) else []
        elif any(words):
            named = zip(header, map(_cell, cells), strict=False)
            yield f"{file}:{number}", {name: cell for name, cell in named if name}
    if not header:
        raise ValueError(f"{file}: no row with the columns {', '.join(needed)}")


def _sheet(file: Path, sheet: str) -> list[tuple[Any, ...]]:
    try:
        import openpyxl
    except ImportError:
        remedy = "pip install -r requirements.txt"
        raise ValueError(f"{file}: reading .xlsx needs openpyxl: {remedy}") from None
    read_file.check_regular(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about colours and validation rules of cells
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            try:
                names = {name.strip().casefold(): name for name in book.sheetnames}
                if sheet.casefold() not in names and len(names) > 1:
                    raise ValueError(f"no sheet {sheet!r}: has {', '.join(book.sheetnames)}")
                name = names.get(sheet.casefold(), book.sheetnames[0])
                return list(book[name].iter_rows(values_only=True))
            finally:
                book.close()
    except Exception as error:  # a damaged archive makes its reader raise nearly anything
        raise ValueError(f"{file}: cannot be read ({_one_line(error)})") from None


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()


def mat_numbers(file: Path, name: str) -> np.ndarray:
    """float64 (N,): a numeric variable of a MATLAB file, whatever its shape."""
    try:
        return _mat(file, name).astype(np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: {name} is no array of numbers ({_one_line(error)})") from None


def mat_texts(file: Path, name: str) -> list[str]:
    """The strings of a cell array."""
    cells = _mat(file, name).reshape(-1)
    return ["".join(map(str, np.asarray(cell).reshape(-1))).strip() for cell in cells]


def _mat(file: Path, name: str) -> np.ndarray:
    from scipy.io import loadmat

    read_file.check_regular(file)
    try:
        found = loadmat(file)
    except Exception as error:  # as above; MATLAB's version 7.3 is NotImplementedError
        raise ValueError(f"{file}: cannot be read ({_one_line(error)})") from None
    if name not in found:
        known = ", ".join(key for key in found if not key.startswith("__"))
        raise ValueError(f"{file}: no variable {name}: has {known}")
    return np.asarray(found[name])


def number(place: str, text: Any) -> float:
    """A finite number; ValueError that begins with `place`."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{place}: {quoted(str(text))} is not a finite number")
    return value


def same_length(file: Path, found: int, expected: int, what: str) -> None:
    """ValueError unless a list has as many entries as it should have."""
    if found != expected:
        raise ValueError(f"{file}: {found} entries where {expected} are expected ({what})")


def _text(file: Path) -> str:
    return read_file.read_text(file).replace("\r\n", "\n").replace("\r", "\n")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

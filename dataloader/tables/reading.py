"""A file of scores in whatever format it was kept -> Table.

csv, tsv and txt: Python's csv module, once it is known what separates the cells; UTF-8 or UTF-16.
xlsx: openpyxl. parquet: pyarrow, where it is installed. json: a list of objects, one object of
columns, or one of names and scores; json lines (.jsonl, .ndjson): an object a line.
"""

from __future__ import annotations

import codecs
import csv
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from dataloader.labels.faults import MOST_FAULTS, Fault, LabelError, is_number, unreadable
from dataloader.tables.table import Table
from utils.files.reading import (
    RepeatedKey,
    UnreadableFile,
    check_regular,
    csv_rows,
    parse_json,
    read_bytes,
    utf8,
)
from utils.imaging.image_folders import READABLE_EXTENSIONS, UNREADABLE_EXTENSIONS
from utils.text import quoted, some_of

CURE = "give a table with a row for each image: its name and its score"
SEPARATORS = {"\t": "tabs", ";": "';'", "|": "'|'", ",": "','", " ": "blanks"}
SAMPLE = 100  # lines by which the separator is found
IMAGE_ENDS = tuple(READABLE_EXTENSIONS | UNREADABLE_EXTENSIONS)


def read_table(file: Path, sheet: str | None = None) -> Table:
    """The whole table, its reader chosen by the name's ending, text where that says nothing; sheet:
    of a spreadsheet with several. LabelError names every fault of the file.
    """
    reader = READERS.get(file.suffix.lower(), _text)
    if sheet is not None and reader is not _sheet:
        raise ValueError(f"--sheet {sheet}: {file} is no spreadsheet: leave --sheet out")
    try:
        table = reader(file, sheet)
    except FileNotFoundError:
        raise LabelError([Fault(file, 0, 0, f"no such file: {CURE}")]) from None
    except UnreadableFile as error:
        raise unreadable(file, error, CURE) from None
    if not len(table):
        raise LabelError([Fault(file, 0, 0, f"no rows in this table: {CURE}")])
    _check_names(table)
    return table


def is_image_name(text: str) -> bool:
    """Whether the text ends like the name of an image, of a kind that is read or not."""
    return text.lower().endswith(IMAGE_ENDS)


def _check_names(table: Table) -> None:
    twice = [name for name, count in Counter(table.names).items() if count > 1]
    if twice:
        said = f"two columns are called {quoted(twice[0])}: name them apart"
        raise LabelError([Fault(table.file, 1 if table.counted else 0, 0, said)])


# ---- text


def _text(file: Path, sheet: str | None) -> Table:
    text = _decoded(file)
    lines = text.split("\n")
    sample = list(islice((line for line in lines if line.strip()), SAMPLE))
    separator = _separator(sample)
    if separator == " ":
        rows = [(n, line.split()) for n, line in enumerate(lines, 1) if line.strip()]
    else:
        found = csv_rows(text, file, separator)
        rows = [(n, [cell.strip() for cell in row]) for n, row in found if any(row)]
    return _of_rows(file, rows, f"cells apart by {SEPARATORS[separator]}", separator, lines)


def _decoded(file: Path) -> str:
    """The text with line ends of Unix; UTF-16 is known by its byte order mark, or by every other
    byte of its first letters being 0.
    """
    content = read_bytes(file)
    wide = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ""
    wide = wide or {b"\0": "utf-16-le"}.get(content[1:2]) or {b"\0": "utf-16-be"}.get(content[:1])
    if wide:
        try:
            text = content.decode(wide)
        except UnicodeDecodeError as error:
            raise UnreadableFile(
                f"{file}: damaged UTF-16 text at byte {error.start}: save the file as UTF-8"
            ) from None
    else:
        text = utf8(content, file)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _separator(sample: Sequence[str]) -> str:
    """What the cells of these lines are apart by: the first of SEPARATORS that cuts nine in ten of
    them into the same number of cells, two at least; the comma where none does.
    """
    for separator in SEPARATORS:
        if separator == " ":
            counts = Counter(len(line.split()) for line in sample)
        else:
            counts = Counter(map(len, csv.reader(sample, delimiter=separator)))
        cells, lines = max(counts.items(), key=lambda item: item[1], default=(0, 0))
        if cells > 1 and lines >= 0.9 * sum(counts.values()):
            return separator
    return ","


def _of_rows(
    file: Path,
    rows: list[tuple[int, list[str]]],
    how: str,
    separator: str = "",
    texts: list[str] | None = None,
) -> Table:
    """A table of (line or row, cells); LabelError where rows have another number of cells than the
    first one.
    """
    if not rows:
        return Table(file, [], [], [], how)
    title, first = rows[0]
    header = _is_header([cells for _, cells in rows[:2]])
    while (
        first
        and not first[-1]
        and all(not row[len(first) - 1 :] or not row[len(first) - 1] for _, row in rows)
    ):
        first = first[:-1]  # a separator too many at the end of every line
    names = [(name if header else "") or f"column {number}" for number, name in enumerate(first, 1)]
    rows = rows[1:] if header else rows
    usual = Counter(len(cells) for _, cells in rows).most_common(1)
    if header and usual and usual[0][0] > 1 and sum(map(bool, first)) == 1:
        said = f"{quoted(' '.join(first))} names no {usual[0][0]} columns: take such a title out"
        raise LabelError([Fault(file, title, 0, said)])
    width, faults = len(names), []
    for line, cells in rows:
        if len(cells) != width and (len(cells) < width or any(cells[width:])):
            comma = separator == "," and any("," in text for text in cells) is False
            cure = "a decimal comma? put such numbers in quotation marks, or separate cells by ';'"
            more = f": {cure}" if comma and len(cells) > width else ": mend the row"
            said = f"{len(cells)} cells where the {'header' if header else 'first row'} has {width}"
            faults.append(Fault(file, line, 0, f"{said}{more}"))
            if len(faults) >= MOST_FAULTS:
                break
    if faults:
        raise LabelError(faults)
    columns = [list(column) for column in zip(*(cells[:width] for _, cells in rows), strict=True)]
    return Table(
        file, names, columns or [[] for _ in names], [line for line, _ in rows], how, header,
        separator, texts or [],
    )  # fmt: skip


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: it holds no image's name, and no numbers but those of
    votes, 1 to K, above a row that does hold an image's name.
    """
    first, second = rows[0], rows[1] if len(rows) > 1 else []
    if any(map(is_image_name, first)):
        return False
    numbers = [cell for cell in first if is_number(cell.replace(",", ".", 1))]
    if not numbers:
        return any(first)
    return numbers == [str(k) for k in range(1, len(numbers) + 1)] and any(
        map(is_image_name, second)
    )


# ---- spreadsheets and parquet


def _sheet(file: Path, sheet: str | None) -> Table:
    try:
        import openpyxl
    except ImportError:
        raise ValueError(f"{file}: reading .xlsx needs openpyxl: pip install openpyxl") from None
    check_regular(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about colours and validation rules of cells
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            try:
                name = _sheet_name(file, book.sheetnames, sheet)
                rows = [
                    (number, [_cell(cell) for cell in cells])
                    for number, cells in enumerate(book[name].iter_rows(values_only=True), 1)
                ]
            finally:
                book.close()
    except ValueError:
        raise
    except Exception as error:  # a damaged archive makes its reader raise nearly anything
        detail = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableFile(f"{file}: no spreadsheet that can be read ({detail})") from None
    return _of_rows(file, [row for row in rows if any(row[1])], f"sheet {name}")


def _sheet_name(file: Path, names: Sequence[str], wanted: str | None) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None or wanted not in names:
        said = "several sheets" if wanted is None else f"no sheet {quoted(wanted)}"
        raise ValueError(f"{file}: {said}: pass --sheet NAME, one of: {some_of(list(names))}")
    return wanted


def _cell(value: Any) -> str:
    """A value as its text: whole numbers without a point, so that an image called 1600 is one."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip()


def _parquet(file: Path, sheet: str | None) -> Table:
    check_regular(file)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError(f"{file}: reading .parquet needs pyarrow: pip install pyarrow") from None
    try:
        found = pyarrow.parquet.ParquetFile(file).read()
    except (pyarrow.ArrowException, OSError) as error:
        raise UnreadableFile(f"{file}: no parquet file: {' '.join(str(error).split())}") from None
    columns = {
        name: column.to_pylist()
        for name, column in zip(found.column_names, found.columns, strict=True)
    }
    return of_values(file, columns, "parquet", range(1, found.num_rows + 1))


# ---- json


def _json(file: Path, sheet: str | None) -> Table:
    text = _decoded(file)
    try:
        found = parse_json(text, file, once=True)
    except RepeatedKey:
        raise
    except UnreadableFile:
        if text.lstrip()[:1] != "{" or text.strip().count("\n") == 0:
            raise
        return _json_lines(file, sheet)
    if isinstance(found, dict) and found and all(isinstance(v, list) for v in found.values()):
        if len({len(values) for values in found.values()}) > 1:
            raise LabelError([Fault(file, 0, 0, "columns of unequal length: mend the file")])
        return of_values(file, found, "columns", range(1, len(next(iter(found.values()))) + 1))
    if isinstance(found, dict):
        found = [
            {"image": name, **(value if isinstance(value, dict) else {"score": value})}
            for name, value in found.items()
        ]
    if not isinstance(found, list):
        raise LabelError([Fault(file, 1, 1, "a list of objects is wanted, one for each image")])
    return _of_objects(file, list(enumerate(found, 1)), counted=False)


def _json_lines(file: Path, sheet: str | None) -> Table:
    lines = enumerate(_decoded(file).split("\n"), 1)
    return _of_objects(
        file, [(n, parse_json(t, file, n, once=True)) for n, t in lines if t.strip()], True
    )


def _of_objects(file: Path, rows: list[tuple[int, Any]], counted: bool) -> Table:
    names: dict[str, None] = {}
    for number, row in rows:
        if not isinstance(row, dict):
            line, place = (number, "") if counted else (0, f"row {number}: ")
            said = f'{place}an object is wanted, such as {{"image": "a.jpg", "score": 7.6}}'
            raise LabelError([Fault(file, line, 1 if counted else 0, said)])
        names |= dict.fromkeys(row)
    columns = {name: [row.get(name) for _, row in rows] for name in names}
    return of_values(file, columns, "objects", [n for n, _ in rows], counted)


def of_values(
    file: Path, columns: dict[str, list[Any]], how: str, lines: Sequence[int], counted: bool = False
) -> Table:
    """A table of columns of values; a column of lists becomes one for each place in them.

    lines: numbers of the rows, of lines where `counted`.
    """
    flat: dict[str, list[str]] = {}
    for name, values in columns.items():
        lists = [value for value in values if isinstance(value, list)]
        if not lists:
            flat[str(name)] = list(map(_cell, values))
            continue
        width = max(map(len, lists))
        for place in range(width):
            flat[f"{name}{place + 1}"] = [
                _cell(v[place]) if isinstance(v, list) and len(v) > place else "" for v in values
            ]
    return Table(file, list(flat), list(flat.values()), lines, how, counted=counted)


READERS: dict[str, Callable[[Path, str | None], Table]] = {
    ".xlsx": _sheet, ".xlsm": _sheet, ".parquet": _parquet, ".pq": _parquet, ".json": _json,
    ".jsonl": _json_lines, ".ndjson": _json_lines,
}  # fmt: skip


def rows_of(columns: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """The same cells row by row."""
    return list(zip(*columns, strict=True))

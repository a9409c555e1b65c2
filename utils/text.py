"""Text of strangers in messages and tables: short, one line, nothing that a terminal obeys."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from types import SimpleNamespace

_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four: = + - @, twice as wide


def printable(text: object) -> str:
    """The text with every character that is no visible one as an escape, line ends included: a file
    name can hold line ends, control sequences, and bytes that are no UTF-8 (surrogates in Python).
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def visible(text: object) -> str:
    """A message of several lines: as `printable`, but its line ends stay."""
    return "\n".join(map(printable, str(text).split("\n")))


def csv_of(rows: Iterable[Iterable[object]]) -> str:
    """Rows of cells as the text of a csv; a cell of None is empty."""
    text = io.StringIO()
    # By itself it ends a line with \r\n, and so quotes a cell that has either of them.
    with_ends = SimpleNamespace(write=lambda line: text.write(f"{line[:-2]}\n"))
    csv.writer(with_ends).writerows(rows)
    return text.getvalue()


def csv_path(name: str) -> str:
    """A path as a cell of a csv: a spreadsheet takes a cell that begins with = + - @ or a tab for a
    formula, and ./NAME is the same file and none.
    """
    return f"./{name}" if name[:1] in _FORMULA else name


def path_of_csv(cell: str) -> str:
    """The path that `csv_path` wrote."""
    return cell[2:] if cell[:2] == "./" and cell[2:3] in _FORMULA else cell


def csv_text(text: str) -> str:
    """Any other text as a cell of a csv, no formula either: behind an apostrophe, with which people
    tell a spreadsheet that it is text.
    """
    return f"'{text}" if text[:1] in (*_FORMULA, "'") else text


def text_of_csv(cell: str) -> str:
    """The text that `csv_text` wrote."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in (*_FORMULA, "'") else cell


def cut(text: str, most: int = 80) -> str:
    """The text, or its beginning and three dots where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 3] + "..."


def some_of(names: Sequence[str], most: int = 6) -> str:
    """The names, or the first of them and "and N more" where there are more than `most`."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def quoted(text: str, most: int = 80) -> str:
    """The text in quotation marks, blanks at its ends dropped, as `cut` and `printable` make it."""
    return repr(cut(text.strip(), most))


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of equal columns: the first `left` to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = (
        [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    )
    return ["  ".join(row).rstrip() for row in cells]


def to_stderr(line: str) -> None:
    """One line to stderr at once."""
    print(visible(line), file=sys.stderr, flush=True)


def size_text(count: int) -> str:
    """Bytes as they are said: in GB, or below 10 MB in MB."""
    return f"{count / 1e9:.2f} GB" if count >= 1e7 else f"{count / 1e6:.2f} MB"

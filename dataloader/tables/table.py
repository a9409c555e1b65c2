"""A table of any format as columns of text, and where each of its cells stands."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dataloader.labels.faults import MOST_FAULTS, Fault, LabelError
from utils.text import quoted

MOST = float(np.finfo(np.float32).max)  # what a network can be taught
_COMMA = re.compile(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Table:
    """R rows as columns of text; an empty cell is "".

    names: of the columns, "column 1", ... where the file has no header. lines (R,): the line of
    each row in a text file, or its number in a sheet or a list. starts: (R,) or empty: the text of
    each row, for the column where a cell begins. how: what was found about the format, for people.
    """

    file: Path
    names: list[str]
    columns: list[list[str]]
    lines: Sequence[int]
    how: str
    header: bool = True
    separator: str = ""
    texts: list[str] = field(default_factory=list)
    counted: bool = True

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> list[str]:
        """The cells (R,) of a column."""
        return self.columns[self.names.index(name)]

    def called(self, name: str) -> str:
        """ "column mos", of a table without a header "column 2"."""
        return f"column {name}" if self.header else name

    def fault(self, row: int, name: str | None, message: str) -> Fault:
        """A mistake in a cell, or in a whole row, with the place that an editor would show."""
        message = message if name is None else f"{name}: {message}"
        line = int(self.lines[row])
        if not self.counted:  # rows of a binary file or of a list have no lines
            return Fault(self.file, 0, 0, f"row {line}: {message}")
        return Fault(self.file, line, self._place(row, name), message)

    def _place(self, row: int, name: str | None) -> int:
        """Where a cell begins: the character in a line of text, else the number of its column."""
        if name is None:
            return 0
        index = self.names.index(name)
        if not self.separator:
            return index + 1
        text, place = self.texts[int(self.lines[row]) - 1 : int(self.lines[row])], 0
        if not text or '"' in text[0]:
            return index + 1
        if self.separator == " ":
            cells = list(re.finditer(r"\S+", text[0]))
            return cells[index].start() + 1 if index < len(cells) else len(text[0]) + 1
        for _ in range(index):
            place = text[0].find(self.separator, place) + 1
        return place + 1

    def numbers(self, name: str, empty: bool = False) -> tuple[np.ndarray, bool]:
        """(float64 (R,) of a column, whether it has decimal commas); with `empty`, an empty cell is
        NaN. LabelError names every cell that is no finite number, or too large for a network.
        """
        cells = self.column(name)
        values, comma = as_numbers(cells)
        if values is None:
            values, comma = np.full(len(cells), np.nan), False
        wrong = ~(np.abs(values) <= MOST)
        if empty:
            wrong &= np.array([bool(cell) for cell in cells], dtype=bool)
        if not wrong.any():
            return values, comma
        faults = []
        for row in np.flatnonzero(wrong)[:MOST_FAULTS].tolist():
            if why := _why_no_number(cells[row], empty):
                faults.append(self.fault(row, name, why))
        if faults:
            raise LabelError(faults)
        # Every cell is a number by itself: some have a decimal comma, others a point.
        mixed = next(row for row, cell in enumerate(cells) if "," in cell)
        said = f"a decimal comma in a column of decimal points: {quoted(cells[mixed])}"
        raise LabelError([self.fault(mixed, name, f"{said}: write all of them alike")])


def as_numbers(cells: Sequence[str]) -> tuple[np.ndarray | None, bool]:
    """(float64 (R,) with NaN for empty cells, whether they have decimal commas); None where they
    are not all numbers, or are written in both ways.
    """
    try:
        values = np.array([float(cell) if cell else math.nan for cell in cells], dtype=np.float64)
    except ValueError:
        if not all(not cell or _COMMA.fullmatch(cell) for cell in cells):
            return None, False
        values = np.array([float(cell.replace(",", ".")) if cell else math.nan for cell in cells])
        return values, True
    return (None, False) if any("_" in cell for cell in cells) else (values, False)


def _why_no_number(cell: str, empty: bool) -> str:
    """What is wrong with a cell, "" for a number."""
    if not cell:
        return "" if empty else "an empty cell: write a number, or take the row out"
    values, _ = as_numbers([cell])
    if values is None:
        return f"not a number: {quoted(cell)}"
    if not np.isfinite(values[0]):
        return f"not finite: {quoted(cell)}"
    return "" if abs(values[0]) <= MOST else f"above {MOST:.3g}, the largest score: {quoted(cell)}"

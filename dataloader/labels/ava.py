"""AVA.txt: the votes of 255,530 photographs, read as columns.

A row has 15 columns apart by blanks and no header: a running index, the image id, how many people
gave each of the scores 1 to 10, two tag ids (0: none) and the challenge id.

    1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396
"""

from __future__ import annotations

import codecs
import re
import warnings
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from itertools import chain
from pathlib import Path

import numpy as np

from dataloader.labels.faults import MOST_FAULTS, MOST_VOTES, Fault, LabelError, unreadable
from dataloader.labels.labels import Labels
from dataloader.labels.paths import LONGEST
from utils.files.names import AT_ONCE, Texts
from utils.files.reading import UnreadableFile, read_bytes
from utils.text import quoted

BLOCK = 1 << 21  # bytes of a file that are read at once
COLUMNS = 15
BINS = 10
ID = 1  # position of the image id; the votes follow it
VOTES = slice(ID + 1, ID + 1 + BINS)
EXAMPLE = "1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396"
_WHOLE = re.compile(rb"[+-]?[0-9]{1,18}")  # fits into int64


def read_ava(file: Path) -> Labels:
    """The rows of AVA.txt in the file's order, each image id once; blank lines are passed over.

    LabelError names every fault of the file: another number of columns, a column that is no whole
    number, negative votes, no votes at all, and an image id that an earlier row gives other votes.
    """
    content = _content(file)
    rows = _read_quickly(content)
    if rows is not None and not _suspicious(*rows):
        return _labels(file, *rows, _line_numbers(content, len(rows[0])))
    # Something is wrong, or merely unusual: read anew line by line, which can say where and what.
    return _labels(file, *_read_slowly(file, content))


def _content(file: Path) -> bytes:
    cure = f"give AVA.txt, with rows such as {EXAMPLE!r}"
    try:
        content = read_bytes(file).removeprefix(codecs.BOM_UTF8)
    except FileNotFoundError:
        raise LabelError([Fault(file, 0, 0, f"no such file: {cure}")]) from None
    except UnreadableFile as error:
        raise unreadable(file, error, cure) from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise LabelError([Fault(file, 1, 1, "UTF-16 text: save the file as UTF-8")])
    if content[:80].lstrip()[:1] in (b"[", b"{"):
        raise LabelError(
            [Fault(file, 1, 1, "looks like JSON samples: give the file a name in .json")]
        )
    return content


def _read_quickly(content: bytes) -> tuple[np.ndarray, np.ndarray] | None:
    """(image ids int64 (N,), their votes float64 (N, 10)) by NumPy's reader in C, some lines at a
    time; None where it does not find just that.
    """
    most = 1 + content.count(b"\n") + content.count(b"\r")
    ids, votes = np.empty(most, dtype=np.int64), np.empty((most, BINS))
    start = count = 0
    while start < len(content):
        end = content.find(b"\n", start + BLOCK) + 1 or len(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # an empty file, or 5.0 in place of 5
                lines = TextIOWrapper(BytesIO(content[start:end]), encoding="utf-8")
                rows = np.loadtxt(lines, dtype=np.int64, comments=None, ndmin=2)
        except (ValueError, OverflowError, Warning):
            return None
        if rows.shape[1] != COLUMNS:
            return None
        ids[count : count + len(rows)] = rows[:, ID]
        votes[count : count + len(rows)] = rows[:, VOTES]
        start, count = end, count + len(rows)
    return (ids[:count], votes[:count]) if count else None


def _suspicious(ids: np.ndarray, votes: np.ndarray) -> bool:
    """Whether a row may be at fault: negative figures, no votes, an id with two sets of votes."""
    if ids.min() < 0 or votes.min() < 0 or votes.max() >= MOST_VOTES:
        return True
    if not votes.any(axis=1).all():
        return True
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    again = np.flatnonzero(ids[1:] == ids[:-1])
    return bool((votes[order[again]] != votes[order[again + 1]]).any())


def _line_numbers(content: bytes, rows: int) -> np.ndarray:
    whole = content.count(b"\n") + (not content.endswith(b"\n"))
    if whole == rows and content.count(b"\r") == content.count(b"\r\n"):
        return np.arange(1, rows + 1)
    return np.array([line for line, _ in _rows(content)])


def _labels(file: Path, ids: np.ndarray, values: np.ndarray, lines: np.ndarray) -> Labels:
    """Of image ids (N,), their votes float64 (N, 10), which become shares in their place, and where
    they stand; later rows of one image say the same.
    """
    _, first = np.unique(ids, return_index=True)
    first.sort()
    repeated = len(ids) - len(first)
    if repeated:
        ids, values, lines = ids[first], values[first], lines[first]
    some = (ids[at : at + AT_ONCE].tolist() for at in range(0, len(ids), AT_ONCE))
    votes = values.sum(axis=1)
    values /= votes[:, None]
    return Labels(
        "distributions", Texts(map(str, chain.from_iterable(some))), np.arange(len(ids)), values,
        lines, votes.astype(np.int64), file=file, repeated=repeated,
    )  # fmt: skip


def _read_slowly(file: Path, content: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(ids, votes as `_labels` takes them, their line numbers); LabelError with all faults."""
    rows: list[list[int]] = []
    lines: list[int] = []
    faults: list[Fault] = []
    votes: dict[int, tuple[list[int], int]] = {}  # by image id: and the line
    for line, text in _rows(content):
        if not rows and not faults and b"," in text:
            said = "looks like a label file: put it into --data FOLDER as train/label.txt"
            raise LabelError([Fault(file, line, 1, said)])
        if len(faults) >= MOST_FAULTS:
            faults.append(
                Fault(file, line, 0, f"not read from here on: {len(faults)} faults above")
            )
            break
        found = _row(text)
        if isinstance(found, list):
            earlier, first = votes.setdefault(found[ID], (found[VOTES], line))
            if earlier == found[VOTES]:
                rows.append(found)
                lines.append(line)
                continue
            message = f"line {first} gives image {found[ID]} other votes: take one of them out"
            found = (_columns(text)[ID], message)
        faults.append(Fault(file, line, *found))
    if not rows and not faults:
        faults.append(Fault(file, 1, 1, f"no rows in this file: give rows such as {EXAMPLE!r}"))
    if faults:
        raise LabelError(faults)
    table = np.array(rows, dtype=np.int64)
    return table[:, ID], table[:, VOTES].astype(np.float64), np.array(lines, dtype=np.int64)


def _rows(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, text) of every line that is not blank."""
    for line, text in enumerate(content.splitlines(), start=1):
        if text.strip():
            yield line, text


def _row(text: bytes) -> list[int] | tuple[int, str]:
    """The figures of a row, or (column, what is wrong with it and what to do)."""
    fields = text.split()
    columns = _columns(text)
    if len(fields) != COLUMNS:
        column = columns[COLUMNS] if len(fields) > COLUMNS else len(text.rstrip()) + 1
        return column, f"{COLUMNS} columns expected, found {len(fields)}: rows are {EXAMPLE!r}"
    for field, column in zip(fields, columns, strict=True):
        if not _WHOLE.fullmatch(field):
            shown = quoted(field[:LONGEST].decode("utf-8", "backslashreplace"))
            return column, f"not a whole number: {shown}: AVA.txt has counts and ids only"
    figures = [int(field) for field in fields]
    if figures[ID] < 0:
        return columns[ID], f"negative image id {figures[ID]}: give the id as in the file's name"
    for count, column in zip(figures[VOTES], columns[VOTES], strict=True):
        if count < 0:
            return column, f"negative number of votes {count}: give counts, or take the row out"
        if count >= MOST_VOTES:
            return column, f"{count} votes for one score: give counts, or take the row out"
    if not any(figures[VOTES]):
        return columns[VOTES.start], "no votes at all: take the row out"
    return figures


def _columns(text: bytes) -> list[int]:
    """Where each field begins, from 1."""
    return [match.start() + 1 for match in re.finditer(rb"\S+", text)]

"""The quick way to read a label file without surprises: many of its lines at once.

One line after the other costs 20 microseconds and as many objects each, which a million of them
feel. What is out of the ordinary, every fault among it, is left to `lines.LineReader`, which reads
alike and can say what is wrong. Which images are the same is told by 64 bits of their paths' hash,
which Python draws anew for every process: of a million images two are mistaken for one with a
chance of 3 in 100 million.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain, compress
from typing import Any

import numpy as np

from dataloader.labels.faults import MOST_VOTES, SUM_TOLERANCE
from dataloader.labels.labels import Labels
from dataloader.labels.paths import Found, PathFinder
from dataloader.sources import PathTable
from utils.files.names import FileNames, Texts, among, differing, hashes_of

BLOCK = 1 << 21  # bytes of a file that are read at once
SAMPLES = 512  # that are objects at once: more of them keep Python's collector busy
BLANKS = " \t\n\r"  # of JSON
_OPENED = re.compile(f"[{BLANKS}]*(\\[)[{BLANKS}]*")
_BETWEEN = re.compile(f"[{BLANKS}]*([],])[{BLANKS}]*")


class _Unusual(Exception):
    """What takes a closer look."""


def read_quickly(
    kind: str, content: bytes, finder: PathFinder, num_classes: int | None
) -> Labels | None:
    """The labels of a file of pairs, scores or distributions; None where it holds anything unusual:
    a fault, a comma in a file name.
    """
    read = {"pairs": _read_pairs, "scores": _read_values, "distributions": _read_values}.get(kind)
    try:
        return read and read(kind, content, finder, num_classes)
    except (_Unusual, UnicodeDecodeError):
        return None


def _read_pairs(kind: str, content: bytes, finder: PathFinder, _classes: int | None) -> Labels:
    named, lines = _Images(finder), []
    for numbers, rows in _blocks(content, finder):
        _require_commas(rows, 1)
        named.add(",".join(rows).split(","))
        lines.append(numbers)
    reals = named.distinct_reals()[1].reshape(-1, 2)
    better, worse = reals.T
    size = int(reals.max()) + 1
    pairs = np.sort(better * size + worse)
    # No image is paired with itself, and no pair is another one turned round.
    if (better == worse).any() or among(worse * size + better, pairs).any():
        raise _Unusual
    sources, real_paths, images = named.tables()
    return Labels(
        kind, sources, images.reshape(-1, 2), None, np.concatenate(lines), reals=real_paths,
        repeated=len(pairs) - differing(pairs),
    )  # fmt: skip


def _read_values(kind: str, content: bytes, finder: PathFinder, classes: int | None) -> Labels:
    named, lines, columns, count = _Images(finder), [], 0, 0
    values = votes = np.empty(0)
    for numbers, rows in _blocks(content, finder):
        if not columns:
            columns = _columns(kind, rows[0], finder, classes)
            values = np.empty((content.count(b"\n") + 1, columns))
            votes = np.empty(len(values), dtype=np.int64)
        _require_commas(rows, columns)
        cut = [row.partition(",") for row in rows]
        found, end = _numbers([figures for _, _, figures in cut], columns), count + len(rows)
        if kind == "distributions":
            votes[count:end] = _make_shares(found)
        values[count:end] = found
        named.add([name for name, _, _ in cut])
        lines.append(numbers)
        count = end
    values = values[:count] if kind == "distributions" else values[:count, 0]
    first, which = named.distinct_reals()
    if len(first) < count and not np.array_equal(values, values[first][which]):
        raise _Unusual  # two targets of one image
    sources, reals, images = named.tables()
    return Labels(
        kind, sources, images, values, np.concatenate(lines),
        votes[:count] if kind == "distributions" else None, reals=reals,
        repeated=count - len(first),
    )  # fmt: skip


def read_samples_quickly(text: str) -> Labels | None:
    """idealo's JSON samples as `votes.read_samples` reads them; None where anything is unusual."""
    try:
        return _samples(text)
    except (_Unusual, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _samples(text: str) -> Labels:
    most, count = text.count('"label"'), 0
    values, names = np.empty((0, 0)), []
    for entries in _entries(text):
        labels = [entry["label"] for entry in entries]
        if not count:
            values = np.empty((most, len(labels[0])))
        some = [entry["image_id"] for entry in entries]
        found, end = _counts(labels, values.shape[1]), count + len(labels)
        known = set(map(type, entries)) == {dict} and set(map(type, some)) <= {str, int}
        if not known or "" in some or "\0" in "".join(map(str, some)):
            raise _Unusual
        values[count:end] = found
        names.append(Texts(map(str, some)))
        count = end
    hashes = np.concatenate([hashes_of(some) for some in names])
    first, which = _distinct(hashes)
    if len(first) < count:
        if not np.array_equal(values[:count], values[first][which]):
            raise _Unusual  # two labels of one image
        values = values[first]
    values = values[: len(first)]
    values /= values.sum(axis=1, keepdims=True)
    sources = Texts(chain.from_iterable(names)).take(first)
    return Labels(
        "distributions", sources, np.arange(len(first)), values, first + 1,
        repeated=count - len(first),
    )  # fmt: skip


def _entries(text: str) -> Iterator[list[Any]]:
    """The entries of a JSON list, some at a time; _Unusual or ValueError for anything else."""
    scan, found = json.JSONDecoder().scan_once, _OPENED.match(text)
    entries: list[Any] = []
    while found and (found[1] in "[,"):
        try:
            entry, at = scan(text, found.end())
        except StopIteration:
            raise _Unusual from None
        entries.append(entry)
        found = _BETWEEN.match(text, at)
        if len(entries) == SAMPLES:
            yield entries
            entries = []
    if not found or text[found.end() :].strip(BLANKS):
        raise _Unusual
    if entries:
        yield entries


def _counts(labels: list[Any], bins: int) -> np.ndarray:
    """float64 (N, bins): labels as they stand, each a histogram; _Unusual for anything else."""
    if set(map(type, labels)) != {list} or set(map(len, labels)) != {bins} or bins < 2:
        raise _Unusual
    if not set(map(type, chain.from_iterable(labels))) <= {int, float}:
        raise _Unusual
    found = np.array(labels, dtype=np.float64)
    _make_shares(found.copy())
    return found


def _blocks(content: bytes, finder: PathFinder) -> Iterator[tuple[np.ndarray, list[str]]]:
    """(line numbers, text) of some lines at a time, without line ends, blank lines and comments.
    _Unusual for a file without any.
    """
    start, number, found = 0, 1, False
    while start < len(content):
        end = content.find(b"\n", start + BLOCK) + 1 or len(content)
        text = content[start:end].decode("utf-8")
        whole = text.removesuffix("\n").split("\n")
        rows = list(map(str.rstrip, whole))
        numbers = np.arange(number, number + len(rows))
        if not all(rows) or "#" in text:
            said = [bool(row) and not finder.is_comment(row) for row in rows]
            rows, numbers = list(compress(rows, said)), numbers[said]
        if "\r" in text and any("\r" in row for row in rows):
            raise _Unusual
        if rows:
            found = True
            yield numbers, rows
        start, number = end, number + len(whole)
    if not found:
        raise _Unusual


def _require_commas(rows: Sequence[str], commas: int) -> None:
    if {row.count(",") for row in rows} != {commas}:
        raise _Unusual


def _columns(kind: str, first: str, finder: PathFinder, num_classes: int | None) -> int:
    """Numbers on each line; _Unusual where that takes a closer look."""
    if kind == "scores":
        return 1
    fields = first.split(",")
    found = len(fields) - 1
    if num_classes is None and max(finder.ends(fields), default=0) > 1:
        raise _Unusual
    if found < 2 or num_classes not in (None, found):
        raise _Unusual
    return found


def _numbers(texts: list[str], columns: int) -> np.ndarray:
    """float64 (N, columns), finite; _Unusual for anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # empty lines
            values = np.loadtxt(texts, np.float64, comments=None, delimiter=",", ndmin=2)
    except (ValueError, Warning):
        raise _Unusual from None
    if values.shape != (len(texts), columns) or not np.isfinite(values).all():
        raise _Unusual
    return values


def _make_shares(values: np.ndarray) -> np.ndarray:
    """int64 (N,): the votes of histograms (N, K), 0 for a row of shares; the histograms become
    probabilities as `LineReader` makes them.
    """
    totals = np.zeros(len(values))
    with np.errstate(over="ignore"):
        for column in values.T:  # in the order of a plain sum
            totals += column
    votes = np.abs(totals - 1) > SUM_TOLERANCE
    whole = (values == np.floor(values)).all(axis=1)
    if (
        values.min() < 0
        or values.max() >= MOST_VOTES
        or not (np.isfinite(totals) & (totals > 0)).all()
        or not whole[votes].all()
    ):
        raise _Unusual
    values /= totals[:, None]
    return np.where(votes, totals, 0).astype(np.int64)


class _Images:
    """The images that lines name, in the lines' order, and which of them are the same."""

    def __init__(self, finder: PathFinder) -> None:
        self._finder, self._linked = finder, False
        self._folders: dict[str, tuple[FileNames, str, str]] = {}
        self._known = np.empty(0, dtype=np.int64)
        self._tables: tuple[list[PathTable], list[PathTable]] = [], []  # places, real paths
        self._hashes: tuple[list[np.ndarray], list[np.ndarray]] = [], []

    def add(self, names: Sequence[str]) -> None:
        """_Unusual where one leads to no image."""
        names = list(map(str.strip, names))
        folders = [name[: name.rfind("/") + 1] for name in names]
        tops, real_tops = self._list(set(folders))
        cut = [(folder, name[len(folder) :]) for folder, name in zip(folders, names, strict=True)]
        places = [tops[folder] + file for folder, file in cut]
        linked = tops != real_tops
        reals = [real_tops[folder] + file for folder, file in cut] if linked else places.copy()
        hashes = hashes_of(places)
        odd = np.flatnonzero(~among(hashes, self._known)).tolist()
        for row in odd:
            found = self._finder.find(names[row]) if names[row] else None
            if not isinstance(found, Found):
                raise _Unusual
            places[row], reals[row] = found.place, found.real
        if odd:
            linked, hashes = places != reals, hashes_of(places)
        self._linked |= linked
        table = PathTable.of(places)
        self._tables[0].append(table)
        self._hashes[0].append(hashes)
        self._tables[1].append(PathTable.of(reals) if linked else table)
        self._hashes[1].append(hashes_of(reals) if linked else hashes)

    def _list(self, folders: set[str]) -> tuple[dict[str, str], dict[str, str]]:
        """What to put before a name in each folder for its path, and for its real path. `_known` is
        rising hashes of the paths of plain files in them.
        """
        if not folders <= self._folders.keys():
            listed = {folder: self._finder.listing(folder) for folder in folders}
            self._folders = {
                folder: found or (FileNames(()), "", "") for folder, found in listed.items()
            }
            hashes = [files.hashes for files, _, _ in self._folders.values()]
            self._known = hashes[0] if len(hashes) == 1 else np.sort(np.concatenate(hashes))
        found = self._folders.items()
        return {f: top for f, (_, top, _) in found}, {f: real for f, (_, _, real) in found}

    def distinct_reals(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 (D,), (N,): where each file appears first, in that order, and which it is."""
        return self._distinct[1]

    def tables(self) -> tuple[PathTable, PathTable, np.ndarray]:
        """(paths (M,), their real paths (M,), int64 (N,): which of them each name is)."""
        first, which = self._distinct[0]
        places, reals = self._tables
        paths = PathTable.joined(places).take(first)
        return paths, PathTable.joined(reals).take(first) if self._linked else paths, which

    @cached_property
    def _distinct(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """Of places and of real paths, when all are there: where each is first, and which it is."""
        places, reals = self._hashes
        found = _distinct(np.concatenate(places))
        return found, _distinct(np.concatenate(reals)) if self._linked else found


def _distinct(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `_Images.distinct_reals`, of hashes (N,)."""
    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    if len(first) == len(hashes):
        return np.arange(len(first)), np.arange(len(first))
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[which.reshape(-1)]

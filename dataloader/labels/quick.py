"""The quick way to read a label file without surprises: all of its lines at once.

One line after the other costs 20 microseconds each, which 255,000 of them feel. What is out of the
ordinary, every fault among it, is left to `lines.LineReader`, which reads alike and can say what is
wrong.
"""

from __future__ import annotations

import warnings

import numpy as np

from dataloader.labels.faults import MOST_VOTES, SUM_TOLERANCE
from dataloader.labels.labels import Labels
from dataloader.labels.paths import Found, PathFinder
from dataloader.sources import PathTable


def read_quickly(
    kind: str, content: bytes, finder: PathFinder, num_classes: int | None
) -> Labels | None:
    """The labels of a file of scores or distributions; None where it holds anything unusual: a
    fault, a comma in a file name, an image on two lines.
    """
    if kind not in ("scores", "distributions"):
        return None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    rows = [(n, row) for n, line in enumerate(text.split("\n"), 1) if (row := line.rstrip())]
    if "#" in text:
        rows = [(n, row) for n, row in rows if not finder.is_comment(row)]
    columns = _columns(kind, rows[0][1], finder, num_classes) if rows else 0
    if not columns or any(row.count(",") != columns or "\r" in row for _, row in rows):
        return None
    values = _numbers([row.partition(",")[2] for _, row in rows], columns)
    probs = None if values is None or kind == "scores" else _histograms(values)
    if values is None or (kind != "scores" and probs is None):
        return None
    found = _images([row.partition(",")[0].strip() for _, row in rows], finder)
    if found is None:
        return None
    paths, reals = found
    lines = np.array([n for n, _ in rows], dtype=np.int64)
    figures, votes = (values[:, 0], None) if probs is None else probs
    return Labels(kind, paths, np.arange(len(lines)), figures, lines, votes, reals=reals)


def _columns(kind: str, first: str, finder: PathFinder, num_classes: int | None) -> int:
    """Numbers on each line; 0 where that takes a closer look."""
    if kind == "scores":
        return 1
    fields = first.split(",")
    if num_classes is None and max(finder.ends(fields), default=0) > 1:
        return 0
    found = len(fields) - 1
    return found if found >= 2 and num_classes in (None, found) else 0


def _numbers(texts: list[str], columns: int) -> np.ndarray | None:
    """float64 (N, columns), finite; None for anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # empty lines
            values = np.loadtxt(texts, np.float64, comments=None, delimiter=",", ndmin=2)
    except (ValueError, Warning):
        return None
    shaped = values.shape == (len(texts), columns)
    return values if shaped and np.isfinite(values).all() else None


def _histograms(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(probabilities (N, K), votes (N,), 0 for a row of shares), as `LineReader` makes them."""
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
    ):
        return None
    counts = np.where(votes, totals, 0).astype(np.int64)
    return (values / totals[:, None], counts) if whole[votes].all() else None


def _images(names: list[str], finder: PathFinder) -> tuple[PathTable, PathTable] | None:
    """(paths, real paths) of distinct images; None where one is missing or comes twice."""
    places: list[str] = []
    reals: list[str] = []
    for name in names:
        folder, _, file = name.rpartition("/")
        listed = finder.listing(folder)
        if listed is not None and file in listed[0]:
            places.append(listed[1] + file)
            reals.append(listed[2] + file)
            continue
        found = finder.find(name) if name else None
        if not isinstance(found, Found):
            return None
        places.append(found.place)
        reals.append(found.real)
    if len(set(reals)) < len(reals):
        return None
    paths = PathTable(places)
    return paths, paths if places == reals else PathTable(reals)

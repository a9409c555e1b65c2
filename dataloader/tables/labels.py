"""Labels of a table's rows, once its columns are known and its images are found: scores, histograms
of votes, or the single ratings of many people, which become either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from dataloader.labels.faults import (
    MOST_FAULTS,
    MOST_VOTES,
    Fault,
    LabelError,
    are_probabilities,
    histogram_fault,
)
from dataloader.labels.labels import Labels, Versions, distinct
from dataloader.tables.columns import MOST_BINS, SPLITS, Columns
from dataloader.tables.table import Table
from utils.text import quoted


@dataclass(frozen=True)
class TableLabels:
    """labels: their `sources` are the keys of the images, their `versions` the groups of a table
    that has some. splits: the split of each image (M,) where the table says it. notes: what was
    read, for people.
    """

    labels: Labels
    splits: np.ndarray | None
    notes: tuple[str, ...]


def read_rows(
    table: Table, columns: Columns, keys: Sequence[str], histograms: bool, bins: int | None = None
) -> TableLabels:
    """What the rows say of their images.

    keys (R,): the same text for the rows of one image. histograms: ratings of single people become
    histograms over 1..K rather than means; bins: K, if the highest rating is not above it, which is
    K else. LabelError names every cell at fault, and rows that say
    different things of one image.
    """
    _refuse_empty(table, columns.image)
    sources, images = distinct(keys)
    first = np.unique(images, return_index=True)[1]
    notes: list[str] = []
    if columns.rater:
        _refuse_twice(table, columns, images)
        wanted = (bins or 0) if histograms else None
        labels = _of_ratings(table, columns, sources, images, first, wanted, notes)
    else:
        labels = _of_images(table, columns, sources, images, first, notes)
    if columns.group is not None:
        groups = _one_text(table, columns.group, images, first)
        versions = Versions((g, "", None) for g in groups)
        labels = replace(labels, versions=versions)
        notes.append(f"group: {table.called(columns.group)}, {len({*groups} - {''})} groups")
    splits = None
    if columns.split is not None:
        splits = _splits(table, columns.split, images, first)
        counts = [f"{np.count_nonzero(splits == s)} {s}" for s in dict.fromkeys(SPLITS.values())]
        notes.append(f"split: {table.called(columns.split)}, {', '.join(counts)}")
    return TableLabels(replace(labels, file=table.file), splits, tuple(notes))


def _refuse_empty(table: Table, name: str) -> None:
    cells = table.column(name)
    empty = (row for row, cell in enumerate(cells) if not cell)
    if faults := [
        table.fault(row, name, "no image is named: write one, or take the row out")
        for row in islice(empty, MOST_FAULTS)
    ]:
        raise LabelError(faults)


def _of_images(
    table: Table,
    columns: Columns,
    sources: list[str],
    images: np.ndarray,
    first: np.ndarray,
    notes: list[str],
) -> Labels:
    values, votes, std = _values(table, columns, notes)
    if columns.std is not None:
        std, _ = table.numbers(columns.std, empty=True)
        _refuse(table, columns.std, std < 0, "a deviation below 0")
        notes.append(f"std: {table.called(columns.std)}")
    if columns.count is not None and (votes is None or not votes.any()):
        counts, _ = table.numbers(columns.count, empty=True)
        counts = np.nan_to_num(counts)
        wrong = (counts < 0) | (counts != np.floor(counts)) | (counts >= MOST_VOTES)
        _refuse(table, columns.count, wrong, "no number of opinions")
        votes = counts.astype(np.int64)
        notes.append(f"count: {table.called(columns.count)}")
    differ = (values != values[first[images]]).reshape(len(images), -1).any(axis=1)
    if differ.any():
        raise LabelError(_contradictions(table, columns, images, first, differ))
    return Labels(
        "scores" if values.ndim == 1 else "distributions", sources, np.arange(len(sources)),
        values[first], np.asarray(table.lines)[first],
        votes=None if votes is None else votes[first], std=None if std is None else std[first],
        repeated=len(images) - len(sources),
    )  # fmt: skip


def _contradictions(
    table: Table, columns: Columns, images: np.ndarray, first: np.ndarray, differ: np.ndarray
) -> list[Fault]:
    what, found = columns.score or columns.votes[0], []
    word = "line" if table.counted else "row"
    for row in np.flatnonzero(differ)[:MOST_FAULTS].tolist():
        earlier = table.lines[first[images[row]]]
        found.append(table.fault(row, what, f"{word} {earlier} says something else of this image"))
    cure = "take one of them out; ratings, one a row: pass --rater_column NAME"
    return [replace(one, message=f"{one.message}: {cure}") for one in found]


def _values(
    table: Table, columns: Columns, notes: list[str]
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """(scores (R,) or histograms (R, K), votes (R,), None): what each row says."""
    if columns.votes:
        found = np.stack([table.numbers(name)[0] for name in columns.votes], axis=1)
        notes.append(f"votes: columns {columns.votes[0]} to {columns.votes[-1]}")
        return *_histograms(table, columns, found), None
    assert columns.score is not None
    values, comma = table.numbers(columns.score)
    how = " (decimal commas)" if comma else ""
    if columns.reversed:
        how += ", each with its sign turned round: its high values are bad images"
    notes.append(
        f"score: {table.called(columns.score)}, {values.min():.6g} to {values.max():.6g}{how}"
    )
    if columns.reversed:
        values = 0.0 - values  # whatever other rows a table has; never -0
    return values, None, None


def _histograms(table: Table, columns: Columns, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(shares (R, K), votes (R,), 0 for a row of shares)."""
    totals = found.sum(axis=1)
    shares = np.array([are_probabilities(total) for total in totals.tolist()], dtype=bool)
    odd = (found < 0).any(axis=1) | (found != np.floor(found)).any(axis=1) & ~shares
    faults = []
    for row in np.flatnonzero(odd | (totals <= 0) | (totals >= MOST_VOTES))[:MOST_FAULTS].tolist():
        message = (
            "a count below 0" if found[row].min() < 0 else histogram_fault(found[row].tolist())
        )
        faults.append(table.fault(row, columns.votes[0], message))
    if faults:
        raise LabelError(faults)
    return found / totals[:, None], np.where(shares, 0, totals).astype(np.int64)


def _of_ratings(
    table: Table,
    columns: Columns,
    sources: list[str],
    images: np.ndarray,
    first: np.ndarray,
    fewest: int | None,
    notes: list[str],
) -> Labels:
    """One label of each image, from the rows of single people: their mean, or a histogram of
    `fewest` bins or more.
    """
    values, _, _ = _values(table, columns, notes)
    counts = np.bincount(images)
    raters = len(set(table.column(columns.rater or "")))
    notes.append(
        f"ratings: {len(values)} by {raters} people ({table.called(columns.rater)}), "
        f"{counts.min()} to {counts.max()} of each image"
    )
    lines = np.asarray(table.lines)[first]
    if fewest is None:
        mean = np.bincount(images, values) / counts
        squares = np.bincount(images, (values - mean[images]) ** 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            std = np.sqrt(squares / (counts - 1))
        return Labels(
            "scores", sources, np.arange(len(sources)), mean, lines, votes=counts, std=std
        )
    if columns.reversed:
        values = -values
    bins = max(fewest, int(values.max()))
    wrong = (values != np.floor(values)) | (values < 1)
    _refuse(
        table, columns.score or "", wrong, "no whole number from 1: --criterion emd counts them"
    )
    if not 2 <= bins <= MOST_BINS:
        raise ValueError(
            f"{table.file}: ratings up to {bins}: histograms need 2 to {MOST_BINS} bins: use "
            "--criterion regress"
        )
    if columns.reversed:
        values = bins + 1 - values
    found = np.zeros((len(sources), bins))
    np.add.at(found, (images, values.astype(np.int64) - 1), 1)
    return Labels(
        "distributions", sources, np.arange(len(sources)), found / counts[:, None], lines, counts
    )


def _refuse_twice(table: Table, columns: Columns, images: np.ndarray) -> None:
    """LabelError for each row in which somebody rates an image once more."""
    earlier: dict[tuple[int, str], int] = {}
    faults: list[Fault] = []
    word = "line" if table.counted else "row"
    raters = table.column(columns.rater or "")
    for row, of in enumerate(zip(images.tolist(), raters, strict=True)):
        if earlier.setdefault(of, row) != row and of[1] and len(faults) < MOST_FAULTS:
            said = f"{quoted(of[1])} rates this image in {word} {table.lines[earlier[of]]} already"
            faults.append(table.fault(row, columns.rater, f"{said}: take one of them out"))
    if faults:
        raise LabelError(faults)


def _refuse(table: Table, name: str, wrong: np.ndarray, what: str) -> None:
    cells = table.column(name)
    if faults := [
        table.fault(row, name, f"{what}: {quoted(cells[row])}")
        for row in np.flatnonzero(wrong)[:MOST_FAULTS].tolist()
    ]:
        raise LabelError(faults)


def _one_text(table: Table, name: str, images: np.ndarray, first: np.ndarray) -> list[str]:
    """What a column says of each image (M,); LabelError where two rows of one image disagree."""
    cells = table.column(name)
    own = [cells[row] for row in first.tolist()]
    if faults := list(islice(_disagreeing(table, name, cells, own, images), MOST_FAULTS)):
        raise LabelError(faults)
    return own


def _disagreeing(
    table: Table, name: str, cells: Sequence[str], own: Sequence[str], images: np.ndarray
) -> Iterator[Fault]:
    if len(own) == len(cells):
        return
    for row, image in enumerate(images.tolist()):
        if cells[row] != own[image]:
            said = f"{quoted(cells[row])}, but {quoted(own[image])} in an earlier row of this image"
            yield table.fault(row, name, f"{said}: make them agree")


def _splits(table: Table, name: str, images: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The split of each image, by any of the names in SPLITS."""
    cells = _one_text(table, name, images, first)
    known = {text: SPLITS.get(text.casefold(), "") for text in set(cells)}
    if wrong := [row for row, text in zip(first.tolist(), cells, strict=True) if not known[text]]:
        raise LabelError([
            table.fault(
                row, name, f"no split: {quoted(table.column(name)[row])}: write train, val or test"
            )
            for row in wrong[:MOST_FAULTS]
        ])  # fmt: skip
    return np.array([known[text] for text in cells])

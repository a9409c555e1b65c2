"""Ladders of records: the versions of one reference under one distortion, by level."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from dataloader.datasets.records import Record


def ladders(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Each ladder from good to bad, headed by its reference where that is among the records.
    Records whose level is unknown are in none.
    """
    heads = {record.reference_id: record for record in records if record.level == 0}
    found: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.level:
            found[record.reference_id, record.distortion].append(record)
    for (reference, _), members in found.items():
        head = [heads[reference]] if reference in heads else []
        yield head + sorted(members, key=lambda record: record.level or 0)


def pairs(records: Sequence[Record]) -> Iterator[tuple[Record, Record]]:
    """(better, worse) of every two levels of every ladder."""
    for ladder in ladders(records):
        yield from ((a, b) for a, b in combinations(ladder, 2) if a.level != b.level)


def agreement(records: Sequence[Record]) -> dict[str, tuple[float, float]]:
    """For each distortion with levels and scores: the share of pairs of a ladder whose scores have
    the order of their levels, a tie counting half, and the share that contradicts it.
    """
    gaps: dict[str, list[float]] = defaultdict(list)
    for better, worse in pairs(records):
        if better.mos is not None and worse.mos is not None:
            gaps[worse.distortion].append(better.mos - worse.mos)
    found = {}
    for distortion, values in sorted(gaps.items()):
        against, ties = sum(gap < 0 for gap in values), values.count(0)
        contradicted = against / len(values)
        found[distortion] = (1 - contradicted - ties / 2 / len(values), contradicted)
    return found


def without_levels(records: Sequence[Record], distortions: Sequence[str]) -> list[Record]:
    """The records, those of some distortions with an unknown level."""
    return [replace(r, level=None) if r.distortion in distortions else r for r in records]

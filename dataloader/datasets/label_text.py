"""Records as the text of label files. `names`: path of a record -> what label files call it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dataloader.datasets.ladders import pairs
from dataloader.datasets.records import Record
from dataloader.labels.side_tables import (
    ERROR_COLUMNS,
    LEVELS_COLUMNS,
    LEVELS_FILE,
    SPREAD_COLUMNS,
    SPREAD_FILE,
)
from utils.text import csv_of

Names = Mapping[str, str]


def files_of(
    records: Sequence[Record], names: Names, std_of_mean: bool = False
) -> dict[str, tuple[str, str]]:
    """File name -> (kind of its lines, its text), all that the records of a split give.

    label.txt: scores, or pairs where nothing is rated; label_NAME.txt: scores of other parts;
    label_rank.txt: pairs of ladders; label_emd.txt: histograms; std.csv: a row for each score whose
    standard deviation is known; levels.csv: a row for each image whose reference is known.
    """
    main = [record for record in records if not record.part]
    found = {"label.txt": ("scores", _scores(main, names))}
    for part in sorted({record.part for record in records if record.part}):
        members = [record for record in records if record.part == part]
        found[f"label_{part}.txt"] = ("scores", _scores(members, names))
    found["label_emd.txt"] = ("distributions", _histograms(main, names))
    ordered = _pairs(main, names)
    rated = bool(found["label.txt"][1])
    found["label_rank.txt" if rated else "label.txt"] = ("pairs", ordered)
    kind = "standard errors" if std_of_mean else "standard deviations"
    found[SPREAD_FILE] = (kind, _spread(records, names, std_of_mean))
    found[LEVELS_FILE] = ("levels", _levels(records, names))
    return {name: content for name, content in found.items() if content[1]}


def fits(path: str) -> bool:
    """Whether a label file can hold the path of an image."""
    plain = path.strip() == path and len(path.splitlines()) == 1
    return plain and path.encode("utf-8", "replace").decode() == path


def _scores(records: Iterable[Record], names: Names) -> str:
    return "".join(f"{names[r.path]},{r.mos:.12g}\n" for r in records if r.mos is not None)


def _histograms(records: Iterable[Record], names: Names) -> str:
    rows = ((names[r.path], *(f"{n:.12g}" for n in r.counts)) for r in records if r.counts)
    return "".join(",".join(row) + "\n" for row in rows)


def _pairs(records: Sequence[Record], names: Names) -> str:
    return "".join(f"{names[a.path]},{names[b.path]}\n" for a, b in pairs(records))


def _spread(records: Iterable[Record], names: Names, of_mean: bool) -> str:
    known = [r for r in records if r.mos is not None and r.std is not None]
    rows = [(names[r.path], f"{r.std:.9g}", r.votes) for r in known]
    if of_mean:
        return _table(ERROR_COLUMNS, [row[:2] for row in rows])
    return _table(SPREAD_COLUMNS, rows)


def _levels(records: Iterable[Record], names: Names) -> str:
    known = [r for r in records if r.reference_id]
    rows = [(names[r.path], r.reference_id, r.distortion, r.level) for r in known]
    return _table(LEVELS_COLUMNS, rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Nothing where there are no rows; a cell of None is empty."""
    return csv_of([header, *rows]) if rows else ""

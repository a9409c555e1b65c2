"""split.csv of a run folder: every image with its score and the split that was drawn for it, a
table that --labels reads to the same splits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from applications.inputs.splits import Data, Split
from utils.text import csv_of, csv_path, csv_text

SPLIT_FILE = "split.csv"


def split_table(data: Data) -> str:
    """The text of the file; images as paths from the folder that holds all of them. Pairs have no
    score, so that a row says their image and its split alone.
    """
    top = os.path.commonpath(
        [path.parent for s in data.splits.values() for path in s.labels.sources]
    )
    rows = [row for split in data.splits.values() for row in _rows(split, Path(top))]
    names = list(rows[0])
    return csv_of([names, *([row.get(name) for name in names] for row in rows)])


def _rows(split: Split, top: Path) -> Iterator[dict[str, Any]]:
    labels = split.labels
    columns: dict[str, list[Any]] = {}
    if labels.values is not None:
        values = labels.of_sources(labels.values)
        named = {"score": values} if values.ndim == 1 else {
            f"c{k}": column for k, column in enumerate(values.T, start=1)
        }  # fmt: skip
        columns |= {name: [repr(float(v)) for v in column] for name, column in named.items()}
    if labels.std is not None:
        columns["std"] = [repr(v) if v == v else "" for v in labels.of_sources(labels.std).tolist()]
    if labels.votes is not None:
        columns["count"] = labels.of_sources(labels.votes).tolist()
    if labels.versions is not None:
        columns["group"] = [csv_text(group) for group in labels.versions.reference_id]
    for row, path in enumerate(labels.sources):
        cells = {name: column[row] for name, column in columns.items()}
        name = csv_path(path.relative_to(top).as_posix())
        yield {"image": name, **cells, "split": split.name}

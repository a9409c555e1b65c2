"""An evaluation read back from its files: a run folder, or predictions that -e -o FILE.csv wrote.

Data alone, as in evaluation.py: neither torch nor a network is needed.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from applications.evaluation.evaluation import Evaluation, image_clusters
from dataloader.labels.labels import Versions
from dataloader.labels.side_tables import LEVELS_COLUMNS
from utils.files.reading import check_entries, csv_rows, read_object, read_text
from utils.statistics.logistic_fit import LogisticFit
from utils.statistics.metrics import moments_of_votes
from utils.statistics.predictions import Opinions, Predictions
from utils.text import cut, path_of_csv, printable, quoted, text_of_csv

PREDICTIONS, RESULTS = "predictions_test.csv", "results.json"  # of a run folder


def load(path: Path) -> Evaluation:
    """What a model said of its test images, what people said, and of a run folder its fits; metrics
    are to be computed from these. ValueError, one line, names the file, and the line at fault.
    """
    if not path.is_dir():
        return read_predictions(path)
    found, file = read_predictions(path / PREDICTIONS), path / RESULTS
    if not file.is_file():
        return found
    fits, fit_on = _stored_fits(file)
    return replace(found, fits=fits, fit_on=fit_on)


def read_predictions(file: Path) -> Evaluation:
    """Of a csv alone: images as it spells them, scores, histograms (p1, p2, ...), labels ("mos",
    "probs" of t1, t2, ..., "bucket") and versions, as far as it has them.
    """
    columns, lines = _columns(file)

    def numbers(name: str) -> np.ndarray | None:
        return _numbers(file, name, columns[name], lines) if name in columns else None

    def histograms(letter: str) -> np.ndarray | None:
        bins = [numbers(f"{letter}{k}") for k in range(1, len(columns))]
        known = [column for column in bins if column is not None]
        return np.stack(known, axis=1) if known else None

    images = tuple(map(path_of_csv, columns["path"]))
    if len(set(images)) < len(images):
        twice, _ = Counter(images).most_common(1)[0]
        raise ValueError(f"{file}: {cut(printable(twice))} stands there twice")
    scores, probs = numbers("score"), histograms("p")
    assert scores is not None  # the header has been looked at
    read = {"mos": numbers("mos"), "probs": histograms("t"), "bucket": numbers("bucket")}
    labels = {name: values for name, values in read.items() if values is not None}
    versions = _versions(file, columns, lines)
    mos = moments_of_votes(labels["probs"])[0] if "probs" in labels else labels.get("mos")
    return Evaluation(
        "", "test", str(file.parent), str(file), tuple(map(Path, images)), versions, labels,
        len(images), Predictions(scores, probs), None if mos is None else Opinions(mos),
        image_clusters(versions, images, labels)[0], (),
    )  # fmt: skip


def _columns(file: Path) -> tuple[dict[str, Sequence[str]], Sequence[int]]:
    """(cells (M,) by heading, the line of each row)."""
    rows = csv_rows(read_text(file, errors="surrogateescape"), file)
    _, header = next(rows, (1, []))
    if header[:2] != ["path", "score"]:
        raise ValueError(
            f"{file}:1: the header must begin with path,score: give a file that -e -o FILE.csv "
            "wrote"
        )
    lines, cells = [], []
    for line, row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise ValueError(f"{file}:{line}: {len(row)} columns where {len(header)} are wanted")
        lines.append(line)
        cells.append(row)
    if not cells:
        raise ValueError(f"{file}: no predictions in this file")
    return dict(zip(header, zip(*cells, strict=True), strict=True)), lines


def _numbers(file: Path, name: str, cells: Sequence[str], lines: Sequence[int]) -> np.ndarray:
    values = np.empty(len(cells))
    for i, cell in enumerate(cells):
        try:
            values[i] = float(cell)
        except ValueError:
            values[i] = math.nan
        if not math.isfinite(values[i]):
            raise ValueError(f"{file}:{lines[i]}: {name} {quoted(cell)} is not a finite number")
    return values


def _versions(
    file: Path, columns: Mapping[str, Sequence[str]], lines: Sequence[int]
) -> Versions | None:
    if not set(LEVELS_COLUMNS) <= columns.keys():
        return None
    rows = []
    cells = (columns[name] for name in LEVELS_COLUMNS[1:])
    for line, reference_id, distortion, level in zip(lines, *cells, strict=True):
        if level and not (level.isdecimal() and len(level) < 10):
            said = f"level {quoted(level)} is not a whole number of at most 9 digits"
            raise ValueError(f"{file}:{line}: {said}")
        names = text_of_csv(reference_id), text_of_csv(distortion)
        rows.append((*names, int(level) if level else None))
    return Versions(rows)


def _stored_fits(file: Path) -> tuple[dict[str, LogisticFit], str | None]:
    """(the logistics of a run's test by kind, the split they were fitted on)."""
    results = read_object(file)
    check_entries(results, {"test": dict}, file)
    test = results.get("test", {})
    if not test.get("fits"):
        return {}, None
    try:
        return {kind: _fit(kept) for kind, kept in test["fits"].items()}, str(test["fit"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError(f"{file}: test: fits: none that a training wrote") from None


def _fit(kept: Mapping[str, Any]) -> LogisticFit:
    names = {field.name for field in dataclasses.fields(LogisticFit)}
    values = {name: value for name, value in kept.items() if name in names}
    numbers = (math.nan if value is None else float(value) for value in kept["parameters"])
    fit = LogisticFit(**{**values, "parameters": tuple(numbers)})
    fit(np.zeros(1))  # KeyError, TypeError: of no kind, or with too few parameters
    return fit

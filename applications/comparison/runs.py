"""What --compare reads: run folders, or predictions that -e -o FILE.csv wrote."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np

from applications.inputs.run_record import FACTS
from applications.tasks import TASKS
from dataloader.labels.labels import Version
from dataloader.labels.side_tables import LEVELS_COLUMNS
from utils.files.reading import check_entries, csv_rows, read_object, read_text
from utils.flag_words import MONITORED
from utils.runtime.logger import read_metrics
from utils.text import cut, path_of_csv, printable, quoted, text_of_csv

PREDICTIONS = "predictions_test.csv"
# The points of a curve: epochs (N,) and values (N,).
Curve = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Predictions:
    """images: as the file spells them (N); scores (N,); probs (N, K): predicted histograms, if any;
    mos (N,), votes (N, K), bucket (N,): labels, where the file has them; versions: of each
    image, if known.
    """

    file: Path
    images: tuple[str, ...]
    scores: np.ndarray
    probs: np.ndarray | None = None
    mos: np.ndarray | None = None
    votes: np.ndarray | None = None
    bucket: np.ndarray | None = None
    versions: tuple[Version, ...] | None = None

    @property
    def kind(self) -> str:
        """What the labels are, in words."""
        if self.votes is not None:
            return f"histograms of {self.votes.shape[1]} bins"
        if self.mos is not None:
            return "mean opinion scores"
        return "buckets" if self.bucket is not None else "none in the file"


@dataclass(frozen=True)
class ComparedRun:
    """name: distinct among the runs. config: None for a predictions file, which has no environment,
    results and curves either.
    """

    name: str
    path: Path
    predictions: Predictions
    config: dict[str, Any] | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)

    @property
    def monitor(self) -> str | None:
        """The validation figure that decided what is best."""
        if self.config is None:
            return None
        own = self.config.get("monitor")
        return own or MONITORED[self.config["criterion"]]

    @property
    def folder(self) -> Path:
        """What relative paths of the run are relative to."""
        return Path(self.environment.get("folder") or os.getcwd())


def read_runs(given: Sequence[str]) -> list[ComparedRun]:
    """ValueError, one line, for what is no run or has no test predictions."""
    paths = [Path(word) for word in given]
    for i, path in enumerate(paths):
        same = [str(other) for other in paths[:i] if other.resolve() == path.resolve()]
        if same:
            raise ValueError(f"--compare: {path} and {same[0]} are the same run")
    return [_read(path, name) for path, name in zip(paths, distinct_names(paths), strict=True)]


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """The last parts of paths, as few as tell all of them apart."""
    whole = [path.resolve() for path in paths]
    for parts in range(1, max((len(path.parts) for path in whole), default=1) + 1):
        names = [Path(*path.parts[-parts:]).as_posix() for path in whole]
        if len(set(names)) == len(names):
            break
    return names


def _read(path: Path, name: str) -> ComparedRun:
    if path.is_file() and path.suffix == ".csv":
        return ComparedRun(name, path, read_predictions(path))
    if not path.is_dir():
        what = "is not a run folder or a predictions .csv" if path.exists() else "does not exist"
        raise ValueError(
            f"--compare {path}: {what}: name a folder below --logdir, or a file of -e -o FILE.csv"
        )
    config = _json(path / "config.json", {"criterion": str, "monitor": str | None})
    results = _json(path / "results.json", {"best_epoch": int | None, "test": dict})
    if config is None:
        raise ValueError(f"--compare {path}: not a run folder: it has no config.json")
    if config.get("criterion") not in TASKS:
        raise ValueError(
            f"{path / 'config.json'}: criterion {cut(printable(config.get('criterion')))}: one of "
            f"{', '.join(TASKS)} is wanted"
        )
    if not (path / PREDICTIONS).is_file():
        raise ValueError(f"--compare {path}: no test predictions: {_remedy(path, results)}")
    environment = _json(path / "environment.json", {**FACTS, "folder": str}) or {}
    run = ComparedRun(
        name, path, read_predictions(path / PREDICTIONS), config, environment, results or {}
    )
    run.curves.update(_curves(path / "metrics.jsonl", run.monitor))
    return run


def _remedy(path: Path, results: dict[str, Any] | None) -> str:
    inner = sorted(file.parent.name for file in path.glob("[!.]*/config.json"))
    if inner:
        return f"it holds {len(inner)} runs: name some of those, e.g. {path / inner[0]}"
    if results is None:
        return f"the run has not ended: python main.py --continue {path}"
    weights = path / str(results.get("weights", "model_best.pth"))
    return (
        f"it had no test/ split: python main.py -e --resume {weights} --data DATA -o FILE.csv, "
        "and compare FILE.csv"
    )


def _json(file: Path, kinds: Mapping[str, type | UnionType]) -> dict[str, Any] | None:
    """The object in the file, its entries of their kinds; None where there is no file."""
    try:
        found = read_object(file)
    except FileNotFoundError:
        return None
    check_entries(found, kinds, file)
    return found


def _curves(file: Path, monitor: str | None) -> dict[str, Curve]:
    """`train loss`, `val loss` and `val FIGURE` over the epochs, those that there are."""
    points: dict[str, dict[int, float]] = {}
    for record in read_metrics(file):
        for figure in ("loss", monitor) if record["split"] == "val" else ("loss",):
            if figure in record:
                value = record[figure]
                curve = points.setdefault(f"{record['split']} {figure}", {})
                curve[record["epoch"]] = math.nan if value is None else float(value)
    return {
        name: (np.array(list(curve), dtype=np.float64), np.array(list(curve.values())))
        for name, curve in points.items()
    }


# ---- predictions


def read_predictions(file: Path) -> Predictions:
    """ValueError, one line, that names the file, and the line where one is at fault."""
    rows = csv_rows(read_text(file, errors="surrogateescape"), file)
    _, header = next(rows, (1, []))
    if header[:2] != ["path", "score"]:
        raise ValueError(
            f"{file}:1: the header must begin with path,score: give a file that -e -o FILE.csv "
            "wrote"
        )
    cells: list[list[str]] = []
    for line, row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise ValueError(f"{file}:{line}: {len(row)} columns where {len(header)} are wanted")
        cells.append([*row, str(line)])
    if not cells:
        raise ValueError(f"{file}: no predictions in this file")
    columns = dict(zip([*header, " line"], zip(*cells, strict=True), strict=True))
    images = tuple(map(path_of_csv, columns["path"]))
    if len(set(images)) < len(images):
        twice, _ = Counter(images).most_common(1)[0]
        raise ValueError(f"{file}: {cut(printable(twice))} stands there twice")

    def numbers(name: str) -> np.ndarray | None:
        return _numbers(file, name, columns[name], columns[" line"]) if name in columns else None

    def histogram(letter: str) -> np.ndarray | None:
        rows = [numbers(f"{letter}{k}") for k in range(1, len(header))]
        known = [row for row in rows if row is not None]
        return np.stack(known, axis=1) if known else None

    scores = numbers("score")
    assert scores is not None
    return Predictions(
        file, images, scores, histogram("p"), numbers("mos"), histogram("t"),
        numbers("bucket"), _versions(file, columns),
    )  # fmt: skip


def _numbers(file: Path, name: str, cells: Sequence[str], lines: Sequence[str]) -> np.ndarray:
    values = np.empty(len(cells))
    for i, cell in enumerate(cells):
        try:
            values[i] = float(cell)
        except ValueError:
            values[i] = math.nan
        if not math.isfinite(values[i]):
            raise ValueError(f"{file}:{lines[i]}: {name} {quoted(cell)} is not a finite number")
    return values


def _versions(file: Path, columns: dict[str, Sequence[str]]) -> tuple[Version, ...] | None:
    if not set(LEVELS_COLUMNS) <= columns.keys():
        return None
    found = []
    rows = zip(*(columns[name] for name in (*LEVELS_COLUMNS[1:], " line")), strict=True)
    for reference_id, distortion, level, line in rows:
        if level and not (level.isdecimal() and len(level) < 10):
            said = f"level {quoted(level)} is not a whole number of at most 9 digits"
            raise ValueError(f"{file}:{line}: {said}")
        names = text_of_csv(reference_id), text_of_csv(distortion)
        found.append(Version(*names, int(level) if level else None))
    return tuple(found)

"""What --compare reads: run folders, or predictions that -e -o FILE.csv wrote; and in what their
configurations and environments differ.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np

from applications.evaluation.evaluation import Evaluation
from applications.evaluation.stored import PREDICTIONS, RESULTS, load
from utils.files.reading import check_entries, read_object
from utils.flag_words import MONITORED, WORDING
from utils.runtime.logger import read_metrics
from utils.text import cut, printable

# The points of a curve: epochs (N,) and values (N,).
Curve = tuple[np.ndarray, np.ndarray]
_NOT_SHOWN = {*WORDING.modes, "config"}
UNKNOWN = "?"  # of a run without a configuration, or written before there was such a flag


@dataclass(frozen=True, eq=False)
class Run:
    """name: distinct among the runs. test: how it was judged. config: None for a predictions file,
    which has no environment, results and curves either.
    """

    name: str
    path: Path
    test: Evaluation
    config: dict[str, Any] | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)

    @property
    def monitor(self) -> str | None:
        """The validation metric that decided what is best."""
        return None if self.config is None else _monitor(self.config)

    @property
    def folder(self) -> Path:
        """What relative paths of the run are relative to."""
        return Path(self.environment.get("folder") or os.getcwd())

    @property
    def test_labels(self) -> str | None:
        """SHA-256 of the labels of its test, where that is known."""
        return self.environment.get("labels_sha256", {}).get("test")


def read_runs(given: Sequence[str]) -> list[Run]:
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


def _read(path: Path, name: str) -> Run:
    if path.is_file() and path.suffix == ".csv":
        return Run(name, path, load(path))
    if not path.is_dir():
        what = "is not a run folder or a predictions .csv" if path.exists() else "does not exist"
        raise ValueError(
            f"--compare {path}: {what}: name a folder below --logdir, or a file of -e -o FILE.csv"
        )
    config = _json(path / "config.json", {"criterion": str, "monitor": str | None})
    results = _json(path / RESULTS, {"best_epoch": int | None, "test": dict})
    if config is None:
        raise ValueError(f"--compare {path}: not a run folder: it has no config.json")
    if config.get("criterion") not in MONITORED:
        raise ValueError(
            f"{path / 'config.json'}: criterion {cut(printable(config.get('criterion')))}: one of "
            f"{', '.join(MONITORED)} is wanted"
        )
    if not (path / PREDICTIONS).is_file():
        raise ValueError(f"--compare {path}: no test predictions: {_remedy(path, results)}")
    kinds = {"folder": str, "command": list, "packages": dict, "labels_sha256": dict}
    environment = _json(path / "environment.json", kinds) or {}
    test, curves = load(path), _curves(path / "metrics.jsonl", _monitor(config))
    return Run(name, path, test, config, environment, results or {}, curves)


def _monitor(config: Mapping[str, Any]) -> str:
    return config.get("monitor") or MONITORED[config["criterion"]]


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


def _curves(file: Path, monitor: str) -> dict[str, Curve]:
    """`train loss`, `val loss` and `val METRIC` over the epochs, those that there are."""
    points: dict[str, dict[int, float]] = {}
    for record in read_metrics(file):
        for name in ("loss", monitor) if record["split"] == "val" else ("loss",):
            if name in record:
                value = record[name]
                curve = points.setdefault(f"{record['split']} {name}", {})
                curve[record["epoch"]] = math.nan if value is None else float(value)
    return {
        name: (np.array(list(curve), dtype=np.float64), np.array(list(curve.values())))
        for name, curve in points.items()
    }


# ---- in what they differ


@dataclass(frozen=True)
class Difference:
    """A flag, or a fact of the environment, and its value in each run; matters: whether a result
    can depend on it.
    """

    name: str
    values: tuple[str, ...]
    matters: bool = True


def differences(
    runs: Sequence[Run], defaults: Mapping[str, Any], idle: Collection[str]
) -> list[Difference]:
    """Flags first, then environments, last what no result depends on. defaults: of every flag, for
    runs that were written before there was such a flag; idle: flags without effect on results.
    """
    found = [*_flags(runs, defaults, idle), *_environments(runs)]
    return sorted(found, key=lambda one: not one.matters)


def _flags(
    runs: Sequence[Run], defaults: Mapping[str, Any], idle: Collection[str]
) -> Iterator[Difference]:
    whole = [None if run.config is None else {**defaults, **run.config} for run in runs]
    known = [own for own in whole if own is not None]
    for name in dict.fromkeys(name for own in known for name in own):
        if name in _NOT_SHOWN or all(own.get(name) == known[0].get(name) for own in known):
            continue
        texts = (UNKNOWN if own is None else _text(own.get(name)) for own in whole)
        yield Difference(f"--{name}", tuple(texts), name not in idle)


def _text(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _environments(runs: Sequence[Run]) -> Iterator[Difference]:
    facts = [_facts(run) for run in runs]
    for name in dict.fromkeys(name for own in facts for name in own):
        if len({own[name] for own in facts if name in own}) > 1:
            yield Difference(name, tuple(own.get(name, UNKNOWN) for own in facts))


def _facts(run: Run) -> dict[str, str]:
    """What environment.json says, in words; nothing of a run without one."""
    kept = run.environment
    plain = {
        "git revision": kept.get("git_revision"), "device": kept.get("device"),
        "processes": kept.get("processes"), "mixed precision": kept.get("amp"),
        "platform": kept.get("platform"), "python": kept.get("python"), **kept.get("packages", {}),
    }  # fmt: skip
    labels = {
        f"labels of {split} (SHA-256)": str(digest)[:12]
        for split, digest in kept.get("labels_sha256", {}).items()
    }
    return {**{k: str(v) for k, v in plain.items() if v is not None}, **labels}

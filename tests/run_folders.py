"""Run folders as training leaves them, made by hand: predictions, configuration, curves."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from config import make_config


def write_csv(file: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """A csv of named columns, such as predictions with a path and a score."""
    with open(file, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return file


def write_run(
    folder: Path,
    columns: Mapping[str, Sequence[Any]],
    environment: Mapping[str, Any] | None = None,
    curve: Sequence[float] = (0.1, 0.4, 0.3),
    **flags: Any,
) -> Path:
    """columns: of predictions_test.csv. curve: validation figures of the epochs; the highest is the
    best epoch. flags: fields of Config.
    """
    folder.mkdir(parents=True)
    config = make_config({"train": True, "criterion": "regress", **flags})
    (folder / "config.json").write_text(json.dumps(config.to_dict()), encoding="utf-8")
    facts = {"folder": str(folder), "command": ["main.py", "--train"], **(environment or {})}
    (folder / "environment.json").write_text(json.dumps(facts), encoding="utf-8")
    figure = "pair_accuracy" if config.criterion == "rank" else "srcc"
    records = []
    for epoch, value in enumerate(curve, 1):
        place = {"step": 10 * epoch, "epoch": epoch}
        records.append({**place, "split": "train", "loss": 1 / epoch, "lr": 0.1})
        records.append({**place, "split": "val", "loss": 2 / epoch, figure: value})
    records.append({"step": 1000, "epoch": 2, "split": "test", figure: 0.5})
    lines = "".join(f"{json.dumps(record)}\n" for record in records)
    (folder / "metrics.jsonl").write_text(lines, encoding="utf-8")
    best = max(range(len(curve)), key=lambda i: curve[i]) + 1
    results = {"best_epoch": best, "weights": "model_best_x.pth", "test": {figure: 0.5}}
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    write_csv(folder / "predictions_test.csv", columns)
    return folder

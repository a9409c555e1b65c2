"""--test DATA1 DATA2 ...: one model on several data sets, each with a fit of its own."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from applications.data import read_data
from applications.evaluate import evaluate_split, finish, judged_splits, table
from applications.final_figures import Judged, check_fit
from applications.runtime import Runtime
from applications.scoring import ScoringOptions
from applications.tasks import TASKS
from applications.views import view_rule
from applications.weights import load_model
from config import Config
from utils.files import without_nan, write_json, write_text

SHOWN = (
    "pair_accuracy", "emd_r1", "srcc", "plcc", "plcc_4p", "plcc_5p", "krcc", "rmse_4p",
)  # fmt: skip


def run(config: Config, runtime: Runtime) -> int:
    """Prints the figures of --resume weights on --split of each data set, and a table of all; -o
    FILE.csv or FILE.json keeps them.
    """
    config, model, payload = load_model(config, runtime)
    task = TASKS[config.criterion]
    options = ScoringOptions(
        view_rule(config), config.batch_size, config.workers, config.max_pixels, config.amp or "off"
    )
    found: dict[str, dict[str, Any]] = {}
    for name in config.test:
        checked = config.no_check or config.bad_images == "stop"
        own = replace(config, data=name, no_check=checked)
        data = read_data(own, task, runtime, judged_splits(own))
        check_fit(own, data)
        split = data.splits[config.split]
        values, scores = evaluate_split(
            task, model, split, options, runtime, runtime.info, payload.get("mean_histogram")
        )
        values, _ = finish(own, task, model, data, Judged(split, scores), values, options, runtime)
        found[name] = {"images": len(split.targets.paths), **values}
        if runtime.main:
            print(table(values, f"{config.resume} on {split.file}") + "\n")
    if runtime.main:
        print(cross_table(found))
        if config.output:
            _write(Path(config.output), config.split, found)
    return 0


def cross_table(found: dict[str, dict[str, Any]]) -> str:
    """Aligned columns: a row per data set, its main figures, where its fit comes from."""
    names = [name for name in SHOWN if any(name in values for values in found.values())]
    fitted = any("fit" in values for values in found.values())
    rows = [["data set", "images", *names, *(["fit"] if fitted else [])]]
    for data, values in found.items():
        cells = [f"{values[name]:.4f}" if name in values else "" for name in names]
        fit = [str(values.get("fit", ""))] if fitted else []
        rows.append([data, str(values["images"]), *cells, *fit])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )


def _write(file: Path, split: str, found: dict[str, dict[str, Any]]) -> None:
    if file.suffix == ".json":
        write_json(file, without_nan({"split": split, "data": found}))
        return
    rows = []
    for data, values in found.items():
        row: dict[str, Any] = {"data": data, "split": split}
        row |= {k: v for k, v in values.items() if not isinstance(v, dict)}
        for name, (low, high) in values.get("intervals", {}).items():
            row |= {f"{name}_low": low, f"{name}_high": high}
        rows.append({k: "" if v != v else v for k, v in row.items()})
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, text.getvalue())

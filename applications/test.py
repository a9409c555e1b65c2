"""--test DATA1 DATA2 ...: one model on several data sets, each with a fit of its own."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from applications.evaluate import evaluate_split, finish, judged_splits, table
from applications.evaluation.final_figures import Judged, check_fit
from applications.evaluation.scoring import ScoringOptions, refuse_broken
from applications.inputs.data import read_data
from applications.inputs.runtime import Runtime
from applications.inputs.weights import Loaded, load_model
from applications.reports.cross import cross_page, cross_sections
from applications.reports.parts import Evaluation
from applications.reports.report import figures_of
from applications.reports.run import run_of
from applications.tasks import TASKS
from applications.training.run_folder import environment
from config import Config
from utils.drawing.files import write_figures
from utils.files.writing import without_nan, write_json, write_text
from utils.text import csv_path, visible

SHOWN = (
    "pair_accuracy", "emd_r1", "srcc", "plcc", "plcc_4p", "plcc_5p", "krcc", "rmse_4p",
)  # fmt: skip


def run(config: Config, runtime: Runtime) -> int:
    """Prints the figures of --resume weights on --split of each data set, and a table of all; -o
    FILE.csv, FILE.json or FILE.html keeps them, with FILE.html beside the first two.
    """
    loaded = load_model(config, runtime)
    config = loaded.config
    found: dict[str, Evaluation] = {}
    for name in config.test:
        checked = config.no_check or config.bad_images == "stop"
        own = replace(config, data=name, no_check=checked)
        e = found[name] = _evaluated(own, loaded, runtime)
        if runtime.main:
            print(
                visible(table(dict(e.values), f"{config.resume} on {e.judged.split.file}")) + "\n"
            )
    if runtime.main:
        figures = {name: {"images": len(e.scores), **e.values} for name, e in found.items()}
        print(visible(cross_table(figures)))
        sections = cross_sections(found)
        if config.figures:
            runtime.info(write_figures(Path(config.figures), figures_of(sections)))
        if config.output:
            _write(Path(config.output), config.split, figures)
            if not config.no_report:
                title = f"{Path(config.resume or '').name} on {len(found)} data sets"
                page = cross_page(title, sections)
                write_text(Path(config.output).with_suffix(".html"), page)
    return 0


def _evaluated(config: Config, loaded: Loaded, runtime: Runtime) -> Evaluation:
    """The model on one data set, with a fit of its own."""
    task, model, payload = TASKS[config.criterion], loaded.model, loaded.payload
    options = ScoringOptions(
        loaded.view, config.batch_size, config.workers, config.max_pixels, config.amp or "off"
    )
    data = read_data(config, task, runtime, judged_splits(config))
    check_fit(config, data)
    split = data.splits[config.split]
    if config.bad_images == "stop":
        refuse_broken(split.targets.paths, config.max_pixels)
    values, scores = evaluate_split(
        task, model, split, options, runtime, runtime.info, payload.get("mean_histogram")
    )
    judged = Judged(split, scores)
    values, val = finish(config, task, model, data, judged, values, options, runtime)
    return Evaluation(
        split.title, config, task, judged, values, val, {config.split: split.targets},
        environment(config, data.digests(), runtime), Path(config.resume or ""), run_of(config),
        model, options, runtime.device,
    )  # fmt: skip


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
    if file.suffix != ".csv":
        file = file.with_suffix(".json")
        write_json(file, without_nan({"split": split, "data": found}))
        return
    rows = []
    for data, values in found.items():
        row: dict[str, Any] = {"data": csv_path(data), "split": split}
        row |= {k: v for k, v in values.items() if not isinstance(v, dict)}
        for name, (low, high) in values.get("intervals", {}).items():
            row |= {f"{name}_low": low, f"{name}_high": high}
        rows.append({k: "" if v != v else v for k, v in row.items()})
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, text.getvalue(), "surrogateescape")

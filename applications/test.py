"""--test DATA1 DATA2 ...: one model on several data sets, each with a fit of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from applications.evaluate import judge, judged, read_judged
from applications.evaluation.evaluation import Evaluation, shown
from applications.evaluation.verdict import Verdict
from applications.inputs.provenance import provenance, run_of
from applications.inputs.run_record import environment
from applications.inputs.runtime import Runtime
from applications.inputs.weights import load_model
from applications.reports.cross import cross_sections
from applications.reports.page import write_page
from applications.reports.report import figures_of
from applications.scorer import scorer_of
from applications.tasks import TASKS
from config import Config
from utils.drawing.files import write_figures
from utils.files.remote import means_tars
from utils.files.writing import without_nan, write_csv, write_json
from utils.text import aligned, csv_path, visible

SHOWN = (
    "pair_accuracy", "emd_r1", "srcc", "plcc", "plcc_4p", "plcc_5p", "krcc", "rmse_4p",
)  # fmt: skip


def run(config: Config, runtime: Runtime) -> int:
    """Prints the metrics of --resume weights on --split of each data set, which may be a table, and
    a table of all; -o FILE.csv, FILE.json or FILE.html keeps them, with FILE.html beside the first
    two.
    """
    loaded = load_model(config, runtime)
    config = loaded.config
    scorer = scorer_of(config, loaded, runtime.device)
    found: dict[str, Evaluation] = {}
    verdicts: dict[str, Verdict] = {}
    digests: list[dict[str, str]] = []
    for name in config.test:
        table = Path(name).is_file() or means_tars(name)
        own = replace(config, labels=name) if table else replace(config, data=name)
        data = read_judged(own, runtime, loaded)
        digests.append(data.digests())
        e = found[name] = judge(own, scorer, data, loaded, runtime)
        if runtime.main:
            verdicts[name] = judged(own, e, loaded)
            table = e.table(f"{config.resume} on {e.file}")
            print(visible(f"Verdict: {verdicts[name].text}\n\n{table}\n"))
    if runtime.main:
        print(visible(cross_table(found)))
        if config.output:
            _write(Path(config.output), config.split, found, verdicts)
        if config.figures or (config.output and not config.no_report):
            weights, facts = (
                Path(config.resume or ""),
                environment(config.seed, digests[0], runtime),
            )
            task = TASKS[config.criterion]
            about = provenance(config, task, facts, {}, weights, run_of(weights))
            sections = cross_sections(found, about)
            if config.figures:
                runtime.info(write_figures(Path(config.figures), figures_of(sections)))
            if config.output and not config.no_report:
                page = Path(config.output).with_suffix(".html")
                title = f"{weights.name} on {len(found)} data sets"
                first = [(f"{name}: {v.text}", v.kind) for name, v in verdicts.items()]
                write_page(page, title, sections, verdicts=first)
    return 0


def cross_table(found: Mapping[str, Evaluation]) -> str:
    """Aligned columns: a row per data set, its main metrics, where its fit comes from."""
    names = [name for name in SHOWN if any(name in e.by_key for e in found.values())]
    fitted = any(e.fit_on for e in found.values())
    rows = [["data set", "images", *names, *(["fit"] if fitted else [])]]
    for data, e in found.items():
        cells = [shown(e.by_key[name].value) if name in e.by_key else "" for name in names]
        rows.append([data, str(len(e.images)), *cells, *([e.fit_on or ""] if fitted else [])])
    return "\n".join(aligned(rows))


def _write(
    file: Path, split: str, found: Mapping[str, Evaluation], verdicts: Mapping[str, Verdict]
) -> None:
    if file.suffix != ".csv":
        by_data = {
            data: {"verdict": verdicts[data].as_json(), "images": len(e.images), **e.as_json()}
            for data, e in found.items()
        }
        write_json(file.with_suffix(".json"), without_nan({"split": split, "data": by_data}))
        return
    rows = []
    for data, e in found.items():
        row: dict[str, Any] = {"data": csv_path(data), "split": split, "images": len(e.images)}
        row |= {metric.key: metric.value for metric in e.metrics}
        row |= {} if e.fit_on is None else {"fit": e.fit_on}
        for metric in e.metrics:
            if metric.low == metric.low:
                row |= {f"{metric.key}_low": metric.low, f"{metric.key}_high": metric.high}
        rows.append({name: "" if value != value else value for name, value in row.items()})
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_csv(file, [columns, *([row.get(name) for name in columns] for row in rows)])

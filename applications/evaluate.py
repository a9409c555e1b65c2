"""-e: one model on one labelled split, every image exactly once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from applications.evaluation.evaluation import Evaluation
from applications.evaluation.histograms import write_histograms
from applications.evaluation.judging import Judging, check_fit, evaluate, split_to_fit_on
from applications.evaluation.ladders import ladder_tables, write_ladders
from applications.evaluation.quality_maps import map_pictures
from applications.evaluation.rules import Learned
from applications.evaluation.scoring import Scorer, refuse_broken
from applications.evaluation.verdict import Verdict, verdict_of
from applications.inputs.data import read_data
from applications.inputs.outputs import cell_of
from applications.inputs.provenance import labels_of_splits, provenance, run_of
from applications.inputs.run_record import environment
from applications.inputs.runtime import Runtime
from applications.inputs.splits import Data
from applications.inputs.tables.held import trained_before
from applications.inputs.weights import Loaded, load_model
from applications.reports.parts import Report
from applications.reports.report import figures_of, sections_of, write_report
from applications.scorer import scorer_of
from applications.tasks import TASKS
from config import Config
from utils.drawing.files import write_figures
from utils.text import visible


def run(config: Config, runtime: Runtime) -> int:
    """Prints the metrics of --resume weights on --split; -o FILE.csv, or FILE.html, keeps the
    predictions and the report in both, FILE_ladders.csv and .png where levels are known, and
    FILE_histograms.csv and .png where labels are histograms.
    """
    loaded = load_model(config, runtime)
    config = loaded.config
    scorer = scorer_of(config, loaded, runtime.device)
    data = read_judged(config, runtime, loaded)
    for line in data.photographs.lines() if data.photographs else ():
        runtime.info(line)
    found = judge(config, scorer, data, loaded, runtime)
    if runtime.main:
        verdict = judged(config, found, loaded)
        tables = [
            verdict.lines(),
            found.table(f"{config.resume} on {found.file}"),
            *ladder_tables(found.ladders),
        ]
        print(visible("\n\n".join(tables)))
        output = config.output and Path(config.output).with_suffix(".csv")
        if output:
            _write_tables(output, config, found)
        if config.figures or (output and not config.no_report):
            report = _report(config, scorer, data, found, verdict, runtime)
            sections = sections_of(report)
            if config.figures:
                runtime.info(write_figures(Path(config.figures), figures_of(sections)))
            if output and not config.no_report:
                write_report(output.with_suffix(".html"), report, sections)
    return 0


def read_judged(config: Config, runtime: Runtime, loaded: Loaded) -> Data:
    """The splits that an evaluation reads; an unreadable image that would stop it is named before
    anything is scored.
    """
    # Scoring names all unreadable images; decoding all twice would find no more.
    unchecked = replace(config, no_check=config.no_check or config.bad_images == "stop")
    names = (config.split, "val") if config.fit == "val" else (config.split,)
    held = loaded.payload.get("held")
    files = [Path(config.data) / split / config.label_name for split in (config.split, "train")]
    if held is not None and not (config.labels or any(file.exists() for file in files)):
        raise ValueError(
            f"{files[0]}: no label file here; the weights come from labels that their training "
            "divided: pass its --labels TABLE --images DIR, or its --data"
        )
    data = read_data(unchecked, TASKS[config.criterion], runtime, names, held)
    test = None if data.photographs or config.split != "test" else data.splits.get("test")
    if said := trained_before(held, test):
        runtime.info(said)
    if config.split not in data.splits:
        raise ValueError(f"{config.labels or config.data}: no image is held out for {config.split}")
    check_fit(config.fit, data, config.data)
    if config.bad_images == "stop":
        refuse_broken(data.splits[config.split].targets.paths, config.max_pixels)
    return data


def judge(
    config: Config, scorer: Scorer, data: Data, loaded: Loaded, runtime: Runtime
) -> Evaluation:
    """The network on --split of the data."""
    task, how = TASKS[config.criterion], Judging(config.bootstrap, config.seed, config.fit)
    val = split_to_fit_on(how, task, data.splits)
    learned = loaded.payload.get("mean_histogram")
    return evaluate(scorer, task, data.splits[config.split], how, runtime.info, val, learned)


def judged(config: Config, found: Evaluation, loaded: Loaded) -> Verdict:
    """The verdict on an evaluation of --resume weights."""
    return verdict_of(found, Learned.of(loaded.payload), config.bootstrap, config.seed)


def _write_tables(file: Path, config: Config, found: Evaluation) -> None:
    """Predictions, and ladders and histograms with their pictures beside them."""
    cell = cell_of(config)
    found.write_predictions(file, cell)
    write_ladders(
        file.with_name(f"{file.stem}_ladders"), f"{found.origin}: score against level", found
    )
    write_histograms(
        file.with_name(f"{file.stem}_histograms"),
        f"{found.origin}: predicted and voted histograms", found, cell, config.max_pixels,
    )  # fmt: skip


def _report(
    config: Config,
    scorer: Scorer,
    data: Data,
    found: Evaluation,
    verdict: Verdict,
    runtime: Runtime,
) -> Report:
    task, weights = TASKS[config.criterion], Path(config.resume or "")
    facts = environment(config.seed, data.digests(), runtime)
    labels = labels_of_splits(config, task, data.splits)
    about = provenance(config, task, facts, labels, weights, run_of(weights))
    maps = map_pictures(scorer, found, config.report_maps)
    return Report(f"{found.origin}: {weights.name}", found, verdict, about, maps)

"""-e: one model on one labelled split, every image exactly once."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from applications.evaluation.final_figures import Judged, check_fit, final_figures, fits_on_val
from applications.evaluation.histograms import baseline_figures, write_histograms
from applications.evaluation.ladders import ladder_figures, ladder_tables, write_ladders
from applications.evaluation.scoring import (
    ScoringOptions,
    figures,
    one_place,
    refuse_broken,
    score_images,
)
from applications.inputs.data import Data, Split, read_data
from applications.inputs.outputs import cell_of
from applications.inputs.runtime import Runtime
from applications.inputs.weights import load_model
from applications.reports.parts import Evaluation
from applications.reports.report import figures_of, sections_of, write_report
from applications.reports.run import labels_of, run_of
from applications.tasks import TASKS, Task
from applications.training.run_folder import environment
from config import Config
from dataloader.batch import Targets
from dataloader.labels.side_tables import LEVELS_COLUMNS
from models.quality_net import QualityNet
from utils.drawing.files import write_figures
from utils.files.writing import write_text
from utils.statistics.predictions import Predictions
from utils.text import csv_text, visible

RAW = ("plcc", "rmse")  # figures that exist after a fit as well
LEVEL_COLUMNS = LEVELS_COLUMNS[1:]  # reference_id, distortion, level


def run(config: Config, runtime: Runtime) -> int:
    """Prints the figures of --resume weights on --split; -o FILE.csv, or FILE.html, keeps the
    predictions and the report in both, FILE_ladders.csv and .png where levels are known, and
    FILE_histograms.csv and .png where labels are histograms.
    """
    config, model, view, payload = load_model(config, runtime)
    task = TASKS[config.criterion]
    # An unreadable image stops scoring, and all are named; decoding all twice would find no more.
    unchecked = replace(config, no_check=config.no_check or config.bad_images == "stop")
    data = read_data(unchecked, task, runtime, judged_splits(config))
    split = data.splits[config.split]
    check_fit(config, data)
    if config.bad_images == "stop":
        refuse_broken(split.targets.paths, config.max_pixels)
    for line in data.photographs.lines() if data.photographs else ():
        runtime.info(line)
    options = ScoringOptions(
        view, config.batch_size, config.workers, config.max_pixels, config.amp or "off"
    )
    learned = payload.get("mean_histogram")
    values, found = evaluate_split(task, model, split, options, runtime, runtime.info, learned)
    judged = Judged(split, found)
    values, val = finish(config, task, model, data, judged, values, options, runtime)
    if runtime.main:
        tables = [table(values, f"{config.resume} on {split.file}"), *ladder_tables(values)]
        print(visible("\n\n".join(tables)))
        if config.output:
            output = Path(config.output).with_suffix(".csv")
            write_predictions(output, split.targets, found, cell_of(config))
            title = f"{split.title}: score against level"
            ladders = output.with_name(f"{output.stem}_ladders")
            write_ladders(ladders, title, split.targets, found, values)
            title = f"{split.title}: predicted and voted histograms"
            histograms = output.with_name(f"{output.stem}_histograms")
            write_histograms(histograms, title, split.targets, found, config)
        report = config.output and not config.no_report
        if report or config.figures:
            evaluation = Evaluation(
                f"{split.title}: {Path(config.resume or '').name}", config, task, judged, values,
                val, labels_of(config, task, data), environment(config, data.digests(), runtime),
                Path(config.resume or ""), run_of(config), model, options, runtime.device,
            )  # fmt: skip
            sections = sections_of(evaluation)
            if config.figures:
                runtime.info(write_figures(Path(config.figures), figures_of(sections)))
            if config.output and report:
                write_report(Path(config.output).with_suffix(".html"), evaluation, sections)
    return 0


def evaluate_split(
    task: Task,
    model: QualityNet,
    split: Split,
    options: ScoringOptions,
    runtime: Runtime,
    say: Callable[[str], None],
    learned: Sequence[float] | None = None,
) -> tuple[dict[str, Any], Predictions]:
    """(figures by name, scores of the split's distinct images); what is odd about a figure
    is said. Where levels are known, those of ladders are among them, with `by_distortion` and
    `by_level`. learned: mean histogram of the training labels, the baseline to beat.
    """
    found = score_images(model, split.targets.paths, options, runtime, f"scoring {split.name}")
    values, remarks = figures(task, split.targets, found)
    of_ladders, more = ladder_figures(split.targets, found)
    values = {**values, **baseline_figures(split.targets, learned), **of_ladders}
    once = one_place(found, options.rule)
    for remark in [*([once] if once else []), *remarks, *more]:
        say(f"{split.file}: {remark}")
    say(
        "  ".join(
            f"{name} {value:.4f}" for name, value in values.items() if isinstance(value, float)
        )
    )
    return values, found


def judged_splits(config: Config) -> tuple[str, ...]:
    """The splits that an evaluation reads."""
    return (config.split, "val") if config.fit == "val" else (config.split,)


def finish(
    config: Config,
    task: Task,
    model: QualityNet,
    data: Data,
    judged: Judged,
    values: dict[str, Any],
    options: ScoringOptions,
    runtime: Runtime,
    say: Callable[[str], None] | None = None,
    trained: bool = False,
) -> tuple[dict[str, Any], Judged | None]:
    """(`values` with what `final_figures` adds, on the main process; the validation images that
    logistics were fitted on, if they were); all processes call this.
    """
    val = None
    if fits_on_val(config, task, data.splits, trained):
        on = data.splits["val"]
        own = replace(options, features=None)  # those kept are of the images that are judged
        val = Judged(on, score_images(model, on.targets.paths, own, runtime, "scoring val"))
        if not trained and (once := one_place(val.found, own.rule)):
            (say or runtime.info)(f"{on.file}: {once}")
    if not runtime.main:
        return values, val
    values, remarks = final_figures(config, task, judged, values, val)
    for remark in remarks:
        (say or runtime.info)(f"{judged.split.file}: {remark}")
    return values, val


def table(values: dict[str, Any], title: str) -> str:
    """Aligned columns for a person, of what is a single figure: name, value, 95% interval, and
    where a fit comes from, or that there is none; last, what was resampled.
    """
    single = {k: v for k, v in values.items() if not isinstance(v, dict)}
    intervals, fit = values.get("intervals", {}), single.pop("fit", None)
    width = max(map(len, single))
    rows = []
    for name, value in single.items():
        cells = [f"{name:{width}}", f"{value:.4f}" if isinstance(value, float) else f"{value}"]
        if name in intervals:
            cells.append("[{:.4f}, {:.4f}]".format(*intervals[name]))
        if fit and name in RAW:
            cells.append("raw")
        if fit and (kind := name[-2:]) in values["fits"]:
            cells.append("fit: failed" if values["fits"][kind]["failed"] else f"fit: {fit}")
        rows.append("  ".join(cells))
    if intervals:
        how = values["bootstrap"]
        rows.append(f"[95% intervals: {how['samples']} resamples of {how['count']} {how['drawn']}]")
    return "\n".join([title, *rows])


def write_predictions(
    path: Path, targets: Targets, found: Predictions, cell: Callable[[object], str]
) -> None:
    """A csv: path, score, histogram where there is one, the label where it belongs to one image,
    and reference, distortion and level where they are known. cell: names an image (`cell_of`).
    """
    labels = targets.all()
    columns = {name: labels[name] for name in ("mos", "bucket") if name in labels}
    if found.probs is not None:
        columns |= {f"p{k + 1}": found.probs[:, k] for k in range(found.probs.shape[1])}
    if "probs" in labels:
        columns |= {f"t{k + 1}": labels["probs"][:, k] for k in range(labels["probs"].shape[1])}
    versions = targets.versions or ()
    known = [(csv_text(x.reference_id), csv_text(x.distortion), x.level) for x in versions]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "score", *columns, *(LEVEL_COLUMNS if known else ())])
    for i, image in enumerate(targets.paths):
        figures = (f"{column[i]:.9g}" for column in columns.values())
        writer.writerow(
            [cell(image), f"{found.scores[i]:.9g}", *figures, *(known[i] if known else ())]
        )
    write_text(path, text.getvalue(), "surrogateescape")

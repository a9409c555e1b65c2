"""-e: one model on one labelled split, every image exactly once."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from applications.data import Split, read_data
from applications.runtime import Runtime
from applications.scoring import ScoringOptions, figures, score_images
from applications.tasks import TASKS, Scores, Task
from applications.views import view_rule
from applications.weights import load_model
from config import Config
from dataloader.batch import Targets
from models.quality_net import QualityNet
from utils.files import write_text


def run(config: Config, runtime: Runtime) -> int:
    """Prints the figures of --resume weights on --split; -o FILE.csv keeps the predictions."""
    config, model, _ = load_model(config, runtime)
    task = TASKS[config.criterion]
    # An unreadable image stops scoring with its name; decoding everything twice would find no more.
    unchecked = replace(config, no_check=True, bad_images="stop")
    data = read_data(unchecked, task, runtime, (config.split,))
    split = data.splits[config.split]
    for line in data.photographs.lines() if data.photographs else ():
        runtime.info(line)
    options = ScoringOptions(
        view_rule(config), config.batch_size, config.workers, config.max_pixels, config.amp or "off"
    )
    values, found = evaluate_split(task, model, split, options, runtime, runtime.info)
    if runtime.main:
        print(table(values, f"{config.resume} on {split.file}"))
        if config.output:
            write_predictions(Path(config.output), split.targets, found)
    return 0


def evaluate_split(
    task: Task,
    model: QualityNet,
    split: Split,
    options: ScoringOptions,
    runtime: Runtime,
    say: Callable[[str], None],
) -> tuple[dict[str, float], Scores]:
    """(figures by name, scores of the split's distinct images); what is odd about a figure
    is said.
    """
    found = score_images(model, split.targets.paths, options, runtime, f"scoring {split.name}")
    values, remarks = figures(task, split.targets, found)
    for remark in remarks:
        say(f"{split.file}: {remark}")
    say(
        "  ".join(
            f"{name} {value:.4f}" for name, value in values.items() if isinstance(value, float)
        )
    )
    return values, found


def table(values: dict[str, float], title: str) -> str:
    """Two aligned columns for a person."""
    width = max(map(len, values))
    rows = [
        f"{name:{width}}  {value:.4f}" if isinstance(value, float) else f"{name:{width}}  {value}"
        for name, value in values.items()
    ]
    return "\n".join([title, *rows])


def write_predictions(path: Path, targets: Targets, found: Scores) -> None:
    """A csv: path, score, histogram where there is one, and the label where it belongs to one
    image.
    """
    labels = targets.all()
    columns = {"mos": labels["mos"]} if "mos" in labels else {}
    if found.probs is not None:
        columns |= {f"p{k + 1}": found.probs[:, k] for k in range(found.probs.shape[1])}
    if "probs" in labels:
        columns |= {f"t{k + 1}": labels["probs"][:, k] for k in range(labels["probs"].shape[1])}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "score", *columns])
    for i, image in enumerate(targets.paths):
        writer.writerow(
            [image.as_posix(), f"{found.scores[i]:.9g}", *(f"{c[i]:.9g}" for c in columns.values())]
        )
    write_text(path, text.getvalue())

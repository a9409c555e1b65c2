"""Sections of a report on how the model came about: curves, data card, command, versions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from applications.inputs.data import SPLITS, Data, label_file
from applications.inputs.vote_files import vote_file
from applications.reports.parts import Evaluation, Section
from applications.tasks import Task
from config import Config
from dataloader.batch import Targets
from dataloader.labels.paths import CARD_FILE
from dataloader.labels.text import read_labels
from utils.drawing.chart import Chart, Line, Upright
from utils.files.reading import UnreadableFile, check_entries, parse_json, read_object, read_text
from utils.html_page import Html, element, table
from utils.runtime.logger import read_metrics


def curve_section(e: Evaluation) -> list[Section]:
    records = read_metrics(e.run / "metrics.jsonl") if e.run else []
    if not records:
        said = "No metrics.jsonl lies beside the weights: name those of a run folder to see curves."
        return [Section("curves", "Training", said, ())]
    best = e.best or (best_epoch(e.run) if e.run else None)
    figures = dict.fromkeys(
        name for record in records if record["split"] == "val" for name in record
    )
    wanted = ["loss", *(f for f in e.task.metrics if f in figures and f != "loss")]
    charts = [chart for name in wanted if (chart := curve(records, name, best))]
    rates = dict.fromkeys(name for r in records for name in r if name.split("_")[0] == "lr")
    charts += [chart for name in rates if (chart := curve(records, name, None))]
    why = "Figures of each epoch" + (f"; the best is {best}." if best else ".")
    return [Section("curves", "Training", why, tuple(charts))]


def best_epoch(run: Path) -> int | None:
    file = run / "results.json"
    if not file.is_file():
        return None
    found = read_object(file)
    check_entries(found, {"best_epoch": int | None}, file)
    return found.get("best_epoch")


def curve(records: Sequence[Mapping[str, Any]], name: str, best: int | None) -> Chart | None:
    """A figure by epoch, of train and of val; None where no more than one epoch has it."""
    lines = []
    for colour, split in enumerate(("train", "val")):
        known = [r for r in records if r["split"] == split and name in r]
        if known:
            epochs = np.array([float(r["epoch"]) for r in known])
            values = np.array([float("nan") if r[name] is None else r[name] for r in known], float)
            lines.append(Line(epochs, values, split, colour, dots=len(known) < 40))
    if max((len(line.x) for line in lines), default=0) < 2:
        return None
    marks = (*lines, Upright(float(best), f"best: epoch {best}", 2)) if best else tuple(lines)
    return Chart(name, "epoch", name, marks)


def facts_sections(e: Evaluation) -> list[Section]:
    return [*_card(e), command_section(e)]


def _card(e: Evaluation) -> list[Section]:
    """What --prepare wrote beside the labels, if it did; distorted photographs have none."""
    file = Path(e.config.data) / f"{CARD_FILE}.json"
    if e.config.distort or not file.is_file():
        return []
    try:
        text = read_text(file)
    except (OSError, UnreadableFile) as error:
        return [Section("card", "Data card", f"{error}.", ())]
    try:
        card = parse_json(text, file)
        rows = [[key, str(value)] for key, value in card.items() if isinstance(value, str | int)]
        files = (card.get("files") or {}).items()
        rows += [[f"{name}: SHA-256", str(about.get("sha256", ""))] for name, about in files]
        rows += [["note", str(note)] for note in card.get("notes") or ()]
    except (ValueError, AttributeError, TypeError):  # no JSON, or of another shape: another's file
        return [Section("card", "Data card", f"{file} is none that --prepare wrote.", ())]
    why = f"As --prepare wrote it ({file.name})."
    return [Section("card", "Data card", why, (table(["what", ""], rows, numeric=2),))]


def labels_of(config: Config, task: Task, data: Data) -> dict[str, Targets | str]:
    """Labels of every split, or why they are not known; those that were not read for the evaluation
    are read here. A fault of theirs costs a line of the report, nothing else.
    """
    found: dict[str, Targets | str] = {n: split.targets for n, split in data.splits.items()}
    if config.distort or vote_file(config):
        return found
    bins = config.num_classes if task.label_kind == "distributions" else None
    for name in SPLITS:
        file = label_file(config, name)
        if name in found or not file.exists():
            continue
        try:
            labels = read_labels(task.label_kind, file, Path(config.data), bins)
            found[name] = task.targets(config, labels)
        except ValueError as error:
            found[name] = f"not read: {str(error).splitlines()[0]}"
    return {name: found[name] for name in (*SPLITS, *found) if name in found}


def run_of(config: Config) -> Path | None:
    """The run folder that --resume weights lie in, if they do."""
    folder = Path(config.resume or "").parent
    return folder if (folder / "metrics.jsonl").is_file() else None


def command_section(e: Evaluation) -> Section:
    facts = e.facts
    rows = [
        ["weights", str(e.weights)],
        ["labels", e.judged.split.title],
        *(
            [f"labels of {name}: SHA-256", str(digest)]
            for name, digest in facts["labels_sha256"].items()
        ),
        ["made", str(facts["started"])],
        ["git revision", str(facts["git_revision"] or "not a checkout")],
        ["machine", f"{facts['platform']}, {facts['device']}"],
        ["Python", str(facts["python"])],
        *([name, str(version)] for name, version in facts["packages"].items()),
    ]
    line = element("pre", shlex.join(["python", *map(str, facts["command"])]))
    body: list[Html | Chart] = [line, table(["what", ""], rows, numeric=2)]
    body += [
        element("details", element("summary", title), table([what, "value"], settings, numeric=2))
        for title, what, settings in _settings(e.config)
        if settings
    ]
    return Section("command", "How this was made", "The exact command, and what it ran on.",
                   tuple(body))  # fmt: skip


def _settings(config: Config) -> list[tuple[str, str, list[list[str]]]]:
    """(title, what is listed, rows of name and value): what was passed, and what the weights
    brought. A stored file of --config or --continue has every flag, so defaults are left out.
    """
    passed = [
        name for name in sorted(config.given) if getattr(config, name) != getattr(Config, name)
    ]
    listed = {
        ("Flags that were set, but for defaults", "flag"): passed,
        ("Settings that came with the weights", "setting"): sorted(config.adopted),
    }
    return [
        (*heading, [[name, str(getattr(config, name))] for name in names])
        for heading, names in listed.items()
    ]

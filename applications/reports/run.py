"""Sections of a report on how the model came about: curves, data card, command, versions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from applications.inputs.provenance import Provenance
from applications.reports.parts import Details, Report, Section, Table, Text
from utils.drawing.chart import Chart, Line, Upright
from utils.files.reading import UnreadableFile, check_entries, parse_json, read_object, read_text
from utils.runtime.logger import read_metrics


def curve_section(r: Report) -> list[Section]:
    about = r.about
    records = read_metrics(about.run / "metrics.jsonl") if about.run else []
    if not records:
        said = "No metrics.jsonl lies beside the weights: name those of a run folder to see curves."
        return [Section("curves", "Training", said, ())]
    best = about.best or (best_epoch(about.run) if about.run else None)
    names = dict.fromkeys(name for record in records if record["split"] == "val" for name in record)
    wanted = ["loss", *(name for name in about.curves if name in names and name != "loss")]
    charts = [chart for name in wanted if (chart := curve(records, name, best))]
    rates = dict.fromkeys(name for r in records for name in r if name.split("_")[0] == "lr")
    charts += [chart for name in rates if (chart := curve(records, name, None))]
    why = "Metrics of each epoch" + (f"; the best is {best}." if best else ".")
    return [Section("curves", "Training", why, tuple(charts))]


def best_epoch(run: Path) -> int | None:
    file = run / "results.json"
    if not file.is_file():
        return None
    found = read_object(file)
    check_entries(found, {"best_epoch": int | None}, file)
    return found.get("best_epoch")


def curve(records: Sequence[Mapping[str, Any]], name: str, best: int | None) -> Chart | None:
    """A metric by epoch, of train and of val; None where no more than one epoch has it."""
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


def facts_sections(r: Report) -> list[Section]:
    return [*card_section(r.about.card), command_section(r.about, r.evaluation.origin)]


def card_section(file: Path | None) -> list[Section]:
    """What --prepare wrote beside the labels, if it did; distorted photographs have none."""
    if file is None:
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
    return [Section("card", "Data card", why, (Table(["what", ""], rows, 2),))]


def command_section(about: Provenance, origin: str) -> Section:
    facts = about.facts
    rows = [
        ["weights", str(about.weights)],
        ["labels", origin],
        *(
            [f"labels of {name}: SHA-256", str(digest)]
            for name, digest in facts["labels_sha256"].items()
        ),
        *([["training began from", str(facts["began_from"])]] if "began_from" in facts else []),
        ["made", str(facts["started"])],
        ["git revision", str(facts["git_revision"] or "not a checkout")],
        ["machine", f"{facts['platform']}, {facts['device']}"],
        ["Python", str(facts["python"])],
        *([name, str(version)] for name, version in facts["packages"].items()),
    ]
    line = Text(shlex.join(["python", *map(str, facts["command"])]), tag="pre")
    listed = {
        ("Flags that were set, but for defaults", "flag"): about.passed,
        ("Settings that came with the weights", "setting"): about.adopted,
    }
    details = (
        Details(title, [Table([what, "value"], list(named.items()), 2)])
        for (title, what), named in listed.items()
        if named
    )
    why = "The exact command, and what it ran on."
    body = (line, Table(["what", ""], rows, 2), *details)
    return Section("command", "How this was made", why, body)

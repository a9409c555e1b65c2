"""--check: every fault, leak and oddity of a data set's labels and images in one pass."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from applications.inputs.data import SPLITS, images_of, label_file, labelled_texts
from applications.inputs.runtime import Runtime
from applications.inputs.vote_files import refuse_flags, vote_file
from applications.inspection.findings import Findings
from applications.inspection.images import decode, inspect
from applications.reports.findings import write_findings
from applications.tasks import TASKS
from config import Config
from dataloader.labels.doubts import label_doubts
from dataloader.labels.faults import Fault, LabelError
from dataloader.labels.labels import Labels
from dataloader.labels.paths import images_root
from dataloader.labels.ranges import image_scores, label_figures, spread_figures
from dataloader.labels.side_tables import LEVELS_FILE, SPREAD_FILE, read_versions, spread_rows
from dataloader.labels.text import check_splits, read_labels
from dataloader.tables.matching import without_label
from utils.data_generate.distortions import SMALLEST_SIDE
from utils.data_generate.photos import find_photos
from utils.duplicates.image_facts import ImageFacts
from utils.files.writing import write_json
from utils.text import printable, visible

Spreads = list[tuple[float, float]]  # (std, votes) of images, votes nan where not known


def run(config: Config, runtime: Runtime) -> int:
    """Prints what was found; -o FILE.json keeps it, with a page of thumbnails beside it. 1 when
    something is wrong or a split leaks. Nothing in DATA is changed.
    """
    photographs = bool(config.photos and not config.check)
    if config.check:
        config = dataclasses.replace(config, data=config.check)
    folder = Path(config.photos or "") if photographs else Path(config.data)
    if photographs:
        found = _check_photographs(config, folder)
    elif votes := vote_file(config):
        found = _check_votes(config, votes)
    else:
        refuse_flags(config)
        found = _check_data(config)
    for line in found.lines():
        print(line)
    warnings = found.warnings()
    if warnings:
        print("warning: " + ", ".join(warnings))
    print(", ".join(found.faults()) or "no faults found")
    if config.output:
        _write(config, found)
    elif found.faults() or warnings:
        runtime.info("-o FILE.json keeps every finding, and shows them in FILE.html")
    return found.exit_code


def _write(config: Config, found: Findings) -> None:
    target = Path(config.output or "")
    write_json(target.with_suffix(".json"), found.to_dict())
    page, kept = target.with_suffix(".html"), target.with_suffix(".json")
    write_findings(page, found, kept.name, config.workers, config.max_pixels)
    print(f"written: {kept}, {page}")


def _check_photographs(config: Config, folder: Path) -> Findings:
    """--check --photos DIR: what --generate and --distort could not use, or would use twice."""
    notes: list[str] = []
    photos = find_photos(folder, notes.append)
    print(visible("\n".join([f"{config.photos}: {len(photos)} photographs", *notes])))
    summaries: dict[str, Any] = {"photographs": {"images": len(photos), "notes": notes}}
    owners = {path: ("photographs",) for path in photos}
    seen = inspect(
        decode(photos, config.workers, config.max_pixels, SMALLEST_SIDE), owners,
        mirrored=config.mirrored,
    )  # fmt: skip
    return Findings(str(folder), summaries, seen, labelled=False)


def _check_votes(config: Config, file: Path) -> Findings:
    """Every row of a vote file and its image, whatever the task; and which split it would be in,
    were those at fault left out.
    """
    task = TASKS[config.criterion] if "criterion" in config.given else None
    try:
        votes = images_of(config, file, task)
    except LabelError as error:
        print(visible(error))
        return Findings(str(file), {}, inspect([], {}), error.faults)
    rows = np.flatnonzero(votes.usable)
    facts = decode(votes.paths(rows), config.workers, config.max_pixels)
    missing = [ImageFacts(bad.path, reason=bad.reason) for bad in votes.missing()]
    votes.leave_out(rows, [one for one in facts if one.reason is not None])
    try:
        splits, notes = votes.splits(), votes.lines(votes.splits())
    except ValueError as error:  # of the flags, not of the data
        splits, notes = {}, [str(error)]
    print("\n".join(filter(None, [*votes.notes, *notes])))
    owners: dict[Path, tuple[str, ...]] = {one.path: () for one in (*missing, *facts)}
    chosen = {name: votes.labels(own) for name, own in splits.items()}
    for name, labels in chosen.items():
        owners |= dict.fromkeys(labels.sources, (name,))
    seen = inspect([*missing, *facts], owners, mirrored=config.mirrored)
    scores = image_scores({"all": votes.labels(rows)})
    summaries = _summaries(chosen, {})
    return Findings(str(file), summaries, seen, scores=scores, unlabelled=votes.unlabelled)


def _check_data(config: Config) -> Findings:
    task = TASKS[config.criterion]
    names = [name for name in SPLITS if os.path.lexists(label_file(config, name))]
    if not names:
        root, splits = Path(config.data), ", ".join(f"{s}/" for s in SPLITS)
        if not root.exists():
            raise ValueError(f"{root}: no such folder: check the path")
        instead = ""
        if (root / config.label_name).is_file():
            instead = f", but in it: name the folder that holds {root.resolve().name}/"
        raise ValueError(f"{root}: no {config.label_name} in any of {splits}{instead}")
    splits, faults = _read(config, task.label_kind, names)
    with _kept(faults):
        check_splits(splits)
    references = _references(config, splits, faults)
    summaries = _summaries(splits, _deviations(config, splits, faults))
    for name, labels in splits.items():
        print(f"{name}: {len(labels)} lines")
        for note in summaries[name]["notes"]:
            print(f"  {note}")
    if faults:
        print(visible(LabelError(faults)))
    doubts = label_doubts(Path(config.data), config.label_name, splits)
    for doubt in doubts:
        print(f"warning: {visible(doubt)}")
    more = "" if faults else without_label(Path(config.data), labelled_texts(splits))
    if more:
        print(visible(f"{config.data}: {more}"))
    unread = tuple(name for name in names if name not in splits)
    if unread:
        print(f"images not looked at before the label file is mended: {', '.join(unread)}")
    owners: dict[Path, tuple[str, ...]] = {}
    for name, labels in splits.items():
        for path in labels.sources:
            owners[path] = (*owners.get(path, ()), name)
    seen = inspect(
        decode(owners, config.workers, config.max_pixels), owners, splits, references,
        config.mirrored,
    )  # fmt: skip
    scores = image_scores(splits)
    return Findings(
        config.data, summaries, seen, faults, scores, unread, label_doubts=doubts, unlabelled=more
    )


def _read(config: Config, kind: str, names: list[str]) -> tuple[dict[str, Labels], list[Fault]]:
    splits, faults = {}, []
    bins = config.num_classes if kind == "distributions" else None
    for name in names:
        with _kept(faults):
            splits[name] = read_labels(kind, label_file(config, name), Path(config.data), bins)
    return splits, faults


@contextmanager
def _kept(faults: list[Fault]) -> Iterator[None]:
    """The faults of a LabelError join `faults`, and the next file is read."""
    try:
        yield
    except LabelError as error:
        faults += error.faults


def _references(
    config: Config, splits: dict[str, Labels], faults: list[Fault]
) -> dict[str, dict[Path, str]]:
    """The reference_id of each image that has one, of the splits with a levels.csv; its faults join
    `faults`.
    """
    found = {}
    images = images_root(Path(config.data)) if splits else None
    for name, labels in splits.items():
        versions = None
        with _kept(faults):
            versions = read_versions(labels.file.parent / LEVELS_FILE, labels.sources, images)
        if versions is not None:
            named = zip(labels.sources, versions.reference_id, strict=True)
            found[name] = {path: reference for path, reference in named if reference}
    return found


def _deviations(
    config: Config, splits: dict[str, Labels], faults: list[Fault]
) -> dict[str, Spreads]:
    """The rows of each split's std.csv that are of its images, where scores have one; its faults
    join `faults`.
    """
    if TASKS[config.criterion].label_kind != "scores":
        return {}
    found = {}
    images = images_root(Path(config.data)) if splits else None
    for name, labels in splits.items():
        with _kept(faults):
            if (rows := spread_rows(labels.file.parent / SPREAD_FILE, images)) is not None:
                own = map(str, labels.sources)
                found[name] = [rows[path] for path in own if path in rows]
    return found


def _without_deviation(labels: Labels, rows: Spreads | None) -> list[str]:
    """A note where std.csv leaves images out: no fault, but it costs the outlier ratio."""
    count = len(labels.sources)
    if rows is None or len(rows) == count:
        return []
    return [f"{SPREAD_FILE}: no row for {count - len(rows)} of {count} images: no outlier ratio"]


def _summaries(splits: dict[str, Labels], spreads: dict[str, Spreads]) -> dict[str, dict[str, Any]]:
    summaries = label_figures(splits)
    return {
        name: {
            "file": printable(labels.file),
            "lines": len(labels),
            "images": len(labels.sources),
            "notes": [*labels.notes, *_without_deviation(labels, spreads.get(name))],
            **summaries[name],
            **spread_figures(spreads.get(name, [])),
        }
        for name, labels in splits.items()
    }

"""The splits of a data root: label files read and checked together, unreadable images found before
epoch 1.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from applications.inputs.photographs import choose_photographs
from applications.inputs.run_record import began_with
from applications.inputs.runtime import Runtime
from applications.inputs.splits import Data, Split
from applications.inputs.tables.division import NearDuplicates, divided, to_divide
from applications.inputs.tables.held import Held, seen
from applications.inputs.tables.sharded import ShardedImages
from applications.inputs.tables.tabled import TabledImages
from applications.inputs.views import image_cache, train_transform
from applications.inputs.vote_files import SPLITS, is_table, refuse_flags, vote_file
from applications.inputs.voted import VotedImages
from applications.tasks import TASKS, Task
from config import Config
from dataloader.labels.doubts import label_doubts
from dataloader.labels.faults import LabelError
from dataloader.labels.labels import Labels
from dataloader.labels.paths import images_root
from dataloader.labels.side_tables import LEVELS_FILE, read_versions
from dataloader.labels.text import check_splits, read_labels
from dataloader.tables.matching import without_label
from utils.check_images import REPAIR, SKIP, BadImage, check_images, describe_bad
from utils.data_generate.distortions import SMALLEST_SIDE
from utils.files.remote import means_tars
from utils.runtime import distributed
from utils.runtime.progress import CountBar


def label_file(config: Config, split: str) -> Path:
    return Path(config.data) / split / config.label_name


def read_splits(
    config: Config, task: Task, names: tuple[str, ...], runtime: Runtime
) -> dict[str, Labels]:
    """Labels of the named splits that exist; every fault of all of them in one LabelError."""
    found: dict[str, Labels] = {}
    faults = []
    for name in names:
        file = label_file(config, name)
        if name != names[0] and not os.path.lexists(file):
            continue
        try:
            bins = config.num_classes if task.label_kind == "distributions" else None
            found[name] = read_labels(task.label_kind, file, Path(config.data), bins)
        except LabelError as error:
            faults += error.faults
    if faults:
        raise LabelError(faults)
    check_splits(found)
    for labels in found.values():
        for note in labels.notes:
            runtime.info(f"{labels.file}: {note}")
    bins = {labels.bins for labels in found.values()}
    if len(bins) > 1:
        raise ValueError(
            f"{config.data}: the splits have histograms of "
            f"{' and '.join(map(str, sorted(bins)))} bins: they must agree"
        )
    return found


def read_data(
    config: Config,
    task: Task,
    runtime: Runtime,
    names: tuple[str, ...] = SPLITS,
    held: Held | None = None,
) -> Data:
    """Labels and, unless --no_check, a full decoding of every image; the first of `names` must
    exist. With --distort the photographs take the files' place, with AVA.txt or --labels its rows.

    Labels that nobody has divided are divided to train; to judge, `held` says which images the
    weights have seen.
    """
    if config.distort:
        return _distorted(config, task, runtime, names)
    if votes := vote_file(config):
        return _voted(config, task, runtime, names, images_of(config, votes, task), held)
    if config.train:
        refuse_flags(config)
    whole = held is not None and not os.path.lexists(label_file(config, names[0]))
    read = read_splits(config, task, SPLITS if whole else names, runtime)
    if config.train:
        for doubt in label_doubts(Path(config.data), config.label_name, read):
            runtime.info(f"warning: {doubt}")
        if more := without_label(Path(config.data), labelled_texts(read)):
            runtime.info(f"{config.data}: {more}")
    near = NearDuplicates(config, runtime) if to_divide(config, read) else None
    bad = _bad_images(config, labelled_images(read), runtime, near=near)
    splits = {
        name: _split(config, task, name, labels, bad, runtime) for name, labels in read.items()
    }
    if near is not None:
        return divided(config, task, splits, runtime, near, bad)
    return Data(seen(config, task, splits, held, runtime) if whole else splits, bad)


def refuse_fast(config: Config, what: str) -> None:
    """ValueError where distortions, `what` of them says which, would be decoded fast: a smaller
    image has less of them, and only those that are JPEGs would be smaller.
    """
    if config.decode == "fast":
        raise ValueError(
            f"{what} distortions of photographs, of which fast decoding would hide a part: pass "
            "--decode exact"
        )


def _distorted(config: Config, task: Task, runtime: Runtime, names: tuple[str, ...]) -> Data:
    refuse_fast(config, f"--distort {config.distort} makes")
    if task.label_kind != "pairs":
        raise ValueError(
            f"--distort {config.distort}: distorted photographs have an order, not the labels of "
            f"--criterion {task.name}: use --criterion rank, or label files (--data)"
        )
    chosen = choose_photographs(config, runtime, names)
    bad = _bad_images(config, chosen.files(), runtime, SMALLEST_SIDE)
    splits = {}
    for name in chosen.splits:
        labels = chosen.labels(name, {b.path for b in bad})
        targets = task.targets(config, labels)
        splits[name] = Split(name, labels, targets, chosen.title(name), chosen.digest(name))
    return Data(splits, bad, chosen)


def images_of(config: Config, file: Path, task: Task | None = None) -> VotedImages:
    """The rows of a vote file with their images, for what a task learns of them."""
    kind = task and task.label_kind
    if means_tars(config.labels or ""):
        return ShardedImages(config, file, kind)
    return TabledImages(config, file, kind) if is_table(file) else VotedImages(config, file)


def _voted(
    config: Config,
    task: Task,
    runtime: Runtime,
    names: tuple[str, ...],
    votes: VotedImages,
    held: Held | None,
) -> Data:
    file, bins = votes.title, votes.rows.bins
    histograms = task.label_kind == "distributions"
    given = "scores" if bins is None else "votes"
    if task.label_kind not in ("scores", *(["distributions"] if bins else [])):
        kinds = ("scores",) if bins is None else ("distributions", "scores")
        learn = " or ".join(name for name, other in TASKS.items() if other.label_kind in kinds)
        raise ValueError(
            f"--criterion {task.name}: {file} has {given} and no {task.label_kind}: use {learn}"
        )
    if histograms and config.num_classes not in (None, bins):
        raise ValueError(f"--num_classes {config.num_classes}: {file} has votes for 1 to {bins}")
    near = NearDuplicates(config, runtime) if to_divide(config, votes) else None
    if votes.undivided and near is None:
        names = ("train",)  # all of them, until it is known which the weights have seen
    for line in votes.notes:
        runtime.info(line)
    bad = stop_or_skip(config, votes.missing(), runtime, votes.lack, votes.remedy)
    bad = _as_it_began(config, bad, runtime)
    votes.leave_out(np.arange(len(votes.usable)), bad)
    splits, more = readable_splits(config, votes, names, runtime, near)
    if names[0] not in splits:
        raise ValueError(f"{file}: no rows are held out for {names[0]}: {votes.to_hold_out(names)}")
    fresh = near is None and config.continue_run is None and began_with(config) is None
    if config.train and fresh and not config.no_check:
        votes.refuse_copies(splits)
    for line in votes.lines(splits):
        runtime.info(line)
    made = {}
    for name, rows in splits.items():
        labels = votes.labels(rows)
        labels = labels if histograms else labels.as_scores()
        targets = task.targets(config, labels)
        made[name] = Split(name, labels, targets, f"{file} ({name})", votes.digest(rows))
    bad = (*bad, *more)
    if near is not None:
        return divided(config, task, made, runtime, near, bad)
    return Data(seen(config, task, made, held, runtime) if votes.undivided else made, bad)


def readable_splits(
    config: Config,
    votes: VotedImages,
    names: tuple[str, ...],
    runtime: Runtime,
    near: NearDuplicates | None = None,
) -> tuple[dict[str, np.ndarray], tuple[BadImage, ...]]:
    """(rows of the named splits that have some, images left out): every image of them is decoded,
    unless --no_check, and shown to `near`. Rows that come in for one left out are looked at in
    turn.
    """
    bad: tuple[BadImage, ...] = ()
    read = np.zeros(len(votes.usable), dtype=bool)
    while True:
        splits = {name: rows for name, rows in votes.splits().items() if name in names}
        rows = np.concatenate([np.empty(0, dtype=np.int64), *splits.values()])
        rows = rows[~read[rows]]
        if config.no_check or not len(rows):
            return splits, bad
        found = find_bad_images(config, votes.paths(rows), runtime, near=near)
        found = stop_or_skip(config, found, runtime)
        votes.leave_out(rows, found)
        read[rows] = True
        bad += found


def _bad_images(
    config: Config,
    paths: Iterable[Path],
    runtime: Runtime,
    smallest: int = 1,
    near: NearDuplicates | None = None,
) -> tuple[BadImage, ...]:
    """Those to leave out; ValueError names them unless --bad_images skip."""
    bad = () if config.no_check else find_bad_images(config, paths, runtime, smallest, near)
    return _as_it_began(config, stop_or_skip(config, bad, runtime), runtime, smallest)


def stop_or_skip(
    config: Config,
    bad: tuple[BadImage, ...],
    runtime: Runtime,
    what: str = "unreadable",
    remedy: str = REPAIR,
) -> tuple[BadImage, ...]:
    """The same images; they are said with --bad_images skip, and else in a ValueError. A run that
    goes on needs those it began with, and has said which it left out.
    """
    began = began_with(config)
    if began is not None:
        if new := tuple(image for image in bad if str(image.path) not in began):
            raise ValueError(
                f"{describe_bad(new, what)}\nthe run began with them: put them back, or start a "
                "new run"
            )
        return bad
    if bad and config.bad_images == "stop":
        raise ValueError(f"{describe_bad(bad, what)}\n{remedy}, or {SKIP}")
    if bad:
        runtime.info(describe_bad(bad, what) + "\n--bad_images skip: left out")
    return bad


def _as_it_began(
    config: Config, bad: tuple[BadImage, ...], runtime: Runtime, smallest: int = 1
) -> tuple[BadImage, ...]:
    """`bad` and all else that the run left out when it began, whether it can be read now or not."""
    began = began_with(config)
    if not began:
        return bad
    rest = [Path(path) for path in sorted(began - {str(image.path) for image in bad})]
    said = f"{len(began)} image(s) are left out, as when the run began"
    if rest and not config.no_check:
        still = {image.path for image in find_bad_images(config, rest, runtime, smallest)}
        if now := [path for path in rest if path not in still]:
            said += f"; {len(now)} can be read now, first {now[0]}: a new run would use them"
    runtime.info(said)
    return (*bad, *(BadImage(path, "left out when the run began") for path in rest))


def labelled_images(splits: dict[str, Labels]) -> Iterable[Path]:
    """Every distinct image of the label files; gone through when it is asked for."""
    return (path for labels in splits.values() for path in labels.sources)


def labelled_texts(splits: dict[str, Labels]) -> Iterable[str]:
    """The same as text, of which no Path is made."""
    return (text for labels in splits.values() for text in labels.sources.texts())


def find_bad_images(
    config: Config,
    paths: Iterable[Path],
    runtime: Runtime,
    smallest: int = 1,
    near: NearDuplicates | None = None,
) -> tuple[BadImage, ...]:
    """Images that cannot be decoded, or have a side below `smallest` pixels; looked for once, by
    the main process, which lets `near` look at the others.
    """
    bad: list[BadImage] = []
    if runtime.main:
        bar = CountBar("checking images")
        look = check_images if near is None else near.check
        if (cache := image_cache(config)) and not (near and near.wanted):
            rule = train_transform(config).sized
            bad = cache.keep(paths, rule, config.workers, runtime.info, bar.update)
        else:
            bad = look(paths, config.workers, config.max_pixels, bar.update, smallest)
        bar.finish()
    return tuple(distributed.broadcast_object(bad))


def _split(
    config: Config, task: Task, name: str, read: Labels, bad: Iterable[BadImage], runtime: Runtime
) -> Split:
    file = read.file
    labels = read.without(image.path for image in bad)
    if len(labels) < len(read):
        runtime.info(f"{file}: {len(read) - len(labels)} of {len(read)} lines left out")
    if not labels:
        raise ValueError(f"{file}: no line is left without an unreadable image")
    levels_file = file.parent / LEVELS_FILE
    versions = read_versions(levels_file, labels.sources, images_root(Path(config.data)))
    if versions is not None:
        refuse_fast(config, f"{levels_file}: the images are")
    labels = replace(labels, versions=versions)
    digest = hashlib.sha256(file.read_bytes())
    if versions is not None:
        digest.update(levels_file.read_bytes())  # pairs and margins come from it, too
    try:
        targets = task.targets(config, labels)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return Split(name, labels, targets, file, digest.hexdigest())

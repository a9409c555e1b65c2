"""--repeats and --folds: the labels of train/, val/ and test/ together, split anew by content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from applications.tasks import Task
from config import Config
from dataloader.labels.labels import Label, LabelFile, label_paths
from dataloader.labels.levels import Level
from dataloader.sources import Source
from dataloader.targets.pairs import linked
from utils.runtime.seed import numpy_generator

if TYPE_CHECKING:
    from applications.inputs.data import Split

# Parts of --repeats, in shares of the references or images. A fold leaves one part to test, the
# next one to validate.
SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
Levels = Mapping[Source, Level]


def resplit(
    config: Config, task: Task, files: Mapping[str, LabelFile], splits: Mapping[str, Split]
) -> dict[str, Split]:
    """train, val and test of --repeat K, of all labels whose images are in `splits`.

    A reference (with --split_by image: an image) is in one split only, and so are all that pairs
    link to it. ValueError where references are unknown, or too few.
    """
    levels = _levels(config, splits)
    known = {path for split in splits.values() for path in split.targets.paths}
    labels = [
        label
        for file in files.values()
        for label in file.labels
        if known.issuperset(label_paths([label]))
    ]
    group = _groups(config, labels, levels)
    names = np.array(_assigned(config, int(group.max()) + 1))[group]
    first = next(iter(splits.values()))
    how = f"{config.data}, {part_of(config)}"
    made = {}
    for name in SHARES:
        chosen = [label for label, own in zip(labels, names, strict=True) if own == name]
        own = levels and [levels[path] for path in label_paths(chosen)]
        drawn = [config.seed, config.repeats, config.folds, config.repeat, config.split_by, name]
        text = "\n".join(map(str, [drawn, *(split.sha256 for split in splits.values())]))
        made[name] = replace(
            first, name=name, targets=task.targets(config, chosen, own), file=f"{how}, {name}",
            pooled=tuple(file.file for file in files.values()),
            sha256=hashlib.sha256(text.encode()).hexdigest(),
        )  # fmt: skip
    return made


def part_of(config: Config) -> str:
    """ "repeat 3 of 10" or "fold 1 of 5"."""
    word, count = ("fold", config.folds) if config.folds else ("repeat", config.repeats)
    return f"{word} {config.repeat} of {count}"


def _levels(config: Config, splits: Mapping[str, Split]) -> Levels | None:
    found: dict[Source, Level] = {}
    for split in splits.values():
        if split.targets.levels is None:
            if config.split_by == "image":
                return None
            raise ValueError(
                f"--split_by reference: {split.title} has no levels.csv, which says what reference "
                "an image is of: write one, or pass --split_by image"
            )
        found |= zip(split.targets.paths, split.targets.levels, strict=True)
    return found


def _groups(config: Config, labels: list[Label], levels: Levels | None) -> np.ndarray:
    """int64 (L,): the group of each label, from 0: one reference or image, or those that pairs
    link.
    """
    units: dict[object, int] = {}
    ends = []
    for label in labels:
        paths = label_paths([label])
        if levels is not None and config.split_by == "reference":
            named: list[object] = [levels[path].reference_id or path for path in paths]
        else:
            named = list(paths)
        ends.append([units.setdefault(name, len(units)) for name in (named[0], named[-1])])
    first, last = np.array(ends, dtype=np.int64).T
    smallest = linked(len(units), first, last)  # (units,)
    return np.unique(smallest, return_inverse=True)[1].reshape(-1)[first]


def _assigned(config: Config, groups: int) -> list[str]:
    """The split of each group."""
    fewest = config.folds or len(SHARES)
    if groups < fewest:
        raise ValueError(
            f"{config.data}: {groups} {config.split_by} group(s) that no label links, but "
            f"{fewest} parts are wanted: pass fewer --folds, or --split_by image"
        )
    number = config.repeat or 1
    if config.folds:
        order = numpy_generator(config.seed, "folds").permutation(groups)
        fold = np.empty(groups, dtype=np.int64)
        fold[order] = np.arange(groups) % config.folds
        after = (fold - (number - 1)) % config.folds
        return [{0: "test", 1: "val"}.get(int(place), "train") for place in after]
    order = numpy_generator(config.seed, "repeat", number).permutation(groups)
    held = {name: max(1, round(groups * SHARES[name])) for name in ("val", "test")}
    names = ["val"] * held["val"] + ["test"] * held["test"]
    names += ["train"] * (groups - len(names))
    assigned = [""] * groups
    for place, name in zip(order, names, strict=True):
        assigned[place] = name
    return assigned

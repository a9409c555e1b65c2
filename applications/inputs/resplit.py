"""--repeats and --folds: the labels of train/, val/ and test/ together, split anew by content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from applications.inputs.splits import Split
from applications.tasks import Task
from config import Config
from dataloader.labels.labels import Labels, distinct, joined
from dataloader.targets.pairs import linked
from utils.runtime.seed import numpy_generator

# Parts of --repeats, in shares of the references or images. A fold leaves one part to test, the
# next one to validate.
SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}


def resplit(config: Config, task: Task, splits: Mapping[str, Split]) -> dict[str, Split]:
    """train, val and test of --repeat K, of all labels of `splits`.

    A reference (with --split_by image: an image) is in one split only, and so are all that pairs
    link to it. ValueError where references are unknown, or too few.
    """
    if config.split_by == "reference":
        for split in splits.values():
            if split.labels.versions is None:
                raise ValueError(
                    f"--split_by reference: {split.title} has no levels.csv, which says what "
                    "reference an image is of: write one, or pass --split_by image"
                )
    labels = joined([split.labels for split in splits.values()])
    group = _groups(config, labels)
    names = np.array(_assigned(config, int(group.max()) + 1))[group]
    first = next(iter(splits.values()))
    how = f"{config.data}, {part_of(config)}"
    made = {}
    for name in SHARES:
        chosen = labels.select(names == name)
        drawn = [config.seed, config.repeats, config.folds, config.repeat, config.split_by, name]
        text = "\n".join(map(str, [drawn, *(split.sha256 for split in splits.values())]))
        made[name] = replace(
            first, name=name, labels=chosen, targets=task.targets(config, chosen),
            file=f"{how}, {name}", pooled=tuple(split.labels.file for split in splits.values()),
            sha256=hashlib.sha256(text.encode()).hexdigest(),
        )  # fmt: skip
    return made


def part_of(config: Config) -> str:
    """ "repeat 3 of 10" or "fold 1 of 5"."""
    word, count = ("fold", config.folds) if config.folds else ("repeat", config.repeats)
    return f"{word} {config.repeat} of {count}"


def _groups(config: Config, labels: Labels) -> np.ndarray:
    """int64 (L,): the group of each label, from 0: one reference or image, or those that pairs
    link.
    """
    unit = np.arange(len(labels.sources))
    if labels.versions is not None and config.split_by == "reference":
        named = zip(labels.versions.reference_id, labels.sources, strict=True)
        unit = distinct(reference or path for reference, path in named)[1]
    ends = unit[labels.images.reshape(len(labels), -1)]  # (L, 1 or 2)
    smallest = linked(len(unit), ends[:, 0], ends[:, -1])
    return np.unique(smallest, return_inverse=True)[1].reshape(-1)[ends[:, 0]]


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

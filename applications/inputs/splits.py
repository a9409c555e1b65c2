"""The splits of a data set: the labels of each, and what they came from; and, for --repeats and
--folds, all of them together, split anew by content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from applications.inputs.photographs import Photographs
from applications.tasks import Task
from config import Config
from dataloader.batch import Targets
from dataloader.labels.labels import Labels, distinct, joined
from dataloader.targets.pairs import linked
from utils.check_images import BadImage
from utils.runtime.seed import numpy_generator


@dataclass(frozen=True)
class Split:
    """targets: what is to be learned of the labels; file: where these came from, in words where
    that is no label file; sha256: of all that they depend on; pooled: label files that they were
    drawn from together.
    """

    name: str
    labels: Labels
    targets: Targets
    file: Path | str
    sha256: str
    pooled: tuple[Path, ...] = ()

    @property
    def label_files(self) -> tuple[Path, ...]:
        """Those that its labels stand in; none where they were made."""
        return (self.file,) if isinstance(self.file, Path) else self.pooled

    @property
    def title(self) -> str:
        """The split's folder, or what it was made of."""
        return str(self.file.parent) if isinstance(self.file, Path) else self.file


@dataclass(frozen=True)
class Data:
    """The splits that exist, the images left out because they could not be read, and the
    photographs that are distorted on the fly, if any.
    """

    splits: dict[str, Split]
    skipped: tuple[BadImage, ...] = ()
    photographs: Photographs | None = None

    def digests(self) -> dict[str, str]:
        """SHA-256 of each split's label file."""
        return {name: split.sha256 for name, split in self.splits.items()}


# ---- split anew

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

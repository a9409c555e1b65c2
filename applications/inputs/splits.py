"""The splits of a data set: the labels of each, and what they came from; and all of them together,
split anew by content: for --repeats and --folds, and where nobody has divided the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from applications.inputs.photographs import Photographs
from applications.inputs.vote_files import SPLITS
from applications.tasks import Task
from config import Config
from dataloader.batch import Targets
from dataloader.labels.labels import Labels, distinct, joined
from dataloader.tables.splitting import parse_shares, stratified
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
    photographs that are distorted on the fly, if any. drawn: whether the splits were drawn from
    labels that nobody had divided; alike: near duplicates that stay together then.
    """

    splits: dict[str, Split]
    skipped: tuple[BadImage, ...] = ()
    photographs: Photographs | None = None
    alike: tuple[tuple[Path, ...], ...] = ()
    drawn: bool = False

    def digests(self) -> dict[str, str]:
        """SHA-256 of each split's label file."""
        return {name: split.sha256 for name, split in self.splits.items()}


# ---- split anew

# Shares of train, val and test: of the references or images in each of --repeats, and of the images
# of data that nobody has divided. A fold leaves one part to test, the next one to validate.
REPEATED, DIVIDED = "60/20/20", "70/10/20"


def resplit(
    config: Config, task: Task, splits: Mapping[str, Split], alike: Sequence[Sequence[Path]] = ()
) -> dict[str, Split]:
    """train, val and test of all labels of `splits`: those of --repeat K, or drawn once by
    --split_by.

    A group of images is in one split only, and so are all that pairs link to it. alike: near
    duplicates, which stay together, too. ValueError where groups are unknown, or too few.
    """
    if kept_by(config) == "reference":
        for split in splits.values():
            if split.labels.versions is None:
                raise ValueError(
                    f"--split_by group: {split.title} has no levels.csv, which says what "
                    "reference an image is of, and no column of groups: write one, or pass "
                    "--split_by image"
                )
    labels = joined([split.labels for split in splits.values()])
    group = _groups(config, labels, alike)
    shares = parse_shares(config.split_shares or (REPEATED if config.repeat else DIVIDED))
    title, seed = config.labels or config.data, divided_by(config)
    if config.repeat:
        names = np.array(_assigned(config, int(group.max()) + 1, shares))[group]
        title = f"{title}, {part_of(config)}"
        drawn = [config.seed, config.repeats, config.folds, config.repeat, kept_by(config)]
    else:
        means = None if labels.values is None else labels.means()
        try:
            names = stratified(group, means, shares, seed)
        except ValueError as error:
            raise ValueError(f"{title}: {error}") from None
        drawn = []
    if drawn and config.split_shares:
        drawn.append(config.split_shares)
    return parts(task, config, splits, labels, names, title, drawn)


def parts(
    task: Task,
    config: Config,
    splits: Mapping[str, Split],
    labels: Labels,
    names: np.ndarray,
    title: str,
    drawn: Sequence[object],
) -> dict[str, Split]:
    """The splits that `names` (L,) says of the joined labels of `splits`, "" being none. drawn:
    what a draw depended on, for the digest of its labels; without it that is of what they say.
    """
    first, made = next(iter(splits.values())), {}
    pooled = tuple(file for split in splits.values() for file in split.label_files)
    for name in SPLITS:
        if not (names == name).any():
            continue
        chosen = labels.select(names == name)
        text = "\n".join(map(str, [*drawn, name, *(split.sha256 for split in splits.values())]))
        sha256 = hashlib.sha256(text.encode()).hexdigest() if drawn else digest(chosen)
        made[name] = replace(
            first, name=name, labels=chosen, targets=task.targets(config, chosen),
            file=f"{title}, {name}", pooled=pooled, sha256=sha256,
        )  # fmt: skip
    return made


def digest(labels: Labels) -> str:
    """SHA-256 of the names of images and of what is said of them, in their order."""
    found = hashlib.sha256(
        "\n".join(Path(s).name for s in labels.sources).encode("utf-8", "replace")
    )
    found.update(labels.images.astype("<i8").tobytes())
    if labels.values is not None:
        found.update(labels.values.astype("<f8").tobytes())
    return found.hexdigest()


def kept_by(config: Config) -> str:
    """What --split_by says: "auto", "image", "reference" or a column of a table."""
    return config.split_by or "auto"


def divided_by(config: Config) -> int:
    """The seed of a division that is drawn once."""
    return config.seed if config.split_seed is None else config.split_seed


def part_of(config: Config) -> str:
    """ "repeat 3 of 10" or "fold 1 of 5"."""
    word, count = ("fold", config.folds) if config.folds else ("repeat", config.repeats)
    return f"{word} {config.repeat} of {count}"


def _groups(config: Config, labels: Labels, alike: Sequence[Sequence[Path]]) -> np.ndarray:
    """int64 (L,): the group of each label, from 0: one reference or image, or those that pairs
    link.
    """
    unit = np.arange(len(labels.sources))
    if labels.versions is not None and kept_by(config) != "image":
        named = zip(labels.versions.reference_id, labels.sources, strict=True)
        unit = distinct(reference or path for reference, path in named)[1]
    ends = unit[labels.images.reshape(len(labels), -1)]  # (L, 1 or 2)
    links = [(ends[:, 0], ends[:, -1])]
    if alike:
        place = {path: unit[n] for n, path in enumerate(labels.sources)}
        near = [[place[path] for path in group if path in place] for group in alike]
        pairs = [(group[0], other) for group in near for other in group[1:]]
        links.append(tuple(np.array(pairs, dtype=np.int64).reshape(-1, 2).T))
    smallest = linked(len(unit), *(np.concatenate(end) for end in zip(*links, strict=True)))
    return np.unique(smallest, return_inverse=True)[1].reshape(-1)[ends[:, 0]]


def _assigned(config: Config, groups: int, shares: Mapping[str, float]) -> list[str]:
    """The split of each group, drawn without regard to scores."""
    held = {name: max(1, round(groups * shares[name])) for name in ("val", "test") if shares[name]}
    fewest = config.folds or len(held) + 1
    if groups < fewest:
        raise ValueError(
            f"{config.labels or config.data}: {groups} group(s) that no label links "
            f"(--split_by {kept_by(config)}), but {fewest} parts are wanted: pass fewer --folds, "
            "or --split_by image"
        )
    number = config.repeat or 1
    if config.folds:
        order = numpy_generator(config.seed, "folds").permutation(groups)
        fold = np.empty(groups, dtype=np.int64)
        fold[order] = np.arange(groups) % config.folds
        after = (fold - (number - 1)) % config.folds
        return [{0: "test", 1: "val"}.get(int(place), "train") for place in after]
    order = numpy_generator(config.seed, "repeat", number).permutation(groups)
    names = [name for name, count in held.items() for _ in range(count)]
    names += ["train"] * (groups - len(names))
    assigned = [""] * groups
    for place, name in zip(order, names, strict=True):
        assigned[place] = name
    return assigned

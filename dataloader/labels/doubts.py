"""What is no fault of any line of a data set's labels, and hardly ever meant: scales that differ
between splits, a number that lost its decimal point, scores without a difference, and folders of
splits that nobody reads.

Every rule is made to stay silent on what is only unusual; RULES says them in words.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from dataloader.labels.labels import Labels
from utils.imaging.image_folders import READABLE_EXTENSIONS
from utils.statistics.ties import constant
from utils.text import printable

FEWEST = 10  # scores of a split, below which nothing is said of their range
SHOWN = 5  # numbers that are far from all others, of a split
FAR = 3  # times the largest size of the others, and beyond two widths of their range
WIDER = 8  # times as wide
STARTS = {"train": ("train", "learn"), "val": ("val", "dev"), "test": ("test", "eval")}

RULES = {
    "far_score": f"of {FEWEST} scores or more, without the 2% on either side: one of {FAR} times "
    "the largest absolute value of the others, and beyond them by twice the width of their range",
    "scale": f"without such scores: of {FEWEST} scores or more in two splits, a range that is "
    f"{WIDER} times as wide as the other; or a median that lies outside the range of {FEWEST} "
    "scores or more of another split by more than its width",
    "equal_scores": "two scores or more of a split, all the same",
    "unread_split": "a folder with a label file whose name begins like that of a split which has "
    "none (valid/ for val/), or a split's own folder of images without one",
}


def label_doubts(root: Path, label_name: str, splits: Mapping[str, Labels]) -> list[str]:
    """One line each; splits: what the label files say that were read."""
    return [*score_doubts(splits), *folder_doubts(root, label_name)]


# ---- scores


def score_doubts(splits: Mapping[str, Labels]) -> Iterator[str]:
    """Of scores that have no fixed scale, as histograms and buckets have."""
    ranges: dict[str, np.ndarray] = {}
    for name, labels in splits.items():
        if labels.values is None or not len(labels):
            continue
        values, where = labels.means(), printable(labels.file)
        if len(values) > 1 and constant(values):
            yield f"{where}: all {len(values)} scores are {values[0]:g}: there is no order to learn"
            continue
        if labels.kind != "scores":
            continue
        far = _far(values)
        for place in np.flatnonzero(far)[:SHOWN]:
            low, high = values[~far].min(), values[~far].max()
            yield (
                f"{where}:{labels.lines[place]}: the score {values[place]:g} is far "
                f"from all others of {name} ({low:g} to {high:g}): has it lost its decimal point?"
            )
        if (more := int(far.sum()) - SHOWN) > 0:
            yield f"{where}: {more} more scores are as far from the others"
        ranges[name] = values[~far]
    yield from _scales(splits, ranges)


def _scales(splits: Mapping[str, Labels], ranges: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Splits on another scale than the first one."""
    first, *others = ranges or [""]
    for name in others:
        one, other = ranges[first], ranges[name]
        if _wider(one, other) or _outside(one, other) or _outside(other, one):
            mine, theirs = (f"{v.min():g} to {v.max():g}" for v in (other, one))
            yield (
                f"{printable(splits[name].file)}: scores from {mine}, and those of {first} from "
                f"{theirs}: put both on one scale"
            )


def _wider(one: np.ndarray, other: np.ndarray) -> bool:
    narrow, wide = sorted((np.ptp(one), np.ptp(other)))
    return min(len(one), len(other)) >= FEWEST and bool(wide > WIDER * narrow)


def _outside(many: np.ndarray, some: np.ndarray) -> bool:
    """Whether the median of some scores is further outside the range of many than it is wide."""
    median = np.median(some)
    beyond = max(many.min() - median, median - many.max())
    return len(many) >= FEWEST and bool(beyond > np.ptp(many))


def _far(values: np.ndarray) -> np.ndarray:
    """bool (N,): scores that are too far from the others to be of the same scale."""
    if len(values) < FEWEST:
        return np.zeros(len(values), dtype=bool)
    drop = max(1, len(values) // 50)
    core = np.sort(values)[drop:-drop]
    low, high = core[0], core[-1]
    beyond = np.maximum(low - values, values - high)
    size = max(abs(low), abs(high))
    return (beyond > 2 * (high - low)) & (np.abs(values) >= FAR * size) & (beyond > 0) & (size > 0)


# ---- folders


def folder_doubts(root: Path, label_name: str) -> Iterator[str]:
    """Folders below the root that look like splits and are not read."""
    try:
        names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    except OSError:  # whoever reads the labels says so
        return
    missing = [split for split in STARTS if not (root / split / label_name).exists()]
    for split in missing:
        for name in names:
            like = name.lower().startswith(STARTS[split]) and name not in STARTS
            if like and (root / name / label_name).is_file():
                yield (
                    f"{printable(root / name)}/: has a {label_name} and is not read: the split is "
                    f"called {split}/"
                )
        if split in names and _has_image(root / split):
            yield (
                f"{printable(root / split)}/: has images and no {label_name}: it is no split, and "
                "not read"
            )


def _has_image(folder: Path) -> bool:
    return any(
        os.path.splitext(name)[1].lower() in READABLE_EXTENSIONS
        for _, _, names in os.walk(folder)
        for name in names
        if not name.startswith(".")
    )

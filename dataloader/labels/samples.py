"""idealo's JSON samples: a list of EXAMPLE, the votes for 1 to 10 or their shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dataloader.labels.records import MOST_VOTES, Fault, LabelError, histogram_fault, unreadable
from utils.files.reading import UnreadableFile, read_json
from utils.text import cut

EXAMPLE = '{"image_id": "231893", "label": [2, 8, 19, 36, 76, 52, 23, 14, 5, 5]}'


@dataclass(frozen=True)
class Samples:
    """names: image ids, each once; probs float64 (N, K), rows sum to 1; repeated: samples left out
    because an earlier one says the same.
    """

    names: list[str]
    probs: np.ndarray
    repeated: int


def read_samples(file: Path) -> Samples:
    """All samples in the file's order; `label` holds votes or probabilities of the bins 1..K.

    LabelError names every sample that is at fault, counted from 1: no image_id or label, another
    number of bins than the first, what cannot be a histogram, and an image that an earlier sample
    gives another label.
    """
    entries = _entries(file)
    names: dict[str, tuple[list[float], int]] = {}  # label, and number of the sample
    faults = []
    bins = 0
    for number, entry in enumerate(entries, start=1):
        found = _sample(entry, bins)
        if not isinstance(found, str):
            name, label = found
            bins = bins or len(label)
            earlier, first = names.setdefault(name, (label, number))
            if earlier == label:
                continue
            found = (
                f"sample {first} gives image {cut(repr(name))} another label: take one of them out"
            )
        faults.append(Fault(file, 0, 0, f"sample {number}: {found}"))
    if not entries:
        faults.append(Fault(file, 1, 1, f"no samples in this file: give a list of {EXAMPLE}"))
    if faults:
        raise LabelError(faults)
    votes = np.array([label for label, _ in names.values()], dtype=np.float64)
    probs = votes / votes.sum(axis=1, keepdims=True)
    return Samples(list(names), probs, len(entries) - len(names))


def _entries(file: Path) -> list[Any]:
    try:
        content = read_json(file)
    except FileNotFoundError:
        raise LabelError([Fault(file, 0, 0, f"no such file: give a list of {EXAMPLE}")]) from None
    except UnreadableFile as error:
        raise unreadable(file, error, f"give a list of {EXAMPLE}") from None
    if isinstance(content, list):
        return content
    raise LabelError([Fault(file, 1, 1, f"a list of samples is wanted: give [{EXAMPLE}, ...]")])


def _sample(entry: Any, bins: int) -> tuple[str, list[float]] | str:
    """(image id, label), or what is wrong and what to do."""
    if not isinstance(entry, dict) or not {"image_id", "label"} <= entry.keys():
        return f"image_id and label are wanted: give {EXAMPLE}"
    name, label = entry["image_id"], entry["label"]
    if isinstance(name, list | dict):
        return "image_id is no text: give the file's name without its extension"
    shown = cut(repr(name))
    if type(name) not in (str, int) or not str(name) or "\0" in str(name):
        return f"image_id {shown}: give the file's name without its extension"
    if not isinstance(label, list) or any(type(value) not in (int, float) for value in label):
        return f"image {shown}: label must be a list of numbers: give votes or probabilities"
    if len(label) < 2 or len(label) != (bins or len(label)):
        wanted = f"{bins} as in the first sample" if bins else "at least 2"
        return f"image {shown}: {len(label)} bins, {wanted} wanted: mend the label"
    if not all(0 <= value < MOST_VOTES for value in label):  # nan is not, either
        return f"image {shown}: a label that is no histogram: give votes or probabilities"
    if message := histogram_fault(label):
        return f"image {shown}: {message}: give votes or probabilities"
    return str(name), label

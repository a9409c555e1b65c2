"""Which images a training held out, kept in its weights: whoever judges them later tests on the
same ones, wherever the table or the images lie by then.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch

from applications.inputs.runtime import Runtime
from applications.inputs.splits import Split, parts
from applications.inputs.vote_files import SPLITS
from applications.tasks import Task
from config import Config
from dataloader.labels.labels import joined

# {"images": int64 (N,), "splits": uint8 (N,)}: what names each image, and its place in SPLITS.
Held = Mapping[str, torch.Tensor]


def held_of(splits: Mapping[str, Split]) -> Held:
    """The record of a training whose splits were drawn."""
    keys = [_keys(split.labels.sources) for split in splits.values()]
    places = [np.full(len(k), SPLITS.index(n)) for n, k in zip(splits, keys, strict=True)]
    return {
        "images": torch.from_numpy(np.concatenate(keys)),
        "splits": torch.from_numpy(np.concatenate(places).astype(np.uint8)),
    }


def is_held(value: Any) -> bool:
    """Whether a part of a weights file is such a record."""
    if not isinstance(value, dict) or value.keys() != {"images", "splits"}:
        return False
    images, splits = value["images"], value["splits"]
    tensors = isinstance(images, torch.Tensor) and isinstance(splits, torch.Tensor)
    return (
        tensors
        and (images.dtype, splits.dtype) == (torch.int64, torch.uint8)
        and images.shape == splits.shape == (len(images),)
        and (not len(splits) or int(splits.max()) < len(SPLITS))
    )


def seen(
    config: Config, task: Task, splits: Mapping[str, Split], held: Held | None, runtime: Runtime
) -> dict[str, Split]:
    """Labels that nobody has divided as the weights know them: what they trained on trains, what
    they held out tests. Of weights that know none of the images, all test. What changed since is
    said.
    """
    labels, title = joined([s.labels for s in splits.values()]), config.labels or config.data
    ends = labels.images.reshape(len(labels), -1)
    of_image = _known(labels.sources, held)
    names = np.where(
        (of_image[ends] == of_image[ends[:, :1]]).all(axis=1), of_image[ends[:, 0]], ""
    )
    if held is None or not (of_image != "").any():
        why = "were not trained on any of" if held is not None else "do not say whether they know"
        runtime.info(f"{title}: the weights {why} these {len(of_image)} images: all of them test")
        names = np.full(len(labels), "test")
    elif (changed := len(of_image) - int((of_image != "").sum())) or len(held["images"]) != len(
        of_image
    ):
        gone = len(held["images"]) - len(of_image) + changed
        runtime.info(
            f"{title}: has changed since the weights were trained: {changed} images are new, which "
            f"are in no split, and {gone} are gone; a table of the new ones alone tests on them"
        )
    return parts(task, config, splits, labels, names, title, ())


def trained_before(held: Held | None, split: Split | None) -> str:
    """A warning where weights have trained on images of a split that is to test them; "" else."""
    paths = [] if split is None or held is None else split.labels.sources
    count = int((_known(paths, held) == "train").sum())
    if split is None or not count:
        return ""
    return (
        f"warning: the weights have trained on {count} of the {len(paths)} images of {split.file}: "
        "what they say of those speaks in their favour; name their own split.csv with --labels"
    )


def _known(sources: Sequence[Path], held: Held | None) -> np.ndarray:
    """The split of each image in the record, "" for one that is not there."""
    found = np.full(len(sources), "", dtype="<U5")
    if held is None:
        return found
    place = dict(zip(held["images"].tolist(), held["splits"].tolist(), strict=True))
    for row, key in enumerate(_keys(sources).tolist()):
        if key in place:
            found[row] = SPLITS[place[key]]
    return found


def _keys(sources: Iterable[Path]) -> np.ndarray:
    """int64 (N,): the name and the size in bytes of each image's file, which it keeps when it is
    moved.
    """
    named = (f"{path.name}|{os.path.getsize(path)}" for path in sources)
    texts = (blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8) for text in named)
    return np.array([int.from_bytes(t.digest(), "big", signed=True) for t in texts], dtype=np.int64)

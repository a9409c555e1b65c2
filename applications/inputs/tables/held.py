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
from utils.files.tar_files import open_file
from utils.text import printable

# {"images": int64 (N,), "names": int64 (N,), "splits": uint8 (N,)}: what tells each image from all
# others, its file's name alone, and the place of its split in SPLITS.
Held = Mapping[str, torch.Tensor]
WHOLE, END = 2 << 20, 1 << 16  # bytes of a file that is read whole; of both ends of a larger one
TWO = "two"  # in place of a split: one image is in several of them


def held_of(splits: Mapping[str, Split]) -> Held:
    """The record of a training whose splits were drawn."""
    sources = [split.labels.sources for split in splits.values()]
    keys = [_keys(paths) for paths in sources]
    places = [np.full(len(k), SPLITS.index(n)) for n, k in zip(splits, keys, strict=True)]
    return {
        "images": torch.from_numpy(np.concatenate(keys)),
        "names": torch.from_numpy(np.concatenate([_names(paths) for paths in sources])),
        "splits": torch.from_numpy(np.concatenate(places).astype(np.uint8)),
    }


def is_held(value: Any) -> bool:
    """Whether a part of a weights file is such a record."""
    if not isinstance(value, dict) or value.keys() != {"images", "names", "splits"}:
        return False
    if not all(isinstance(part, torch.Tensor) for part in value.values()):
        return False
    images, names, splits = value["images"], value["names"], value["splits"]
    return (
        (images.dtype, names.dtype, splits.dtype) == (torch.int64, torch.int64, torch.uint8)
        and images.shape == names.shape == splits.shape == (len(images),)
        and (not len(splits) or int(splits.max()) < len(SPLITS))
    )


def seen(
    config: Config, task: Task, splits: Mapping[str, Split], held: Held | None, runtime: Runtime
) -> dict[str, Split]:
    """Labels that nobody has divided as the weights know them: what they trained on trains, what
    they held out tests. Of weights that know none of the images, all test. What changed since is
    said. ValueError where one image is in two splits, or where all files are others than those of
    the same names that trained.
    """
    labels, title = joined([s.labels for s in splits.values()]), config.labels or config.data
    ends = labels.images.reshape(len(labels), -1)
    of_image = _known(labels.sources, held)
    if twofold := [s for s, split in zip(labels.sources, of_image, strict=True) if split == TWO]:
        raise ValueError(
            f"{title}: {printable(twofold[0])}: the training had this very file in two splits: "
            "pass the split.csv of its run as --labels"
        )
    names = np.where(
        (of_image[ends] == of_image[ends[:, :1]]).all(axis=1), of_image[ends[:, 0]], ""
    )
    if held is None or not (of_image != "").any():
        _refuse_namesakes(labels.sources, held, title)
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
    count = int(np.isin(_known(paths, held), ("train", TWO)).sum())
    if split is None or not count:
        return ""
    return (
        f"warning: the weights have trained on {count} of the {len(paths)} images of {split.file}: "
        "what they say of those speaks in their favour; name their own split.csv with --labels"
    )


def _refuse_namesakes(sources: Sequence[Path], held: Held | None, title: str) -> None:
    """ValueError where most files have names that the record knows, although it knows no file."""
    same = 0 if held is None else int(np.isin(_names(sources), held["names"].numpy()).sum())
    if 2 * same > len(sources):
        raise ValueError(
            f"{title}: the weights were trained on images of the same names ({same} of "
            f"{len(sources)}), but other files: which of them trained is not known: pass the "
            "split.csv of their run as --labels; of other photographs, a table whose column split "
            "says test"
        )


def _known(sources: Sequence[Path], held: Held | None) -> np.ndarray:
    """The split of each image in the record, "" for one that is not there, TWO for one that is in
    several.
    """
    found = np.full(len(sources), "", dtype="<U5")
    if held is None:
        return found
    place: dict[int, str] = {}
    for key, number in zip(held["images"].tolist(), held["splits"].tolist(), strict=True):
        place[key] = SPLITS[number] if place.get(key, SPLITS[number]) == SPLITS[number] else TWO
    for row, key in enumerate(_keys(sources).tolist()):
        found[row] = place.get(key, "")
    return found


def _keys(sources: Iterable[Path]) -> np.ndarray:
    """int64 (N,): the name, the size and the content of each image's file, which it keeps when it
    is moved; of a large file the content of both ends.
    """
    return _digests(os.fsencode(path.name) + b"|" + _content(path) for path in sources)


def _names(sources: Iterable[Path]) -> np.ndarray:
    """int64 (N,): the name alone of each image's file."""
    return _digests(os.fsencode(path.name) for path in sources)


def _content(path: Path) -> bytes:
    with open_file(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        found = blake2b(file.read(WHOLE if size <= WHOLE else END))
        if size > WHOLE:
            file.seek(-END, os.SEEK_END)
            found.update(file.read(END))
    return f"{size}|".encode() + found.digest()


def _digests(texts: Iterable[bytes]) -> np.ndarray:
    digests = (blake2b(text, digest_size=8).digest() for text in texts)
    return np.array([int.from_bytes(d, "big", signed=True) for d in digests], dtype=np.int64)

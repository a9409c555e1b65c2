"""Labels about several images, pairs and buckets, which predictions do not hold: read once more
from the data that a run was tested on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from applications.inputs.data import read_data
from applications.inputs.runtime import Runtime
from applications.tasks import TASKS
from applications.tasks.base import Task
from config import make_config
from dataloader.sources import Source

_PLACES = ("data", "images", "labels", "photos", "test_list")
_OF_IMAGES = ("better", "worse", "first", "second")  # targets that are places of images


def read_tested(
    stored: Mapping[str, Any],
    folder: Path,
    sha256: str | None,
    images: Sequence[Source],
    runtime: Runtime,
) -> tuple[Task, dict[str, np.ndarray], tuple[Source, ...]]:
    """(task, targets of the test split as places among `images`, where each image lies now) of a
    run with the configuration `stored`. folder: what its relative paths are relative to; sha256: of
    the labels of its test; images: of its predictions. ValueError where the data have changed.
    """
    config = make_config(dict(stored))
    moved = {
        name: os.path.join(folder, value) for name in _PLACES if (value := getattr(config, name))
    }
    # Every image was decoded when it was scored.
    config = replace(config, **moved, no_check=True, bad_images="stop")
    task = TASKS[config.criterion]
    split = read_data(config, task, runtime, ("test",)).splits["test"]
    if sha256 != split.sha256:
        raise ValueError(f"{split.file} has changed since the run began")
    known = {_key(folder, image): i for i, image in enumerate(images)}
    own = [_key(folder, path) for path in split.targets.paths]
    if known.keys() != set(own) or len(own) != len(known):
        raise ValueError(f"{split.file}: its images are not those of the predictions")
    positions = np.array([known[path] for path in own], dtype=np.int64)
    targets = {
        name: positions[values] if name in _OF_IMAGES else values
        for name, values in split.targets.all().items()
    }
    sources = dict(zip(positions.tolist(), split.targets.paths, strict=True))
    return task, targets, tuple(sources[i] for i in range(len(sources)))


def _key(folder: Path, image: Source) -> str:
    return os.path.abspath(folder / image.as_posix())

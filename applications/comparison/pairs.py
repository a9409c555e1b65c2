"""Labels about several images, pairs and buckets, which a run's predictions do not hold: read once
more from the data that the run was tested on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from applications.comparison.images import Matched
from applications.comparison.runs import ComparedRun
from applications.inputs.data import read_data
from applications.inputs.run_record import set_fields
from applications.inputs.runtime import Runtime
from applications.tasks import TASKS
from config import make_config, read_config
from dataloader.sources import Source
from utils.statistics.metrics import Measured
from utils.statistics.predictions import Predictions

_PLACES = ("data", "images", "labels", "photos", "test_list")
_OF_IMAGES = ("better", "worse", "first", "second")  # targets that are places of images


@dataclass(frozen=True)
class Pairs:
    """targets: of a test split, their images as places among the matched ones; measure: figures of
    scores, as the task has them; sources: of the matched images (N), some of which may be on no
    disk.
    """

    targets: dict[str, np.ndarray]
    measure: Callable[[dict[str, np.ndarray], Predictions, np.ndarray], Measured]
    sources: tuple[Source, ...]

    def lines(self) -> set[tuple[int, int]]:
        """(better, worse) of every line that says which image is better."""
        if "better" not in self.targets:
            return set()
        both = (self.targets[name].tolist() for name in ("better", "worse"))
        return set(zip(*both, strict=True))


def read_pairs(matched: Matched, runtime: Runtime) -> tuple[Pairs | None, list[str]]:
    """(labels of the first run that still has them, why the others have not); (None, []) where the
    predictions hold all labels there are.
    """
    if matched.labels.mos is not None or matched.labels.votes is not None:
        return None, []
    reasons = []
    for run in matched.runs:
        if run.config is None:
            reasons.append(f"{run.name} is a predictions file: it does not name its label file")
            continue
        try:
            return _of_run(run, matched, runtime), []
        except (ValueError, OSError) as error:
            said = str(error).splitlines()[0]
            reasons.append(f"the test labels of {run.name} cannot be read any more: {said}")
    return None, reasons


def _of_run(run: ComparedRun, matched: Matched, runtime: Runtime) -> Pairs:
    config = make_config(set_fields(read_config(str(run.path / "config.json"))))
    moved = {
        name: os.path.join(run.folder, value)
        for name in _PLACES
        if (value := getattr(config, name))
    }
    # Every image was decoded when it was scored.
    config = replace(config, **moved, no_check=True, bad_images="stop")
    task = TASKS[config.criterion]
    data = read_data(config, task, runtime, ("test",))
    split = data.splits["test"]
    if run.environment.get("labels_sha256", {}).get("test") != split.sha256:
        raise ValueError(f"{split.file} has changed since the run began")
    images, rows = run.predictions.images, matched.order[run.name]
    known = {_key(run, images[row]): i for i, row in enumerate(rows)}
    own = [_key(run, path) for path in split.targets.paths]
    missing = [path for path in own if path not in known]
    if missing or len(own) != len(known):
        raise ValueError(f"{split.file}: its images are not those of the predictions")
    positions = np.array([known[path] for path in own], dtype=np.int64)
    targets = dict(split.targets.all())
    for name in _OF_IMAGES:
        if name in targets:
            targets[name] = positions[targets[name]]
    if matched.labels.bucket is not None:
        targets["bucket"] = matched.labels.bucket  # in the order of the matched images
    sources = dict(zip(positions.tolist(), split.targets.paths, strict=True))
    return Pairs(targets, task.measure, tuple(sources[i] for i in range(len(sources))))


def _key(run: ComparedRun, image: object) -> str:
    name = image.as_posix() if isinstance(image, Path) else str(image)
    return os.path.abspath(run.folder / name)

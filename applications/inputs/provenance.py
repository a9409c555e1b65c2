"""Where an evaluation comes from, for its report: flags, labels of all splits, weights and run.

Pages import this file, so it names no task: tasks load torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from applications.inputs.outputs import cell_of
from applications.inputs.vote_files import SPLITS, vote_file
from config import Config
from dataloader.labels.paths import CARD_FILE
from dataloader.labels.text import read_labels


@dataclass(frozen=True)
class SplitLabels:
    """Labels of a split: lines, distinct images, and the MOS of these where there are opinions."""

    lines: int
    images: int
    mos: np.ndarray | None


@dataclass(frozen=True)
class Provenance:
    """facts: applications/inputs/run_record.py. passed, adopted: flags that were set to other than
    their defaults, and settings that came with the weights, as text. labels: of every split, or why
    they are not known. card: the data card that --prepare wrote, if any. run: folder of the
    training, where it is known; best: its best epoch, where results.json is still to be written.
    curves: metrics of the training to draw. cell: what a csv calls an image. max_pixels: of the
    largest image that is read. samples: of intervals that the page adds, drawn from `seed`.
    """

    weights: Path
    run: Path | None
    facts: Mapping[str, Any]
    passed: Mapping[str, str]
    adopted: Mapping[str, str]
    labels: Mapping[str, SplitLabels | str]
    card: Path | None
    curves: Sequence[str]
    cell: Callable[[object], str]
    max_pixels: int
    samples: int
    seed: int
    best: int | None = None


def provenance(
    config: Config,
    task: Any,
    facts: Mapping[str, Any],
    labels: Mapping[str, SplitLabels | str],
    weights: Path,
    run: Path | None,
    best: int | None = None,
) -> Provenance:
    # A stored file of --config or --continue has every flag, so defaults are left out.
    passed = [n for n in sorted(config.given) if getattr(config, n) != getattr(Config, n)]
    card = Path(config.data) / f"{CARD_FILE}.json"
    return Provenance(
        weights=weights,
        run=run,
        facts=facts,
        passed={name: str(getattr(config, name)) for name in passed},
        adopted={name: str(getattr(config, name)) for name in sorted(config.adopted)},
        labels=labels,
        card=None if config.distort or not card.is_file() else card,
        curves=task.metrics,
        cell=cell_of(config),
        max_pixels=config.max_pixels,
        samples=config.bootstrap,
        seed=config.seed,
        best=best,
    )


def run_of(weights: Path) -> Path | None:
    """The run folder that a weights file lies in, if it does."""
    return weights.parent if (weights.parent / "metrics.jsonl").is_file() else None


def labels_of_splits(config: Config, task: Any, splits: Mapping[str, Any]) -> dict[str, Any]:
    """SplitLabels of every split, or why they are not known; those that were not read for the
    evaluation are read here. A fault of theirs costs a line of the report, nothing else.
    """
    found: dict[str, SplitLabels | str] = {
        name: _labels(task, split.targets) for name, split in splits.items()
    }
    if config.distort or vote_file(config):
        return found
    bins = config.num_classes if task.label_kind == "distributions" else None
    for name in SPLITS:
        file = Path(config.data) / name / config.label_name
        if name in found or not file.exists():
            continue
        try:
            labels = read_labels(task.label_kind, file, Path(config.data), bins)
            found[name] = _labels(task, task.targets(config, labels))
        except ValueError as error:
            found[name] = f"not read: {str(error).splitlines()[0]}"
    return {name: found[name] for name in (*SPLITS, *found) if name in found}


def _labels(task: Any, targets: Any) -> SplitLabels:
    opinions = task.opinions(targets)
    return SplitLabels(len(targets), len(targets.paths), opinions and opinions.mos)

"""What a report is made of: an evaluation, and sections of text, tables, charts and pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import nn

from applications.evaluation.final_figures import Judged
from applications.evaluation.scoring import ScoringOptions
from applications.tasks import Task
from config import Config
from dataloader.batch import Targets
from utils.drawing.chart import Chart
from utils.html_page import Html
from utils.statistics.logistic_fit import LogisticFit
from utils.statistics.predictions import Opinions

MOST_DRAWN = 20_000  # images: a page of some megabytes


@dataclass(frozen=True)
class Evaluation:
    """A model judged on one split.

    title: of the page. judged, values: the split with the scores of its images, and its figures as
    `final_figures` leaves them. val: the images the fits were made on, where not the judged ones.
    labels: what is known of every split, or why it is not. facts: `run_folder.environment`.
    run: folder of the training, where it is known. best: its best epoch, where results.json is
    still to be written.
    """

    title: str
    config: Config
    task: Task
    judged: Judged
    values: Mapping[str, Any]
    val: Judged | None
    labels: Mapping[str, Targets | str]
    facts: Mapping[str, Any]
    weights: Path
    run: Path | None
    model: nn.Module
    options: ScoringOptions
    device: torch.device
    best: int | None = None

    @property
    def targets(self) -> Targets:
        return self.judged.split.targets

    @property
    def scores(self) -> np.ndarray:
        return self.judged.found.scores

    @cached_property
    def names(self) -> list[str]:
        """What each image is called: its file name, with its folders where names repeat."""
        whole = [PurePosixPath(path.as_posix()) for path in self.targets.paths]
        short = [path.name for path in whole]
        if len(set(short)) == len(short):
            return short
        shared = len(os.path.commonprefix([path.parts[:-1] for path in whole]))
        return ["/".join(path.parts[shared:]) for path in whole]

    def opinions(self) -> Opinions | None:
        return self.task.opinions(self.targets)

    def fit(self, kind: str) -> LogisticFit | None:
        """The logistic "4p" or "5p" that `values` were made with; None where there is none."""
        stored = self.values.get("fits", {}).get(kind)
        if stored is None:
            return None
        return LogisticFit(**{**stored, "parameters": tuple(stored["parameters"])})

    def in_mos_units(self) -> tuple[np.ndarray, str]:
        """(predictions (N,) that can be compared with the MOS, how they were made)."""
        fit = self.fit("4p")
        if fit is None or fit.failed:
            return self.scores.astype(np.float64), "as they are: there is no 4-parameter fit"
        where = "these images" if self.val is None else "the images of val/"
        return fit(self.scores), f"after the 4-parameter fit on {where}"

    def drawn(self) -> np.ndarray:
        """Images that stand in charts, and so in their csv: all, or every n-th of very many."""
        count = len(self.scores)
        return np.unique(np.linspace(0, count - 1, min(count, MOST_DRAWN)).round().astype(np.int64))

    @property
    def remark(self) -> str:
        """Of fits on the very images that are judged."""
        return "" if self.val else "fitted on the judged images themselves"


class Beside(Html):
    """Markup that stands in a column of its own beside a chart."""

    __slots__ = ()


@dataclass(frozen=True)
class Section:
    """key: its anchor, and the first part of its files' names; title; why: a sentence or two for a
    person; body: in reading order, neighbouring charts side by side.
    """

    key: str
    title: str
    why: str
    body: tuple[Html | Chart, ...]


def shown(value: Any) -> str:
    """A figure as the tables say it."""
    if isinstance(value, float | np.floating):
        return "nan" if value != value else f"{value:.4f}"
    return str(value)

"""What a report is made of: an evaluation, and sections of text, tables, charts and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from applications.evaluation.evaluation import Evaluation
from applications.inputs.provenance import Provenance
from utils.drawing.chart import Chart
from utils.html_page import Html

MOST_DRAWN = 20_000  # images: a page of some megabytes


@dataclass(frozen=True)
class Report:
    """An evaluation, where it comes from, and quality maps of some of its images
    (`MapPicture` of applications/evaluation/quality_maps.py).
    """

    title: str
    evaluation: Evaluation
    about: Provenance
    maps: Sequence[Any] = ()


def drawn_images(e: Evaluation) -> np.ndarray:
    """Images that stand in charts, and so in their csv: all, or every n-th of very many."""
    count = len(e.scores)
    return np.unique(np.linspace(0, count - 1, min(count, MOST_DRAWN)).round().astype(np.int64))


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

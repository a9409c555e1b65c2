"""An evaluation of predictions that are given, in place of a network's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from applications.evaluation.evaluation import Evaluation
from applications.evaluation.judging import Judging, evaluate
from applications.inputs.splits import Split
from applications.tasks import TASKS
from utils.imaging.view_rule import ViewRule
from utils.statistics.predictions import Predictions


class Judged(NamedTuple):
    """A split, and what a network would say of its images."""

    split: Split
    found: Predictions


@dataclass(frozen=True)
class GivenScorer:
    """A scorer that knows its answers, by the number of its call."""

    answers: list[Predictions]
    view: ViewRule = ViewRule((8, 8))
    features: Any = None

    def predict(self, images: Sequence[Any], title: str | None = None) -> Predictions:
        return self.answers.pop(0)


def finished(
    task: str,
    on: Judged,
    val: Judged | None = None,
    samples: int = 200,
    fit: str | None = None,
    seed: int = 0,
) -> tuple[Evaluation, list[str]]:
    """(the evaluation, what is odd about it)."""
    said: list[str] = []
    scorer = GivenScorer([on.found, *([val.found] if val else [])])
    how = Judging(samples, seed, fit)
    found = evaluate(scorer, TASKS[task], on.split, how, said.append, val and val.split)
    mark = f"{on.split.file}: "
    return found, [line.removeprefix(mark) for line in said if line.startswith(mark)]

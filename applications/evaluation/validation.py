"""Figures of val/ after an epoch, and why the one that decides which weights are best may not
exist.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import nn

from applications.evaluation.ladders import ladder_figures
from applications.evaluation.scoring import ScoringOptions, figures, one_place, score_images
from applications.inputs.runtime import Runtime
from applications.tasks.base import Task
from dataloader.batch import Targets
from utils.runtime import distributed
from utils.statistics.metrics import distribution_mean
from utils.statistics.predictions import Predictions

LAST_COUNT = "the last weights count as the best"


def judge(
    task: Task,
    criterion: nn.Module,
    network: nn.Module,
    val: Targets,
    options: ScoringOptions,
    runtime: Runtime,
    once: Callable[[str], None],
) -> tuple[dict[str, float], list[str], str]:
    """(figures by name, why some do not exist, the same with those of ladders). What is nan of
    ladders in one epoch is so in all, as a rule: the test says it once. once: hears what is the
    same in every epoch.
    """
    # Each process has its own running statistics since the last step; only the main one's are
    # saved, so only those are judged.
    distributed.broadcast_tensors(network.buffers())
    found = score_images(network, val.paths, options, runtime)
    if line := one_place(found, options.rule):
        once(f"validation: {line}")
    values, remarks = figures(task, val, found)
    ladders, of_ladders = ladder_figures(val, found)
    overall = {name: value for name, value in ladders.items() if not isinstance(value, dict)}
    loss = task.validation_loss(criterion, val.all(), found)
    return {"loss": loss, **values, **overall}, remarks, "; ".join((*remarks, *of_ladders))


def never_known(task: Task, figure: str, val: Targets) -> str | None:
    """Why not even a network that says what people said has the figure; None where one has it, or
    where nobody was asked.
    """
    said = val.all()
    probs = said.get("probs")
    scores = said.get("mos", said.get("bucket")) if probs is None else distribution_mean(probs)
    if scores is None:
        return None
    values, remarks = figures(task, val, Predictions(np.asarray(scores, np.float64), probs))
    value = values.get(figure, 0.0)
    return "; ".join(remarks) if value != value else None


def no_figure(figure: str, what: str, reasons: str) -> str:
    """One line: what is the matter with the figure, and which weights are kept therefore."""
    why = f" ({reasons})" if reasons else ""
    return f"val: {figure} {what}{why}: {LAST_COUNT}"

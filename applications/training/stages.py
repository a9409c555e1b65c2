"""--train and --continue: one training, or several in stages, each from the best weights before.

Every stage is an ordinary run with a folder of its own; the result is that of as many commands, the
later ones with --resume BEST_WEIGHTS_BEFORE, to the bit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from applications.inputs import left_out
from applications.inputs.data import Data, read_data
from applications.inputs.runtime import Runtime, Stopped
from applications.inputs.views import network_size
from applications.inputs.weights import with_resumed_variant
from applications.tasks import TASKS, branches, monitored
from applications.train import check_names, fewest_images, train, training_set
from applications.training import repeats, run_folder, stage_plan
from applications.training.rates import optimizer_of
from applications.training.run_folder import RunFolder
from applications.training.run_lock import hold
from applications.training.stage_list import split_stages
from applications.training.stage_plan import Plan
from config import Config
from models.freezing import freeze
from models.quality_net import build_model, check_training_batch
from models.trained_weights import load_weights
from utils.runtime import distributed
from utils.runtime.logger import Logger


def run(config: Config, runtime: Runtime) -> int:
    """Trains or continues; 0, or 130/143 when a signal stopped it (its state is saved)."""
    if repeats.wanted(config):
        return repeats.run(config, runtime)
    continued = Path(config.continue_run) if config.continue_run else None
    plan = stage_plan.read(continued, config.given) if continued else None
    if plan:
        plan = stage_plan.with_changes(plan, config)
    elif config.stages:
        plan = Plan(tuple(split_stages(config)))
    if continued and run_folder.opened(continued, config).finished(config):
        runtime.info(f"{continued}: this run is finished; its figures are in results.json")
        if plan is None:
            return 0
        run_folder.check_processes(run_folder.opened(continued, config), runtime)
        before = plan.after(continued)
        plan = _next_to_start(before)
        if len(plan.done) == len(plan.stages):
            runtime.info(f"all stages of {plan.names} are finished")
            return 0
        hold(continued, runtime)  # no other process starts the next stage
        plan, continued = _next_to_start(before), None
    if plan is None:
        train(config, runtime)
    else:
        _train_stages(plan, config if continued else None, runtime)
    return 0


def _next_to_start(plan: Plan) -> Plan:
    """The plan up to the first stage that no run has begun; ValueError where one has begun and not
    finished.
    """
    while len(plan.done) < len(plan.stages):
        # The main process looks: it may begin the next run before another one has looked.
        found = distributed.broadcast_object(stage_plan.started_after(plan))
        if found is None:
            break
        config = plan.stages[len(plan.done)].config
        if not run_folder.opened(found, config).finished(config):
            raise ValueError(
                f"{plan.title(len(plan.done))} has begun in {found}: go on with --continue {found}"
            )
        plan = plan.after(found)
    return plan


def _train_stages(plan: Plan, interrupted: Config | None, runtime: Runtime) -> None:
    """The present stage, which goes on where it was interrupted, and all after it."""
    first = len(plan.done)
    configs = [stage.config for stage in plan.stages[first:]]
    if interrupted:
        configs[0] = interrupted
    data = _read_all(plan, configs, runtime)
    skipped = left_out.record(
        (config, found.skipped) for config, found in zip(configs, data, strict=True)
    )
    labels = [found.digests() for found in data]
    _check_labels(plan, labels)
    plan = dataclasses.replace(plan, labels=(*plan.labels[:first], *labels))
    _rehearse(plan, configs, data, runtime)
    for number, found in enumerate(data, start=first):
        config = configs[number - first]
        runtime.info(f"== {plan.title(number)}")
        if plan.done and not config.continue_run:
            best = _opened(plan, number - 1).best
            config = dataclasses.replace(config, resume=best.as_posix())
        beside = {stage_plan.FILE: plan.to_dict(), left_out.FILE: skipped}
        folder = train(config, runtime, found, beside)
        plan = plan.after(folder.path)
        if len(plan.done) < len(plan.stages) and runtime.stop_requested():
            stop = runtime.stop_signal or 15
            go_on = f"go on with --continue {folder.path}"
            raise Stopped(stop, f"stopped by signal {stop} after {plan.title(number)}: {go_on}")
    if runtime.main:
        with closing(Logger(folder.path, tensorboard=False)) as logger:
            logger.info(summary(plan))


def _read_all(plan: Plan, configs: list[Config], runtime: Runtime) -> list[Data]:
    """The data of all stages; whatever is wrong with any is said before the first one trains."""
    for number, config in enumerate(configs, start=len(plan.done)):
        with _named(plan, number):
            check_names(config)
    # All stages began when the first one did.
    begun = configs[0].continue_run or (plan.done[-1] if plan.done else None)
    configs = [dataclasses.replace(config, continue_run=begun) for config in configs]
    return [read_data(config, TASKS[config.criterion], runtime) for config in configs]


@contextmanager
def _named(plan: Plan, number: int) -> Iterator[None]:
    """Puts a stage's name before the message of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{plan.title(number)}: {error}") from error


def _check_labels(plan: Plan, labels: list[dict[str, str]]) -> None:
    """Stages go on with the labels they began with, or not at all."""
    for number, (found, stored) in enumerate(
        zip(labels, plan.labels[len(plan.done) :], strict=False), start=len(plan.done)
    ):
        for split in sorted(found.keys() | stored.keys()):
            if found.get(split) != stored.get(split):
                raise ValueError(
                    f"{plan.title(number)}: the labels of {split}/ have changed since the first "
                    "stage began: start anew"
                )


def _rehearse(plan: Plan, configs: list[Config], data: list[Data], runtime: Runtime) -> None:
    """Sets every stage up with untrained weights: what would stop a later one stops the first."""
    if len(configs) == 1:
        return
    state, advprop = None, False
    for number, (config, found) in enumerate(zip(configs, data, strict=True), len(plan.done)):
        with _named(plan, number):
            config = with_resumed_variant(config)
            advprop = advprop or config.advprop
            task, targets = TASKS[config.criterion], found.splits["train"].targets.all()
            model = build_model(
                config.arch, branches(config, found.splits["train"].labels.bins),
                network_size(config), config.dropout, advprop=advprop,
            )  # fmt: skip
            if state is not None:
                load_weights(model, state)
            freeze(model, config.freeze)
            check_training_batch(model, fewest_images(training_set(config, found, runtime)))
            task.fit_head(model, targets, _no_sample)
            task.criterion(config, targets)
            optimizer_of(config, model)
            state = model.state_dict()


def _no_sample() -> tuple[np.ndarray, np.ndarray]:
    raise AssertionError("an untrained head has no scores to draw a line through")


def _opened(plan: Plan, number: int) -> RunFolder:
    return run_folder.opened(Path(plan.done[number]), plan.stages[number].config)


def summary(plan: Plan) -> str:
    """A table: each finished stage's best epoch, validation and test figures, and folder."""
    rows = [("stage", "best epoch", "best", "test", "run")]
    for number, folder in enumerate(plan.done):
        results = _opened(plan, number).stored_results()
        figure, _ = monitored(plan.stages[number].config)
        rows.append(
            (
                f"{number + 1} {plan.stages[number].name}",
                str(results.get("best_epoch")),
                _shown({figure: results.get(figure)}),
                _shown(results.get("test", {})) or "no test/ split",
                folder,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _shown(figures: dict[str, Any]) -> str:
    """Figures that are no counts; null is the nan of JSON."""
    shown = {k: v for k, v in figures.items() if v is None or isinstance(v, float)}
    return "  ".join(f"{k} {'nan' if v is None else format(v, '.4f')}" for k, v in shown.items())

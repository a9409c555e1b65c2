"""--stages: several trainings, each from the best weights of the one before.

Every stage is an ordinary run with a folder of its own, whose stages.json knows enough of the
others to go on with those that remain; the result is that of as many commands, the later ones with
--resume BEST_WEIGHTS_BEFORE, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from applications.inputs.data import Data, read_data
from applications.inputs.run_record import left_out, set_fields, stored_results
from applications.inputs.runtime import Runtime
from applications.inputs.weights import with_resumed_variant
from applications.tasks import TASKS, monitored
from applications.training import run_folder
from applications.training.beginning import filled, with_beginning
from applications.training.one_run import train
from applications.training.parts import check_names, network, optimizer_of, training_set
from applications.training.probe import longest, with_precision
from applications.training.run_folder import RunFolder, hold, newest, settled
from applications.training.stage_list import Stage, split_stages
from config import CONTINUE_FLAGS, Config, checked_config
from models.trained_weights import load_weights
from utils.files.reading import check_entries, read_object
from utils.runtime import distributed
from utils.runtime.logger import Logger
from utils.text import aligned

FILE = "stages.json"
KINDS = {"names": str, "configs": dict, "labels_sha256": dict, "done": str}  # of lists


@dataclass(frozen=True)
class Plan:
    """stages: all of them; labels: SHA-256 of each one's label files by split, once they have been
    read; done: run folders of the finished ones, so that `len(done)` is the stage to run.
    """

    stages: tuple[Stage, ...]
    labels: tuple[dict[str, str], ...] = ()
    done: tuple[str, ...] = ()

    @property
    def names(self) -> str:
        return ",".join(stage.name for stage in self.stages)

    @property
    def ended(self) -> bool:
        """Whether no stage is left to run."""
        return len(self.done) == len(self.stages)

    @property
    def present(self) -> Config:
        """Of the stage to run."""
        return self.stages[len(self.done)].config

    def title(self, number: int) -> str:
        """How a person calls stage `number`, which counts from 0."""
        return f"stage {number + 1}/{len(self.stages)} ({self.stages[number].name})"

    def after(self, folder: str | Path) -> Plan:
        """The plan when the present stage has finished in `folder`."""
        return replace(self, done=(*self.done, Path(folder).as_posix()))

    def folder(self, number: int) -> RunFolder:
        """That of a finished stage."""
        return run_folder.opened(self.done[number], self.stages[number].config)

    def to_dict(self) -> dict[str, Any]:
        """JSON of a stage's stages.json."""
        return {
            "names": [stage.name for stage in self.stages],
            "configs": [stage.config.to_dict() for stage in self.stages],
            "labels_sha256": list(self.labels),
            "done": list(self.done),
        }


def read_plan(folder: Path, given: Iterable[str] = ()) -> Plan | None:
    """The plan of a run folder; None where the run is not one of several. Raises ValueError.

    given: flags of the present call.
    """
    file = folder / FILE
    if not file.exists():
        return None
    try:
        stored = read_object(file)
        check_entries(stored, dict.fromkeys(KINDS, list), file, needed=True)
        for name, kind in KINDS.items():
            if not all(isinstance(one, kind) for one in stored[name]):
                raise ValueError(f"{name}: a value of another kind")
        configs = [settled(set_fields(one), given, file) for one in stored["configs"]]
        stages = [
            Stage(name, checked_config({**fields, "train": True}))
            for name, fields in zip(stored["names"], configs, strict=True)
        ]
        if len(stored["done"]) >= len(stages):
            raise ValueError("done: more than the stages before this one")
    except ValueError as error:
        said = str(error).removeprefix(f"{file}: ")
        raise ValueError(f"{file}: not the plan of a run in stages: {said}") from None
    return Plan(tuple(stages), tuple(stored["labels_sha256"]), tuple(stored["done"]))


def planned(config: Config) -> Plan | None:
    """The stages of --train, or those that the run of --continue is one of, with what this call
    changes (workers, devices) in all of them; None for a single training.
    """
    if config.continue_run is None:
        return Plan(tuple(split_stages(config))) if config.stages else None
    plan = read_plan(Path(config.continue_run), config.given)
    if plan is None:
        return None
    own = {name: getattr(config, name) for name in CONTINUE_FLAGS - {"continue_run"}}
    changed = {name: value for name, value in own.items() if value != getattr(plan.present, name)}
    stages = (Stage(stage.name, replace(stage.config, **changed)) for stage in plan.stages)
    return replace(plan, stages=tuple(stages))


def train_rest(plan: Plan, config: Config, runtime: Runtime, finished: bool) -> None:
    """Trains the stages that are not finished.

    config: of this call; finished: whether the run that it continues is.
    """
    interrupted = config if config.continue_run else None
    if finished:
        folder = Path(config.continue_run or "")
        run_folder.check_processes(run_folder.opened(folder, config), runtime)
        before, interrupted = plan.after(folder), None
        if not _next_to_start(before).ended:
            hold(folder, runtime)  # no other process starts the next stage
        plan = _next_to_start(before)
    if plan.ended:
        runtime.info(f"all stages of {plan.names} are finished")
    else:
        _train(plan, interrupted, runtime)


def _next_to_start(plan: Plan) -> Plan:
    """The plan up to the first stage that no run has begun; ValueError where one has begun and not
    finished.
    """
    while not plan.ended:
        # The main process looks: it may begin the next run before another one has looked.
        found = distributed.broadcast_object(_begun(plan))
        if found is None:
            break
        if not run_folder.opened(found, plan.present).finished(plan.present):
            raise ValueError(
                f"{plan.title(len(plan.done))} has begun in {found}: go on with --continue {found}"
            )
        plan = plan.after(found)
    return plan


def _begun(plan: Plan) -> Path | None:
    """The newest run folder of the plan's present stage, that is, of one whose earlier stages are
    the same runs; None before it has one.
    """
    names = [Path(folder).name for folder in plan.done]
    return newest(Path(plan.present.logdir), FILE, lambda file: _done_in(file) == names)


def _done_in(file: Path) -> list[str] | None:
    try:
        return [Path(folder).name for folder in read_object(file)["done"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not a plan of ours: another run's folder is none of our business


def _train(plan: Plan, interrupted: Config | None, runtime: Runtime) -> None:
    """The present stage, which goes on where it was interrupted, and all after it."""
    first = len(plan.done)
    configs = [stage.config for stage in plan.stages[first:]]
    if interrupted:
        configs[0] = interrupted
    data = _read_all(plan, configs, runtime)
    labels = [found.digests() for found in data]
    _check_labels(plan, labels)
    plan = replace(plan, labels=(*plan.labels[:first], *labels))
    _rehearse(plan, configs, data, runtime)
    plan, configs, runtime = _with_precision(plan, configs, data, runtime)
    skipped = left_out((c, found.skipped) for c, found in zip(configs, data, strict=True))
    for number, (config, found) in enumerate(zip(configs, data, strict=True), first):
        runtime.info(f"== {plan.title(number)}")
        if plan.done and not config.continue_run:
            before = plan.folder(number - 1).best.as_posix()
            config = with_beginning(replace(config, resume=before), runtime)
        folder = train(config, runtime, found, {FILE: plan.to_dict(), **skipped})
        plan = plan.after(folder.path)
        if not plan.ended and runtime.stop_requested():
            go_on = f"go on with --continue {folder.path}"
            raise runtime.stopped(f" after {plan.title(number)}: {go_on}")
    if runtime.main:
        with closing(Logger(folder.path, tensorboard=False)) as logger:
            logger.info(summary(plan))


def _read_all(plan: Plan, configs: list[Config], runtime: Runtime) -> list[Data]:
    """The data of all stages; whatever is wrong with any is said before the first one trains."""
    for number, config in enumerate(configs, len(plan.done)):
        with _named(plan, number):
            check_names(config)
    begun = _all_begun(plan, configs)
    return [read_data(config, TASKS[config.criterion], runtime) for config in begun]


def _all_begun(plan: Plan, configs: list[Config]) -> list[Config]:
    """All stages began when the first one did."""
    begun = configs[0].continue_run or (plan.done[-1] if plan.done else None)
    return [replace(config, continue_run=begun) for config in configs]


def _with_precision(
    plan: Plan, configs: list[Config], data: list[Data], runtime: Runtime
) -> tuple[Plan, list[Config], Runtime]:
    """All with what suits the longest stage: chosen once, and kept in every stage's files."""
    number = longest(configs, data)
    found, runtime = with_precision(_all_begun(plan, configs)[number], runtime, data[number])
    chosen = {name: value for name in ("amp", "threads") if (value := getattr(found, name))}
    stages = (replace(stage, config=filled(stage.config, **chosen)) for stage in plan.stages)
    return (
        replace(plan, stages=tuple(stages)),
        [filled(config, **chosen) for config in configs],
        runtime,
    )


@contextmanager
def _named(plan: Plan, number: int) -> Iterator[None]:
    """Puts a stage's name before the message of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{plan.title(number)}: {error}") from error


def _check_labels(plan: Plan, labels: list[dict[str, str]]) -> None:
    """Stages go on with the labels they began with, or not at all."""
    first = len(plan.done)
    for number, (found, stored) in enumerate(zip(labels, plan.labels[first:], strict=False), first):
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
            task, labels = TASKS[config.criterion], found.splits["train"].targets.all()
            dataset = training_set(config, found, runtime)
            model = network(config, found, dataset, pretrained=False, advprop=advprop)
            if state is not None:
                load_weights(model, state)
            task.fit_head(model, labels, _no_sample)
            task.criterion(config, labels)
            optimizer_of(config, model)
            state = model.state_dict()


def _no_sample() -> tuple[np.ndarray, np.ndarray]:
    raise AssertionError("an untrained head has no scores to draw a line through")


def summary(plan: Plan) -> str:
    """A table: each finished stage's best epoch, validation and test metrics, and folder."""
    rows = [("stage", "best epoch", "best", "test", "run")]
    for number, folder in enumerate(plan.done):
        results = stored_results(Path(folder))
        monitor, _ = monitored(plan.stages[number].config)
        rows.append(
            (
                f"{number + 1} {plan.stages[number].name}",
                str(results.get("best_epoch")),
                _shown({monitor: results.get(monitor)}),
                _shown(results.get("test", {})) or "no test/ split",
                folder,
            )
        )
    return "\n".join(aligned(rows, left=len(rows[0])))


def _shown(metrics: dict[str, Any]) -> str:
    """Metrics, but no counts; null is the nan of JSON."""
    shown = {k: v for k, v in metrics.items() if v is None or isinstance(v, float)}
    return "  ".join(f"{k} {'nan' if v is None else format(v, '.4f')}" for k, v in shown.items())

"""What a run folder knows of the stages around it: enough to go on with those that remain."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from applications.training.run_folder import set_fields, settled
from applications.training.stage_list import Stage
from config import CONTINUE_FLAGS, Config, checked_config
from utils.files.reading import check_entries, read_object

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

    def title(self, number: int) -> str:
        """How a person calls stage `number`, which counts from 0."""
        return f"stage {number + 1}/{len(self.stages)} ({self.stages[number].name})"

    def after(self, folder: Path) -> Plan:
        """The plan when the present stage has finished in `folder`."""
        return dataclasses.replace(self, done=(*self.done, folder.as_posix()))

    def to_dict(self) -> dict[str, Any]:
        """JSON of a stage's stages.json."""
        return {
            "names": [stage.name for stage in self.stages],
            "configs": [stage.config.to_dict() for stage in self.stages],
            "labels_sha256": list(self.labels),
            "done": list(self.done),
        }


def read(folder: Path, given: Iterable[str] = ()) -> Plan | None:
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


def with_changes(plan: Plan, config: Config) -> Plan:
    """The plan with what this call of --continue changed (workers, devices) in all its stages.

    config: of the run that goes on, changes included.
    """
    before = plan.stages[len(plan.done)].config
    names = CONTINUE_FLAGS - {"continue_run"}
    changed = {
        name: getattr(config, name)
        for name in names
        if getattr(config, name) != getattr(before, name)
    }
    stages = [
        Stage(stage.name, dataclasses.replace(stage.config, **changed)) for stage in plan.stages
    ]
    return dataclasses.replace(plan, stages=tuple(stages))


def started_after(plan: Plan) -> Path | None:
    """The newest run folder of the plan's present stage, that is, of one whose earlier stages are
    the same runs; None before it has one.
    """
    root = Path(plan.stages[len(plan.done)].config.logdir)
    names = [Path(folder).name for folder in plan.done]
    found = [
        file.parent
        for file in sorted(root.glob(f"*/{FILE}"))
        if not file.parent.name.startswith(".") and _done_in(file) == names
    ]
    return found[-1] if found else None


def _done_in(file: Path) -> list[str] | None:
    try:
        return [Path(folder).name for folder in read_object(file)["done"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not a plan of ours: another run's folder is none of our business

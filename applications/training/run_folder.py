"""The folder of one run: made whole or not at all, never overwritten, and enough to repeat or
continue the run.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from applications.inputs.environment import environment
from applications.inputs.runtime import Runtime
from applications.training.run_lock import new_folder
from config import CONTINUE_FLAGS, MODES, Config, check_written, make_config, read_config
from utils.files.checkpoint import publish
from utils.files.reading import check_entries, read_object
from utils.files.writing import sweep, write_json
from utils.flag_parser import is_inside
from utils.runtime import distributed

FACTS = {
    "started": str, "command": list, "python": str, "packages": dict, "platform": str,
    "device": str, "processes": int, "labels_sha256": dict,
}  # fmt: skip


@dataclass(frozen=True)
class RunFolder:
    """path: the folder; arch: the backbone as it was spelled, safe in a file name; latest: the
    shared folder.
    """

    path: Path
    arch: str
    latest: Path

    @property
    def checkpoint(self) -> Path:
        return self.path / f"checkpoint_{self.arch}.pth"

    @property
    def previous(self) -> Path:
        """The state that was saved before that of `checkpoint`."""
        return self.path / f"previous_{self.checkpoint.name}"

    @property
    def unread(self) -> Path:
        """Where a state that could not be read stays when the one before it takes its place."""
        return self.path / f"damaged_{self.checkpoint.name}"

    @property
    def best(self) -> Path:
        return self.path / f"model_best_{self.arch}.pth"

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def publish(self) -> None:
        """Copies the last and the best weights to the folder of the latest run of each backbone."""
        for file in (self.checkpoint, self.best):
            if file.exists():
                publish(file, self.latest / file.name)

    def sweep(self) -> None:
        """Removes what killed processes left half-written, here and among the published copies."""
        sweep(self.path)
        for name in ("checkpoint_", "model_best_"):
            sweep(self.latest, f".{name}*.tmp")

    def stored_config(self) -> dict[str, Any]:
        return read_object(self.path / "config.json")

    def stored_facts(self) -> dict[str, Any]:
        """`environment` of the call that began the run."""
        file = self.path / "environment.json"
        facts = read_object(file)
        check_entries(facts, FACTS, file, needed=True)
        return facts

    def stored_results(self) -> dict[str, Any]:
        """What a finished run found."""
        found = read_object(self.results)
        check_entries(found, {"best_epoch": int | None, "test": dict}, self.results)
        return found

    def finished(self, config: Config) -> bool:
        """Whether the figures of its test are there, and their report, where there is to be one."""
        if not self.results.exists():
            return False
        due = "test" in self.stored_results() and not config.no_report
        return self.report.exists() or not due


def file_arch(arch: str) -> str:
    """The backbone's name as files carry it: as spelled, without separators."""
    return arch.replace("/", "_").replace(":", "_")


def create(
    config: Config, labels: dict[str, str], runtime: Runtime, beside: Mapping[str, Any]
) -> RunFolder:
    """A new folder below --logdir, with config.json, environment.json and the files of `beside`
    (name -> JSON); its name is the same on all processes.
    """
    path = None
    if runtime.main:
        name = f"{time.strftime('%Y%m%d-%H%M%S')}_{file_arch(config.arch)}_{config.criterion}"
        facts = environment(config.seed, labels, runtime)
        files = {"config.json": config.to_dict(), "environment.json": facts, **beside}
        path, handle = _make(Path(config.logdir), name, files)
        if handle is not None:
            runtime.held[path.resolve()] = handle
    folder = opened(distributed.broadcast_object(path), config)
    if runtime.main:
        folder.sweep()
    return folder


def opened(path: Path, config: Config) -> RunFolder:
    return RunFolder(Path(path), file_arch(config.arch), Path(config.checkpoints))


def _make(root: Path, name: str, files: dict[str, Any]) -> tuple[Path, int | None]:
    """(the new folder, handle of its lock if any)"""
    root.mkdir(parents=True, exist_ok=True)
    made, handle = new_folder(root)
    try:
        for file, content in files.items():
            write_json(made / file, content)
        made.chmod(0o755)
        for number in range(1, 1000):
            target = root / (name if number == 1 else f"{name}-{number}")
            try:
                # Renaming onto a folder fails unless that is empty, and ours never are.
                os.rename(made, target)
                return target, handle
            except OSError:
                if not target.exists():
                    raise
        raise ValueError(f"{root / name}: a thousand runs of this second exist")
    except BaseException:
        if handle is not None:
            os.close(handle)
        shutil.rmtree(made, ignore_errors=True)
        raise


def continued(config: Config) -> Config:
    """For --continue: the run's own configuration with what may change (workers, devices); else
    `config` itself.
    """
    if config.continue_run is None:
        return config
    file = Path(config.continue_run) / "config.json"
    if not file.is_file():
        raise ValueError(
            f"--continue {config.continue_run}: no config.json there: name a folder below --logdir"
        )
    changed = {name: getattr(config, name) for name in config.given & CONTINUE_FLAGS}
    stored = settled(set_fields(read_config(str(file))), config.given, file)
    return make_config({**stored, **changed})


def settled(stored: dict[str, Any], given: Iterable[str], file: Path) -> dict[str, Any]:
    """Fields of a run's stored configuration, whose folder may come from a stranger: runs that
    follow lie in the present folder or beside this one. UsageError where weights or features would
    be written elsewhere.
    """
    check_written(stored, {"checkpoints"} - set(given), file)
    kept = Path(stored.get("cache_features", "."))
    if not is_inside(kept) and not any(kept.glob("*/about.json")):
        raise ValueError(
            f"{file}: --cache_features {kept} lies outside this folder and holds no features yet: "
            "start a new run, which may name it"
        )
    root = Path(stored.get("logdir", Config.logdir))
    beside = file.resolve().parents[1]
    return (
        stored if is_inside(root) or root.resolve() == beside else {**stored, "logdir": str(beside)}
    )


def set_fields(stored: dict[str, Any]) -> dict[str, Any]:
    """Fields of a stored configuration that have a value, without the mode of its call."""
    return {k: v for k, v in stored.items() if v is not None and v != [] and k not in MODES}


def check_labels(folder: RunFolder, labels: dict[str, str], what: str = "labels") -> None:
    """A run goes on with the labels, or photographs, it began with, or not at all."""
    facts = folder.stored_facts()
    for split, digest in facts["labels_sha256"].items():
        if labels.get(split) != digest:
            raise ValueError(
                f"{folder.path}: the {what} of {split}/ have changed since the run began: start "
                "a new run"
            )


def check_processes(folder: RunFolder, runtime: Runtime) -> None:
    """The order of the data depends on the number of processes; the order of sums, and so the last
    bits of a result on the CPU, on that of threads.
    """
    facts = folder.stored_facts()
    if facts["processes"] != runtime.world.size:
        raise ValueError(
            f"{folder.path}: began with {facts['processes']} process(es), now "
            f"{runtime.world.size}: start as many (-g, -n)"
        )
    threads, began = torch.get_num_threads(), facts.get("threads")
    if began not in (None, threads) and runtime.device.type == "cpu":
        runtime.info(
            f"{folder.path}: began with {began} thread(s), now {threads}: the result will be "
            f"close, but is not promised to be the same to the bit (--threads {began} is)"
        )

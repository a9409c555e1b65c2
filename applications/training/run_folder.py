"""The folder of one run: made whole or not at all, never overwritten, written to by one process at
a time, and enough to repeat or continue the run.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from applications.inputs.outputs import file_arch
from applications.inputs.run_record import environment, set_fields, stored_facts, stored_results
from applications.inputs.runtime import Runtime
from config import CONTINUE_FLAGS, Config, check_written, make_config, read_config
from utils.files.checkpoint import publish
from utils.files.lock import try_lock, when_abandoned
from utils.files.writing import check_no_link, sweep, write_json, write_text
from utils.flag_parser import is_inside
from utils.runtime import distributed
from utils.text import printable

LOCK = "run.lock"  # says which process holds it
NEW = ".new-"  # begins the name of a folder that is not finished


@dataclass(frozen=True)
class RunFolder:
    """path: the folder; arch: the backbone as it was spelled, safe in a file name; latest: the
    shared folder.
    """

    path: Path
    arch: str
    latest: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

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

    def finished(self, config: Config) -> bool:
        """Whether the metrics of its test are there, and their report, where there is to be one."""
        if not self.results.exists():
            return False
        due = "test" in stored_results(self.path) and not config.no_report
        return self.report.exists() or not due


def create(
    config: Config,
    labels: dict[str, str],
    runtime: Runtime,
    beside: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
) -> RunFolder:
    """A new folder below --logdir, with config.json, environment.json (more: of it, beside what
    every run has) and the files of `beside` (name -> JSON, or text); its name is the same on all
    processes.
    """
    path = None
    if runtime.main:
        name = f"{time.strftime('%Y%m%d-%H%M%S')}_{file_arch(config.arch)}_{config.criterion}"
        facts = {**environment(config.seed, labels, runtime), **(more or {})}
        files = {"config.json": config.to_dict(), "environment.json": facts, **beside}
        path, handle = _make(Path(config.logdir), name, files)
        if handle is not None:
            runtime.held[path.resolve()] = handle
    folder = opened(distributed.broadcast_object(path), config)
    if runtime.main:
        folder.sweep()
    return folder


def opened(path: str | Path, config: Config) -> RunFolder:
    """The run folder at the path, whose run has the configuration."""
    return RunFolder(Path(path), file_arch(config.arch), Path(config.checkpoints))


def newest(root: Path, name: str, wanted: Callable[[Path], bool]) -> Path | None:
    """The newest run folder below the root whose file of this name is the wanted one; one that is
    still being made is none.
    """
    found = [file.parent for file in sorted(root.glob(f"[!.]*/{name}")) if wanted(file)]
    return found[-1] if found else None


def is_finished(config: Config) -> bool:
    """Whether the run that --continue names is finished; False without it."""
    folder = config.continue_run
    return folder is not None and opened(folder, config).finished(config)


def _make(root: Path, name: str, files: dict[str, Any]) -> tuple[Path, int | None]:
    """(the new folder, handle of its lock if any)"""
    root.mkdir(parents=True, exist_ok=True)
    made, handle = _new_folder(root)
    try:
        for file, content in files.items():
            (write_text if isinstance(content, str) else write_json)(made / file, content)
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


# ---- who may write in it


def hold(path: Path, runtime: Runtime) -> None:
    """Keeps other processes from training in the folder until this call ends, however it ends;
    ValueError names the one that already does.
    """
    problem = None
    if runtime.main and path.resolve() not in runtime.held:
        check_no_link(path / LOCK)
        handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        locked = _locked(handle)
        if locked:
            runtime.held[path.resolve()] = handle
        elif locked is None:
            runtime.info(f"{path}: no file locks here: let no second process train in it")
        else:
            holder = printable(os.pread(handle, 200, 0).decode("utf-8", "replace"))
            problem = f"{path}: {holder or 'another process'} trains in it: wait for it, or stop it"
        if not locked:
            os.close(handle)
    if problem := distributed.broadcast_object(problem):
        raise ValueError(problem)


def _locked(handle: int) -> bool | None:
    """Whether the lock is this process's now, as its file says then; None where there are none."""
    try:
        held = try_lock(handle)
    except OSError:
        return None
    if held:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
    return held


def _new_folder(root: Path) -> tuple[Path, int | None]:
    """(folder below root for a run that is being made, handle of its lock if any), after those of
    killed processes are gone. It is locked before anything else is in it: one without a lock is
    nobody's.
    """
    for left in root.glob(f"{NEW}*"):
        # Locked before it is removed: another process may be about to lock it.
        with suppress(OSError):  # it has a lock, or is no folder
            os.close(os.open(left / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
        when_abandoned(left / LOCK, partial(shutil.rmtree, left, ignore_errors=True))
    while True:
        made = Path(tempfile.mkdtemp(dir=root, prefix=NEW))
        try:
            handle = os.open(made / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # another process took the empty folder for an abandoned one
            continue
        locked = _locked(handle)
        if locked is None:
            os.close(handle)
            return made, None
        if locked and os.fstat(handle).st_nlink:
            return made, handle
        os.close(handle)


# ---- what a run goes on with


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
    for name, what in (("cache", "images"), ("cache_features", "features")):
        kept = Path(stored.get(name, "."))
        if not is_inside(kept) and not any(kept.glob("*/about.json")):
            raise ValueError(
                f"{file}: --{name} {kept} lies outside this folder and holds no {what} yet: start "
                "a new run, which may name it"
            )
    root = Path(stored.get("logdir", Config.logdir))
    beside = file.resolve().parents[1]
    return (
        stored if is_inside(root) or root.resolve() == beside else {**stored, "logdir": str(beside)}
    )


def check_labels(folder: RunFolder, labels: dict[str, str], what: str = "labels") -> None:
    """A run goes on with the labels, or photographs, it began with, or not at all."""
    for split, digest in stored_facts(folder.path)["labels_sha256"].items():
        if labels.get(split) != digest:
            raise ValueError(
                f"{folder.path}: the {what} of {split}/ have changed since the run began: start "
                "a new run"
            )


def check_processes(folder: RunFolder, runtime: Runtime) -> None:
    """The order of the data depends on the number of processes; the order of sums, and so the last
    bits of a result on the CPU, on that of threads.
    """
    facts = stored_facts(folder.path)
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

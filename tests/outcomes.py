"""What runs have learned, and ways to end one early: for tests that go on with them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from applications.training.trainer import Trainer
from tests.cli import records, run_folders
from utils.files import checkpoint


def outcome(
    run: Path, files: str = "*.pth", ignored: Collection[str] = ("workers",)
) -> dict[str, object]:
    """What a finished run has learned and found, to the bit: digests of its weights and states,
    records without their timing, results and predictions.

    files: which weights and states, if any. ignored: settings stored with them that are of the
    call, not of the result.
    """
    found: dict[str, object] = {}
    for file in run.glob(files) if files else ():
        payload = checkpoint.load(file)
        payload["config"] = {k: v for k, v in payload["config"].items() if k not in ignored}
        found[file.name] = checkpoint.digest(payload)
    found["metrics"] = [{k: v for k, v in r.items() if k != "data_wait"} for r in records(run)]
    found["results"] = json.loads((run / "results.json").read_text())
    predictions = (run / "predictions_test.csv").read_text()
    found["predictions"] = predictions.replace(str(run.parent.parent), "")
    return found


def tensors(file: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(file)["model"]


def updates(folder: Path, number: int = 0) -> int:
    """Updates in the state of the folder's run `number`; -1 before there is one. A torn state is
    an error.
    """
    runs = run_folders(folder)[number:]
    found = list(runs[0].glob("checkpoint_*.pth")) if runs else []
    return checkpoint.load(found[0])["position"]["updates"] if found else -1


@contextmanager
def stopped_after(update: int, number: int = signal.SIGTERM) -> Iterator[None]:
    """The process sends itself a signal at the end of an update, counted over all runs."""
    made, learn = [], Trainer._update

    def counted(self: Trainer) -> None:
        learn(self)
        made.append(1)
        if len(made) == update:
            os.kill(os.getpid(), number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_update", counted)
        yield


# How a process ends that `end_at` kills.
KILLED = -signal.SIGPROF


def end_at(
    update: int, number: int = signal.SIGKILL, seconds: float = 0.0, training: int = 1
) -> None:
    """For a process of its own: this signal ends it, so many seconds of its own processor time
    after an update of its run (of which of its trainings), and wherever it is then.

    So a busy machine does not decide how far a run gets. What nobody catches is SIGPROF here.
    """
    found, learn = [], Trainer._update

    def counted(self: Trainer) -> None:
        learn(self)
        if self not in found:
            found.append(self)
        if len(found) == training and self.position.updates == update:
            if number != signal.SIGKILL:
                signal.signal(signal.SIGPROF, lambda *_: os.kill(os.getpid(), number))
            signal.setitimer(signal.ITIMER_PROF, seconds or 1e-6)

    Trainer._update = counted


@contextmanager
def killed_in(step: int) -> Iterator[None]:
    """KeyboardInterrupt, which nobody catches, in a step, counted over all runs."""
    taken, ours = [], Trainer._step

    def interrupted(self: Trainer, batch: object) -> object:
        taken.append(batch)
        if len(taken) == step:
            raise KeyboardInterrupt
        return ours(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_step", interrupted)
        yield

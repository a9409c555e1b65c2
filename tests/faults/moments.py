"""Trainings that end in the middle: SIGKILL at any moment and inside a save, and signals that ask
to stop. Continued, each one ends in the bits of a training that nobody disturbed.
"""

from __future__ import annotations

import os
import random
import shlex
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.applications.test_interrupt import state
from tests.faults.trial import Command, Trial, all_ended, attempt, fingerprint
from tests.tiny_data import write_data

WORDS = shlex.split(
    "--train --criterion rank --arch test_efficientnet --image_size 32 --crop random "
    "--crop_from 40 --dropout 0.5 --ema 0.8 --epochs 4 --warmup 1 -b 3 --save_every 1 "
    "--threads 1 --report_maps 1 --bootstrap 100 -g 0 --amp off"
)
SAVING = ("fsync", "replace", "rename", "link")  # what a save is made of


def kills(root: Path, short: bool) -> Iterator[Trial]:
    """Half of them at random moments, half at a random call of those that a save is made of."""
    whole = Undisturbed(root)
    rng = random.Random(12)
    for number in range(0 if short else 30):  # ten moments: test_interrupt.py
        part, workers = rng.uniform(0.05, 0.98), number % 3
        yield f"at {part:.2f} of the run, -j {workers}", partial(_killed, whole, part, workers)
    for number in range(2 if short else 30):
        place, before = rng.random(), bool(number % 2)
        yield (
            f"{'before' if before else 'after'} call {place:.2f} of saving",
            partial(_killed_saving, whole, place, before),
        )


def signals(root: Path, short: bool) -> Iterator[Trial]:
    """SIGTERM, SIGINT and SIGHUP at moments of the whole run, its test and report included."""
    whole = Undisturbed(root)
    rng = random.Random(13)
    for number in range(0 if short else 18):  # test_interrupt.py
        sent = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[number % 3]
        part, workers = rng.uniform(0.1, 0.98), number % 3
        yield (
            f"{sent.name} at {part:.2f} of the run, -j {workers}",
            partial(_asked_to_stop, whole, sent, part, workers),
        )


class Undisturbed:
    """The same training from beginning to end: what it leaves, how long it takes, and how many
    calls of SAVING it makes; done once, when it is first asked for.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.number = 0

    def __getattr__(self, name: str) -> Any:
        if name not in ("data", "state", "seconds", "calls"):
            raise AttributeError(name)
        folder = self.root / "whole"
        self.data = write_data(folder / "data", "rank", train=6)
        begun = time.monotonic()
        done = attempt(folder, [*WORDS, "-j", "0"], partial(_watch_saving, 0, False))
        self.seconds = time.monotonic() - begun
        assert done.code == 0, done
        self.calls = int((folder / "calls").read_text())
        self.state = state(folder)
        return getattr(self, name)

    def folder(self) -> Path:
        self.number += 1
        folder = self.root / f"run{self.number}"
        shutil.copytree(self.data, folder / "data")
        return folder

    def ends_equal(self, folder: Path, before: dict) -> str | None:
        """Goes on with what is there, and compares; the folder goes where all is right."""
        runs = sorted((folder / "runs").glob("[!.]*"))
        words = ["--continue", str(runs[-1])] if runs else [*WORDS, "-j", "0"]
        done = attempt(folder, words)
        if wrong := done.wrong(0):
            return f"{words[0]}: {wrong}"
        found = state(folder)
        different = [name for name, value in self.state.items() if found.get(name) != value]
        if different or found.keys() != self.state.keys():
            return f"ends otherwise: {different or found.keys() ^ self.state.keys()} in {folder}"
        if not list((folder / "runs").glob("*/report.html")):
            return "no report"
        if fingerprint(folder / "data") != before:
            return "the data has changed"
        shutil.rmtree(folder)
        return None


def _killed(whole: Undisturbed, part: float, workers: int) -> str | None:
    seconds, folder = whole.seconds, whole.folder()
    before = fingerprint(folder / "data")
    command = Command(folder, [*WORDS, "-j", str(workers)])
    time.sleep(part * seconds)
    loaders = command.children()
    command.signal(signal.SIGKILL)
    command.finish()
    if not all_ended(loaders):
        return "a loader outlives the process"
    return whole.ends_equal(folder, before)


def _killed_saving(whole: Undisturbed, place: float, before: bool) -> str | None:
    call, folder = 1 + int(place * whole.calls), whole.folder()
    data = fingerprint(folder / "data")
    done = attempt(folder, [*WORDS, "-j", "0"], partial(_watch_saving, call, before))
    if done.code != -signal.SIGKILL:
        return f"was not killed at call {call}: {done.code}"
    return whole.ends_equal(folder, data)


def _asked_to_stop(
    whole: Undisturbed, number: signal.Signals, part: float, workers: int
) -> str | None:
    seconds, folder = whole.seconds, whole.folder()
    before = fingerprint(folder / "data")
    command = Command(folder, [*WORDS, "-j", str(workers)])
    time.sleep(part * seconds)
    loaders = command.children()
    command.signal(number)
    sent = time.monotonic()
    done = command.finish(60)
    waited = time.monotonic() - sent
    # Before a run begins a signal ends the process as it ends any other.
    if wrong := done.wrong(0, 128 + number, -number):
        return wrong
    if waited > 20:
        return f"ended {waited:.0f} s after the signal"
    if not all_ended(loaders):
        return "a loader outlives the process"
    return whole.ends_equal(folder, before)


def _watch_saving(call: int, before: bool) -> None:
    """Counts the calls of SAVING in the file `calls`, and kills the process at number `call`."""
    count = 0

    def watched(function):
        def run(*arguments, **named):
            nonlocal count
            count += 1
            if count == call and before:
                os.kill(os.getpid(), signal.SIGKILL)
            found = function(*arguments, **named)
            if count == call:
                os.kill(os.getpid(), signal.SIGKILL)
            if not call:
                with open("calls", "w", encoding="utf-8") as file:
                    file.write(str(count))
            return found

        return run

    for name in SAVING:
        setattr(os, name, watched(getattr(os, name)))

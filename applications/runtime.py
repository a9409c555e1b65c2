"""Device, processes and signals of one call, opened before an application and closed on failure
too.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import torch

from config import Config
from utils import distributed
from utils.device import check_amp, choose_device, default_amp, prepare_device
from utils.text import to_stderr


class Stopped(Exception):
    """A signal asked to stop and the state is saved; `code` is the exit code (128 + signal)."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.code = 128 + signal_number


@dataclass
class Runtime:
    """device; amp for training; processes; and whether a signal asked to stop."""

    device: torch.device
    amp: str
    world: distributed.World
    stop_signal: int | None = None
    _previous: dict[int, object] = field(default_factory=dict)

    @property
    def main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.world.rank == 0

    def info(self, text: str) -> None:
        """One line to stderr from the main process."""
        if self.main:
            to_stderr(text)

    def catch_signals(self) -> None:
        """From here on SIGINT and SIGTERM only ask to stop; a second SIGINT interrupts at once.

        Once for all trainings of a call.
        """
        if self._previous:
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.stop_signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.stop_signal = number

    def stop_requested(self) -> bool:
        """Whether any process was asked to stop; all processes get the same answer."""
        return distributed.any_rank(self.stop_signal is not None)

    def close(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        distributed.teardown()


def launch_processes(config: Config, script: str, argv: list[str]) -> int | None:
    """Starts the processes that -g and -n ask for and returns their exit code; None when this is
    one of them.
    """
    if distributed.launched() or ((config.gpus or 1) == 1 and config.nodes == 1):
        return None
    choose_device(config.device, config.gpus)  # a wrong -g is answered before processes start
    return distributed.launch(
        script, argv, config.gpus or 1, config.nodes, config.rank, config.init_method
    )


@contextmanager
def open_runtime(config: Config) -> Iterator[Runtime]:
    """The device, the process group and the threads that the flags ask for."""
    if config.threads:
        torch.set_num_threads(config.threads)
    world = distributed.world()
    gpus = config.gpus if world.size == 1 else None
    device, note = choose_device(config.device, gpus, world.local_rank)
    prepare_device(device)
    amp = config.amp or default_amp(device)
    check_amp(device, amp)
    distributed.setup(device)
    runtime = Runtime(device, amp, world)
    if note:
        runtime.info(note)
    try:
        yield runtime
    finally:
        runtime.close()

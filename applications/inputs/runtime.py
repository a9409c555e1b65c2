"""Device, processes and signals of one call, opened before an application and closed on failure
too.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from config import Config
from utils.runtime import child_processes, distributed, stopping
from utils.runtime.device import check_amp, choose_device, default_amp, prepare_device
from utils.runtime.faults import explained
from utils.runtime.stopping import Stopped
from utils.text import to_stderr


@dataclass(frozen=True)
class Runtime:
    """device; amp for training; processes; and the run folders that this call has locked, with the
    handles of their locks.
    """

    device: torch.device
    amp: str
    world: distributed.World
    held: dict[Path, int] = field(default_factory=dict)

    @property
    def main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.world.rank == 0

    def info(self, text: str) -> None:
        """One line to stderr from the main process."""
        if self.main:
            to_stderr(text)

    @property
    def stop_signal(self) -> int | None:
        """The signal that asked this process to stop."""
        return stopping.asked()

    def stop_requested(self) -> bool:
        """Whether any process was asked to stop; all processes get the same answer."""
        return distributed.any_rank(self.stop_signal is not None)

    def stopped(self, text: str) -> Stopped:
        """The end that a signal asked for, as `run` tells it: "stopped by signal 15" and the
        text.
        """
        number = self.stop_signal or signal.SIGTERM  # of another process, where this one has none
        return Stopped(number, f"stopped by signal {number}{text}")

    def run(self, application: Callable[[], int]) -> int:
        """The application's exit code, or that of the signal that ended it."""
        try:
            with distributed.lost_peer_explained():
                return application()
        except Stopped as stop:
            self.info(str(stop))
            return stop.code
        except RuntimeError as error:
            line = explained(error)
            if line is None or not stopping.advice():
                raise
            raise ValueError(f"{line}; state as of the last save{stopping.advice()}") from error
        except distributed.PeerLostError:
            # All are asked to stop, and one that waits for another learns of it by the other's end.
            if self.stop_signal is None:
                raise
            return 128 + self.stop_signal


def launch_processes(config: Config, script: str, argv: list[str]) -> int | None:
    """Starts the processes that -g and -n ask for and returns their exit code; None when this is
    one of them.
    """
    if distributed.launched() or ((config.gpus or 1) == 1 and config.nodes == 1):
        return None
    choose_device(config.device, config.gpus)  # a wrong -g is answered before processes start
    # Here: a process alone needs none of it.
    from utils.runtime.launcher import launch

    return launch(script, argv, config.gpus or 1, config.nodes, config.rank, config.init_method)


@contextmanager
def open_runtime(config: Config) -> Iterator[Runtime]:
    """The device, the process group and the threads that the flags ask for; signals raise Stopped
    until the end (utils/runtime/stopping.py), and no process that was started in between is left.
    """
    before, held = child_processes.running(), {}
    with stopping.caught(distributed.launched()):
        try:
            yield _opened(config, held)
        finally:
            for handle in held.values():
                os.close(handle)
            child_processes.kill(child_processes.running() - before)
            distributed.teardown()


def _opened(config: Config, held: dict[Path, int]) -> Runtime:
    if config.threads:
        torch.set_num_threads(config.threads)
    world = distributed.world()
    gpus = config.gpus if world.size == 1 else None
    device, note = choose_device(config.device, gpus, world.local_rank)
    prepare_device(device)
    amp = config.amp or default_amp(device)
    check_amp(device, amp)
    distributed.setup(device)
    runtime = Runtime(device, amp, world, held)
    if note:
        runtime.info(note)
    return runtime

"""A call of one process without a device, for a mode that reads files: it need not wait for
torch. What applications/inputs/runtime.py opens is such a call as well, and more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from utils.runtime import child_processes, stopping
from utils.text import to_stderr


class Alone:
    """This process is the only one, so that it speaks."""

    def info(self, text: str) -> None:
        """One line to stderr."""
        to_stderr(text)

    def run(self, application: Callable[[], int]) -> int:
        """The application's exit code, or that of the signal that ended it."""
        try:
            return application()
        except stopping.Stopped as stop:
            self.info(str(stop))
            return stop.code


@contextmanager
def open_alone() -> Iterator[Alone]:
    """Signals raise Stopped until the end, and no process that was started in between is left."""
    before = child_processes.running()
    with stopping.caught():
        try:
            yield Alone()
        finally:
            child_processes.kill(child_processes.running() - before)

"""SIGINT, SIGTERM and SIGHUP: where they end the work at once, and where it is finished first.

Between `caught()` and its end a first signal raises Stopped in the main thread where it is, so that
every `finally` runs; within `deferred()` it is only noted, for a loop that asks `asked()` after
every step and saves. What may never come, another process's answer, is waited for within
`waiting()`, which a signal ends even there. A second signal ends the process as it is.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
PATIENCE = 5.0  # seconds that a wait goes on after a signal, where a step is to be finished


class Stopped(BaseException):
    """A signal asked to stop; `code` is the exit code (128 + signal). No Exception, like
    KeyboardInterrupt: it passes by whoever catches all errors.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.code = 128 + number


class GaveUp(Stopped):
    """In the middle of a wait, where stops are deferred."""


_asked: int | None = None
_deferred = False
_waiting = False
_advice = ""
_launched = False


def asked() -> int | None:
    """The signal that asked this process to stop."""
    return _asked


def advice() -> str:
    """ ": go on with --continue R", or nothing, behind what a person is told about an early end."""
    return _advice


def advise(text: str) -> None:
    """What somebody can do from now on about an early end."""
    global _advice
    _advice = f": {text}"


@contextmanager
def caught(launched: bool = False) -> Iterator[None]:
    """The rules of this module until the end of the block; nothing outside the main thread.

    launched: a launcher started this process. When another one ends first, the launcher sends
    SIGTERM to those that are still saving: that is no second wish to stop, and SIGINT is one.
    """
    global _asked, _advice, _launched
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _asked, _advice, _launched = None, "", launched
    try:
        with answered(_on_signal):
            yield
    finally:
        _asked = None


@contextmanager
def answered(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """SIGNALS go to the handler until the end of the block. A hang-up that was ignored (nohup)
    stays ignored.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    if before.get(getattr(signal, "SIGHUP", None)) is signal.SIG_IGN:
        del before[signal.SIGHUP]
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handled_before in before.items():
            signal.signal(number, handled_before)


@contextmanager
def deferred() -> Iterator[None]:
    """Within the block a signal is only noted, but for what `waiting` says; Stopped at the end of
    the block where nobody has answered it.
    """
    global _deferred
    before, _deferred = _deferred, True
    try:
        yield
    finally:
        _deferred = before
    if _asked is not None and not _deferred:
        _end_wait()


@contextmanager
def waiting() -> Iterator[None]:
    """Around a wait for another process: Stopped is raised from within it at once, or, where stops
    are deferred, after PATIENCE seconds: what comes by then can be finished and saved.
    """
    global _waiting
    _waiting = True
    try:
        if _asked is not None:
            _end_wait()
        yield
    finally:
        _waiting = False
        if _asked is not None and _deferred:
            _set_alarm(0.0)


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _asked
    if _asked is not None:
        if number != signal.SIGTERM or not _launched:
            for child in active_children():
                child.kill()
            os._exit(128 + number)
        return
    _asked = number
    if not _deferred or _waiting:
        _end_wait()


def _end_wait() -> None:
    if not _deferred:
        raise Stopped(_asked or signal.SIGTERM, f"stopped by signal {_asked}{_advice}")
    if not hasattr(signal, "setitimer"):
        _on_alarm()
    signal.signal(signal.SIGALRM, _on_alarm)
    _set_alarm(PATIENCE)


def _on_alarm(_number: int = 0, _frame: FrameType | None = None) -> None:
    if _waiting:
        state = "while waiting for data, state as of the last save"
        raise GaveUp(_asked or signal.SIGTERM, f"stopped by signal {_asked} {state}{_advice}")


def _set_alarm(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)

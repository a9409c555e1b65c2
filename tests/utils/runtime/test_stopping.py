"""Signals of this very process: where they raise, where they wait, and what a second one does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from utils.runtime import stopping
from utils.runtime.stopping import Stopped, caught, deferred, waiting


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143), (1, 129)])
def test_a_first_signal_raises_where_it_is_and_handlers_come_back(number, code):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, which is respected, ignores it
    before = [signal.getsignal(n) for n in stopping.SIGNALS]
    with pytest.raises(Stopped, match=f"stopped by signal {number}: go on$") as stop, caught():
        stopping.advise("go on")
        send(number)
        pytest.fail("went on")
    assert stop.value.code == code and not isinstance(stop.value, Exception)
    assert [signal.getsignal(n) for n in stopping.SIGNALS] == before and stopping.asked() is None


def test_where_it_is_deferred_it_is_noted_and_only_a_long_wait_ends(monkeypatch):
    monkeypatch.setattr(stopping, "PATIENCE", 0.2)
    with pytest.raises(Stopped, match="while waiting for data, state as of the last save"):
        with caught(), deferred():
            with waiting():
                send()
            time.sleep(0.4)  # no wait for others any more
            assert stopping.asked() == signal.SIGTERM
            with waiting():
                time.sleep(30)
            pytest.fail("waited on")


def test_what_was_noted_and_not_answered_ends_the_block():
    """After the last look at `asked` too: loaders that end take a while."""
    with pytest.raises(Stopped, match="stopped by signal 15$"), caught():
        with deferred():
            with deferred():
                send()
            inner = True
        pytest.fail("went on")
    assert inner


def test_another_error_passes_by_a_noted_signal():
    with pytest.raises(KeyError), caught(), deferred():
        send()
        raise KeyError


def test_a_hang_up_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with caught():
            send(signal.SIGHUP)
            assert stopping.asked() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def end_of(work: Callable[[], None]) -> int:
    """How a fork that does the work ends: its exit code, 0 where the work returns."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(
    ("launched", "second", "code"),
    [
        (False, signal.SIGTERM, 143),
        (False, signal.SIGINT, 130),
        (True, signal.SIGTERM, 0),  # the launcher's, to whoever is still saving
        (True, signal.SIGINT, 130),
    ],
)
def test_a_second_signal_ends_at_once(launched, second, code):
    def work() -> None:
        with suppress(Stopped), caught(launched), deferred():
            send()
            send(second)

    assert end_of(work) == code

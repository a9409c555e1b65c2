"""A call without a device: what it was started with is there again when a signal has ended it."""

from __future__ import annotations

import os
import signal

from utils.runtime.alone import open_alone


def test_a_signal_ends_the_call_with_its_code_and_its_handler_is_put_back(capsys):
    before = signal.getsignal(signal.SIGTERM)

    def stopped() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("goes on after the signal")

    with open_alone() as call:
        assert call.run(lambda: 7) == 7
        assert call.run(stopped) == 128 + signal.SIGTERM
    assert capsys.readouterr().err == f"stopped by signal {int(signal.SIGTERM)}\n"
    assert signal.getsignal(signal.SIGTERM) is before

"""The short form of the trials; `bash z_task_shell/faults.sh` runs the long one."""

from __future__ import annotations

import pytest

from tests.faults.__main__ import KINDS

ELSEWHERE = ("weights", "signals")  # test_weights.py, applications/test_interrupt.py


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ELSEWHERE])
def test_trials(kind, tmp_path):
    wrong = [
        f"{name}: {found}"
        for name, trial in KINDS[kind](tmp_path, True)
        if (found := trial()) is not None
    ]
    assert not wrong, "\n".join(wrong)

"""The short form of the trials; `bash z_task_shell/faults.sh` runs the long one."""

from __future__ import annotations

import pytest

from tests.faults.__main__ import KINDS


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "weights"])  # test_weights.py
def test_trials(kind, tmp_path):
    wrong = [
        f"{name}: {found}"
        for name, trial in KINDS[kind](tmp_path, True)
        if (found := trial()) is not None
    ]
    assert not wrong, "\n".join(wrong)

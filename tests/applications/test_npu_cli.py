"""`main.py --device npu` on the emulated card: the code path of Ascend, not its numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import npu_emulator
from tests.cli import PATIENCE, call, tables
from tests.tiny_data import write_data

SMALL = "--arch test_resnet --image_size 40 56 -b 6 -j 0 --threads 1 --no_report"


# Both in one process, which is spared seconds of imports.
PROGRAM = """
import sys, main
assert [main.main(words.split()) for words in sys.argv[1:]] == [0] * len(sys.argv[1:])
"""


def run(folder: Path, *lines: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, **npu_emulator.environment(folder / "emulator")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *lines],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def test_train_and_evaluate(tmp_path: Path) -> None:
    """ "auto" finds the card too; the weights are evaluated there and on the CPU with the same
    figures.
    """
    write_data(tmp_path / "data", "regress")
    words = f"-e --resume checkpoints/model_best_test_resnet.pth {SMALL}".replace("-b 6", "-b 4")
    train = f"--train --criterion regress --device auto --epochs 1 {SMALL}"
    done = run(tmp_path, train, f"{words} --device npu")
    assert "device: npu" in done.stderr
    (results,) = tmp_path.glob("runs/*/results.json")
    trained = json.loads(results.read_text())["test"]
    for out in (done.stdout, call(tmp_path, f"{words} --device cpu").out):
        figures = dict(line.split()[:2] for line in tables(out).splitlines()[1:])
        assert float(figures["rmse"]) == pytest.approx(trained["rmse"], abs=2e-4)

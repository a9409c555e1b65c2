"""`main.py --device npu` on the emulated card: the code path of Ascend, not its numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import npu_emulator
from tests.tiny_data import write_data

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = "--arch resnet10t --image_size 40 56 -b 6 -j 0 --threads 1 --no_report"


def run(folder: Path, words: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, **npu_emulator.environment(folder / "emulator")}
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *words.split()],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.parametrize("device", ["npu", "auto"])
def test_train_and_evaluate(tmp_path: Path, device: str) -> None:
    """ "auto" finds the card too; the weights are evaluated on the CPU with the same figures."""
    write_data(tmp_path / "data", "regress")
    done = run(tmp_path, f"--train --criterion regress --device {device} --epochs 1 {SMALL}")
    assert done.returncode == 0, done.stderr
    assert "device: npu" in done.stderr
    (results,) = tmp_path.glob("runs/*/results.json")
    trained = json.loads(results.read_text())["test"]
    words = f"-e --resume checkpoints/model_best_resnet10t.pth --device cpu {SMALL}"
    done = run(tmp_path, words.replace("-b 6", "-b 4"))
    assert done.returncode == 0, done.stderr
    figures = dict(line.split()[:2] for line in done.stdout.splitlines()[1:])
    assert float(figures["rmse"]) == pytest.approx(trained["rmse"], abs=2e-4)

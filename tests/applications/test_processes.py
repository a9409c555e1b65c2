"""Two gloo processes on the CPU: one training, and an evaluation that sees every image once."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from tests.cli import call, finish, records, run_folders, start
from tests.tiny_data import write_data
from utils.files import checkpoint

WORDS = (
    "--arch test_vit --image_size 32 --criterion regress --epochs 2 --warmup 0 -b 3 -j 0 --lr 1e-2 "
    "--opt sgd --momentum 0 --dropout 0 --threads 1 --no_report --amp off --no_check"
)


def table(file: Path) -> dict[str, float]:
    with open(file, encoding="utf-8", newline="") as text:
        return {Path(row["path"]).name: float(row["score"]) for row in csv.DictReader(text)}


def test_two_processes_train_and_evaluate_like_one(tmp_path):
    """5 test images do not divide by 2: none is dropped, none counts twice."""
    write_data(tmp_path / "data", "regress")
    labels = tmp_path / "data/test/label.txt"
    labels.write_text("".join(labels.read_text().splitlines(keepends=True)[:5]))

    done = finish(start(tmp_path, f"--train {WORDS} --device cpu -g 2"))
    assert done.code == 0, done
    assert "2 process(es)" in done.err and done.err.count("run folder:") == 1
    (two,) = run_folders(tmp_path)
    best = two / "model_best_test_vit.pth"
    call(tmp_path, f"-e --resume {best} -j 0 -g 0 -o one.csv")
    mine, theirs = table(tmp_path / "one.csv"), table(two / "predictions_test.csv")
    assert len(theirs) == 5 and theirs == pytest.approx(mine, abs=1e-6)

    done = finish(start(tmp_path, f"-e --resume {best} -j 0 --device cpu -g 2 -o two.csv"))
    assert done.code == 0, done
    assert table(tmp_path / "two.csv") == pytest.approx(mine, abs=1e-6)
    assert dict(line.split()[:2] for line in done.out.splitlines()[1:])["n"] == "5"

    # Without batch norm, two processes of batch 3 are one process of batch 6.
    call(tmp_path, f"--train {WORDS} -g 0 -b 6")
    one = run_folders(tmp_path)[-1]
    a, b = (checkpoint.load(run / "checkpoint_test_vit.pth")["model"] for run in (two, one))
    for name, value in a.items():
        assert torch.allclose(value, b[name], rtol=0, atol=1e-5), name
    for left, right in zip(records(two), records(one), strict=True):
        assert left["step"] == right["step"]
        for key in ("loss", "rmse", "mae"):
            if key in left:
                assert left[key] == pytest.approx(right[key], abs=1e-5)

"""Values that are not finite: nothing is learned from them, nothing good is replaced by them, and
one line names epoch, step, state and cure.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import main
from applications.evaluation.scoring import Scorer
from applications.training.trainer import Trainer
from applications.training.training_state import TrainingState
from criterions.regress_loss import RegressLoss
from optim.ema import WeightEMA
from optim.finite import first_not_finite, norms, sizes
from tests.cli import call, fork, places, records, run_folders
from tests.tiny_data import write_data
from utils.files import checkpoint
from utils.imaging.images import ImageError
from utils.runtime.device import grad_scaler

QUICK = (
    "--train --criterion regress --arch test_efficientnet --image_size 32 --warmup 0 -b 6 -j 0 "
    "--threads 1 --amp off --no_report --no_check --lr 1e-3"
)
LAST, BEST = "checkpoint_test_efficientnet.pth", "model_best_test_efficientnet.pth"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Training of 3 steps an epoch, without validation."""
    write_data(tmp_path / "data", "regress", train=6, held_out=1)
    (tmp_path / "data" / "val" / "label.txt").unlink()
    return tmp_path


def spoiled(steps: set[int], value: float = float("nan"), of_loss: bool = False):
    """RegressLoss.forward that spoils one gradient, or its value, in the given calls, from 1 on."""
    forward, calls = RegressLoss.forward, []

    def broken(self: nn.Module, prediction, targets):
        loss = forward(self, prediction, targets)
        if loss.requires_grad:
            calls.append(1)
            if len(calls) in steps and of_loss:
                return loss * value
            if len(calls) in steps:
                prediction.scores.register_hook(lambda g: g * value)
        return loss

    return broken


def finite(file: Path) -> bool:
    payload = checkpoint.load(file)
    return first_not_finite(payload["model"].items()) is None


@pytest.mark.parametrize("flags", ["--save_every 1", "--ema 0.9", "--accumulate 2 --clip_grad 1"])
def test_one_gradient_costs_no_state(folder, monkeypatch, flags):
    with monkeypatch.context() as patch:
        # Accumulated gradients are looked at together, in the second of two steps.
        patch.setattr(RegressLoss, "forward", spoiled({4 if "accumulate" in flags else 5}))
        done = call(folder, f"{QUICK} -g 0 --epochs 3 {flags}", 1)
    (run,) = run_folders(folder)
    last = done.err.splitlines()[-1]
    assert "is not finite in epoch 2, step 2: lower --lr, or pass --amp off" in last
    assert "the gradient of" in last and last.endswith(f"stays in {run.relative_to(folder)}/{LAST}")
    assert finite(run / LAST) and finite(run / BEST)
    at = checkpoint.load(run / LAST)["position"]
    assert (at["epoch"], at["step"]) == (1, 1 if "save_every" in flags else 0)
    assert checkpoint.load(run / BEST)["epoch"] == 1
    assert "error" in last and done.err.count("not finite") == 1
    if "ema" in flags:  # what a version wrote that did not look
        state = checkpoint.load(run / LAST)
        average = state["ema"]["module"]["heads.quality.fc.bias"]
        kept = average.clone()
        average.fill_(np.nan)
        checkpoint.save(run / LAST, state)
        done = call(folder, f"--continue {run} -g 0", 1)
        said = f"{LAST}: the average of heads.quality.fc.bias is not finite: this training had"
        assert said in done.err
        average.copy_(kept)
        checkpoint.save(run / LAST, state)
    call(folder, f"--continue {run} -g 0")
    assert json.loads((run / "results.json").read_text())["best_epoch"] == 3


def test_weights_that_overflow_are_not_saved(folder, monkeypatch):
    """The gradient is finite, and what the optimizer makes of it is not."""
    update = Trainer._update

    def overflowing(self: Trainer) -> None:
        update(self)
        self.model.heads["quality"].fc.bias.data.fill_(np.inf)

    monkeypatch.setattr(Trainer, "_update", overflowing)
    done = call(folder, f"{QUICK} -g 0 --epochs 2 --save_every 1", 1)
    (run,) = run_folders(folder)
    said = "error: heads.quality.fc.bias is not finite in the state after epoch 1, step 1: lower"
    assert said in done.err
    assert finite(run / LAST) and checkpoint.load(run / LAST)["position"]["updates"] == 0
    assert not (run / BEST).exists()


def test_fp16_leaves_an_update_out_and_counts_none(folder, monkeypatch):
    """An overflow is ordinary there: no average, no count, and half the scale."""
    made = []

    def scaler(*_: object) -> torch.amp.GradScaler:
        made.append(torch.amp.GradScaler("cpu", init_scale=2.0**10))
        return made[-1]

    monkeypatch.setattr("applications.training.trainer.grad_scaler", scaler)
    with monkeypatch.context() as patch:
        patch.setattr(RegressLoss, "forward", spoiled({1, 5}, float("inf")))
        call(folder, f"{QUICK} -g 0 --epochs 2 --ema 0.9 --save_every 1")
    (run,) = run_folders(folder)
    state = checkpoint.load(run / LAST)
    assert state["position"]["updates"] == state["ema"]["updates"] == 4
    assert made[0].get_scale() == 2.0**8 and finite(run / LAST)
    assert [r["step"] for r in records(run) if r["split"] == "train"] == [2, 4]
    # One that never ends is a fault.
    monkeypatch.setattr(RegressLoss, "forward", spoiled(set(range(99))))
    done = call(folder, f"{QUICK} -g 0 --epochs 20", 1)
    assert "no gradient is finite in epoch 9, step 2: lower --lr, or pass --amp off" in done.err


def _one_process_fails(folder: str, words: str, place: dict[str, str]) -> None:
    import os

    os.environ.update(place)
    os.chdir(folder)
    sys.stderr = open(f"{place['RANK']}.txt", "w", encoding="utf-8")  # noqa: SIM115
    if place["RANK"] == "1":
        RegressLoss.forward = spoiled({5}, of_loss=True)
    code = main.main(words.split())
    sys.stderr.flush()
    sys.exit(code)


def test_processes_end_together(folder):
    """Only one of them has a loss that is not finite."""
    words = f"{QUICK} --device cpu --epochs 3 -b 3"
    group = [fork(_one_process_fails, str(folder), words, place) for place in places(2)]
    for process in group:
        process.join()
    assert [process.exitcode for process in group] == [1, 1]
    said = [(folder / f"{rank}.txt").read_text().splitlines()[-1] for rank in range(2)]
    assert "the gradient of" in said[0] and "the loss is nan" in said[1]
    assert all("in epoch 2, step 2: lower --lr" in line for line in said)
    (run,) = run_folders(folder)
    assert finite(run / LAST) and checkpoint.load(run / LAST)["position"]["epoch"] == 1


def test_validation_names_the_epoch(tmp_path, monkeypatch):
    """Where no weight is at fault: scores that the network's precision cannot hold."""
    write_data(tmp_path / "data", "regress", train=3, held_out=1)

    def overflown(scorer, paths, *_: object):
        raise ImageError(f"{paths[0]}: its score is nan, not a finite number: use --amp off")

    monkeypatch.setattr(Scorer, "predict", overflown)
    done = call(tmp_path, f"{QUICK} -g 0 --epochs 2", 1)
    assert "validation after epoch 1, step 2: " in done.err and "its score is nan" in done.err
    assert done.err.rstrip().endswith(
        f"the state before it stays in {run_folders(tmp_path)[0].relative_to(tmp_path)}/{LAST}"
    )


# ---- what counts as finite


def test_every_part_of_a_state_is_looked_at():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema, optimizer = WeightEMA(model), torch.optim.Adam(model.parameters())
    cpu = torch.device("cpu")
    state = TrainingState(model, ema, optimizer, grad_scaler(cpu, "off"), cpu)
    model(torch.randn(4, 2)).sum().backward()
    optimizer.step()
    assert state.fault() is None
    moment = optimizer.state[model[0].weight]["exp_avg"]
    for tensor, said in (
        (model[0].weight, "0.weight is not finite"),
        (model[1].running_var, "1.running_var is not finite"),
        (ema.module[1].running_mean, "the average of 1.running_mean is not finite"),
        (moment, "the optimizer's exp_avg is not finite"),
    ):
        value = tensor.flatten()[0].item()
        for bad in (np.nan, np.inf, -np.inf):
            with torch.no_grad():
                tensor.view(-1)[0] = bad
                assert state.fault() == said
                tensor.view(-1)[0] = value
    assert state.fault() is None


def test_large_numbers_are_finite():
    huge = torch.full((4,), 3e38)
    assert first_not_finite([("huge", huge), ("count", torch.tensor(3))]) is None
    for found in (sizes, norms):
        kinds = [torch.ones(2), torch.tensor([np.inf, -np.inf]), torch.tensor(np.nan)]
        assert found(kinds).isfinite().tolist() == [True, False, False]
    assert norms([torch.tensor([3.0, 4.0])]).item() == 5 and sizes([]).numel() == 0

"""A saved state with odd values below a right digest: one line that names the part."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from applications.training.training_state import Position, TrainingState
from optim.ema import WeightEMA
from optim.factory import make_optimizer
from utils.files import checkpoint
from utils.runtime.device import grad_scaler

CPU = torch.device("cpu")


def trained(name: str = "adamw") -> TrainingState:
    """A state after one step."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = make_optimizer(model, name, 1e-3, 0.01, 0.9)
    state = TrainingState(model, WeightEMA(model, 0.9), optimizer, grad_scaler(CPU, "off"), CPU)
    model(torch.ones(4, 3)).sum().backward()
    state.learn(finite=True)
    return state


def saved(tmp_path, name: str = "adamw"):
    position = Position(2, 1, 5, 0.0, 0, math.nan, 1)
    sums = torch.tensor([[3.5, 7.0]], dtype=torch.float64)
    checkpoint.save(tmp_path / "c.pth", trained(name).to_dict(position, sums))
    return checkpoint.load(tmp_path / "c.pth")


def restore(payload, tmp_path, name: str = "adamw"):
    return trained(name).restore(payload, tmp_path / "c.pth", rank=0)


@pytest.mark.parametrize("name", ["adamw", "sgd", "radam", "adafactor", "muon"])
def test_what_was_saved_comes_back(tmp_path, name):
    position = restore(saved(tmp_path, name), tmp_path, name)
    assert (position.epoch, position.step, position.updates) == (2, 1, 5)
    assert (position.loss_sum, position.lines, position.best_epoch) == (3.5, 7, 1)


ODD = {
    "model": [None, {}, [1], {"weight": torch.zeros(9, 9), "bias": torch.zeros(2)}],
    "ema": [None, {}, {"module": {}, "updates": 0}, 3],
    "optimizer": [None, {}, {"state": {}, "param_groups": []}, {"state": 3, "param_groups": 4}],
    "optimizer.param_groups.0.lr": ["fast", None.__class__, [1], math.nan],
    "optimizer.param_groups.0.betas": [3, [0.9], ["a", "b"]],
    "optimizer.param_groups.0.params": [None.__class__, "01", [0, 1, 2, 3]],
    "optimizer.state.0.exp_avg": ["x", 3, torch.zeros(7), {"a": 1}],
    "optimizer.state.0": [3, [1]],
    "scaler": [None, 3],
    "position": [None, [], {"epoch": "two"}, {"other": 1}, 4],
    "position.epoch": [-1, 1.5, "1", None, True, torch.tensor(1)],
    "position.updates": [[5], -3],
    "position.best": ["high", [1.0], torch.ones(2)],
    "position.best_epoch": [1.5, "one"],
    "sums": [None, 3, torch.zeros(0, 2), torch.zeros(1, 5), torch.tensor([[math.nan, 1.0]])],
    "rng": [None, {}, {"torch": 3}, 7],
    "rng.torch": [None, torch.zeros(3), "abc"],
    "rng.numpy": [None, [], ["MT19937", torch.zeros(3, dtype=torch.int64), 0, 0, 0.0]],
    "rng.python": [None, [3], [3, ["a"], None]],
}


@pytest.mark.parametrize("place", ODD)
def test_odd_values_are_one_line(tmp_path, place):
    whole = saved(tmp_path)
    for value in ODD[place]:
        payload = copy.deepcopy(whole)
        *way, last = place.split(".")
        inside = payload
        for step in way:
            inside = inside[int(step) if step.isdigit() else step]
        inside[int(last) if last.isdigit() else last] = value
        with pytest.raises(checkpoint.CheckpointError) as caught:
            restore(payload, tmp_path)
        part, said = place.split(".")[0], str(caught.value)
        assert f"c.pth: holds no state of this run: {part}: " in said, said
        assert said.isprintable() and said.endswith(": use another copy")


def test_a_part_that_is_missing(tmp_path):
    payload = saved(tmp_path)
    del payload["optimizer"]
    with pytest.raises(checkpoint.CheckpointError, match="optimizer: it is missing: use another"):
        restore(payload, tmp_path)

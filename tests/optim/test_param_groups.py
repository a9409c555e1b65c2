"""Which parameters decay, and at which rate each part learns."""

import pytest
import torch
from torch import nn

from optim.factory import make_optimizer
from optim.param_groups import param_groups, present_rates


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 1)
        self.gain = nn.Parameter(torch.ones(()))
        self.table = nn.Parameter(torch.zeros(2, 2))


def test_only_matrices_and_kernels_decay():
    model = Small()
    decayed, kept = param_groups(model, 0.05)
    assert decayed["weight_decay"] == 0.05 and kept["weight_decay"] == 0.0
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)] for p in decayed["params"]} == {"conv.weight", "fc.weight", "table"}
    assert len(decayed["params"]) + len(kept["params"]) == len(list(model.parameters()))


def test_frozen_parameters_are_in_no_group_and_empty_groups_are_left_out():
    model = Small().requires_grad_(False)
    model.fc.weight.requires_grad_(True)
    (group,) = param_groups(model, 0.1)
    assert group["params"] == [model.fc.weight]


def test_nothing_to_train():
    with pytest.raises(ValueError, match="frozen"):
        param_groups(Small().requires_grad_(False), 0.1)


@pytest.mark.parametrize("decay", [-0.1, float("nan")])
def test_negative_decay(decay):
    with pytest.raises(ValueError, match="weight decay"):
        param_groups(Small(), decay)


def test_every_part_has_its_rate_and_its_decay():
    model = Small()
    groups = param_groups(model, 0.05, {"fc": 0.1, "conv": 0.2, "norm": 0.3, "gain": 1, "table": 2})
    names = {id(p): name for name, p in model.named_parameters()}
    found = {names[id(p)]: (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    assert found == {
        "fc.weight": (0.1, 0.05), "fc.bias": (0.1, 0), "conv.weight": (0.2, 0.05),
        "conv.bias": (0.2, 0), "norm.weight": (0.3, 0), "norm.bias": (0.3, 0), "gain": (1, 0),
        "table": (2, 0.05),
    }  # fmt: skip
    assert sum(len(g["params"]) for g in groups) == len(found)


def test_no_parameter_is_left_out():
    model = Small()
    with pytest.raises(ValueError, match="a parameter of the model is in none"):
        param_groups(model, 0, {"fc": 0.1, "conv": 0.1})
    for parameter in (model.gain, model.table, *model.norm.parameters()):
        parameter.requires_grad_(False)
    groups = param_groups(model, 0, {"conv": 0.1, "fc": 0.2, "norm": 0.3})
    assert {group["part"] for group in groups} == {"conv", "fc"}  # of the frozen part none


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb"])
def test_present_rates(name):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    assert present_rates(make_optimizer(model, name, 0.1, 0)) == {"lr": 0.1}
    optimizer = make_optimizer(model, name, 0.1, 0.5, rates={"0": 0.01, "1": 0.2})
    assert present_rates(optimizer) == {"0": 0.01, "1": 0.2}
    with pytest.raises(ValueError, match="learning rate 0: must be"):
        make_optimizer(model, name, 0.1, 0, rates={"0": 0, "1": 1})

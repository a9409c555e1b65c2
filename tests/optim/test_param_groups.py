"""Which parameters decay."""

import pytest
import torch
from torch import nn

from optim.param_groups import param_groups


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

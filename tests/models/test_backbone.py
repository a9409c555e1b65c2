"""Making and running networks without data."""

import pytest
import torch
from torch import nn

from models.backbone import feature_count, make_without_data, run_without_data


class ReadsNumbers(nn.Linear):
    """Like networks that compute their layout with tensors."""

    def __init__(self):
        super().__init__(int(torch.linspace(1, 4, 4)[-1].item()), 2)


def test_a_network_that_reads_numbers_is_made_for_real_and_leaves_no_trace():
    before = torch.get_rng_state()
    network = make_without_data(ReadsNumbers)
    assert network.in_features == 4
    assert torch.equal(torch.get_rng_state(), before)


def test_others_take_no_memory():
    assert make_without_data(lambda: nn.Linear(10**9, 1)).weight.is_meta


def test_their_errors_come_through():
    def make():
        raise RuntimeError("patches do not cover the image")

    with pytest.raises(RuntimeError, match="patches do not cover"):
        make_without_data(make)


def test_a_run_without_data_changes_nothing():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert run_without_data(network, (5, 7), batch=4).shape == (4, 8)
    assert feature_count(network, (5, 7)) == 8
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_features_have_to_be_one_row_per_image():
    with pytest.raises(RuntimeError, match="not one row of features per image"):
        feature_count(nn.Identity(), (8, 8))

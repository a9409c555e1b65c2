"""Making and running networks without data."""

import pytest
import torch
from torch import nn

from models.backbone import feature_count, make_without_data, run_without_data
from models.registry import adapter
from models.sizes import build_backbone


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


@pytest.fixture
def passes():
    """Networks that are run, one entry for each time."""
    seen = []
    hook = nn.modules.module.register_module_forward_pre_hook(
        lambda module, _: seen.append(module) if hasattr(module, "classifier") else None
    )
    yield seen
    hook.remove()


@pytest.mark.parametrize("name", ["squeezenet1_0", "mobilenet_v3_small", "densenet121"])
def test_torchvisions_networks_are_run_only_at_a_size_they_were_not_made_for_and_once(passes, name):
    made = build_backbone(f"torchvision:{name}", (224, 224))
    assert not passes
    assert made.features == feature_count(made.module, (64, 64))
    passes.clear()
    for _ in range(2):
        assert build_backbone(f"torchvision:{name}", (72, 75)).features == made.features
    assert len(passes) == 1


def test_what_cannot_take_a_size_is_not_remembered():
    library = adapter("torchvision")
    for _ in range(2):
        with pytest.raises(RuntimeError):
            library.build("alexnet", (16, 16))

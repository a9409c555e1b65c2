"""Batch normalisation folded into convolutions: the same scores, and the network as it was."""

import copy

import pytest
import torch
from torch import nn

from models.folding import folded
from models.quality_net import build_model
from tests.known_networks import network


def drawn(model: nn.Module) -> nn.Module:
    """With statistics and weights of normalisation as training makes them."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return model.eval()


def kinds(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


# Libraries whose normalisation looks different: timm's holds its activation, the others' does not.
@pytest.mark.parametrize("arch", ["test_resnet", "test_efficientnet", "mobilenet_v3_small"])
def test_a_folded_network_has_the_same_scores(arch):
    model = drawn(build_model(arch, 3, (64, 64)))
    state = copy.deepcopy(model.state_dict())
    quick = folded(model, torch.rand(1, 3, 64, 64))
    assert kinds(quick) == 0 < kinds(model) and quick is not model
    images = torch.rand(4, 3, 64, 64)
    with torch.inference_mode():
        expected, found = model(images).logits, quick(images).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5 * expected.abs().max().item())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


class Both(nn.Module):
    """The convolution's output is used beside its normalisation; one of two is used twice."""

    def __init__(self, aside: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)
        self.norms, self.aside = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(4)]), aside

    def forward(self, x):
        x = self.first(x)
        x = self.norms[0](x) + (x if self.aside else 0)
        x = self.norms[1](self.second(x))
        return self.second(x).mean((2, 3))


def test_what_is_used_otherwise_stays():
    images = torch.rand(1, 3, 16, 16)
    beside = drawn(network(Both(aside=True), 4))
    assert folded(beside, images) is beside
    twice = drawn(network(Both(aside=False), 4))
    quick = folded(twice, images)
    assert kinds(quick) == 1 and isinstance(quick.backbone.norms[1], nn.BatchNorm2d)
    assert not quick.backbone.first._forward_hooks

"""Grad-CAM against the formula computed by hand, and on registered backbones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.freezing import freeze
from models.grad_cam import grad_cam, last_feature_map
from models.quality_net import build_model
from tests.known_networks import TinyConv, detail_network, network, tiny_network


def by_hand(model, images):
    """The map from the definition, one image and one channel after the other."""
    body, head = model.backbone, model.heads["quality"]
    maps = []
    for image in images:
        first = F.relu(F.conv2d(image[None], body.first.weight, body.first.bias, 2, 1))
        second = F.relu(F.conv2d(first, body.second.weight, body.second.bias, 2, 1)).detach()
        second.requires_grad_(True)
        score, _ = head(second.mean((2, 3)))
        (slope,) = torch.autograd.grad(score.sum(), second)
        parts = [slope[0, k].mean() * second[0, k] for k in range(second.shape[1])]
        maps.append(sum(parts).detach())
    return torch.stack(maps)


@pytest.mark.parametrize("bins", [1, 5])
def test_the_map_is_that_of_the_formula(bins):
    model, images = tiny_network(bins), torch.rand(3, 3, 20, 28)
    found = grad_cam(model, images)
    assert found.shape == (3, 5, 7) and not found.requires_grad
    torch.testing.assert_close(found, by_hand(model, images))
    assert (found > 0).any() and (found < 0).any()  # no ReLU: both signs are asked for


def test_places_add_up_to_the_score_of_a_linear_head():
    model, images = tiny_network(), torch.rand(2, 3, 20, 28)
    head = model.heads["quality"]
    head.set_scale(3.0, 2.0)
    nn.init.constant_(head.fc.bias, 0.25)
    nothing = 3.0 + 2.0 * 0.25
    torch.testing.assert_close(grad_cam(model, images).sum((1, 2)) + nothing, model(images).scores)


class Functional(TinyConv):
    """The last ReLU is no module, works in place, and is the map that counts."""

    def forward(self, x):
        return F.relu(self.second(self.act(self.first(x))), inplace=True).mean((2, 3))


class ChannelsLast(TinyConv):
    """As timm's Swin: the map is (N, h, w, C), and says so."""

    output_fmt = "NHWC"

    def __init__(self):
        super().__init__()
        self.norm = nn.Identity()

    def forward(self, x):
        x = self.act(self.second(self.act(self.first(x))))
        return self.norm(x.permute(0, 2, 3, 1)).mean((1, 2))


@pytest.mark.parametrize("kind", [Functional, ChannelsLast])
def test_other_ways_to_end_a_backbone(kind):
    usual, images = tiny_network(), torch.rand(2, 3, 24, 24)
    other = network(kind(), 4)
    other.load_state_dict(usual.state_dict())
    torch.testing.assert_close(grad_cam(other, images), grad_cam(usual, images))


def test_the_model_stays_as_it_is():
    model = tiny_network().train()
    model.backbone.act.eval()  # a part in another mode
    grad_cam(model, torch.rand(1, 3, 20, 20))
    assert model.training and model.backbone.first.training and not model.backbone.act.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_inside_inference_mode_and_with_a_frozen_backbone():
    model, images = tiny_network(), torch.rand(1, 3, 20, 20)
    wanted = grad_cam(model, images)
    freeze(model, "backbone")
    with torch.inference_mode():
        torch.testing.assert_close(grad_cam(model, images.clone()), wanted)


def test_resnet18():
    model = build_model("resnet18", 1, (64, 64)).eval()
    images = torch.rand(2, 3, 64, 64)
    assert last_feature_map(model, (64, 64)).module == "layer4"
    found = grad_cam(model, images)
    assert found.shape == (2, 2, 2) and torch.isfinite(found).all()
    scores = model(images).scores  # its features are the map's mean, and the head's bias is 0
    torch.testing.assert_close(found.sum((1, 2)), scores.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("arch", ["vit_tiny_patch16_224", "torchvision:vit_b_32", "mixer_s32_224"])
def test_tokens_have_no_places(arch):
    with torch.device("meta"):
        model = build_model(arch, 1, (96, 96))
    with pytest.raises(ValueError, match=f"{arch} has no feature map .* use occlusion"):
        last_feature_map(model, (96, 96))


def test_a_backbone_without_layers_is_refused():
    with pytest.raises(ValueError, match="Grad-CAM: known has no feature map .* use occlusion"):
        grad_cam(detail_network(), torch.rand(1, 3, 16, 16))

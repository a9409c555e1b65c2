"""Freezing: what is frozen does not move by a bit, the rest does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.freezing import check_freeze, freeze, frozen_part
from models.quality_net import build_model, check_training_batch

SIZE = (32, 32)


def trained(model: nn.Module, steps: int = 2) -> None:
    """A few steps of plain gradient descent with a decay on everything that takes a gradient."""
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1
    )
    for step in range(steps):
        model.train()  # as every epoch does
        torch.manual_seed(step)
        model(torch.rand(4, 3, *SIZE)).scores.sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)


def moved(model: nn.Module) -> set[str]:
    """Names of tensors, buffers included, that training changed."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trained(model)
    return {n for n, tensor in model.state_dict().items() if not torch.equal(tensor, before[n])}


@pytest.mark.parametrize(
    ("arch", "what", "frozen", "free"),
    [
        ("resnet10t", "layer2", ("conv1", "bn1", "layer1", "layer2"), ("layer3", "layer4")),
        ("resnet10t", "layer2.0", ("conv1", "bn1", "layer1", "layer2"), ("layer3", "layer4")),
        ("test_efficientnet", "blocks.0", ("conv_stem", "bn1", "blocks.0"), ("blocks.1", "bn2")),
        ("test_efficientnet", "blocks.0-4", ("bn1", "blocks"), ("conv_head", "bn2")),
        ("torchvision:mobilenet_v3_small", "features.4", ("features.0", "features.4"),
         ("features.5", "features.12", "classifier")),
        ("test_vit", "blocks.1", ("cls_token", "pos_embed", "patch_embed", "blocks.1"),
         ("blocks.2", "norm")),
        ("test_efficientnet", "backbone", ("",), ()),
        ("test_efficientnet", "1", ("",), ()),
    ],
)  # fmt: skip
def test_only_what_is_not_frozen_moves(arch, what, frozen, free):
    model = build_model(arch, 1, SIZE)
    freeze(model, what)
    names = moved(model)
    for part in frozen:
        assert not [n for n in names if n.startswith(f"backbone.{part}")], part
    for part in (*(f"backbone.{part}" for part in free), "heads.quality.fc"):
        assert [n for n in names if n.startswith(part)], part


def test_none_freezes_nothing():
    model = build_model("test_efficientnet", 1, SIZE)
    freeze(model, "none")
    assert frozen_part(model, "none") is None and model.frozen == ()
    assert all(p.requires_grad for p in model.parameters())
    assert all(module.training for module in model.modules())
    assert {name for name, _ in model.named_parameters()} <= moved(model)


def test_frozen_layers_stay_in_evaluation_mode_and_take_no_gradient():
    model = build_model("resnet10t", 1, SIZE)
    freeze(model, "layer2")
    model.eval().train()
    modes = {name: module.training for name, module in model.backbone.named_modules()}
    assert not modes["bn1"] and not modes["layer2"] and not modes["layer2.0.bn2"]
    assert modes["layer3"] and modes["layer3.0.bn1"] and modes[""] and model.training
    model(torch.rand(2, 3, *SIZE)).scores.sum().backward()
    frozen = [p for p in model.parameters() if not p.requires_grad]
    assert frozen and all(p.grad is None for p in frozen)
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_nothing_is_kept_of_what_is_frozen():
    """The output of the last frozen block is a leaf: autograd starts behind it."""
    model = build_model("test_vit", 1, SIZE)
    freeze(model, "blocks.2")
    kept = {}
    for number, block in enumerate(model.backbone.blocks):
        block.register_forward_hook(lambda m, i, out, n=number: kept.update({n: out.requires_grad}))
    model.train()(torch.rand(2, 3, *SIZE))
    assert kept == {0: False, 1: False, 2: False, 3: True, 4: True, 5: True}


def test_a_frozen_backbone_is_a_fixed_function():
    """No dropout in it, either: features may be computed once and kept."""
    model = build_model("torchvision:mobilenet_v3_small", 1, SIZE)
    for module in model.backbone.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.5
    freeze(model, "backbone")
    images = torch.rand(2, 3, *SIZE)
    model.train()
    assert torch.equal(model.backbone(images), model.backbone(images))


@pytest.mark.parametrize(
    ("share", "last"),
    [("0.01", "bn1"), ("0.06", "layer1.0"), ("0.07", "layer2.0"), ("0.3", "layer3.0"),
     ("0.99", "layer3.0"), ("1.0", "layer4.0")],
)  # fmt: skip
def test_a_share_is_the_first_blocks_that_hold_no_more(share, last):
    """resnet10t: 26232, then 73984, 230144, 919040, 3673088 parameters (its summary)."""
    model = build_model("resnet10t", 1, SIZE)
    freeze(model, share)
    blocks = {"bn1": 26_232, "layer1.0": 73_984, "layer2.0": 230_144, "layer3.0": 919_040,
              "layer4.0": 3_673_088}  # fmt: skip
    held = 0
    for name, size in blocks.items():
        held += size
        if name == last:
            break
    part = frozen_part(model, share)
    assert (part.parameters, part.total, part.last) == (held, sum(blocks.values()) + 513, last)
    assert held <= float(share) * sum(blocks.values())
    assert f"{held:,} of 4,923,001 parameters" in str(part) and last in str(part)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("layr2", "did you mean layer2"),
        ("blocks.3", "one of conv1, bn1, layer1.0, layer2.0, layer3.0, layer4.0)"),
        ("head", "resnet10t has no such block"),
        ("0.001", "the first block, conv1, holds 0.0053 of the backbone's parameters"),
    ],
)
def test_what_cannot_be_frozen(what, said):
    with pytest.raises(ValueError, match="--freeze " + what) as caught:
        check_freeze("resnet10t", SIZE, what)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_equal_blocks_are_listed_as_one():
    with pytest.raises(ValueError, match="patch_embed, blocks.0-5, norm"):
        check_freeze("test_vit", SIZE, "layer1")


def test_a_frozen_layer_does_not_normalise_over_the_batch():
    """ResNeSt needs two images to train on; frozen, it has its running statistics."""
    model = build_model("resnest14d", 1, (64, 64))
    with pytest.raises(ValueError, match="at least 2"):
        check_training_batch(model, 1)
    freeze(model, "backbone")
    check_training_batch(model, 1)

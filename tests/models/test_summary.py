"""The summary's numbers against published ones and against the network itself."""

import pytest

from models.quality_net import build_model
from models.summary import summarize


@pytest.mark.parametrize(
    ("arch", "giga"),
    [
        ("resnet18", 1.81),
        ("torchvision:resnet18", 1.81),
        ("efficientnet_b0", 0.39),
        ("efficientnet_pytorch:efficientnet_b0", 0.39),
        ("vgg16", 15.5),
        ("torchvision:vgg16", 15.5),
        ("torchvision:regnet_y_400mf", 0.40),
    ],
)
def test_multiply_adds_at_224(arch, giga):
    # The published numbers count the classifier of 1000 classes, which is at most 4 million more.
    assert summarize(arch).multiply_adds / 1e9 == pytest.approx(giga, rel=0.02)


@pytest.mark.parametrize("arch", ["resnet18", "vit_tiny_patch16_224", "squeezenet1_1"])
def test_parameters_are_those_of_the_network(arch):
    model = build_model(arch, num_classes=3, image_size=(64, 64))
    counted = sum(parameter.numel() for parameter in model.parameters())
    assert summarize(arch, 3, (64, 64)).parameters == counted


def test_blocks_of_a_resnet():
    summary = summarize("resnet18", num_classes=5, image_size=(64, 96))
    shapes = {block.name: block.shape for block in summary.blocks}
    assert shapes["conv1"] == (1, 64, 32, 48)
    assert shapes["layer4.1"] == (1, 512, 2, 3)
    assert shapes["head"] == (1, 5)
    assert sum(block.parameters for block in summary.blocks) == summary.parameters
    assert sum(block.multiply_adds for block in summary.blocks) == summary.multiply_adds
    head = summary.blocks[-1]
    assert (head.parameters, head.multiply_adds) == (512 * 5 + 5, 512 * 5)


def test_equal_blocks_stand_in_one_row():
    summary = summarize("vit_tiny_patch16_224")
    rows = {block.name: block for block in summary.blocks}
    assert rows["blocks.0-11"].parameters == 12 * 444_864


def test_the_table_is_aligned_and_complete():
    text = str(summarize("resnet18"))
    lines = text.splitlines()
    assert lines[0].startswith("resnet18 (timm's resnet18.a1_in1k), input 1 x 3 x 224 x 224")
    assert lines[2].split() == ["block", "parameters", "multiply-adds", "output", "shape"]
    assert lines[-1].split() == ["total", "11,177,025", "1.814", "G", "1", "x", "1"]


def test_an_impossible_size_is_explained():
    with pytest.raises(ValueError, match="--image_size 65 96: vit_tiny_patch16_224 cannot take it"):
        summarize("vit_tiny_patch16_224", image_size=(65, 96))

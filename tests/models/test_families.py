"""One small member of every family is built, run forward and backward, at two sizes."""

import pytest
import torch
import torchvision

from models.backbones.torchvision_library import INCEPTION as INCEPTION_NAMES
from models.quality_net import build_model
from models.registry import adapter
from models.sizes import build_without_data

SMALL = ((64, 96), (96, 64))
INCEPTION = ((96, 128), (128, 96))
TORCHVISION = {
    "alexnet": SMALL,
    "convnext_tiny": SMALL,
    "densenet121": SMALL,
    "efficientnet_b0": SMALL,
    "efficientnet_v2_s": SMALL,
    "googlenet": SMALL,
    "inception_v3": INCEPTION,
    "maxvit_t": ((224, 224),),  # squares of multiples of 224 only; the next one takes seconds
    "mnasnet0_5": SMALL,
    "mobilenet_v2": SMALL,
    "mobilenet_v3_small": SMALL,
    "regnet_x_400mf": SMALL,
    "regnet_y_400mf": SMALL,
    "resnet18": SMALL,
    "resnext50_32x4d": SMALL,
    "shufflenet_v2_x0_5": SMALL,
    "squeezenet1_1": SMALL,
    "swin_t": SMALL,
    "swin_v2_t": SMALL,
    "vgg11": SMALL,
    "vit_b_16": ((32, 32), (64, 64)),
    "wide_resnet50_2": SMALL,
}
TIMM = {
    "convnext_atto": SMALL,
    "densenet121": SMALL,
    "efficientnet_b0": SMALL,
    "inception_resnet_v2": INCEPTION,
    "maxvit_rmlp_pico_rw_256": ((128, 192), (192, 128)),
    "mixnet_s": SMALL,
    "mobilenetv1_100": SMALL,
    "mobilenetv3_small_050": SMALL,
    "regnetx_002": SMALL,
    "resnest14d": SMALL,
    "resnet18": SMALL,
    "swin_tiny_patch4_window7_224": SMALL,
    "tf_efficientnet_b0": SMALL,
    "vit_tiny_patch16_224": SMALL,
}
CASES = [
    *[(f"torchvision:{name}", size) for name, sizes in TORCHVISION.items() for size in sizes],
    *[(f"timm:{name}", size) for name, sizes in TIMM.items() for size in sizes],
    *[("efficientnet_pytorch:efficientnet_b0", size) for size in SMALL],
    *[("keras:mobilenetv1_100", size) for size in SMALL],
    ("keras:nasnet_mobile", SMALL[0]),
    ("keras:nasnet_mobile_same", SMALL[1]),
]


@pytest.mark.parametrize(("arch", "size"), CASES)
def test_builds_and_runs_both_ways(arch, size):
    num_classes = 1 if size[0] < size[1] else 5  # each head once
    model = build_model(arch, num_classes, size)
    scores, logits = model(torch.rand(2, 3, *size))
    assert scores.shape == (2,)
    assert logits.shape == (2, num_classes)
    assert scores.dtype == logits.dtype == torch.float32
    if num_classes > 1:
        assert 1 <= scores.min() and scores.max() <= num_classes
    scores.sum().backward()
    # Training on several devices stops at a parameter that gets no gradient.
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_no_torchvision_family_is_left_out():
    def family(name):
        if name.startswith("regnet"):  # cannot be made on the meta device, and stands in the table
            return "RegNet"
        if name in INCEPTION_NAMES:
            return name
        return type(torchvision.models.get_model(name, weights=None)).__name__

    with torch.device("meta"):
        assert {family(name) for name in adapter("torchvision").names()} == {
            family(name) for name in TORCHVISION
        }


@pytest.mark.parametrize("number", range(9))
def test_every_efficientnet_of_both_libraries_has_the_same_features(number):
    counts = {
        build_without_data(adapter(library), name, (64, 64)).features
        for library, name in (
            ("timm", f"efficientnet_b{number}"),
            ("efficientnet_pytorch", f"efficientnet-b{number}"),
        )
    }
    assert len(counts) == 1

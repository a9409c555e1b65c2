"""One small member of every family is built, run forward and backward, wide or tall, and both where
a network has positions or windows, or a library is first met.
"""

import pytest
import torch
import torchvision

from models.backbones.torchvision_library import INCEPTION as INCEPTION_NAMES
from models.quality_net import build_model
from models.registry import adapter
from models.sizes import build_without_data

WIDE, TALL = ((64, 96),), ((96, 64),)
BOTH = WIDE + TALL
INCEPTION = ((96, 128), (128, 96))
TORCHVISION = {
    "alexnet": WIDE,
    "convnext_tiny": TALL,
    "densenet121": WIDE,
    "efficientnet_b0": BOTH,
    "efficientnet_v2_s": TALL,
    "googlenet": WIDE,
    "inception_v3": INCEPTION,
    "maxvit_t": ((224, 224),),  # squares of multiples of 224 only; the next one takes seconds
    "mnasnet0_5": TALL,
    "mobilenet_v2": WIDE,
    "mobilenet_v3_small": TALL,
    "regnet_x_400mf": WIDE,
    "regnet_y_400mf": TALL,
    "resnet18": BOTH,
    "resnext50_32x4d": WIDE,
    "shufflenet_v2_x0_5": TALL,
    "squeezenet1_1": WIDE,
    "swin_t": BOTH,
    "swin_v2_t": BOTH,
    "vgg11": TALL,
    "vit_b_16": ((32, 32), (64, 64)),
    "wide_resnet50_2": WIDE,
}
TIMM = {
    "convnext_atto": TALL,
    "densenet121": WIDE,
    "efficientnet_b0": BOTH,
    "inception_resnet_v2": INCEPTION,
    "maxvit_rmlp_pico_rw_256": ((128, 192), (192, 128)),
    "mixnet_s": TALL,
    "mobilenetv1_100": BOTH,
    "mobilenetv3_small_050": WIDE,
    "regnetx_002": TALL,
    "resnest14d": BOTH,
    "resnet18": BOTH,
    "swin_tiny_patch4_window7_224": BOTH,
    "tf_efficientnet_b0": BOTH,
    "vit_tiny_patch16_224": BOTH,
}
CASES = [
    *[(f"torchvision:{name}", size) for name, sizes in TORCHVISION.items() for size in sizes],
    *[(f"timm:{name}", size) for name, sizes in TIMM.items() for size in sizes],
    *[("efficientnet_pytorch:efficientnet_b0", size) for size in BOTH],
    *[("keras:mobilenetv1_100", size) for size in BOTH],
    ("keras:nasnet_mobile", WIDE[0]),
    ("keras:nasnet_mobile_same", TALL[0]),
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
    assert all(parameter.grad.sum().isfinite() for parameter in model.parameters())


def test_no_torchvision_family_is_left_out():
    def family(name):
        if name in INCEPTION_NAMES:
            return name
        # What its function says that it returns: a class, or the name of one.
        made = torchvision.models.get_model_builder(name).__annotations__["return"]
        return getattr(made, "__name__", made)

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

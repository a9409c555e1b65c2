"""Backbones as Keras computes them, for weights that were trained there.

timm's MobileNet v1 has the same tensors, but pads strided convolutions on both sides and adds
1e-5, not 1e-3, to the variance in batch norm. What Keras pads has changed over its versions; all
of them are here. InceptionResNetV2 needs no variant: timm's computes what Keras's does.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.backbone import HALF, Backbone, Library
from models.backbones.nasnet_mobile import NASNetMobile
from utils.runtime.late_compiler import without_compiler

with without_compiler():
    import timm
    from timm.layers import create_conv2d

BN_EPS = 1e-3
MOBILENET, NASNET = "mobilenetv1_100", "nasnet_mobile"
# How the first convolution and the other strided ones are padded: `same` as TensorFlow has it,
# `end` by one pixel right and below, `both` by one pixel all round. The first three are the same
# where the image's sides are multiples of 32.
MOBILENETS = {
    MOBILENET: ("same", "end"),  # Keras 3
    f"{MOBILENET}_end": ("end", "end"),  # Keras 2.2 and keras-applications
    f"{MOBILENET}_same": ("same", "same"),  # Keras 2.0
    f"{MOBILENET}_both": ("both", "both"),  # Keras 2.1
}
# Whether the border counts as zeros where a cell pools with stride 2 (Keras 3), or not at all
# (Keras 2, titu1994).
NASNETS = {NASNET: True, f"{NASNET}_same": False}


class PadEndConv2d(nn.Conv2d):
    """One row of zeros below and one column to the right, then a convolution without padding."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 1, 0, 1))
        return F.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


class KerasNetworks(Library):
    """The networks of this file as the registry sees them."""

    title = "keras"

    def names(self) -> frozenset[str]:
        return frozenset([*MOBILENETS, *NASNETS])

    def build(self, name: str, image_size: tuple[int, int]) -> Backbone:
        module = NASNetMobile(NASNETS[name]) if name in NASNETS else _mobilenet(*MOBILENETS[name])
        features = self.features(name, image_size, module)
        return Backbone(module=module, name=name, features=features, mean=HALF, std=HALF)


LIBRARY = KerasNetworks()


def _mobilenet(first: str, others: str) -> nn.Module:
    module = timm.create_model(MOBILENET, num_classes=0, bn_eps=BN_EPS)
    module.conv_stem = _padded(module.conv_stem, first)
    for block in (block for group in module.blocks for block in group):
        if block.conv_dw.stride != (1, 1):
            block.conv_dw = _padded(block.conv_dw, others)
    return module


def _padded(conv: nn.Conv2d, padding: str) -> nn.Module:
    """The same convolution, weights included, with another padding."""
    if padding == "both":  # timm's own
        return conv
    shape = conv.in_channels, conv.out_channels, conv.kernel_size[0]
    options = {"stride": conv.stride[0], "groups": conv.groups, "bias": False}
    if padding == "end":
        made = PadEndConv2d(*shape, **options)
    else:
        made = create_conv2d(*shape, padding="same", **options)
    made.weight = conv.weight
    return made

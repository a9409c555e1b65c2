"""Batch normalisation folded into the convolutions: where nothing is learned any more, both are
one convolution together (Jacob et al., CVPR 2018, section 3.2), and spared is a pass over memory.
"""

from __future__ import annotations

import copy
from collections import Counter

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_weights

from models.quality_net import QualityNet

CLOSE = 1e-4  # of the largest feature: rounding is a hundredth of it, a wrong convolution all of it


@torch.inference_mode()
def folded(model: QualityNet, images: Tensor) -> QualityNet:
    """A copy, in evaluation mode, whose scores are the same up to rounding, and whose convolutions
    do what the normalisation behind them did; the model itself where that gives other features.

    images: float (N, 3, H, W) in [0, 1]. What stands behind what is seen in a pass of these, which
    holds for any library's networks; another pass shows whether it was all.
    """
    quick = copy.deepcopy(model).eval()
    expected, pairs = _pairs(quick, images)
    for name, following in pairs:
        convolution, after = quick.get_submodule(name), quick.get_submodule(following)
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, after.running_mean, after.running_var,
            after.eps, after.weight, after.bias,
        )  # fmt: skip
        holder, _, leaf = following.rpartition(".")
        # timm's normalisation holds the activation behind it.
        setattr(quick.get_submodule(holder), leaf, nn.Sequential(*after.children()))
    apart = (quick.features(images) - expected).abs().max()
    return quick if bool(apart <= CLOSE * expected.abs().max()) else model


def _pairs(model: QualityNet, images: Tensor) -> tuple[Tensor, list[tuple[str, str]]]:
    """(features (N, F), names of convolutions and of the normalisation that takes what they give,
    where each is used once in a pass).
    """
    outputs: list[tuple[str, Tensor]] = []  # all of them live, so that none is taken for another
    pairs: list[tuple[str, str]] = []
    used: Counter[str] = Counter()
    hooks = []
    for name, module in model.backbone.named_modules(prefix="backbone"):
        if isinstance(module, nn.Conv2d) and "weight" in dict(module.named_parameters()):

            def gives(_module: nn.Module, _taken: object, output: Tensor, name=name) -> None:
                used[name] += 1
                outputs.append((name, output))

            hooks.append(module.register_forward_hook(gives))
        elif isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:

            def takes(_module: nn.Module, taken: tuple[Tensor, ...], name=name) -> None:
                used[name] += 1
                pairs.extend((given, name) for given, output in outputs if output is taken[0])

            hooks.append(module.register_forward_pre_hook(takes))
    try:
        features = model.features(images)
    finally:
        for hook in hooks:
            hook.remove()
    return features, [pair for pair in pairs if used[pair[0]] == used[pair[1]] == 1]

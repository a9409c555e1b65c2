"""What the three libraries' adapters hand over: a feature extractor with the facts needed to use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)


def unchanged(module: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The `adapt` of a library whose weight files need no renaming."""
    return state


@dataclass
class Backbone:
    """A network without its classifier.

    module: float images (N, 3, H, W), normalised with mean and std -> pooled features (N, F).
    classifier: name prefixes of the classifier's tensors in the library's weight files, which are left out.
    adapt: (module, tensors of a file) -> the tensors under this module's names and shapes.
    source: URL of the ImageNet weights; None when there are none, and other_weights says what to do then.
    file_names: what a local copy may be called, without extension.
    advprop: whether this is the AdvProp variant; None when the backbone has no such variant.
    """

    module: nn.Module
    name: str
    features: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    classifier: tuple[str, ...] = ()
    adapt: Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]] = unchanged
    source: str | None = None
    file_names: tuple[str, ...] = ()
    other_weights: str = "leave --pretrained out"
    advprop: bool | None = None


def on_meta(module: nn.Module) -> dict[str, Tensor]:
    """The module's parameters and buffers as tensors without data, for `functional_call`."""
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: torch.empty_like(tensor, device="meta") for name, tensor in named}


def output_shape(module: nn.Module, image_size: tuple[int, int], batch: int = 1) -> tuple[int, ...]:
    """Shape of the module's output for `batch` images, computed without data or arithmetic.

    Raises whatever the network itself raises for a size that it cannot take.
    """
    images = torch.empty(batch, 3, *image_size, device="meta")
    with torch.no_grad(), torch.device("meta"):
        return tuple(functional_call(module, on_meta(module), (images,)).shape)


def feature_count(module: nn.Module, image_size: tuple[int, int]) -> int:
    """Number F of pooled features; RuntimeError when the output is not (N, F)."""
    training = module.training
    try:
        shape = output_shape(module.eval(), image_size)
    finally:
        module.train(training)
    if len(shape) != 2:
        raise RuntimeError(f"the network returns features of shape {shape}, not (N, F)")
    return shape[1]

"""What the libraries' adapters hand over, a feature extractor and the facts needed to use it, and
how a network is made and run without data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
DRAWS = (
    "normal_", "uniform_", "trunc_normal_", "kaiming_normal_", "kaiming_uniform_",
    "xavier_normal_", "xavier_uniform_",
)  # fmt: skip
LIGHT, LIGHT_PIXELS = 30_000_000, 300 * 300  # parameters and pixels of a pass of about 0.2 s
COUNTER = "num_batches_tracked"  # absent from old files; nothing reads it at a fixed momentum
# What networks raise about an image size, while they are made or in their first forward pass.
SIZE_ERRORS = (
    AssertionError, IndexError, RuntimeError, TypeError, ValueError, ZeroDivisionError,
)  # fmt: skip
Made = TypeVar("Made")
_COUNTED: dict[tuple[str, str, tuple[int, int]], int] = {}  # library, name, size -> features
# (module, tensors by name) -> the same tensors under other names, some in other shapes.
Adapt = Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]]


def unchanged(module: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The `adapt` of a library whose weight files need no renaming."""
    return state


@dataclass
class Backbone:
    """A network without its classifier.

    module: float images (N, 3, H, W), normalised with mean and std -> pooled features (N, F).
    features: F.
    classifier: how the names of the classifier's tensors begin in the library's weight files.
    adapt: (module, tensors of a file) -> the tensors under this module's names and shapes.
    source: URL of the ImageNet weights; None when there are none, and then other_weights says
        what a user can do.
    file_names: what a local copy may be called, without extension.
    interpolation: how images were resized for the ImageNet weights, by Pillow's names.
    advprop: whether this is the AdvProp variant; None when the backbone has no such variant.
    """

    module: nn.Module
    name: str
    features: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    classifier: tuple[str, ...] = ()
    adapt: Adapt = unchanged
    source: str | None = None
    file_names: tuple[str, ...] = ()
    other_weights: str = "pass --no_pretrained"
    advprop: bool | None = None
    interpolation: str = "bilinear"


class Library(ABC):
    """One library of networks: the names that it has, and how its models become backbones."""

    title: str  # as a person calls it

    @abstractmethod
    def names(self) -> frozenset[str]:
        """Names of all models, lower case and with underscores."""

    @abstractmethod
    def build(self, name: str, image_size: tuple[int, int]) -> Backbone:
        """The model without its classifier, with random weights.

        Raises the network's own error (one of SIZE_ERRORS) for a size that it cannot take.
        """

    def spell(self, name: str) -> str | None:
        """The library's spelling of a lower-case underscore name, or None for no such model."""
        return name if name in self.names() else None

    def default_size(self, name: str) -> tuple[int, int]:
        """The (H, W) that the model was made for."""
        return 224, 224

    def features(self, name: str, image_size: tuple[int, int], module: nn.Module) -> int:
        """`feature_count` of a model of this name. The first one is run: the next is built when
        name and size are known to do.
        """
        key = (self.title, name, image_size)
        if key not in _COUNTED:
            _COUNTED[key] = feature_count(module, image_size)
        return _COUNTED[key]

    def advprop_name(self, name: str) -> str:
        """The network of the AdvProp weights (Xie et al., CVPR 2020); ValueError where there are
        none.
        """
        raise ValueError(f"--advprop: {self.title}'s {name} has none: use --arch efficientnet_b0")


class _Unfilled(TorchFunctionMode):
    """Leaves tensors as they are where a network draws its first weights: without data there is
    nothing to fill, and what torch imports to do so takes seconds.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "") in DRAWS:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def make_without_data(make: Callable[[], Made]) -> Made:
    """What make() returns, made on the meta device: quick, and without memory for parameters.

    Some networks (torchvision's RegNet, transformers of older timm releases) read numbers out of
    tensors while they are made. These are made for real, without a trace in the random generator.
    """
    try:
        with torch.device("meta"), _Unfilled():
            return make()
    except RuntimeError as error:
        if "meta tensor" not in str(error):
            raise
    with torch.random.fork_rng(devices=[]):
        return make()


def run_without_data(module: nn.Module, image_size: tuple[int, int], batch: int = 1) -> Tensor:
    """The module's output for `batch` images, of which the shape counts.

    A light network computes it, from zeros where it has no data: that takes less time than what
    torch imports for tensors without data, which others get: no arithmetic, no memory. Raises
    whatever the network raises for such images.
    """
    named = [*module.named_parameters(), *module.named_buffers()]
    count = sum(tensor.numel() for _, tensor in named)
    light = count <= LIGHT and batch * count * image_size[0] * image_size[1] <= LIGHT * LIGHT_PIXELS
    # In training a network writes into its buffers.
    place = torch.device("cpu" if light and not module.training else "meta")
    tensors = {
        name: torch.zeros(tensor.shape, dtype=tensor.dtype, device=place)
        for name, tensor in named if tensor.device != place
    }  # fmt: skip
    images = torch.zeros(batch, 3, *image_size, device=place)
    with torch.no_grad(), place:
        return functional_call(module, tensors, (images,))


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while, and then each module's own mode again: parts may differ."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def feature_count(module: nn.Module, image_size: tuple[int, int]) -> int:
    """Number F of pooled features; RuntimeError when the output is not (N, F)."""
    with evaluating(module):
        output = run_without_data(module, image_size)
    if not isinstance(output, Tensor) or output.ndim != 2:
        raise RuntimeError("its output is not one row of features per image")
    return output.shape[1]

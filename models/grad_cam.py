"""Grad-CAM (Selvaraju et al., ICCV 2017) of the quality score, on a backbone's last feature map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from models.backbone import evaluating, run_without_data
from models.quality_net import QualityNet


@dataclass(frozen=True)
class FeatureMap:
    """The last output of the backbone that has several places: of which module, and of which of its
    calls in one pass, from 0. channels_last: it is (N, h, w, C), not (N, C, h, w).
    """

    module: str
    call: int
    channels_last: bool


def last_feature_map(model: QualityNet, image_size: tuple[int, int]) -> FeatureMap:
    """The map for images of (H, W). ValueError where the backbone has none: vision transformers and
    MLPs end in a row of tokens, whose places have long been mixed.

    Costs a pass without data, no arithmetic.
    """
    found: list[FeatureMap] = []
    channels_last = getattr(model.backbone, "output_fmt", "NCHW") == "NHWC"  # timm's Swin and kin

    def look(name: str, call: int, output: Tensor) -> None:
        places = output.shape[1:3] if channels_last else output.shape[2:]
        if output.ndim == 4 and places.numel() > 1:
            found[:] = [FeatureMap(name, call, channels_last)]
        elif output.ndim == 3 and output.shape[1] > 1:
            found.clear()

    with evaluating(model), _after_each_module(model.backbone, look):
        run_without_data(model.backbone, image_size)
    if not found:
        raise ValueError(
            f"Grad-CAM: {model.arch} has no feature map with places before its pooled features "
            f"at {image_size[0]}x{image_size[1]} pixels: use occlusion"
        )
    return found[0]


def grad_cam(model: QualityNet, images: Tensor) -> Tensor:
    """images: float (N, 3, H, W) in [0, 1] -> maps (N, h, w), float32, in units of the score.

    map[i, j] = sum_k alpha_k A_k[i, j], alpha_k the mean over all places of d score / d A_k: the
    paper's equations 1 and 2 without the ReLU, because what lowers a quality score is asked for as
    much as what raises it. Where the features are the mean of the map and the head is linear, a
    map's sum is the score less what the head gives to features of zero, and map[i, j] is by how
    much the score falls when that place's features are set to zero.

    Leaves modes and gradients of the model as they are. ValueError as by `last_feature_map`.
    """
    wanted = last_feature_map(model, (images.shape[2], images.shape[3]))
    kept: list[Tensor] = []

    def keep(name: str, call: int, output: Tensor) -> Tensor | None:
        if (name, call) != (wanted.module, wanted.call):
            return None
        # Copied, because what follows may work in place, and a leaf must not be changed.
        kept.append(output.detach().requires_grad_(True).clone())
        return kept[0]

    # Parameters that need no gradient: autograd then keeps nothing of what lies before the map.
    named = [*model.named_parameters(), *model.named_buffers()]
    constants = {name: tensor.detach() for name, tensor in named}
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model):
        with _after_each_module(model.backbone, keep):
            scores = functional_call(model, constants, (images,)).scores
        (slopes,) = torch.autograd.grad(scores.sum(), kept[0])
    places = (1, 2) if wanted.channels_last else (2, 3)
    weights = slopes.mean(places, keepdim=True)
    return (weights * kept[0].detach()).sum(3 if wanted.channels_last else 1).float()


@contextmanager
def _after_each_module(
    root: nn.Module, see: Callable[[str, int, Tensor], Tensor | None]
) -> Iterator[None]:
    """`see(name, number of the call, output)` after every call of a module that gives a tensor;
    what it returns, if not None, takes the output's place.
    """
    calls: dict[str, int] = {}

    def hook_of(name: str) -> Callable:
        def hook(_module: nn.Module, _inputs: object, output: object) -> Tensor | None:
            if not isinstance(output, Tensor):
                return None
            calls[name] = calls.get(name, -1) + 1
            return see(name, calls[name], output)

        return hook

    handles = [m.register_forward_hook(hook_of(name)) for name, m in root.named_modules() if name]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

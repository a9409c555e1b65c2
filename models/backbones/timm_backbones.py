"""Backbones of timm, pytorch-image-models: every model that has pooled features."""

from __future__ import annotations

import inspect
import sys
from functools import lru_cache, partial
from typing import Any

import timm
from torch import Tensor, nn

from models.backbone import Backbone, feature_count, make_without_data
from models.sizes import SIZE_ERRORS
from models.weight_files import HUB, RESOLVE

# What timm's model files call the function that brings older weight files up to date.
FILTERS = (
    "checkpoint_filter_fn",
    "_filter_fn",
    "pretrained_filter_fn",
    "_filter_torchvision_pretrained",
)


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """Model names without tags."""
    return frozenset(timm.list_models())


@lru_cache(maxsize=1)
def tagged_names() -> frozenset[str]:
    """Names with the tag of a set of weights, such as `resnet18.a1_in1k`."""
    return frozenset(timm.list_models(pretrained=True))


def spell(name: str) -> str | None:
    """The library's spelling of a lower-case underscore name, or None when it has no such model."""
    return name if name in names() or ("." in name and name in tagged_names()) else None


def advprop_name(name: str) -> str:
    """The network of the AdvProp weights (Xie et al., CVPR 2020); ValueError but for EfficientNets.

    They exist for the networks with TensorFlow's padding only, hence another network.
    """
    advprop = _advprop_of(name)
    if advprop not in tagged_names():
        raise ValueError(f"--advprop: {name} has none: use --arch efficientnet_b0 (to b8)")
    return advprop


def _advprop_of(name: str) -> str:
    return f"tf_{name.split('.')[0].removeprefix('tf_')}.ap_in1k"


def build(name: str, image_size: tuple[int, int]) -> Backbone:
    """The model without its classifier, with random weights.

    Raises the network's own error for an image size that it cannot take.
    """
    options, features = _options_for(name, image_size)
    module = timm.create_model(name, num_classes=0, **options)
    config = module.pretrained_cfg
    classifier = config.get("classifier") or ()
    layers = (classifier,) if isinstance(classifier, str) else classifier
    base = name.split(".")[0]
    source = _source(config)
    full = f"{config['architecture']}.{config['tag']}" if source and config["tag"] else name
    return Backbone(
        module=module,
        name=full,
        features=features,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        classifier=tuple(f"{layer}." for layer in layers),
        adapt=_adapt,
        source=source,
        file_names=(full,) if "." in name else (base, full),
        other_weights=_other_weights(base),
        advprop=full.endswith(".ap_in1k") if _advprop_of(base) in tagged_names() else None,
    )


def default_size(name: str) -> tuple[int, int]:
    """The (H, W) that the model was made for."""
    _, height, width = timm.models.get_pretrained_cfg(name).input_size
    return height, width


def _source(config: dict[str, Any]) -> str | None:
    if config.get("hf_hub_id"):
        file = config.get("hf_hub_filename") or "model.safetensors"
        return f"{HUB}{config['hf_hub_id']}{RESOLVE}{file}"
    return config.get("url") or None


def _other_weights(base: str) -> str:
    others = sorted(name for name in tagged_names() if name.split(".")[0].endswith(base))
    return f"use --arch {others[0]}" if others else "leave --pretrained out"


@lru_cache(maxsize=64)
def _options_for(name: str, image_size: tuple[int, int]) -> tuple[dict[str, Any], int]:
    """The extra arguments that make the model take this size, and its feature count.

    Most networks take any size. Those with position tables need `img_size`, which others do not
    know. A network on the meta device (no data) answers in a tenth of a second.
    """
    first: Exception | None = None
    for options in ({}, {"img_size": image_size}):
        try:
            make = partial(timm.create_model, name, num_classes=0, **options)
            module = make_without_data(make)
            if image_size != default_size(name):  # a few were published at such a size
                _check_patches(module, image_size)
            return options, feature_count(module, image_size)
        except SIZE_ERRORS as error:
            # A refused `img_size` (TypeError) says nothing about the size: the first answer does.
            if first is None or not isinstance(error, TypeError):
                first = error
    assert first is not None
    raise first


def _check_patches(module: nn.Module, image_size: tuple[int, int]) -> None:
    """A transformer would leave out the pixels right and below of the last whole patch."""
    embed = getattr(module, "patch_embed", None)
    if not isinstance(embed, timm.layers.PatchEmbed) or embed.dynamic_img_pad:
        return
    height, width = embed.patch_size
    if image_size[0] % height or image_size[1] % width:
        raise ValueError(f"its patches of {height} x {width} pixels do not cover the image")


def _adapt(module: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename and resize the tensors of a file with timm's own filter for this model."""
    own = module.state_dict()
    if all(name in state and state[name].shape == tensor.shape for name, tensor in own.items()):
        return state
    model_file = sys.modules[type(module).__module__]
    for filter_name in FILTERS:
        adapt = getattr(model_file, filter_name, None)
        if adapt is not None:
            one = len(inspect.signature(adapt).parameters) == 1
            return adapt(dict(state)) if one else adapt(dict(state), module)
    return state

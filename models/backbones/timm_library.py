"""Backbones of timm, pytorch-image-models: every model that has pooled features."""

from __future__ import annotations

import inspect
import sys
from functools import lru_cache, partial
from typing import Any

from torch import Tensor, nn

from models.backbone import SIZE_ERRORS, Backbone, Library, feature_count, make_without_data
from models.weight_files import HUB, RESOLVE
from utils.runtime.late_compiler import without_compiler

with without_compiler():
    import timm

# What timm's model files call the function that brings older weight files up to date.
FILTERS = (
    "checkpoint_filter_fn", "_filter_fn", "pretrained_filter_fn", "_filter_torchvision_pretrained",
)  # fmt: skip


class Timm(Library):
    """The library as the registry sees it."""

    title = "timm"

    @lru_cache(maxsize=1)  # noqa: B019 - there is one of it
    def names(self) -> frozenset[str]:
        """Without tags."""
        return frozenset(timm.list_models())

    @lru_cache(maxsize=1)  # noqa: B019 - there is one of it
    def tagged_names(self) -> frozenset[str]:
        """Names with the tag of a set of weights, such as `resnet18.a1_in1k`."""
        return frozenset(timm.list_models(pretrained=True))

    def spell(self, name: str) -> str | None:
        known = name in self.names() or ("." in name and name in self.tagged_names())
        return name if known else None

    def default_size(self, name: str) -> tuple[int, int]:
        _, height, width = timm.models.get_pretrained_cfg(name).input_size
        return height, width

    def advprop_name(self, name: str) -> str:
        """EfficientNets have them for the networks with TensorFlow's padding only, hence another
        network.
        """
        advprop = _advprop_of(name)
        if advprop not in self.tagged_names():
            raise ValueError(f"--advprop: {name} has none: use --arch efficientnet_b0 (to b8)")
        return advprop

    def build(self, name: str, image_size: tuple[int, int]) -> Backbone:
        options, features = _options_for(name, image_size)
        module = timm.create_model(name, num_classes=0, **options)
        config = module.pretrained_cfg
        classifier = config.get("classifier") or ()
        layers = (classifier,) if isinstance(classifier, str) else classifier
        base = name.split(".")[0]
        source = _source(config)
        full = f"{config['architecture']}.{config['tag']}" if source and config["tag"] else name
        has_advprop = _advprop_of(base) in self.tagged_names()
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
            advprop=full.endswith(".ap_in1k") if has_advprop else None,
            interpolation=config["interpolation"],
        )


LIBRARY = Timm()


def _advprop_of(name: str) -> str:
    return f"tf_{name.split('.')[0].removeprefix('tf_')}.ap_in1k"


def _source(config: dict[str, Any]) -> str | None:
    if config.get("hf_hub_id"):
        file = config.get("hf_hub_filename") or "model.safetensors"
        return f"{HUB}{config['hf_hub_id']}{RESOLVE}{file}"
    return config.get("url") or None


def _other_weights(base: str) -> str:
    others = sorted(name for name in LIBRARY.tagged_names() if name.split(".")[0].endswith(base))
    return f"use --arch {others[0]}" if others else "pass --no_pretrained"


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
            if image_size != LIBRARY.default_size(name):  # a few were published at such a size
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

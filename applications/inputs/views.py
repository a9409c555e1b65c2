"""From flags to the one rule by which an image becomes network input."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace
from typing import Any

from config import Config
from dataloader.image_cache import ImageCache
from dataloader.views.transforms import TrainTransform
from utils.imaging.images import ViewRule

UNSCALED_TEST_CROPS = 5
# Flags that ask for another view than that of weights; and those that change a part of it.
OTHER_VIEW = {"image_size", "resize", "crop", "crop_from"}
PARTS = {
    "test_crops": ("crops", "crop_size", "crop_seed"),
    "crop_size": ("crops", "crop_size"),
    "crop_seed": ("crop_seed",),
    "crop_pool": ("crop_pool",),
    "interpolation": ("interpolation",),
    "decode": ("decode",),
}


def view_rule(config: Config) -> ViewRule:
    """The evaluation's view. Training on unscaled crops is evaluated on unscaled crops, never on
    resized images.
    """
    crop_size = config.crop_size or config.image_size
    unscaled = config.crop == "random" and not config.crop_from
    crops = config.test_crops
    if crops is None:
        crops = UNSCALED_TEST_CROPS if unscaled else 0
    if config.crop_seed is not None and not crops:
        raise ValueError(
            f"--crop_seed {config.crop_seed} needs --test_crops N: there are no crops to place"
        )
    return ViewRule(
        image_size=tuple(config.image_size),
        resize="native" if unscaled else config.resize,
        interpolation=config.interpolation or ViewRule.interpolation,
        crops=crops,
        crop_size=tuple(crop_size) if crops else None,
        crop_pool=config.crop_pool,
        crop_seed=config.crop_seed,
        decode=config.decode,
    )


def loaded_view(
    config: Config, given: Collection[str], stored: dict[str, Any] | None
) -> tuple[ViewRule, str]:
    """(the view of weights, what flags change in it): as it is stored, but for the flags that were
    given; by the configuration's flags alone where the weights, older or plain ones, say nothing.

    config: with the weights' settings; given: the flags beside them.
    """
    asked = view_rule(config)
    if stored is None:
        return asked, ""
    own = ViewRule.from_dict(stored)
    if OTHER_VIEW & set(given):
        view = replace(asked, interpolation=config.interpolation or own.interpolation)
    else:
        fields = {field for name in given for field in PARTS.get(name, ())}
        view = replace(own, **{field: getattr(asked, field) for field in fields})
    before, after = asdict(own), asdict(view)
    changes = (
        f"{name} {_shown(after[name])} in place of {_shown(before[name])}"
        for name in after
        if after[name] != before[name]
    )
    return view, ", ".join(changes)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def train_transform(config: Config) -> TrainTransform:
    """The training's view: the evaluation's rule, or a random crop, and a flip."""
    crop = tuple(config.crop_size or config.image_size) if config.crop == "random" else None
    crop_from = tuple(config.crop_from) or None
    if crop and crop_from and (crop[0] > crop_from[0] or crop[1] > crop_from[1]):
        raise ValueError(
            f"--crop_from {crop_from[0]} {crop_from[1]} is smaller than the crop of {crop[0]} "
            f"{crop[1]}"
        )
    return TrainTransform(view_rule(config), crop, crop_from, not config.no_flip, config.jitter)


def image_cache(config: Config) -> ImageCache | None:
    """The images of --cache, None without it, and where no resize makes them alike: then DIR holds
    the tar files of URLs alone.
    """
    unscaled = config.crop == "random" and not config.crop_from
    if config.cache is None or unscaled:
        return None
    return ImageCache(config.cache, config.max_pixels)


def network_size(config: Config) -> tuple[int, int]:
    """(H, W) that the network is built for and mostly fed with."""
    size = (
        (config.crop_size or config.image_size)
        if config.crop == "random" or config.test_crops
        else config.image_size
    )
    return (size[0], size[1])

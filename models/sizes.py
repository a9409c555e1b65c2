"""Backbones for an image size: building them, and why a network cannot take a size and which sizes
near it would do.
"""

from __future__ import annotations

from itertools import islice

from torch import nn

from models.backbone import (
    SIZE_ERRORS,
    Backbone,
    Library,
    evaluating,
    make_without_data,
    run_without_data,
)
from models.registry import adapter, resolve

STEPS = (14, 16, 32, 64)  # patch sizes and total strides of the networks that need a multiple


def build_backbone(
    arch: str, image_size: tuple[int, int], advprop: bool = False, without_data: bool = False
) -> Backbone:
    """A backbone by name with random weights, or without data (on the meta device, quick).

    Raises ValueError for an unknown name, for an impossible size, and for advprop where there is
    none.
    """
    place, name = resolve(arch)
    library = adapter(place)
    if min(image_size) < 1:
        raise ValueError(f"--image_size {image_size[0]} {image_size[1]}: must be positive")
    if advprop:
        name = library.advprop_name(name)
    try:
        if without_data:
            return build_without_data(library, name, image_size)
        return library.build(name, image_size)
    except SIZE_ERRORS as error:
        raise ValueError(explain(library, name, image_size, error)) from None


def check_architecture(
    arch: str, image_size: tuple[int, int], advprop: bool = False, native: bool = False
) -> None:
    """ValueError, as by `build_backbone`, for a name or an image size that is impossible.

    native: images of other sizes will come as well.
    Costs a construction without data, so it can come before any file is read.
    """
    backbone = build_backbone(arch, image_size, advprop, without_data=True)
    if native:
        check_native(backbone.module, resolve(arch)[1], image_size)


def build_without_data(library: Library, name: str, image_size: tuple[int, int]) -> Backbone:
    """The backbone on the meta device."""
    backbone = make_without_data(lambda: library.build(name, image_size))
    backbone.module.to("meta")
    return backbone


def takes(module: nn.Module, image_size: tuple[int, int]) -> bool:
    """Whether the backbone runs at a size; costs no arithmetic."""
    try:
        run_without_data(module, image_size)
    except SIZE_ERRORS:
        return False
    return True


def check_native(module: nn.Module, name: str, image_size: tuple[int, int]) -> None:
    """ValueError where the backbone takes no other size than the one that it was made for."""
    height, width = image_size
    others = ((height + 33, width + 57), (height + 64, width + 32), (2 * height, 2 * width))
    with evaluating(module):
        if any(takes(module, size) for size in others):
            return
    raise ValueError(
        f"--resize native: {name} takes images of {height}x{width} pixels only: pass --resize "
        "squash, crop or pad, or use a convolutional --arch"
    )


def explain(library: Library, name: str, image_size: tuple[int, int], error: Exception) -> str:
    """One line: the size, the network's own reason, and sizes that work."""
    reason = (str(error).strip() or "its own checks refuse it").splitlines()[0].rstrip(".")
    works = (size for size in candidates(library, name, image_size) if fits(library, name, size))
    choice = " or ".join(f"{height} {width}" for height, width in islice(works, 3))
    remedy = f"use --image_size {choice}" if choice else "use another --arch"
    asked = f"--image_size {image_size[0]} {image_size[1]}"
    return f"{asked}: {name} cannot take it: {reason}: {remedy}"


def candidates(library: Library, name: str, image_size: tuple[int, int]) -> list[tuple[int, int]]:
    """Up to nine sizes to try, nearest first, and at last the one that the network was made for."""
    default = library.default_size(name)
    sizes = set()
    for step in (*STEPS, default[0]):
        height, width = (max(1, round(side / step)) * step for side in image_size)
        longest = max(height, width)
        sizes |= {(height, width), (longest, longest)}  # some networks take squares only
    sizes -= {image_size, default}

    def distance(size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
        return abs(size[0] - image_size[0]) + abs(size[1] - image_size[1]), size

    return [*sorted(sizes, key=distance)[:8], default]


def fits(library: Library, name: str, image_size: tuple[int, int]) -> bool:
    """Whether the network runs at this size."""
    try:
        build_without_data(library, name, image_size)
    except SIZE_ERRORS:
        return False
    return True

"""Why a network cannot take an image size, and which sizes near it would do."""

from __future__ import annotations

from types import ModuleType

import torch

# What networks raise about a size, while they are made or in their first forward pass.
SIZE_ERRORS = (AssertionError, RuntimeError, TypeError, ValueError, ZeroDivisionError, IndexError)
STEPS = (14, 16, 32, 64)  # patch sizes and total strides of the networks that need a multiple


def explain(library: ModuleType, name: str, image_size: tuple[int, int], error: Exception) -> str:
    """One line: the size, the network's own reason, and sizes that work."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    works = [
        f"{height} {width}"
        for height, width in candidates(library, name, image_size)
        if fits(library, name, height, width)
    ]
    remedy = f"use --image_size {' or '.join(works[:3])}" if works else "use another --arch"
    return (
        f"--image_size {image_size[0]} {image_size[1]}: {name} cannot take it: {reason}: {remedy}"
    )


def candidates(
    library: ModuleType, name: str, image_size: tuple[int, int]
) -> list[tuple[int, int]]:
    """Sizes to suggest, nearest first; the size that the network was made for closes the list."""
    default = library.default_size(name)
    sizes = {
        tuple(max(1, round(side / step)) * step for side in image_size)
        for step in (*STEPS, default[0])
    }
    sizes |= {(max(size), max(size)) for size in sizes}
    sizes.discard(image_size)
    near = sorted(
        sizes, key=lambda size: (abs(size[0] - image_size[0]) + abs(size[1] - image_size[1]), size)
    )
    return [size for size in near if size != default][:8] + [default]


def fits(library: ModuleType, name: str, height: int, width: int) -> bool:
    """Whether the network runs at this size; made on the meta device, without data."""
    try:
        with torch.device("meta"):
            library.build(name, (height, width))
    except SIZE_ERRORS:
        return False
    return True

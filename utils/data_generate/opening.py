"""A photograph as the distortions take it, for processes that never load torch."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from utils.data_generate.distortions import SMALLEST_SIDE
from utils.imaging.images import ImageError, read_image

# The levels are made for photographs of LIVE's size (768x512): a kernel of 7 pixels is not seen in
# the picture of a 12-megapixel camera, while that camera's own noise and sharpening are.
MAX_SIDE = 1024  # pixels


def open_photo(photo: Path, max_pixels: int, max_side: int | None = MAX_SIDE) -> Image.Image:
    """The photograph as the distortions take it: RGB, shrunk to `max_side`; ImageError with the
    file's name when it cannot be read or is too small.
    """
    image = read_image(photo, max_pixels)
    if max_side is not None:
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    if min(image.size) < SMALLEST_SIDE:
        size, least = f"{image.width}x{image.height}", f"{SMALLEST_SIDE}x{SMALLEST_SIDE}"
        raise ImageError(photo, f"{size} pixels, at least {least} needed: take it out")
    return image

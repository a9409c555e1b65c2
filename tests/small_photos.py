"""Small real photographs, cut or shrunk from those inside installed packages."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from utils.data_generate.photos import package_photos
from utils.imaging.images import read_image

NAMES = ("astronaut", "chelsea", "coffee", "rocket", "china", "flower")
SIDE = 96  # pixels, the longer one
PHOTOS = {path.stem: path for path in package_photos()}


@functools.cache
def small_photo(name: str, side: int = SIDE) -> Image.Image:
    image = read_image(PHOTOS[name])
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def write_photos(folder: Path, names: tuple[str, ...] = NAMES, side: int = SIDE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        small_photo(name, side).save(folder / f"{name}.png")
    return folder


def centre(path: Path, side: int = 192) -> np.ndarray:
    """uint8 (side, side, 3): the middle of a photograph, at its own resolution."""
    image = read_image(path)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return np.asarray(image.crop((left, top, left + side, top + side)))

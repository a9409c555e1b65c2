"""A folder of small real photographs: those inside installed packages, shrunk."""

from __future__ import annotations

import functools
from pathlib import Path

from PIL import Image

from utils.data_generate.photos import package_photos
from utils.images import read_image

NAMES = ("astronaut", "chelsea", "coffee", "rocket", "china", "flower")
SIDE = 96  # pixels, the longer one


@functools.cache
def small_photo(name: str, side: int = SIDE) -> Image.Image:
    (file,) = (path for path in package_photos() if path.stem == name)
    image = read_image(file)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def write_photos(folder: Path, names: tuple[str, ...] = NAMES, side: int = SIDE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        small_photo(name, side).save(folder / f"{name}.png")
    return folder

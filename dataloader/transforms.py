"""From an image file to the network's pixels in training; evaluation uses `utils.images.view` with
the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from utils.images import ViewRule, enlarge_to_fit, read_image, resize_image, view


@dataclass(frozen=True)
class TrainTransform:
    """Random crop and flip on top of the evaluation's own resize rule.

    crop: (H, W) of a random crop, or None for the whole view. crop_from: (H, W) that the image is
    resized to by the
    rule before the crop; None crops the image at its own resolution (technical quality dies in
    resizing).
    """

    rule: ViewRule
    crop: tuple[int, int] | None = None
    crop_from: tuple[int, int] | None = None
    flip: bool = True

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> np.ndarray:
        """One training view, uint8 (3, H, W), drawn with `rng` alone."""
        if self.crop is None:
            pixels = view(image, replace(self.rule, crops=0, crop_size=None))[0]
        else:
            pixels = self._random_crop(image, rng)
        if self.flip and rng.random() < 0.5:
            pixels = pixels[:, :, ::-1]
        return np.ascontiguousarray(pixels)

    def _random_crop(self, image: Image.Image, rng: np.random.Generator) -> np.ndarray:
        if self.crop_from is not None:
            image = resize_image(image, replace(self.rule, image_size=self.crop_from))
        image = enlarge_to_fit(image, self.crop, self.rule.interpolation)
        height, width = self.crop
        top = int(rng.integers(image.height - height + 1))
        left = int(rng.integers(image.width - width + 1))
        box = image.crop((left, top, left + width, top + height))
        return np.asarray(box).transpose(2, 0, 1)  # (3, H, W)


def load_training_view(
    path: Path, transform: TrainTransform, rng: np.random.Generator, max_pixels: int
) -> np.ndarray:
    """uint8 (3, H, W) of one image file; raises utils.images.ImageError with the file's name."""
    return transform(read_image(path, max_pixels), rng)

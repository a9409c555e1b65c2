"""From an image file to the network's pixels in training; evaluation uses
`utils.imaging.images.view` with the same rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from PIL import Image

from dataloader.views.exposure import expose, exposure_tables
from utils.imaging.images import ViewRule, enlarge_to_fit, resize_image

# Blocks of JPEG with halved chroma: a region that begins and ends on this grid is coded as it is in
# the whole image.
GRID = 16  # pixels
CONTEXT = 32  # pixels around a crop that are distorted with it, where the image has them
# uint8 (H, W, 3) -> the same size and type.
Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TrainTransform:
    """Random crop, flip and exposure on top of the evaluation's own resize rule.

    crop: (H, W) of a random crop, or None for the whole view. crop_from: (H, W) that the image is
    resized to by the rule before the crop; None crops the image at its own
    resolution (technical quality dies in resizing). jitter: strength of a random exposure; images
    that share `rng` get the same.
    """

    rule: ViewRule
    crop: tuple[int, int] | None = None
    crop_from: tuple[int, int] | None = None
    flip: bool = True
    jitter: float = 0.0

    @cached_property  # asked for of every image
    def sized(self) -> ViewRule:
        """What `resize_image` does to an image before anything is drawn."""
        whole = self.rule.sized
        if self.crop is None:
            return whole
        if self.crop_from is None:
            return replace(whole, resize="native")
        return replace(whole, image_size=self.crop_from)

    def __call__(
        self, image: Image.Image, rng: np.random.Generator, change: Change | None = None
    ) -> np.ndarray:
        """One training view, uint8 (3, H, W), drawn with `rng` alone: the same part of the image
        with and without `change`, which is done before anything is resized.
        """
        if change is not None and not self._cuts(image):
            image, change = Image.fromarray(change(np.asarray(image))), None
        return self.drawn(image if change else resize_image(image, self.sized), rng, change)

    def drawn(
        self, image: Image.Image, rng: np.random.Generator, change: Change | None = None
    ) -> np.ndarray:
        """The same of an image that is resized by `sized`. A `change` is of what a crop is cut
        from.
        """
        if self.crop is None:
            pixels = np.asarray(image).transpose(2, 0, 1)  # (3, H, W)
        else:
            pixels = self._random_crop(image, rng, change)
        if self.flip and rng.random() < 0.5:
            pixels = pixels[:, :, ::-1]
        if self.jitter:
            pixels = expose(pixels, exposure_tables(self.jitter, rng))
        return np.ascontiguousarray(pixels)

    def _cuts(self, image: Image.Image) -> bool:
        """Whether a crop is cut from the image as it is."""
        if self.crop is None or self.crop_from is not None:
            return False
        return self.crop[0] <= image.height and self.crop[1] <= image.width

    def _random_crop(
        self, image: Image.Image, rng: np.random.Generator, change: Change | None
    ) -> np.ndarray:
        image = enlarge_to_fit(image, self.crop, self.rule.interpolation)
        height, width = self.crop
        top = int(rng.integers(image.height - height + 1))
        left = int(rng.integers(image.width - width + 1))
        box = (left, top, left + width, top + height)
        pixels = np.asarray(image.crop(box)) if change is None else _changed(image, box, change)
        return pixels.transpose(2, 0, 1)  # (3, H, W)


def _changed(image: Image.Image, box: tuple[int, int, int, int], change: Change) -> np.ndarray:
    """uint8 (H, W, 3): `box` of the image after `change` of it and its surroundings.

    What the change does at a border then lies outside the box, and blocks have the grid of the
    whole image, which is not that of the box.
    """
    left, top, right, bottom = box
    x, y = (max(0, (start - CONTEXT) // GRID * GRID) for start in (left, top))
    ends = (-(-(end + CONTEXT) // GRID) * GRID for end in (right, bottom))
    far_x, far_y = map(min, ends, image.size)
    region = change(np.asarray(image.crop((x, y, far_x, far_y))))
    return region[top - y : bottom - y, left - x : right - x]

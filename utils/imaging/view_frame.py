"""What the views of an image are cut from, and how its pixels lie in the image as it was read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from utils.imaging.crop_places import crop_places
from utils.imaging.images import ViewRule, centre_box, enlarge_to_fit, padded_box, resize_image

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Frame:
    """pixels: uint8 (H, W, 3), the image after resizing and before cutting. places: (top, left) of
    each view in it; size: (H, W) of a view. inside: the part of it that shows the image, without
    padding, in its pixels; source: the same part in pixels of the image as it was read.
    """

    pixels: np.ndarray
    places: tuple[tuple[int, int], ...]
    size: tuple[int, int]
    inside: Box
    source: Box

    def view(self, number: int, pixels: np.ndarray | None = None) -> np.ndarray:
        """(h, w, ...) of this view, in the frame or in other pixels (H, W, ...) of its size."""
        top, left = self.places[number]
        whole = self.pixels if pixels is None else pixels
        return whole[top : top + self.size[0], left : left + self.size[1]]


def frame_of(image: Image.Image, rule: ViewRule, resized: Image.Image | None = None) -> Frame:
    """The frame of an RGB image; its views are those of `utils.imaging.images.view`, or, where it
    was decoded fast for them, of that `resized` image.
    """
    resized = resized or resize_image(image, rule)
    inside: Box = (0, 0, resized.width, resized.height)
    source: Box = (0, 0, image.width, image.height)
    if rule.resize == "pad":
        inside = padded_box(image.size, rule)
    elif rule.resize == "crop":
        source = centre_box(image.size, rule)
    if rule.crop_size is None:
        return Frame(
            np.asarray(resized), ((0, 0),), (resized.height, resized.width), inside, source
        )
    fitting = enlarge_to_fit(resized, rule.crop_size, rule.interpolation)
    across, down = fitting.width / resized.width, fitting.height / resized.height
    left, top, right, bottom = inside
    return Frame(
        pixels=np.asarray(fitting),
        places=tuple(crop_places(fitting.height, fitting.width, rule)),
        size=rule.crop_size,
        inside=(left * across, top * down, right * across, bottom * down),
        source=source,
    )

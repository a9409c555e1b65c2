"""Images as data URIs, shrunk to what a page shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from functools import partial

from PIL import Image

from dataloader.sources import Source, open_source
from utils.check_images import map_files
from utils.imaging.images import ImageError

FULL = 1280  # pixels of the longer side of a picture that opens
BESIDE = 512  # of two that are looked at beside each other
THUMBNAIL = 192  # shown at half of it or more

Shown = tuple[str, str]  # a data URI, "" for an image that cannot be read; what was done to it


def shown_image(image: Image.Image, side: int = FULL) -> Shown:
    """An RGB image, which is shrunk in place where its longer side has more than `side` pixels, and
    then "shrunk from 4000 x 3000".
    """
    width, height = image.size
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=85)
    uri = "data:image/jpeg;base64," + base64.b64encode(packed.getvalue()).decode("ascii")
    return uri, "" if image.size == (width, height) else f"shrunk from {width} x {height}"


def shown_source(source: Source, max_pixels: int, side: int = FULL) -> Shown:
    """`shown_image` of a file, or of a photograph as it was distorted."""
    try:
        image = open_source(source, max_pixels)
    except (ImageError, MemoryError):
        return "", ""
    return shown_image(image, side)


def shown_sources(
    sources: Iterable[Source], workers: int | None, max_pixels: int, side: int
) -> dict[Source, Shown]:
    """`shown_source` of each distinct source, in `workers` processes."""
    distinct = list(dict.fromkeys(sources))
    show = partial(shown_source, max_pixels=max_pixels, side=side)
    return dict(zip(distinct, map_files(show, distinct, workers), strict=True))

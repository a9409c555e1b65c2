"""The images that a comparison shows: from wherever they lie now, or distorted once more."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from PIL import Image

from applications.comparison.result import Found
from dataloader.sources import Source, open_source
from utils.check_images import map_files
from utils.html_page import full_picture, image_uri
from utils.imaging.images import ImageError

SIDE = 512  # pixels of a picture's longer side: two are looked at beside each other

Shown = tuple[str, str]  # a data URI, "" for an image that is gone, and a note of what was changed


def pictures(
    found: Found, places: Iterable[int], workers: int | None, max_pixels: int
) -> dict[int, Shown]:
    """Of the matched images at the places; workers: processes that read them."""
    sources = {place: _source(found, place) for place in sorted(set(places))}
    known = {place: source for place, source in sources.items() if source is not None}
    show = partial(_picture, max_pixels=max_pixels)
    made = dict(zip(known, map_files(show, list(known.values()), workers), strict=True))
    return {place: made.get(place, ("", "")) for place in sources}


def _source(found: Found, place: int) -> Source | None:
    file = next((path for path in found.matched.files[place] if path.is_file()), None)
    return file or (found.sources[place] if found.sources else None)


def _picture(source: Source, max_pixels: int) -> Shown:
    if isinstance(source, Path):
        return full_picture(source, max_pixels, SIDE)
    try:
        image = open_source(source, max_pixels)
    except (ImageError, MemoryError):
        return "", ""
    size = image.size
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    note = "" if image.size == size else f"shrunk from {size[0]} x {size[1]}"
    return image_uri(image, 85), note

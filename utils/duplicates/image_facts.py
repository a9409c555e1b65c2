"""What --check keeps of an image after one full decoding: small facts, never its pixels.

torch is not imported: processes that only decode start fast.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
from PIL import Image

from utils.check_images import map_files, why_too_small, why_unreadable
from utils.duplicates.near_duplicates import SIDE
from utils.files.tar_files import open_file
from utils.imaging.image_files import open_image
from utils.imaging.images import DEFAULT_MAX_PIXELS, ImageError, read_image

_TIFF_BITS = 258


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file says of itself. format: Pillow's name, such as "JPEG"; frames: pictures or pages
    in it; bits: of one channel.
    """

    format: str
    frames: int
    bits: int


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """size: (width, height), upright. pixels: a digest of size and RGB pixels. thumbnail: uint8,
    SIDE * SIDE bytes of grey, see utils/duplicates/near_duplicates.py.

    reason: why the image cannot be used, else None; without a picture the rest is empty.
    truncated: the file ends too early.
    """

    path: Path
    size: tuple[int, int] = (0, 0)
    file: FileFacts = FileFacts("", 0, 0)
    pixels: bytes = b""
    thumbnail: bytes = b""
    reason: str | None = None
    truncated: bool = False

    @property
    def readable(self) -> bool:
        """Whether there is a picture to compare, even one that is too small to be used."""
        return bool(self.pixels)


def inspect_images(
    paths: Iterable[Path],
    workers: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Callable[[int, int], None] | None = None,
    smallest: int = 1,
) -> list[ImageFacts]:
    """The facts of each image in input order; the arguments are those of `check_images`, and so
    are the reasons.
    """
    look = partial(inspect_image, max_pixels=max_pixels, smallest=smallest)
    return list(map_files(look, list(paths), workers, progress))


def inspect_image(path: Path, max_pixels: int, smallest: int) -> ImageFacts:
    """Decodes the image once; a fault of it is a reason, not an error."""
    try:
        image = read_image(path, max_pixels)
    except (ImageError, MemoryError) as error:
        cut = _ends_early(path, error)
        return ImageFacts(path, reason=why_unreadable(error), truncated=cut)
    pixels = blake2b(f"{image.size} ".encode() + image.tobytes(), digest_size=16).digest()
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    reason = why_too_small(image.size, smallest)
    return ImageFacts(path, image.size, file_facts(path), pixels, grey.tobytes(), reason)


def file_facts(path: Path) -> FileFacts:
    """Of a readable image, from headers alone: no pixel is decoded."""
    with open_image(path) as image:
        bits = _bits(image)
        return FileFacts(image.format or "", _frames(image), bits)


def _bits(image: Image.Image) -> int:
    """Asked before decoding, for Pillow keeps 8 bits of most."""
    if image.format == "TIFF":
        return max(image.tag_v2.get(_TIFF_BITS, (1,)), default=1)  # type: ignore[attr-defined]
    if image.mode.startswith("I;16") or image.mode == "I":
        return 16
    if image.format == "PNG":
        return 16 if any("16" in str(tile[3]) for tile in image.tile) else 8
    if image.format == "PPM":
        return 16 if any(isinstance(t[3], tuple) and t[3][-1] > 255 for t in image.tile) else 8
    return 8


def _frames(image: Image.Image) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # damage behind the first frame does not make that one unreadable
        return 1


def thumbnails(facts: Iterable[ImageFacts]) -> np.ndarray:
    """uint8 (N, SIDE, SIDE) of readable images."""
    joined = b"".join(one.thumbnail for one in facts)
    return np.frombuffer(joined, np.uint8).reshape(-1, SIDE, SIDE)


def _ends_early(path: Path, error: ImageError | MemoryError) -> bool:
    """Whether an unreadable file was cut: Pillow says so, or the file is shorter than it says."""
    if isinstance(error.__cause__, OSError) and "truncated" in str(error.__cause__).lower():
        return True  # Pillow has no error class of its own for this
    try:
        with open_file(path) as file:
            head, size = file.read(12), file.seek(0, os.SEEK_END)
    except (OSError, ValueError):
        return False
    if len(head) == 12 and head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return struct.unpack("<I", head[4:8])[0] + 8 > size
    if len(head) >= 8 and head[:4] in (b"II*\0", b"MM\0*"):  # TIFF: where its directory stands
        return struct.unpack("<I" if head[:2] == b"II" else ">I", head[4:8])[0] + 2 > size
    return False

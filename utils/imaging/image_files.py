"""How an image file is opened: in peace from Pillow's warnings and limits, and nothing of it that
Pillow would refuse wrongly, take wrongly, or read for minutes.
"""

from __future__ import annotations

import io
import mmap
import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from PIL import Image

from utils.files.tar_files import content_inside
from utils.imaging.png_file import MAGIC, PngFile

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG2000", "PPM", "AVIF")
HEIF = "HEIF"  # photographs of phones (.heic), which Pillow reads with a package beside it
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_DECODERS = r"(PIL|pillow_heif)\."  # modules that warn
_PPM_HEADER = 1 << 16  # bytes
_PPM_COMMENTS = 10_000
_JPEG_HEADER = 8 << 20  # bytes
_MARKER = re.compile(rb"\xff+")
# Markers of a JPEG that no length follows.
_BARE = {bytes([b]) for b in (0x00, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE))}


class PackageMissing(ValueError):
    """A file that a package beside Pillow could read: which one, and how to install it."""


@contextmanager
def open_image(path: str | os.PathLike[str] | bytes) -> Iterator[Image.Image]:
    """Pillow's image of a file, which may lie in a tar file, or of the content of one, its header
    read, its pixels not yet; Pillow's errors.
    """
    if not isinstance(path, bytes) and (content := content_inside(path)) is not None:
        path = content
    with io.BytesIO(path) if isinstance(path, bytes) else open(path, "rb") as file:
        head = file.read(len(MAGIC))
        if head[:1] == b"P" and head[1:2] in b"0123456fy":
            file.seek(0)
            _check_ppm(file)
        if head[:2] == b"\xff\xd8" and file.seek(0, os.SEEK_END) > _JPEG_HEADER:
            if isinstance(path, bytes):
                _check_jpeg(path)
            else:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    _check_jpeg(data)
        formats = FORMATS
        file.seek(len(MAGIC))
        if head[4:8] == b"ftyp" and file.read(4) in _HEIF_BRANDS:
            _register_heif()
            formats = (*FORMATS, HEIF)
        file.seek(0)
        opened = file if isinstance(path, bytes) else path
        source = PngFile(file) if head == MAGIC else opened
        with quiet_pillow, Image.open(source, formats=formats) as image:
            yield image


def _register_heif() -> None:
    """Here rather than above: few read such files, and nobody else should wait for the package."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise PackageMissing("reading .heic needs pillow-heif: pip install pillow-heif") from None
    register_heif_opener()


def _check_ppm(file: BinaryIO) -> None:
    """ValueError for comments without end: Pillow reads those of the header byte by byte, and for
    each of a plain file's copies what is left.
    """
    head = file.read(_PPM_HEADER)
    words = re.sub(rb"#[^\r\n]*", b"", head).split(maxsplit=4)
    if len(head) == _PPM_HEADER and len(words) < (3 if words[:1] in ([b"P1"], [b"P4"]) else 4):
        raise ValueError(f"a PPM header of more than {_PPM_HEADER} bytes")
    if head[1:2] in b"123":
        comments = head.count(b"#")
        while block := file.read(1 << 20):
            comments += block.count(b"#")
        if comments > _PPM_COMMENTS:
            raise ValueError(f"a plain PPM of more than {_PPM_COMMENTS} comments")


def _check_jpeg(data: bytes | mmap.mmap) -> None:
    """ValueError for bytes without end before the pixels: Pillow adds each segment of EXIF to a
    copy of those before, and reads what stands between segments byte by byte.
    """
    at, found = 2, 0
    while found <= _JPEG_HEADER:
        start, marker = at, _MARKER.search(data, at)
        if marker is None:  # no JPEG
            return
        at = marker.end() - 1  # padding before it is more of the same byte
        if data[at : at + 2] == b"\xff\xda":  # the pixels
            return
        kind = data[at + 1 : at + 2]
        found += at - start + (kind in _BARE)
        if kind in _BARE:
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == b"\xe1" and data[at + 4 : at + 10] == b"Exif\0\0":
            found += length
        at += 2 + max(2, length)
    raise ValueError(f"a JPEG with more than {_JPEG_HEADER} bytes of EXIF or of nothing")


class _Quiet:
    """Pillow's warnings off, and its own size limit, because `max_pixels` decides. Both are the
    whole process's: of several threads the first turns them off, and the last on again.

    One filter comes and goes, and the others are let be. Put back as they were, they would be taken
    from a thread that is just hearing warnings (`catch_warnings`), or never come back to all.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limit = Image.MAX_IMAGE_PIXELS
                Image.MAX_IMAGE_PIXELS = None
            # Each time: another thread may have others by now.
            warnings.filterwarnings("ignore", module=_DECODERS)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                Image.MAX_IMAGE_PIXELS = self._limit
                with suppress(ValueError):  # another thread has put its own back
                    warnings.filters.remove(("ignore", None, Warning, re.compile(_DECODERS), 0))


quiet_pillow = _Quiet()

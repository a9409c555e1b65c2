"""Damaged and strange images: each is read as a whole image, or refused in one line; in bounded
time and memory, and never a part of it as if it were all.
"""

from __future__ import annotations

import io
import random
import struct
import time
import warnings
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from tests.faults.trial import Trial
from tests.tiny_data import picture
from utils.imaging.images import ImageError, read_image

SECONDS = 20  # for one small file, on a machine that does ten other things
FORMATS = {
    "JPEG": {}, "PNG": {}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"}, "WEBP": {},
    "GIF": {}, "JPEG2000": {}, "PPM": {},
}  # fmt: skip


def trials(root: Path, short: bool) -> Iterator[Trial]:
    folder = root / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content, expected in strange():
        yield name, partial(_read, folder, name, content, expected)
    rng = random.Random(7)
    for kind, options in FORMATS.items():
        stream = io.BytesIO()
        picture(np.random.default_rng(3), 20).save(stream, kind, **options)
        for number in range(4 if short else 60):
            content = damaged(stream.getvalue(), rng)
            yield (
                f"{kind.lower()} damaged {number}",
                partial(_read, folder, f"x.{kind.lower()}", content, None),
            )


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Cut short, or with some bytes or a stretch of them changed."""
    data = bytearray(content)
    way = rng.randrange(4)
    if way == 0:
        return bytes(data[: rng.randrange(len(data))])
    if way == 1:
        for _ in range(rng.randrange(1, 12)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif way == 2:
        first = rng.randrange(len(data))
        data[first : first + rng.randrange(1, 400)] = rng.randbytes(rng.randrange(400))
    else:
        first = rng.randrange(len(data))
        del data[first : first + rng.randrange(1, 400)]
    return bytes(data)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return (
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )  # fmt: skip


def png(rows: int = 40, told: int = 40, *extra: bytes, broken: bool = False) -> bytes:
    """A grey PNG 56 wide that has `rows` rows and says `told`; extra: chunks before the pixels;
    broken: the pixels' checksum is wrong.
    """
    lines = b"".join(b"\0" + bytes((7 * y + x) % 256 for x in range(56)) for y in range(rows))
    pixels = chunk(b"IDAT", zlib.compress(lines))
    if broken:
        pixels = pixels[:-1] + bytes([pixels[-1] ^ 1])
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 56, told, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + pixels + chunk(b"IEND", b"")


def strange() -> Iterator[tuple[str, bytes, bool]]:
    """(name, content, whether it is a whole image that has to be read)."""
    long = zlib.compress(b"x" * 3_000_000)
    yield "plain.png", png(), True
    yield "zTXt.png", png(40, 40, chunk(b"zTXt", b"Comment\0\0" + long)), True
    yield "iTXt.png", png(40, 40, chunk(b"iTXt", b"Comment\0\1\0\0\0" + long)), True
    yield "iCCP.png", png(40, 40, chunk(b"iCCP", b"profile\0\0" + long)), True
    yield "many_texts.png", png(40, 40, *[chunk(b"tEXt", b"k\0" + b"v" * 9999)] * 400), True
    yield "few_rows.png", png(30, 40), False
    yield "wrong_crc.png", png(broken=True), False
    yield "no_pixels.png", png(0, 40), False
    yield "comment.ppm", b"P6\n#" + b"x" * 5_000_000 + b"\n2 2\n255\n" + bytes(12), False
    yield "empty.jpg", b"", False
    yield "text.jpg", b"this is no image", False
    yield "page.png", b"<html>", False
    yield (
        "bomb.png",
        png().replace(struct.pack(">II", 56, 40), struct.pack(">II", 2**31 - 1, 9)),
        False,
    )
    stream = io.BytesIO()
    picture(np.random.default_rng(1), 20).save(stream, "JPEG")
    yield "truncated.jpg", stream.getvalue()[:-500], False
    yield "tail.jpg", stream.getvalue() + b"\0" * 1000, True


def _read(folder: Path, name: str, content: bytes, expected: bool | None) -> str | None:
    file = folder / name
    file.write_bytes(content)
    begun = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            image = read_image(file)
    except ImageError as error:
        text = str(error)
        if "\n" in text or not text.startswith(str(file)) or len(text) > 1000:
            return f"no line that begins with the file: {text[:300]!r}"
        found = False
    else:
        found = True
        if image.mode != "RGB" or not image.width * image.height:
            return f"read as {image}"
    if time.monotonic() - begun > SECONDS:
        return f"took {time.monotonic() - begun:.0f} s"
    if expected is not None and found != expected:
        return "read as if whole" if found else "an intact image is refused"
    return None

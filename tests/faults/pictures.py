"""Damaged and strange images: each is read as a whole image, or refused in one line; in bounded
time and memory, and never a part of it as if it were all.
"""

from __future__ import annotations

import io
import random
import time
import warnings
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from tests.faults.trial import Trial
from tests.png_files import chunk, png
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
        for number in range(12 if short else 60):
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


def grey(rows: int = 40, *extra: bytes) -> bytes:
    """A grey PNG of 56 x 40 that has `rows` rows; extra: chunks before the pixels."""
    lines = b"".join(b"\0" + bytes((7 * y + x) % 256 for x in range(56)) for y in range(rows))
    return png(56, 40, lines, colour=0, extra=b"".join(extra))


def strange() -> Iterator[tuple[str, bytes, bool]]:
    """(name, content, whether it is a whole image that has to be read)."""
    long = zlib.compress(b"x" * 3_000_000)
    yield "plain.png", grey(), True
    yield "zTXt.png", grey(40, chunk(b"zTXt", b"Comment\0\0" + long)), True
    yield "iTXt.png", grey(40, chunk(b"iTXt", b"Comment\0\1\0\0\0" + long)), True
    yield "iCCP.png", grey(40, chunk(b"iCCP", b"profile\0\0" + long)), True
    yield "many_texts.png", grey(40, *[chunk(b"tEXt", b"k\0" + b"v" * 9999)] * 400), True
    yield "few_rows.png", grey(30), False
    yield "wrong_crc.png", grey()[:-13] + b"\0" + grey()[-12:], False
    yield "no_pixels.png", grey(0), False
    yield "comment.ppm", b"P6\n#" + b"x" * 5_000_000 + b"\n2 2\n255\n" + bytes(12), False
    yield "empty.jpg", b"", False
    yield "text.jpg", b"this is no image", False
    yield "page.png", b"<html>", False
    yield "bomb.png", png(2**31 - 1, 9, b"\0"), False
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

"""Images damaged at random: each is read as a whole image, or refused in one line, in bounded time.
Those made by hand are in tests/utils/imaging.
"""

from __future__ import annotations

import io
import random
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from tests.faults.trial import Trial
from tests.tiny_data import picture
from utils.imaging.images import ImageError, read_image

SECONDS = 20  # of the processor, for one small file
FORMATS = {
    "JPEG": {}, "PNG": {}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"}, "WEBP": {},
    "GIF": {}, "JPEG2000": {}, "PPM": {},
}  # fmt: skip


def trials(root: Path, short: bool) -> Iterator[Trial]:
    folder = root / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    for kind, options in FORMATS.items():
        stream = io.BytesIO()
        picture(np.random.default_rng(3), 20).save(stream, kind, **options)
        for number in range(12 if short else 60):
            content = damaged(stream.getvalue(), rng)
            yield f"{kind.lower()} {number}", partial(_read, folder / f"x.{kind.lower()}", content)


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


def _read(file: Path, content: bytes) -> str | None:
    file.write_bytes(content)
    begun = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            image = read_image(file)
    except ImageError as error:
        text = str(error)
        if "\n" in text or not text.startswith(str(file)) or len(text) > 1000:
            return f"no line that begins with the file: {text[:300]!r}"
    else:
        if image.mode != "RGB" or not image.width * image.height:
            return f"read as {image}"
    if (took := time.process_time() - begun) > SECONDS:
        return f"took {took:.0f} s"
    return None

"""Bodies that a service must answer, whatever they are: whole requests, and what mistakes, broken
programs and attackers make of them; the same ones for a seed.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache

from PIL import Image

from tests.png_files import png

Body = tuple[str, bytes]  # Content-Type, and what follows the head
KIND = "multipart/form-data; boundary="
NAMES = (
    "photo.jpg", "../../x", "/etc/passwd", "C:\\x.png", "", ".", "a" * 3000, "=cmd|' /C calc'!A0",
    "\x1b[2J.png", "ä 日本 \U0001f600.png", 'a";x="', "%00.png", "a;b.png", "http://127.0.0.1/x",
)  # fmt: skip
FIELDS = ("images", "images", "images", "image", "", "files[]", "images\0", "model", "i" * 2000)
CHARSETS = (
    "utf-8",
    "utf-7",
    "unicode_escape",
    "utf-16",
    "rot13",
    "idna",
    "punycode",
    "none",
    "hex",
)
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")


@cache
def photo(kind: str, size: tuple[int, int] = (40, 30)) -> bytes:
    """A small image file with some structure."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, kind)
    return out.getvalue()


def part(rng: random.Random, content: bytes) -> bytes:
    """A file as it should be sent, of an odd name at times."""
    name = rng.choice(NAMES) if rng.random() < 0.3 else "photo.jpg"
    head = f'Content-Disposition: form-data; name="images"; filename="{name}"\r\n'
    return f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + content


def form(*parts: bytes, boundary: bytes = b"b") -> bytes:
    """Parts as a whole body."""
    return b"".join(b"--%s\r\n%s\r\n" % (boundary, p) for p in parts) + b"--%s--\r\n" % boundary


def mutated(rng: random.Random, content: bytes) -> bytes:
    """The content with bytes changed, taken out, doubled or cut off."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at : at + rng.choice((1, 2, 40))]
            case 2:
                data[at:at] = data[at : at + rng.choice((1, 10, 500))]
            case 3:
                data[at : at + 4] = struct.pack(">I", rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF)))
            case _:
                data[at:at] = rng.choice((b"\r\n", b"--b", b"\0", b"--b--\r\n", b'"', b":"))
    return bytes(data)


def any_photo(rng: random.Random) -> bytes:
    return photo(rng.choice(FORMATS))


def broken_image(rng: random.Random) -> Body:
    return KIND + "b", form(part(rng, mutated(rng, any_photo(rng))))


def cut_image(rng: random.Random) -> Body:
    content = any_photo(rng)
    return KIND + "b", form(part(rng, content[: rng.randrange(len(content))]))


def broken_body(rng: random.Random) -> Body:
    return KIND + "b", mutated(rng, form(*(part(rng, any_photo(rng)) for _ in range(3))))


def cut_body(rng: random.Random) -> Body:
    whole = form(part(rng, any_photo(rng)), part(rng, any_photo(rng)))
    return KIND + "b", whole[: rng.randrange(len(whole))]


def wrong_boundary(rng: random.Random) -> Body:
    said = rng.choice(("c", "", "b" * 5000, '"b', '"b"', "b b", "--b", "\xff", "b; boundary=c"))
    real = rng.choice((b"b", b"", b"b" * 300, b"\xff", b"b\r\n"))
    return KIND + said, form(part(rng, any_photo(rng)), boundary=real)


def huge_size(rng: random.Random) -> Body:
    """A header that declares what no memory holds, of a few bytes."""
    wide, high = (rng.choice((1, 5000, 65_000, 2**31 - 1)) for _ in range(2))
    row = zlib.compress(b"\0" * 100)
    heads = (
        png(wide, high, b"\0" * 100),
        png(wide, high, b"\0" * 100, depth=16, colour=0),
        b"P6 %d %d 65535\n" % (wide, high) + row,
        b"P3 %d %d 255\n" % (wide, high) + b"1 " * 500,
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 60, 0, 54, 40, wide, high, 1, 24, 0, 0, 1, 1, 0, 0),
        b"GIF89a" + struct.pack("<HH", wide % 65536, high % 65536) + photo("GIF")[10:],
        photo("JPEG").replace(struct.pack(">HH", 30, 40), struct.pack(">HH", 65_500, 65_500)),
    )
    return KIND + "b", form(part(rng, rng.choice(heads)))


@cache
def black(wide: int, high: int) -> bytes:
    """A PNG of zeros."""
    return png(wide, high, b"\0" * ((1 + 3 * wide) * high))


def bomb(rng: random.Random) -> Body:
    """A file that is larger by far once it is decoded; or no image, but a zip of zeros."""
    wide, high = rng.choice(((3000, 3000), (1, 60_000), (60_000, 1), (1, 400_000), (20_000, 3)))
    if rng.random() < 0.3:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.png", b"\0" * 3_000_000)
        return KIND + "b", form(part(rng, out.getvalue()))
    return KIND + "b", form(part(rng, black(wide, high)))


def many_parts(rng: random.Random) -> Body:
    count = rng.choice((5, 65, 3000))
    content = b"" if count > 100 else photo("PNG", (2, 2))
    return KIND + "b", form(*[part(rng, content)] * count)


def odd_fields(rng: random.Random) -> Body:
    more = rng.choice(("", '; filename="x.png"', "; filename=", "; filename*=utf-16''%ff%fe%00%d8"))
    head = f'Content-Disposition: form-data; name="{rng.choice(FIELDS)}"{more}\r\n'
    kind = f"{KIND}b; charset={rng.choice(CHARSETS)}"
    odd = rng.choice((rb"\ud800", b"+2AA-", b"\xff\xfe\x00\xd8", b"\0", b"\xc3"))
    said = head.encode().replace(b"x.png", odd + b".png")
    return kind, form(said + b"\r\n" + any_photo(rng), part(rng, b"x"))


def odd_headers(rng: random.Random) -> Body:
    line = rng.choice(
        (b"Content-Disposition: form-data\r\n", b"X: y\r\n" * 50, b"X: " + b"y" * 100_000 + b"\r\n",
         b"", b": x\r\n", b"Content-Transfer-Encoding: base64\r\n", b"\0: \0\r\n", b"X y\r\n")
    )  # fmt: skip
    return KIND + "b", form(line + part(rng, any_photo(rng)))


def no_form(rng: random.Random) -> Body:
    kinds = ("", "text/plain", "application/json", "multipart/mixed; boundary=b", ";", "a" * 9000)
    kinds = (
        *kinds,
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "MULTIPART/form-DATA",
    )
    return rng.choice(kinds), rng.choice((b"", b"{}", b"images=/etc/passwd", any_photo(rng)))


def nothing(rng: random.Random) -> Body:
    return KIND + "b", rng.choice((b"", b"--b", b"--b--", b"\r\n", form(), b"\0" * 1000))


def noise(rng: random.Random) -> Body:
    return KIND + "b", rng.choice((b"", b"--b\r\n")) + rng.randbytes(
        rng.choice((10, 1000, 100_000))
    )


def whole(rng: random.Random) -> Body:
    return KIND + "b", form(*(part(rng, any_photo(rng)) for _ in range(rng.randrange(1, 4))))


KINDS: tuple[Callable[[random.Random], Body], ...] = (
    whole, broken_image, broken_image, cut_image, broken_body, broken_body, cut_body,
    wrong_boundary, huge_size, bomb, many_parts, odd_fields, odd_headers, no_form, nothing, noise,
)  # fmt: skip


def bodies(seed: int, count: int) -> Iterator[tuple[str, Body]]:
    """(which kind, body) `count` times, all kinds in turn."""
    rng = random.Random(seed)
    for number in range(count):
        make = KINDS[number % len(KINDS)]
        yield make.__name__, make(rng)

"""PNG files written by hand: chunks, depths and lengths that no library would write."""

from __future__ import annotations

import struct
import zlib

MAGIC = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk with the checksum that belongs to it."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int,
    height: int,
    rows: bytes,
    depth: int = 8,
    colour: int = 2,
    extra: bytes = b"",
    behind: bytes = b"",
    interlaced: bool = False,
) -> bytes:
    """rows: the stream of pixels, a filter byte before each row; colour: 0 grey, 2 RGB. extra and
    behind: chunks before and after the pixels, which lie in chunks of 700 bytes.
    """
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    packed = zlib.compress(rows)
    parts = [packed[i : i + 700] for i in range(0, len(packed), 700)]
    data = b"".join(chunk(b"IDAT", part) for part in parts)
    return MAGIC + chunk(b"IHDR", head) + extra + data + behind + chunk(b"IEND", b"")

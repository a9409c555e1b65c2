"""PNG files as Pillow should see them: whole, and without the metadata that pixels do not need.

Pillow refuses an intact image whose compressed metadata is large, and takes a damaged one whose
checksums are wrong, whose end is missing, or whose stream of pixels ends some rows too early.
"""

from __future__ import annotations

import io
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import BinaryIO

MAGIC = b"\x89PNG\r\n\x1a\n"
MOST_METADATA = 16 << 20  # bytes of a file's EXIF and XMP, unpacked; what is beyond is ignored

_DATA = (b"IDAT", b"fdAT")
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"IEND")  # a few hundred bytes each
_MOST_NEEDED = 1 << 16
_BLOCK = 1 << 20
_CUT = "image file is truncated: it ends before its last chunk, IEND"
# Where the orientation may stand, besides a chunk eXIf.
_KEYWORDS = (b"XML:com.adobe.xmp", b"xmp", b"exif", b"Raw profile type exif")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_ADAM7 += ((0, 1, 1, 2),)  # x, y, step in x, step in y of each pass

_Piece = tuple[BinaryIO, int, int]  # file, offset, bytes


class PngFile(io.BufferedReader):
    """A PNG without what neither pixels nor orientation need; memory does not grow with the file.

    ValueError for a wrong checksum or a chunk that cannot be, OSError ("truncated") for a file that
    ends before its last chunk does.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._data: list[tuple[int, int]] = []  # offset, bytes
        self._head = b""
        super().__init__(_Joined(self._pieces(file)))
        self._file = file

    def _pieces(self, file: BinaryIO) -> Iterator[_Piece]:
        yield file, 0, len(MAGIC)
        left = MOST_METADATA
        for kind, start, length in _chunks(file):
            if kind in _DATA or kind in _NEEDED:
                if kind == b"IDAT":
                    self._data.append((start, length))
                elif kind == b"IHDR":
                    self._head = _at(file, start, length)
                yield file, start - 8, length + 12
            elif kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt") and length <= left:
                chunk = _oriented(kind, file, start, length, left)
                left -= len(chunk)
                if chunk:
                    yield io.BytesIO(chunk), 0, len(chunk)

    @property
    def interlaced(self) -> bool:
        return self._head[12:13] == b"\1"

    def require_rows(self) -> None:
        """OSError where the stream of pixels ends, in good order, before the last row."""
        need, unpack = self._bytes_of_pixels(), zlib.decompressobj()
        for start, length in self._data:
            for at in range(start, start + length, _BLOCK):
                data = _at(self._file, at, min(_BLOCK, start + length - at))
                while data and need > 0:
                    need -= len(unpack.decompress(data, _BLOCK))
                    data = unpack.unconsumed_tail
            if need <= 0:
                return
        if self._data:
            raise OSError("image file is truncated: it holds fewer rows than its header says")

    def _bytes_of_pixels(self) -> int:
        """Of the unpacked stream: a byte for the filter of each row, and its pixels."""
        width, height = (int.from_bytes(self._head[i : i + 4], "big") for i in (0, 4))
        bits = self._head[8] * _CHANNELS[self._head[9]]
        total = 0
        for x, y, step_x, step_y in _ADAM7 if self.interlaced else ((0, 0, 1, 1),):
            columns, rows = -(-(width - x) // step_x), -(-(height - y) // step_y)
            if columns > 0 and rows > 0:
                total += rows * (1 + -(-columns * bits // 8))
        return total


def _at(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(kind, offset of the content, its bytes) of each chunk, checked; the file may be moved."""
    start = len(MAGIC)
    kind = b""
    while kind != b"IEND":
        head = _at(file, start, 8)
        if len(head) < 8:
            raise OSError(_CUT)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if not kind.isalpha():
            raise ValueError(f"broken PNG file (chunk {kind!r})")
        name = kind.decode()
        if kind in _NEEDED and length > _MOST_NEEDED:
            raise ValueError(f"broken PNG file (chunk {name} of {length} bytes)")
        found, left = zlib.crc32(kind), length
        while left and (block := file.read(min(left, _BLOCK))):
            found, left = zlib.crc32(block, found), left - len(block)
        said = file.read(4)
        if len(said) < 4:
            raise OSError(_CUT)
        if int.from_bytes(said, "big") != found:
            raise ValueError(f"broken PNG file (wrong checksum of chunk {name})")
        yield kind, start + 8, length
        start += 12 + length


def _oriented(kind: bytes, file: BinaryIO, start: int, length: int, most: int) -> bytes:
    """A chunk of metadata where it may hold the orientation, text unpacked, for Pillow does not
    unpack much; nothing for any other, and for one of more than `most` bytes.
    """
    if kind != b"eXIf" and _at(file, start, min(length, 80)).partition(b"\0")[0] not in _KEYWORDS:
        return b""
    content = _at(file, start, length)
    keyword, _, rest = content.partition(b"\0")
    packed, before = b"", b""
    if kind == b"zTXt":
        kind, packed = b"tEXt", rest[1:]
    elif kind == b"iTXt" and rest[:1] == b"\1":  # packed; a language and a translation come first
        language, _, more = rest[2:].partition(b"\0")
        translation, _, packed = more.partition(b"\0")
        before = b"\0\0" + language + b"\0" + translation + b"\0"
    if packed:
        unpack = zlib.decompressobj()
        try:
            text = unpack.decompress(packed, most)
        except zlib.error:
            return b""
        if unpack.unconsumed_tail:
            return b""
        content = keyword + b"\0" + before + text
    checksum = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + checksum


class _Joined(io.RawIOBase):
    """Pieces of files as one file."""

    def __init__(self, pieces: Iterable[_Piece]) -> None:
        self._pieces: list[_Piece] = []
        for file, start, length in pieces:
            before = self._pieces[-1] if self._pieces else None
            if before and before[0] is file and before[1] + before[2] == start:
                self._pieces[-1] = file, before[1], before[2] + length
            else:
                self._pieces.append((file, start, length))
        self._starts = [0, *accumulate(length for _, _, length in self._pieces)]
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + (0, self._position, self._starts[-1])[whence]
        return self._position

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def,override]
        number = bisect_right(self._starts, self._position) - 1
        if number == len(self._pieces):
            return 0
        file, start, length = self._pieces[number]
        inside = self._position - self._starts[number]
        file.seek(start + inside)
        count = file.readinto(memoryview(buffer)[: length - inside])  # type: ignore[attr-defined]
        self._position += count
        return count

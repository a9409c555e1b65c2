"""Files inside tar files, as WebDataset's shards are: a path may lead through one, as in
`shards/train-000.tar/0001.jpg`, and is then opened without unpacking.

Where each member of a tar file begins is read from its headers once in each process, and again
when the file has become another one. Of a million members that takes arrays of about 60 MB, which
loader processes share with the one that forked them.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import tarfile
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from utils.files.reading import packed_as
from utils.text import printable

TAR = ".tar"
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_BLOCK = tarfile.BLOCKSIZE
_MAGIC = (b"ustar\x0000", b"ustar  \0")  # POSIX, GNU
_THROUGH = re.compile(r"\.tar(?=[/\\])" if os.sep == "\\" else r"\.tar(?=/)", re.IGNORECASE)
# What a header of POSIX's extended format may say beside the name and the size.
_HARMLESS = frozenset(b"mtime atime ctime uid gid uname gname comment".split())

PathLike = str | os.PathLike[str]


class Member(NamedTuple):
    """What stands in a tar file: `size` bytes from the byte `start` on. kind: tarfile's letter of a
    file, a link, a folder.
    """

    name: str
    start: int
    size: int
    kind: bytes = tarfile.REGTYPE

    @property
    def is_file(self) -> bool:
        return self.kind in tarfile.REGULAR_TYPES

    @property
    def is_link(self) -> bool:
        return self.kind in (tarfile.LNKTYPE, tarfile.SYMTYPE)


def is_tar(path: PathLike) -> bool:
    """Whether the path leads to a file with the name of a tar file."""
    return os.fspath(path).lower().endswith(TAR) and os.path.isfile(path)


def compressed(path: PathLike) -> ValueError:
    """The error about a tar file that is packed."""
    return ValueError(
        f"{printable(path)}: a compressed tar file, in which nothing can be found without "
        "unpacking all before it: unpack it to .tar"
    )


def each_member(shard: PathLike) -> Iterator[Member]:
    """All that a tar file holds, in its order. ValueError where it ends, or is damaged, before its
    end, and where it is compressed.

    Usual headers are read here, in 4 microseconds where Python's tarfile takes 36; that reads the
    others.
    """
    damaged = f"{printable(shard)}: a damaged tar file: make it anew"
    at = 0
    try:
        with open(shard, "rb") as file, tarfile.open(shard, "r:") as tar:
            while True:
                if (member := _usual(file, at)) is None:
                    found = _next(tar, at)
                    if found is None:
                        break
                    if found.issparse():  # its bytes do not lie there one after the other
                        said = f"{printable(found.name)} is packed as a sparse file"
                        raise ValueError(f"{printable(shard)}: {said}: pack it without --sparse")
                    member = Member(found.name, found.offset_data, found.size, found.type)
                    at = tar.offset
                else:
                    at = member.start + -(-member.size // _BLOCK) * _BLOCK
                yield member
            file.seek(tar.offset)  # tarfile ends in silence where it finds no header
            end = file.read(_BLOCK)
            if end.strip(b"\0"):
                raise ValueError(f"{damaged} (no header at byte {tar.offset})")
            if not end:  # cut off behind a member: more may have followed
                raise ValueError(f"{damaged} (it stops at byte {tar.offset}, without an end)")
    except tarfile.TarError as error:
        with open(shard, "rb") as file:
            packed = packed_as(file.read(_BLOCK))
        raise (compressed(shard) if packed else ValueError(f"{damaged} ({error})")) from None


def _next(tar: tarfile.TarFile, at: int) -> tarfile.TarInfo | None:
    """What tarfile reads at a byte; it has read the first header when it was opened."""
    if at:
        tar.firstmember, tar.offset = None, at
    found = tar.next()
    tar.members.clear()  # it remembers all of them
    return found


def _usual(file: BinaryIO, at: int) -> Member | None:
    """The plain file whose header stands at a byte, an extended header that says nothing of its
    name and size before it or not; None for all else.
    """
    file.seek(at)
    blocks = file.read(3 * _BLOCK)
    header = blocks[:_BLOCK]
    size = _size(header)
    if size is not None and header[156:157] == tarfile.XHDTYPE:
        if not 0 < size <= _BLOCK or not _says_little(blocks[_BLOCK : _BLOCK + size]):
            return None
        at += 2 * _BLOCK
        header = blocks[2 * _BLOCK :]
        size = _size(header)
    name = header[:100].split(b"\0", 1)[0]
    if size is None or header[156:157] not in (b"0", b"\0") or name.endswith(b"/"):
        return None
    if header[257:265] == _MAGIC[0] and header[345] != 0:
        name = header[345:500].split(b"\0", 1)[0] + b"/" + name
    return Member(os.fsdecode(name), at + _BLOCK, size)


def _size(header: bytes) -> int | None:
    """What a header that its own checksum confirms says of the size; None for one of another
    kind.
    """
    if len(header) < _BLOCK or header[257:265] not in _MAGIC:
        return None
    try:
        told = int(header[148:156].strip(b" \0"), 8)
        size = int(header[124:136].strip(b" \0"), 8)
    except ValueError:
        return None
    counted = header[:148] + header[156:]
    found = sum(counted.translate(None, b"\0")) + 8 * ord(" ")  # in place of the sum itself
    return size if told == found else None


def _says_little(records: bytes) -> bool:
    """Whether an extended header ("LENGTH KEY=VALUE" and a line end, many times) has nothing that
    changes how its file is found.
    """
    while records:
        length, _, rest = records.partition(b" ")
        if not length.isdigit() or not int(length):
            return False
        if rest.partition(b"=")[0] not in _HARMLESS:
            return False
        records = records[int(length) :]
    return True


def read_at(shard: PathLike, start: int, size: int) -> bytes:
    """`size` bytes of a file from the byte `start` on, fewer where it ends."""
    with open(shard, "rb") as file:
        file.seek(start)
        return file.read(size)


# ---- by name


class TarIndex:
    """Where the files of a tar file begin, by their names: without "./" or "/" before them, links
    and folders left out. Of two files of one name the last one counts, as it does for tar.
    """

    def __init__(self, shard: PathLike) -> None:
        text, self._ends = bytearray(), array("q", [0])
        self.starts, self.sizes, hashes = array("q"), array("q"), array("q")
        for member in each_member(shard):
            if not member.is_file:
                continue
            name = member.name
            while name.startswith(("./", "/")):
                name = name.partition("/")[2]
            text += os.fsencode(name)
            self._ends.append(len(text))
            self.starts.append(member.start)
            self.sizes.append(member.size)
            hashes.append(hash(name))
        self._text = bytes(text)
        order = np.argsort(np.frombuffer(hashes, np.int64), kind="stable").astype(np.int64)
        self._order = array("q", order.tobytes())
        self._hashes = array("q", np.frombuffer(hashes, np.int64)[order].tobytes())

    def __len__(self) -> int:
        return len(self.starts)

    def name(self, place: int) -> str:
        """Of the file at a place, from 0, in the tar file's order."""
        return os.fsdecode(self._text[self._ends[place] : self._ends[place + 1]])

    def names(self) -> Iterator[str]:
        return map(self.name, range(len(self)))

    def find(self, name: str) -> int | None:
        """The place of the file of that name; None where there is none."""
        sought, found = hash(name), None
        at = bisect_left(self._hashes, sought)
        while at < len(self._hashes) and self._hashes[at] == sought:
            if self.name(self._order[at]) == name:
                found = self._order[at]
            at += 1
        return found


_known: dict[str, tuple[tuple[int, ...], TarIndex]] = {}


def index_of(shard: PathLike) -> TarIndex:
    """The index of a tar file as it is now. OSError where there is none, ValueError where it is
    damaged.
    """
    return _index(os.fspath(shard), os.stat(shard))


def _index(shard: str, status: os.stat_result) -> TarIndex:
    now = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if shard not in _known or _known[shard][0] != now:
        _known[shard] = now, TarIndex(shard)
    return _known[shard][1]


# ---- any file, inside a tar file or not


def open_file(path: PathLike) -> BinaryIO:
    """The file for reading, with one inside a tar file in memory. OSError; ValueError where the tar
    file is damaged.
    """
    found = _inside(path)
    return open(path, "rb") if found is None else io.BytesIO(read_at(*found[:3]))


def place_of(path: PathLike) -> tuple[str, int, int]:
    """(the file that holds it, its first byte in there, its size in bytes): of a file inside a tar
    file, or of one by itself. OSError where there is none.
    """
    found = _inside(path)
    return (os.fspath(path), 0, os.stat(path).st_size) if found is None else found[:3]


def content_inside(path: PathLike) -> bytes | None:
    """The content of a file inside a tar file; None for a path that leads through none."""
    found = _inside(path)
    return None if found is None else read_at(*found[:3])


def stat_file(path: PathLike) -> os.stat_result:
    """os.stat of a file; of one inside a tar file its own size, and the rest of the tar file."""
    found = _inside(path)
    if found is None:
        return os.stat(path)
    status = found[3]
    times = {name: getattr(status, name) for name in ("st_mtime_ns", "st_ctime_ns")}
    return os.stat_result([*status[:6], found[2], *status[7:10]], times)


def is_file(path: PathLike) -> bool:
    """os.path.isfile, of files inside tar files as well; a damaged tar file has none."""
    try:
        return stat.S_ISREG(stat_file(path).st_mode)
    except (OSError, ValueError):
        return False


def _inside(path: PathLike) -> tuple[str, int, int, os.stat_result] | None:
    """(tar file, start, size, stat of the tar file) of what a path leads to inside a tar file; None
    where it leads through none. FileNotFoundError where the tar file has no such file.
    """
    text = os.fspath(path)
    for match in _THROUGH.finditer(text):
        shard, name = text[: match.end()], text[match.end() + 1 :].replace(os.sep, "/")
        try:
            status = os.stat(shard)
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            index = _index(shard, status)
            if (place := index.find(name)) is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), text)
            return shard, index.starts[place], index.sizes[place], status
    return None

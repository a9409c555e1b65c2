"""What a write that fails says: which file, why, how many bytes it needed, and the cure.

The standard library only.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from utils.text import printable, size_text

_ELSEWHERE = "or write elsewhere"
_WHY = {
    errno.ENOSPC: f"no space left on the disk{{sizes}}: make room, {_ELSEWHERE}",
    errno.EDQUOT: f"the disk quota is used up{{sizes}}: make room, {_ELSEWHERE}",
    errno.EFBIG: f"a file of this size is not allowed{{sizes}}: raise ulimit -f, {_ELSEWHERE}",
    errno.EROFS: "the file system is read-only{sizes}: write elsewhere",
    errno.EACCES: f"no permission{{sizes}}: change that of the folder, {_ELSEWHERE}",
    None: f"not all of it found room{{sizes}}: make room, raise ulimit -f, {_ELSEWHERE}",  # NumPy
    errno.EPERM: f"no permission{{sizes}}: change that of the folder, {_ELSEWHERE}",
}


class WriteError(OSError):
    """`<path>: cannot be written: <why>: <remedy>`, one line."""


@contextmanager
def named_place(
    path: str | os.PathLike[str], needed: Callable[[], int] | None = None
) -> Iterator[None]:
    """An OSError of what is done inside becomes a WriteError of the file or folder `path`; needed:
    gives the bytes that the file would have.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        sizes = "" if needed is None else f"needs {needed():,} bytes"
        if error.errno in (errno.ENOSPC, None) and (free := free_bytes(Path(path))) is not None:
            sizes += f"{', ' if sizes else ''}{free:,} are free"
        why = _WHY.get(error.errno, f"{error.strerror}{{sizes}}: write elsewhere")
        why = why.format(sizes=f" ({sizes})" if sizes else "")
        raise WriteError(f"{printable(path)}: cannot be written: {why}") from error


def free_bytes(path: Path) -> int | None:
    """Bytes free on the disk that the file or folder lies on, or will lie on; None where no system
    says.
    """
    for place in (path, *path.parents):
        with suppress(OSError):
            return shutil.disk_usage(place).free
    return None


def no_room(flag: str, folder: Path, needed: int) -> str | None:
    """One line where the disk of the folder that `flag` names has less than `needed` bytes free."""
    free = free_bytes(folder)
    if free is None or needed <= free:
        return None
    return (
        f"{flag} {folder}: needs {size_text(needed)} and {size_text(free)} are free: name a folder "
        "on a larger disk"
    )


def bytes_of(write: Callable[[BinaryIO], object]) -> int:
    """How many bytes `write` writes; they go nowhere."""
    counted = _Counted()
    write(counted)
    return counted.size


class _Counted(io.BytesIO):
    """As a file: it counts what it is given and keeps nothing."""

    size = 0

    def write(self, data) -> int:  # type: ignore[no-untyped-def,override]
        count = memoryview(data).nbytes
        self.size += count
        return count


class Lines:
    """A text file to which whole lines are added, each at once on its way to the disk: a line that
    has no room is not begun.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with named_place(path):
            self._file = open(path, "ab", buffering=0)

    @property
    def handle(self) -> int:
        return self._file.fileno()

    def add(self, line: str) -> None:
        self.write(f"{line}\n".encode("utf-8", "backslashreplace"))

    def write(self, text: bytes) -> None:
        """Lines as bytes, all of them or none."""
        data = memoryview(text)
        size = os.fstat(self._file.fileno()).st_size
        with named_place(self.path, lambda: size + len(data)):
            try:
                left = data
                while left:
                    left = left[self._file.write(left) :]
            except OSError:
                os.ftruncate(self._file.fileno(), size)
                raise

    def close(self) -> None:
        self._file.close()

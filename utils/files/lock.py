"""A lock on a file that ends with the process that holds it, however that ends."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None


def try_lock(handle: int) -> bool:
    """Whether this process holds the open file from now on; False where another one does.

    The lock ends when this process closes any handle of the file. Processes forked later do not
    inherit it, so that a loader that outlives its parent keeps nothing. OSError where the platform
    or the file system knows no locks.
    """
    if fcntl is None:
        raise OSError(errno.ENOSYS, "no file locks on this platform")
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # systems differ in what they answer
        return False
    return True


def when_abandoned(file: Path, remove: Callable[[], object]) -> None:
    """Calls `remove` if the process that locked the file is dead; not where it lives, or where that
    cannot be known. The file is locked meanwhile.
    """
    try:
        handle = os.open(file, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return  # gone meanwhile, or not ours
    try:
        held = try_lock(handle)
    except OSError:
        held = False
    try:
        if held:
            remove()
    finally:
        os.close(handle)

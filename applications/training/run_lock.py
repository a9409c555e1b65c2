"""Who may write in a run folder: one process at a time, and nobody where a dead one was."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path

from applications.inputs.runtime import Runtime
from utils.files.lock import try_lock, when_abandoned
from utils.files.writing import check_no_link
from utils.runtime import distributed
from utils.text import printable

LOCK = "run.lock"  # says which process holds it
NEW = ".new-"  # begins the name of a folder that is not finished


def hold(path: Path, runtime: Runtime) -> None:
    """Keeps other processes from training in the folder until this call ends, however it ends;
    ValueError names the one that already does.
    """
    problem = None
    if runtime.main and path.resolve() not in runtime.held:
        check_no_link(path / LOCK)
        handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        locked = _locked(handle)
        if locked:
            runtime.held[path.resolve()] = handle
        elif locked is None:
            runtime.info(f"{path}: no file locks here: let no second process train in it")
        else:
            holder = printable(os.pread(handle, 200, 0).decode("utf-8", "replace"))
            problem = f"{path}: {holder or 'another process'} trains in it: wait for it, or stop it"
        if not locked:
            os.close(handle)
    if problem := distributed.broadcast_object(problem):
        raise ValueError(problem)


def _locked(handle: int) -> bool | None:
    """Whether the lock is this process's now, as its file says then; None where there are none."""
    try:
        held = try_lock(handle)
    except OSError:
        return None
    if held:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
    return held


def new_folder(root: Path) -> tuple[Path, int | None]:
    """(folder below root for a run that is being made, handle of its lock if any), after those of
    killed processes are gone. It is locked before anything else is in it: one without a lock is
    nobody's.
    """
    for left in root.glob(f"{NEW}*"):
        # Locked before it is removed: another process may be about to lock it.
        with suppress(OSError):  # it has a lock, or is no folder
            os.close(os.open(left / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
        when_abandoned(left / LOCK, partial(shutil.rmtree, left, ignore_errors=True))
    while True:
        made = Path(tempfile.mkdtemp(dir=root, prefix=NEW))
        try:
            handle = os.open(made / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # another process took the empty folder for an abandoned one
            continue
        locked = _locked(handle)
        if locked is None:
            os.close(handle)
            return made, None
        if locked and os.fstat(handle).st_nlink:
            return made, handle
        os.close(handle)

"""What a person is told about an error: one line with a cure, or, where the fault is ours, all of
it. The standard library only: the command line needs it before torch is there.
"""

from __future__ import annotations

import errno
import os
import re
import select
import sys
import traceback
from collections.abc import Iterator

MEMORY = (
    "not enough memory: pass a smaller -b (in training with --accumulate), a smaller --image_size, "
    "or fewer processes (-j, -g)"
)
_LITTLE_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "can't start new thread",
    "failed to map segment",
    "bad alloc",
    "bad_alloc",
)
_LOADER = re.compile(r"DataLoader worker \(pid.*?\) .*?(killed by signal: \w+|exited unexpectedly)")
_RETOLD = re.compile(r"Caught \w+ in DataLoader worker process \d+\.\n")  # by torch, of a process
_CURES = {
    errno.ENOSPC: "make room on the disk (and in /dev/shm, where -j is used)",
    errno.EMFILE: "raise the limit with ulimit -n, or pass a smaller -j",
    errno.ENFILE: "close programs that hold files open, or pass a smaller -j",
}


def told(error: Exception) -> str:
    """One line, or, of what nobody foresaw, the traceback and a line that asks for a report."""
    if line := explained(error):
        return f"error: {line}"
    shown = "".join(traceback.format_exception(error)).rstrip()
    return f"{shown}\nerror: this is a fault of the toolkit: please report it with the lines above"


def reader_gone() -> bool:
    """Whether nobody reads stdout any more, as `| head -1` does not after a line: no fault of
    anybody, and what is left to be written goes nowhere.
    """
    if sys.stdout is None or not hasattr(select, "poll"):
        return False
    try:
        handle = sys.stdout.fileno()
    except OSError:  # no file
        return False
    probe = select.poll()
    probe.register(handle, 0)
    if not any(event & select.POLLERR for _, event in probe.poll(0)):
        return False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, handle)
    os.close(nowhere)
    return True


def explained(error: Exception) -> str | None:
    """Of an error that data, files or the machine are to blame for; else None."""
    text = str(error)
    if _RETOLD.match(text):
        text = text.rstrip().splitlines()[-1].partition(": ")[2]
    if isinstance(error, MemoryError) or _of_memory(error, text):
        return MEMORY
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        reason = f"{error.strerror or os.strerror(error.errno)}"
        cure = _CURES.get(error.errno)
        return f"{reason}: {cure}" if cure else reason
    if isinstance(error, (ValueError, OSError)):
        return text
    # torch raises it wherever the work is: whoever waits for an image, or is in the middle of a
    # save, tells of an error of its own on top.
    if found := [reason[1] for one in _chain(error) if (reason := _LOADER.search(str(one)))]:
        return (
            f"a process that reads images died ({found[-1]}): is there enough memory? pass a "
            "smaller -j or -b"
        )
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _of_memory(error: Exception, text: str) -> bool:
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    raised = isinstance(error, (RuntimeError, ImportError))
    return raised and any(words in text.lower() for words in _LITTLE_MEMORY)

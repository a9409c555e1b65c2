"""One line for what data or machine are to blame for, the whole traceback for what we are."""

from __future__ import annotations

import errno

import pytest
import torch

from utils.runtime.faults import MEMORY, explained, told

LOADER = "DataLoader worker (pid 12) is killed by signal: Killed. It is possible that ..."
LOADERS = "DataLoader worker (pid(s) 12, 13) exited unexpectedly with exit code 1. Details ..."
RETOLD = (
    "Caught {0} in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
    '  File "x.py", line 1, in f\n{0}: {1}\n'
)


def of_torch() -> Exception:
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 55)
    return error.value


def on_top(text: str) -> Exception:
    """As torch tells who was waiting for that process, or was writing a file."""
    error = RuntimeError(text)
    error.__context__ = RuntimeError(LOADER)
    return error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), MEMORY),
        (MemoryError(RETOLD.format("MemoryError", "")), MEMORY),
        (of_torch(), MEMORY),
        (torch.OutOfMemoryError("x out of memory. Tried to allocate 2 GiB"), MEMORY),
        (ImportError("libtorch.so: failed to map segment from shared object"), MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), MEMORY),
        (RuntimeError("can't start new thread"), MEMORY),
        (ValueError("a.txt:3: out of memory"), "a.txt:3: out of memory"),
        (OSError(RETOLD.format("OSError", "x.png: gone")), "x.png: gone"),
        (OSError(errno.EMFILE, "Too many open files"),
         "Too many open files: raise the limit with ulimit -n, or pass a smaller -j"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError(errno.ENOENT, "No such file", "a"), "[Errno 2] No such file: 'a'"),
        (RuntimeError(LOADER), "a process that reads images died (killed by signal: Killed)"),
        (RuntimeError(LOADERS), "a process that reads images died (exited unexpectedly)"),
        (on_top(LOADERS), "a process that reads images died (killed by signal: Killed)"),
        (on_top("enforce fail"), "a process that reads images died (killed by signal: Killed)"),
    ],
)  # fmt: skip
def test_one_line(error, line):
    found = told(error)
    assert found.startswith(f"error: {line}") and "\n" not in found


@pytest.mark.parametrize("kind", [RuntimeError, AssertionError, KeyError, IndexError, TypeError])
def test_a_bug_of_ours_keeps_its_traceback(kind):
    error = kind("shapes differ")
    assert explained(error) is None
    try:
        raise error
    except kind as raised:
        lines = told(raised).splitlines()
    assert lines[0].startswith("Traceback") and "shapes differ" in lines[-2]
    assert lines[-1].startswith("error: this is a fault of the toolkit: please report it")

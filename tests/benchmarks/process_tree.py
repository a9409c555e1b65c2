"""What a command costs with all processes that it starts, also those that outlive a parent."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SUBREAPER = 36  # prctl: orphans of this process's descendants become its children (Linux)
EVERY = 0.5  # seconds between two looks at the memory, at the least
SHARE = 40  # times as long as a look takes: the kernel goes through all pages


@dataclass(frozen=True)
class Cost:
    """Processor seconds of the tree, seconds by the clock, and the peak of the memory of all its
    processes together in MB: pages that several of them share count once.
    """

    processor: float
    clock: float
    megabytes: float
    output: str


def cost(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Cost:
    """Runs a command to its end; RuntimeError with the end of what it wrote where it fails."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    log, peak, began = folder / "output.txt", 0.0, time.perf_counter()
    before = _of_children()
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        while process.poll() is None:
            looked = time.process_time()
            peak = max(peak, sum(map(_megabytes, _tree(process.pid))))
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(EVERY, SHARE * (time.process_time() - looked)))
    clock = time.perf_counter() - began
    text = log.read_text(errors="replace")
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {process.returncode}\n{text[-3000:]}")
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    return Cost(_of_children() - before, clock, peak, text)


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree(root: int) -> list[int]:
    """The process, its children, theirs, and those that were left to this process."""
    found, waiting = [], [root]
    while waiting:
        number = waiting.pop()
        found.append(number)
        try:
            tasks = list(Path(f"/proc/{number}/task").iterdir())
            for task in tasks:
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # it has ended
    return found


def _megabytes(number: int) -> float:
    try:
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0  # it has ended
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

"""What all trials of faults share: a command in a process of its own, what it said, what it left.

A trial is a name and a function that returns None where all went well, else what did not. Commands
run in children of a server that has imported torch once, so that hundreds of them fit into minutes.
"""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import main
from tests.cli import PATIENCE, as_started_by_hand, fork

Trial = tuple[str, Callable[[], "str | None"]]


@dataclass(frozen=True)
class Outcome:
    """code: exit code, negative for a signal, None for a command that had to be killed because it
    hung; peak: memory in MB, 0 where the process did not end by itself.
    """

    code: int | None
    out: str
    err: str
    peak: int = 0

    def wrong(self, *codes: int) -> str | None:
        """What is not as it should be: another exit code, a traceback, or an error that is not
        one line.
        """
        shown = f"exit {self.code}: {self.err[-400:]!r}"
        if self.code not in codes:
            return f"expected exit {' or '.join(map(str, codes))}, {shown}"
        if "Traceback" in self.err or "Warning:" in self.err:
            return f"traceback or warning, {shown}"
        errors = [line for line in self.err.splitlines() if line.startswith("error:")]
        if self.code in (1, 2) and (len(errors) != 1 or len(errors[0]) > 2000):
            return f"{len(errors)} error lines, {shown}"
        return None


def _child(folder: str, argv: Sequence[str], prepare: Callable[[], None] | None) -> None:
    as_started_by_hand()
    os.chdir(folder)
    os.environ["OMP_NUM_THREADS"] = "1"
    for number, name in ((1, ".out"), (2, ".err")):
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    if prepare:
        prepare()
    try:
        code = main.main(list(argv))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 70
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.flush()
    sys.stderr.flush()
    Path(".peak").write_text(str(peak))
    os._exit(code)


class Command:
    """`python main.py *argv` in `folder`, begun; prepare: what its process does first."""

    def __init__(
        self, folder: Path, argv: Sequence[str], prepare: Callable[[], None] | None = None
    ) -> None:
        self.folder = folder
        (folder / ".peak").unlink(missing_ok=True)
        self.process = fork(_child, str(folder), list(argv), prepare)

    def signal(self, number: int) -> None:
        """To the main process, unless it has ended."""
        if self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, number)

    def children(self) -> list[int]:
        """Processes whose parent is this command's."""
        return children_of(self.process.pid or 0)

    def finish(self, timeout: float = PATIENCE) -> Outcome:
        self.process.join(timeout)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
            self.process.join()
        texts = [
            (self.folder / name).read_text(encoding="utf-8", errors="replace")
            for name in (".out", ".err")
        ]
        peak = self.folder / ".peak"
        return Outcome(code, *texts, int(peak.read_text()) if peak.exists() else 0)


def attempt(
    folder: Path, argv: Sequence[str], prepare: Callable[[], None] | None = None
) -> Outcome:
    """A command from its beginning to its end."""
    return Command(folder, argv, prepare).finish()


def children_of(pid: int) -> list[int]:
    """From /proc: the living processes whose parent is `pid`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def all_ended(pids: Sequence[int]) -> bool:
    """Whether these processes end soon; the rest is killed."""
    deadline = time.monotonic() + PATIENCE
    while left := [pid for pid in pids if _runs(pid)]:
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.05)
    return True


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def fingerprint(*places: Path) -> dict[str, tuple[int, int, str]]:
    """Size, time of change and SHA-256 of every file below the places: what no command may change
    of its inputs.
    """
    return {os.fspath(path): _facts(path) for path in _files(places)}


def _files(places: Sequence[Path]) -> Iterator[Path]:
    for place in places:
        yield from (
            (p for p in sorted(place.rglob("*")) if p.is_file()) if place.is_dir() else [place]
        )


def _facts(path: Path) -> tuple[int, int, str]:
    status = path.stat()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return status.st_size, status.st_mtime_ns, digest


def leftovers(folder: Path) -> list[str]:
    """Temporary files and half-made folders that a command left behind."""
    return [
        path.relative_to(folder).as_posix()
        for path in folder.rglob(".*")
        if path.name.endswith(".tmp") or path.name.startswith(".new-")
    ]

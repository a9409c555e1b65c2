"""A counting line for a terminal; a single closing line in a file, without control characters."""

from __future__ import annotations

import time
from typing import TextIO


class CountBar:
    """`update(done, total)` redraws at most ten times a second; `finish` writes the
    closing line.
    """

    def __init__(self, title: str, stream: TextIO) -> None:
        self.title, self.stream = title, stream
        self.terminal = stream.isatty()
        self.begun = self.drawn = time.perf_counter()
        self.done = 0

    def update(self, done: int, total: int | None = None) -> None:
        self.done = done
        now = time.perf_counter()
        if self.terminal and now - self.drawn > 0.1:
            self.drawn = now
            self.stream.write(f"\r{self.title}: {done}{f'/{total}' if total else ''}")
            self.stream.flush()

    def finish(self) -> None:
        seconds = time.perf_counter() - self.begun
        start = "\r" if self.terminal else ""
        self.stream.write(f"{start}{self.title}: {self.done} in {seconds:.1f} s\n")
        self.stream.flush()

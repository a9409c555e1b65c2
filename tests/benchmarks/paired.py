"""Two ways of doing the same, in turn in one run, as every machine is shared and noisy: processor
seconds of this process and those it waited for, and the ratio of their medians.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version


def machine(*packages: str) -> str:
    """Date, processor and versions, for the line above a table."""
    found = ", ".join(f"{name} {version(name)}" for name in packages)
    cores = f"{os.cpu_count()} cores, {platform.machine()}"
    return f"{time.strftime('%Y-%m-%d')}, {cores}, Python {platform.python_version()}, {found}"


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """(processor seconds, by the clock) of a call."""
    before, began = os.times(), time.perf_counter()
    call()
    spent, clock = os.times(), time.perf_counter() - began
    return sum(spent[:4]) - sum(before[:4]), clock


def row(what: str, ours: Callable[[], object], other: Callable[[], object], runs: int) -> str:
    """A line of a Markdown table (HEAD): medians of processor seconds, the ratio other / ours of
    the medians with the extremes of the ratios of all runs, and the ratio by the clock.
    """
    pairs = [(seconds(ours), seconds(other)) for _ in range(runs)]
    cells = []
    for kind in (0, 1):
        mine, theirs = ([side[kind] for side in column] for column in zip(*pairs, strict=True))
        ratios = [b / max(a, 1e-9) for a, b in zip(mine, theirs, strict=True)]
        ratio = statistics.median(theirs) / max(statistics.median(mine), 1e-9)
        cells.append((mine, theirs, f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"))
    (mine, theirs, ratio), (_, _, clock) = cells
    return (
        f"| {what} | {statistics.median(mine):.3g} | {statistics.median(theirs):.3g} | {ratio} "
        f"| {clock} | {runs} |"
    )


HEAD = """| what | ours, s | the other, s | other / ours | the same by the clock | runs |
|---|---|---|---|---|---|"""

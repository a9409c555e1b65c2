"""How much memory there is to use."""

from __future__ import annotations

import os
from pathlib import Path

_CAPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def usable_memory() -> float:
    """Bytes that this process may use, which in a container are fewer than the machine has;
    infinity where the system does not say it.
    """
    found = [float("inf")]
    if hasattr(os, "sysconf"):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    texts = [Path(cap).read_text().strip() for cap in _CAPS if Path(cap).is_file()]
    return min(found + [float(text) for text in texts if text != "max"])

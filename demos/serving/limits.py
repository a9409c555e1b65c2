"""What the service takes of its clients, and no more."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

MB = 1 << 20


def _limit(default: float, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Limits:
    """Each is a flag of demos/service.py, whose help is its text. ValueError for values that no
    request could meet.
    """

    max_body: float = _limit(64, "MB of one request")
    max_held: float = _limit(512, "MB of all requests that are being read or scored")
    max_files: int = _limit(64, "images of one request")
    max_pixels: int = _limit(50_000_000, "pixels of one image; of it and the model's own the less")
    max_waiting: int = _limit(1024, "images that wait for their scores")
    max_connections: int = _limit(1000, "connections at once")
    timeout: float = _limit(60, "seconds for a body to come, and again for its scores")
    map_timeout: float = _limit(300, "seconds for a quality map")
    batch_size: int = _limit(32, "views (images, or their crops) of a pass of the model")
    batch_ms: float = _limit(5, "milliseconds that a pass waits for images that are being decoded")

    def __post_init__(self) -> None:
        for name in (limit.name for limit in fields(self)):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"--{name} {getattr(self, name)}: must be a number above 0")
        for less, more in (("max_body", "max_held"), ("max_files", "max_waiting")):
            if getattr(self, less) > getattr(self, more):
                raise ValueError(
                    f"--{less} {getattr(self, less)}: more than --{more} {getattr(self, more)}: "
                    f"no such request would ever be taken: raise --{more}"
                )

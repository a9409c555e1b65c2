"""Python's garbage collector while modules are imported: what they make stays, and looking at all
of it over and over takes a fifth of the time of `import torch`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_rest(keep: bool = False) -> Iterator[None]:
    """Inside, nothing is collected, and at the end what is new is looked at once: an error that an
    import overcame holds on to all that its callers have at hand, the content of files included.

    keep: it is not looked at, now or ever. That is for a program that has only begun, whose callers
    have nothing.
    """
    works = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if keep:
            gc.freeze()
        if works:
            gc.enable()
            gc.collect(0)

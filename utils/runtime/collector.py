"""Python's garbage collector while modules are imported: what they make stays, and looking at all
of it over and over takes a fifth of the time of `import torch`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_rest(keep: bool = False) -> Iterator[None]:
    """Inside, nothing is collected.

    keep: what is there at the end is never looked at again. That is for a program that has begun to
    import and nothing else: garbage of before would stay as well. What is imported later in such a
    program is left alone in the same way.
    """
    works = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if keep or gc.get_freeze_count():
            gc.freeze()
        if works:
            gc.enable()

"""Random numbers from keys: what is drawn depends on (seed, epoch, step, ...) and never on what was
drawn before.

That makes a continued run repeat the uninterrupted one, however many images are read at once.
"""

from __future__ import annotations

import hashlib
import json
import operator

import numpy as np


def key(*parts: int | str) -> int:
    """A number in [0, 2**63) for `parts`, equal in every process and on every version of Python and
    NumPy.

    `key(1, 2)`, `key(12)` and `key("1", 2)` differ. Raises TypeError for a part that is neither an
    integer nor text.
    """
    text = json.dumps([part if isinstance(part, str) else operator.index(part) for part in parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(*parts: int | str) -> np.random.Generator:
    """A generator of its own for `parts`; it shares no state with any other."""
    return np.random.default_rng(key(*parts))


def permutation(n: int, *parts: int | str) -> np.ndarray:
    """The numbers 0..n-1 in an order that depends on `parts` alone, int64 (n,)."""
    return numpy_generator(*parts).permutation(n)

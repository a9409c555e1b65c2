"""Random numbers from keys: what is drawn depends on (seed, epoch, step, ...) and never on what was
drawn before.

That makes a continued run repeat the uninterrupted one, whatever the number of loader processes.
"""

from __future__ import annotations

import hashlib
import json
import operator
import random
from typing import Any

import numpy as np
import torch


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


def seed_step(*parts: int | str) -> None:
    """Seed the global generators (torch on every device, NumPy, Python) for one step, so dropout is
    keyed by `parts`.
    """
    number = key(*parts)
    torch.manual_seed(number)
    np.random.seed(number % 2**32)
    random.seed(number)


def rng_state(device: torch.device | None = None) -> dict[str, Any]:
    """State of the global generators as tensors and built-in types, which
    `torch.load(weights_only=True)` accepts.

    `device` is the accelerator whose generator counts too; None or the CPU when there is none.
    """
    name, words, position, has_gauss, gauss = np.random.get_state()
    state = {
        "torch": torch.get_rng_state(),
        "numpy": [name, torch.from_numpy(words.astype(np.int64)), position, has_gauss, gauss],
        "python": random.getstate(),
    }
    if device is not None and device.type != "cpu":
        state["accelerator"] = torch.get_device_module(device).get_rng_state(device)
    return state


def set_rng_state(state: dict[str, Any], device: torch.device | None = None) -> None:
    """Put back what `rng_state` returned. A state from another kind of device restores all but that
    device's part.
    """
    name, words, position, has_gauss, gauss = state["numpy"]
    torch.set_rng_state(state["torch"])
    np.random.set_state((name, words.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal), gauss_next))
    if device is not None and device.type != "cpu" and "accelerator" in state:
        torch.get_device_module(device).set_rng_state(state["accelerator"], device)

"""Generators that torch, NumPy and Python share in a process: one seed for all; their states."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from utils.runtime.seed import key


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

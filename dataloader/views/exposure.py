"""Random exposure of a training view: a network that has seen few photographs must not take the
darkness or the flatness of a scene for a distortion.
"""

from __future__ import annotations

import numpy as np


def exposure_tables(strength: float, rng: np.random.Generator) -> np.ndarray:
    """uint8 (3, 256): what each channel's values become.

    A contrast between exp(-strength) and exp(strength / 3) about a random middle, then a gamma
    between exp(-strength) and exp(strength), which differs by a quarter of that between channels,
    as white balance does.
    """
    values = np.linspace(0, 1, 256)
    contrast, middle = np.exp(rng.uniform(-strength, strength / 3)), rng.uniform(0.2, 0.8)
    values = np.clip(middle + contrast * (values - middle), 0, 1)
    gammas = np.exp(rng.uniform(-strength, strength) + rng.uniform(-1, 1, 3) * strength / 4)
    return np.rint(255 * values ** gammas[:, None]).astype(np.uint8)


def expose(pixels: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """uint8 (3, H, W) with each channel's values looked up in its table."""
    return np.stack([table[channel] for table, channel in zip(tables, pixels, strict=True)])

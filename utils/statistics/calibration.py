"""Whether predictions can be taken at their word: what people said of images predicted alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Calibration:
    """Of B groups of images with neighbouring predictions: predicted, voted (B,) means; low, high
    (B,) the 95% interval of the voted mean, nan for a group of one; images (B,).
    """

    predicted: Floats
    voted: Floats
    low: Floats
    high: Floats
    images: Ints


def calibration(predictions: ArrayLike, mos: ArrayLike, groups: int = 10) -> Calibration:
    """Up to `groups` groups of nearly equal numbers of images, in the order of their predictions
    (N,); equal predictions may fall into two. The interval is Student's t, images independent.
    """
    x, y = (np.asarray(values, dtype=np.float64) for values in (predictions, mos))
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise ValueError(f"predictions {x.shape} and mos {y.shape}: must both be (N,), N above 0")
    parts = np.array_split(np.argsort(x, kind="stable"), min(groups, len(x)))
    images = np.array([len(part) for part in parts], dtype=np.int64)
    voted = np.array([y[part].mean() for part in parts])
    reach = np.array([_reach(y[part]) for part in parts])
    predicted = np.array([x[part].mean() for part in parts])
    return Calibration(predicted, voted, voted - reach, voted + reach, images)


def _reach(values: Floats) -> float:
    n = len(values)
    if n < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))

"""What a network says of images, and what people said of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# How far a histogram's sum may be from 1.
_SUM_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Predictions:
    """What a network says of M distinct images: scores (M,) and, for K > 1 branches, histograms
    probs (M, K). views: (M,) how many views of each it saw, where that is known.
    """

    scores: np.ndarray
    probs: np.ndarray | None = None
    views: np.ndarray | None = None

    @property
    def bins(self) -> int:
        """K; 1 where scores are all there is."""
        return 1 if self.probs is None else self.probs.shape[1]


@dataclass(frozen=True)
class Opinions:
    """What people said of M images: mos (M,); std of the votes (M,) and how many (M,), where they
    are known. spread: whether std is that of the votes; else it is the standard error of the mos,
    and votes are 1.
    """

    mos: np.ndarray
    std: np.ndarray | None = None
    votes: np.ndarray | None = None
    spread: bool = True


def finite(name: str, values: ArrayLike, ndim: int = 1) -> Floats:
    """The values as float64 of so many axes; ValueError where one is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim:
        wanted = "(N,)" if ndim == 1 else "(N, K)"
        raise ValueError(f"{name}: shape {array.shape} where {wanted} is wanted")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = ", ".join(str(int(i)) for i in bad[0])
        raise ValueError(f"{name}[{place}]: {array[tuple(bad[0])]}: must be finite")
    return array


def histograms(name: str, probs: ArrayLike) -> Floats:
    """(N, K) as float64; ValueError where a row is negative somewhere, or does not sum to 1."""
    array = finite(name, probs, 2)
    if array.shape[1] < 1:
        raise ValueError(f"{name}: shape {array.shape}: a histogram needs at least one bin")
    wrong = (array < 0).any(axis=1) | (np.abs(array.sum(axis=1) - 1) > _SUM_TOLERANCE)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{name}[{row}]: sum {array[row].sum():.6g}, least {array[row].min():.6g}: "
            "a histogram is not negative and sums to 1"
        )
    return array


def distribution_mean(probs: ArrayLike) -> Floats:
    """Mean score (N,) of histograms (N, K) over the bins 1..K."""
    array = histograms("probs", probs)
    return array @ np.arange(1, array.shape[1] + 1, dtype=np.float64)


def distribution_std(probs: ArrayLike) -> Floats:
    """Standard deviation (N,) of histograms (N, K) over the bins 1..K."""
    array = histograms("probs", probs)
    bins = np.arange(1, array.shape[1] + 1, dtype=np.float64)
    mean = array @ bins
    return np.sqrt(np.sum(array * (bins - mean[:, None]) ** 2, axis=1))

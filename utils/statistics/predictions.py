"""What a network says of images, and what people said of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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

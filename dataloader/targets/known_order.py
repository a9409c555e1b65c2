"""The order that levels give: which pairs of some images are known, and how far they are apart."""

from __future__ import annotations

import numpy as np

from dataloader.labels.labels import Versions


def pairs_within(group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(a, b): positions of every two items of one group, both ways round and with themselves.

    group: (n,) codes. No loop: an item is repeated as often as its group has items, and counts
    through them.
    """
    order = np.argsort(group, kind="stable")
    _, start, count = np.unique(group[order], return_index=True, return_counts=True)
    size = np.repeat(count, count)  # (n,): items in the group of each item, groups in order
    first = np.repeat(start, count)
    through = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    return order[np.repeat(np.arange(len(group)), size)], order[np.repeat(first, size) + through]


class KnownOrder:
    """What the levels of M images say about their order.

    It is known between two images of one reference: by level within one distortion, and between
    level 0 (the reference itself) and every distorted version. Two images of one level are a tie,
    two distortions are not compared, and an image of unknown level with no other.

    across: the same between different references, where they are at least so many levels apart;
    0 compares no two references. RankIQA trains with 1.
    """

    def __init__(self, versions: Versions, across: int = 0) -> None:
        self.across = across
        # An image of no reference is a version of nothing but itself.
        references = [name or f"\0{n}" for n, name in enumerate(versions.reference_id)]
        self.reference = np.unique(references, return_inverse=True)[1].reshape(-1)  # (M,)
        distortions = versions.distortion.tolist()
        self.distortion = np.unique(distortions, return_inverse=True)[1].reshape(-1)  # (M,)
        self.level = versions.level  # (M,); -1: unknown

    def known(self, better: np.ndarray, worse: np.ndarray) -> np.ndarray:
        """bool (P,): whether the levels say that image `better` is above image `worse`."""
        comparable = (self.distortion[better] == self.distortion[worse]) | (self.level[better] == 0)
        steps = self.level[worse] - self.level[better]
        wanted = np.where(self.related(better, worse), 1, self.across or np.inf)
        return comparable & (self.level[better] >= 0) & (steps >= wanted)

    def related(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """bool (P,): whether two images are versions of one reference."""
        return self.reference[a] == self.reference[b]

    def pairs(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(better (P,), worse (P,)): positions in `images` of all pairs whose order is known."""
        group = np.zeros(len(images), dtype=np.int64) if self.across else self.reference[images]
        better, worse = pairs_within(group)
        known = self.known(images[better], images[worse])
        return better[known], worse[known]

    def apart(self, better: np.ndarray, worse: np.ndarray) -> np.ndarray:
        """float32 (P,): levels between two images; 1 where the levels do not know their order."""
        steps = self.level[worse] - self.level[better]
        return np.where(self.known(better, worse), steps, 1).astype(np.float32)

    def ladders(self, images: np.ndarray) -> np.ndarray:
        """int64 (n,): one code per (reference, distortion)."""
        return self.reference[images] * (self.distortion.max() + 1) + self.distortion[images]

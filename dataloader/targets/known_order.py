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


def merged(
    better: np.ndarray,
    worse: np.ndarray,
    more_better: np.ndarray,
    more_worse: np.ndarray,
    size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (P,), (P,) of positions below `size`, in rising order, and others that are not among
    them, all in rising order.
    """
    if not len(more_better):
        return better, worse
    code, more = better * size + worse, np.unique(more_better * size + more_worse)
    places = np.searchsorted(code, more)
    return np.divmod(np.insert(code, places, more), size)


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
        """(better (P,), worse (P,)): positions in `images` of all pairs whose order is known, in
        rising order.
        """
        better, worse = pairs_within(self.reference[images])
        if self.across:  # those of one reference are among them, or known in spite of `across`
            near = self.level[images[worse]] - self.level[images[better]] < self.across
            better, worse = better[near], worse[near]
        known = self.known(images[better], images[worse])
        better, worse = better[known], worse[known]
        if self.across:
            return merged(*self._pairs_across(images), better, worse, len(images))
        return np.divmod(np.sort(better * len(images) + worse), len(images))

    def _pairs_across(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pairs at least `across` levels apart, as by `pairs`. Images of one distortion and
        level are above the same others, which are looked for once.
        """
        distortion, level = self.distortion[images], self.level[images]
        sort = distortion * (self.level.max() + 2) + level
        _, first, kind = np.unique(sort, return_index=True, return_inverse=True)
        below = []
        for own, strength in zip(distortion[first], level[first], strict=True):
            comparable = (distortion == own) | (strength == 0)
            enough = (level >= strength + self.across) & (strength >= 0)
            below.append(np.flatnonzero(comparable & enough))
        kind = kind.reshape(-1)
        counts = np.array([len(some) for some in below], dtype=np.int64)[kind]
        worse = np.concatenate([below[k] for k in kind.tolist()])
        return np.repeat(np.arange(len(images)), counts), worse

    def apart(self, better: np.ndarray, worse: np.ndarray) -> np.ndarray:
        """float32 (P,): levels between two images; 1 where the levels do not know their order."""
        steps = self.level[worse] - self.level[better]
        return np.where(self.known(better, worse), steps, 1).astype(np.float32)

    def ladders(self, images: np.ndarray) -> np.ndarray:
        """int64 (n,): one code per (reference, distortion)."""
        return self.reference[images] * (self.distortion.max() + 1) + self.distortion[images]

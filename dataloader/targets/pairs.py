"""Pairs of images as index arrays: a batch holds each distinct image once, however many pairs name
it.
"""

from __future__ import annotations

import numpy as np
import scipy

from dataloader.labels.labels import Labels
from dataloader.targets.known_order import KnownOrder, merged


def linked(count: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """int64 (count,): for each item the smallest item that the links a[i]-b[i] lead to."""
    links = scipy.sparse.coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(count, count))
    _, component = scipy.sparse.csgraph.connected_components(links, directed=False)
    _, first = np.unique(component, return_index=True)
    return first[component]


class PairTargets:
    """Ordered pairs: targets {"better": int64 (P,), "worse": int64 (P,)}, positions among a batch's
    images, and with `margin_per_level` {"margin": float32 (P,)}.

    Where the labels know versions, the pairs of a batch are those of its lines and all others whose
    order the levels give among its images, each once; a line that the levels do not know, or that
    contradicts them, stays. Else: the lines as they are.

    margin_per_level: a pair's margin per level between its images; one level for a line whose order
    the levels do not know. across: see KnownOrder. ValueError for either without versions.
    """

    relational = True

    def __init__(
        self, labels: Labels, margin_per_level: float | None = None, across: int = 0
    ) -> None:
        asked = {"--margin_by_level": margin_per_level is not None, "--across": across > 0}
        for flag in (name for name, wanted in asked.items() if wanted and labels.versions is None):
            raise ValueError(
                f"{flag} needs the levels of the images: put levels.csv beside the label file, or "
                "leave the flag out"
            )
        if margin_per_level is not None:
            _check_margins(margin_per_level, labels.versions.level)
        self.paths, self.versions = labels.sources, labels.versions
        self.margin_per_level = margin_per_level
        self.order = None if labels.versions is None else KnownOrder(labels.versions, across)
        self.better, self.worse = labels.images.T.copy()  # (L,), (L,)

    def __len__(self) -> int:
        return len(self.better)

    def select(self, lines: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        both = np.concatenate([self.better[lines], self.worse[lines]])
        images, inverse = np.unique(both, return_inverse=True)
        inverse = inverse.reshape(-1)  # numpy 2.0.0 alone keeps another shape
        better, worse = inverse[: len(lines)], inverse[len(lines) :]
        if self.order is not None:
            other = ~self.order.known(images[better], images[worse])
            known = self.order.pairs(images)
            better, worse = merged(*known, better[other], worse[other], len(images))
        return images, self._targets(images, better, worse)

    def _targets(
        self, images: np.ndarray, better: np.ndarray, worse: np.ndarray
    ) -> dict[str, np.ndarray]:
        targets = {"better": better, "worse": worse}
        if self.order is not None and self.margin_per_level is not None:
            apart = self.order.apart(images[better], images[worse])
            targets["margin"] = apart * np.float32(self.margin_per_level)
        return targets

    def in_order(self, order: np.ndarray) -> PairTargets:
        return self

    def groups(self) -> np.ndarray:
        """Lines that belong together, so that a batch of them holds many pairs and few images: for
        each one a number from 0 that is below that of the lines or of the images.

        Where levels are known: those of one ladder, which is that of a line's worse image, because
        level 0 stands at the head of all ladders of its reference. Else lines whose images are
        linked by pairs: all versions of one photograph, as a rule.
        """
        if self.order is not None:
            ladders = self.order.ladders(self.worse)
            return np.unique(ladders, return_inverse=True)[1].reshape(-1)
        return linked(len(self.paths), self.better, self.worse)[self.better]

    def view_keys(self, images: np.ndarray, targets: dict[str, np.ndarray]) -> np.ndarray:
        """Images linked by the batch's pairs are cropped alike: two versions of a photograph then
        differ in their distortion only, which is what their order is about. Where levels are
        known, a pair of two photographs is no such link.
        """
        better, worse = targets["better"], targets["worse"]
        if self.order is not None:
            related = self.order.related(images[better], images[worse])
            better, worse = better[related], worse[related]
        return images[linked(len(images), better, worse)]

    def all(self) -> dict[str, np.ndarray]:
        return self._targets(np.arange(len(self.paths)), self.better, self.worse)

    def captions(self, targets: dict[str, np.ndarray], count: int) -> list[str]:
        better: list[list[int]] = [[] for _ in range(count)]  # than which images each is
        worse: list[list[int]] = [[] for _ in range(count)]
        for good, bad in zip(targets["better"], targets["worse"], strict=True):
            if good < count and bad < count:
                better[good].append(bad + 1)
                worse[bad].append(good + 1)
        return [
            "\n".join([f"image {n}", *_compared("better", good), *_compared("worse", bad)])
            for n, (good, bad) in enumerate(zip(better, worse, strict=True), start=1)
        ]


def _check_margins(per_level: float, levels: np.ndarray) -> None:
    """ValueError for a margin that float32 has no number for, of one level or of the most."""
    most = max(1, int(levels.max()) - max(0, int(levels.min())))
    with np.errstate(over="ignore", under="ignore"):
        margins = np.array([per_level, per_level * most], np.float64).astype(np.float32)
    if not (np.isfinite(margins).all() and margins.min() > 0):
        raise ValueError(
            f"--margin {per_level:g}: for 1 to {most} levels float32 makes {margins[0]:g} to "
            f"{margins[1]:g} of it, which is not finite and above 0: pass another one"
        )


def _compared(word: str, others: list[int]) -> list[str]:
    """ "better than 3, 7" as a line of a caption; none without others."""
    named = ", ".join(map(str, others[:4])) + (", …" if len(others) > 4 else "")
    return [f"{word} than {named}"] if others else []

"""Pairs of images as index arrays: a batch holds each distinct image once, however many pairs name
it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dataloader.labels import PairLabel, label_paths
from dataloader.levels import Level


def linked(count: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """int64 (count,): for each item the smallest item that the links a[i]-b[i] lead to."""
    links = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(count, count))
    _, component = connected_components(links, directed=False)
    _, first = np.unique(component, return_index=True)
    return first[component]


class PairTargets:
    """Ordered pairs: targets {"better": int64 (P,), "worse": int64 (P,)}, positions among a batch's
    images. levels: of `paths`, in their order, where they are known.
    """

    def __init__(self, labels: Sequence[PairLabel], levels: list[Level] | None = None) -> None:
        self.paths = label_paths(labels)
        self.levels = levels
        position = {path: i for i, path in enumerate(self.paths)}
        self.better = np.array([position[label.better] for label in labels], dtype=np.int64)  # (L,)
        self.worse = np.array([position[label.worse] for label in labels], dtype=np.int64)  # (L,)

    def __len__(self) -> int:
        return len(self.better)

    def select(self, lines: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        both = np.concatenate([self.better[lines], self.worse[lines]])
        images, inverse = np.unique(both, return_inverse=True)
        inverse = inverse.reshape(-1)  # numpy 2.0.0 alone keeps another shape
        return images, {"better": inverse[: len(lines)], "worse": inverse[len(lines) :]}

    def groups(self) -> np.ndarray:
        """Lines whose images are linked by pairs: all versions of one photograph, as a rule. A
        batch of them holds many pairs and few images.
        """
        return linked(len(self.paths), self.better, self.worse)[self.better]

    def view_keys(self, images: np.ndarray, targets: dict[str, np.ndarray]) -> np.ndarray:
        """Images linked by the batch's pairs are cropped alike: two versions of a photograph then
        differ in their distortion only, which is what their order is about.
        """
        return images[linked(len(images), targets["better"], targets["worse"])]

    def all(self) -> dict[str, np.ndarray]:
        return {"better": self.better, "worse": self.worse}

    def captions(self, targets: dict[str, np.ndarray], count: int) -> list[str]:
        words: list[list[str]] = [[] for _ in range(count)]
        for better, worse in zip(targets["better"], targets["worse"], strict=True):
            if better < count and worse < count:
                words[better].append(f">{worse}")
                words[worse].append(f"<{better}")
        return [f"{i}: {' '.join(w[:4])}{' …' if len(w) > 4 else ''}" for i, w in enumerate(words)]

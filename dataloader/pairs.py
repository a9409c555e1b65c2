"""Pairs of images as index arrays: a batch holds each distinct image once, however many pairs name
it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataloader.labels import PairLabel, label_paths


class PairTargets:
    """Ordered pairs: targets {"better": int64 (P,), "worse": int64 (P,)}, positions among a batch's
    images.
    """

    def __init__(self, labels: Sequence[PairLabel]) -> None:
        self.paths = label_paths(labels)
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

    def all(self) -> dict[str, np.ndarray]:
        return {"better": self.better, "worse": self.worse}

    def captions(self, targets: dict[str, np.ndarray], count: int) -> list[str]:
        words: list[list[str]] = [[] for _ in range(count)]
        for better, worse in zip(targets["better"], targets["worse"], strict=True):
            if better < count and worse < count:
                words[better].append(f">{worse}")
                words[worse].append(f"<{better}")
        return [f"{i}: {' '.join(w[:4])}{' …' if len(w) > 4 else ''}" for i, w in enumerate(words)]

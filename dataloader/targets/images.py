"""Targets of labels about one image each: scores and histograms of opinions."""

from __future__ import annotations

import numpy as np

from dataloader.labels.labels import Labels


class _PerImage:
    """Labels with one value or row per line; an image listed twice keeps both lines."""

    name: str
    relational = False

    def __init__(self, labels: Labels) -> None:
        self.paths, self.versions = labels.sources, labels.versions
        self.image = labels.images  # (L,)
        self.values = labels.values.astype(np.float32)  # (L,) or (L, K)

    def __len__(self) -> int:
        return len(self.image)

    def select(self, lines: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return self.image[lines], {self.name: self.values[lines]}

    def in_order(self, order: np.ndarray) -> _PerImage:
        return self

    def groups(self) -> None:
        return None

    def view_keys(self, images: np.ndarray, targets: dict[str, np.ndarray]) -> np.ndarray:
        return images

    def all(self) -> dict[str, np.ndarray]:
        if np.array_equal(self.image, np.arange(len(self.paths))):
            return {self.name: self.values}
        rows = np.empty((len(self.paths), *self.values.shape[1:]), self.values.dtype)
        rows[self.image] = self.values  # lines of one image agree: their reader refuses others
        return {self.name: rows}


class ScoreTargets(_PerImage):
    """Mean opinion scores: targets {"mos": float32 (N,)}.

    std, votes: of the opinions behind each of `paths` (M,), where they are known of all; else None.
    """

    name = "mos"

    def __init__(self, labels: Labels) -> None:
        super().__init__(labels)
        self.std, self.votes = _spread(labels)

    def captions(self, targets: dict[str, np.ndarray], count: int) -> list[str]:
        return [f"MOS {mos:.3g}" for mos in targets["mos"][:count]]


class DistributionTargets(_PerImage):
    """Opinion histograms: targets {"probs": float32 (N, K)}.

    votes: how many each of `paths` has (M,), where the labels are counts; else None.
    """

    name = "probs"

    def __init__(self, labels: Labels) -> None:
        super().__init__(labels)
        self.votes = _spread(labels)[1]

    def captions(self, targets: dict[str, np.ndarray], count: int) -> list[str]:
        rows = targets["probs"][:count]
        scale = np.arange(1, rows.shape[1] + 1)
        mean = rows @ scale
        std = np.sqrt(np.maximum(rows @ scale**2 - mean**2, 0))
        return [f"{m:.2f} ± {s:.2f}" for m, s in zip(mean, std, strict=True)]


def _spread(labels: Labels) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(std (M,), votes (M,)) of the images, float64; None for what is not known of all of them."""
    std, votes = labels.std, labels.votes
    return (
        None if std is None or np.isnan(std).any() else labels.of_sources(std),
        None if votes is None or not votes.all() else labels.of_sources(votes.astype(np.float64)),
    )


class RelatedDistributions(DistributionTargets):
    """Opinion histograms of which a loss compares two: the targets are those of a whole step."""

    relational = True

"""What one step of training sees, and the label arrays it is cut from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from dataloader.labels import DistributionLabel, ScoreLabel, label_paths
from dataloader.levels import Level
from dataloader.sources import Source


@dataclass(frozen=True)
class Batch:
    """images uint8 (N,3,H,W); targets by name; indices int64 (N,) into the distinct images; lines:
    label lines that `targets` stand for.

    Where targets are relational, `targets` and `lines` are those of the whole step, and `images`
    this process's share of its images: the targets fit what all processes have, in their order.
    """

    images: torch.Tensor
    targets: dict[str, torch.Tensor]
    indices: torch.Tensor
    lines: int


class Targets(Protocol):
    """Labels as arrays. `paths` lists each distinct image once; `select` cuts out some
    label lines. `levels`: what version of what reference each of `paths` is, where that is known.
    `relational`: targets are about several images at once, so that a loss needs the predictions of
    a whole step; else each row is about its own image.
    """

    paths: list[Source]
    levels: list[Level] | None
    relational: bool

    def __len__(self) -> int:
        """Number of label lines."""

    def select(self, lines: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """(indices of the distinct images (N,), targets by name) of the given label lines."""

    def groups(self) -> np.ndarray | None:
        """int64 (lines,): lines of one group share images and are batched together; None: no
        lines do.
        """

    def view_keys(self, images: np.ndarray, targets: dict[str, np.ndarray]) -> np.ndarray:
        """int64 (N,): images of a selection with one key get the same random crop and flip."""

    def all(self) -> dict[str, np.ndarray]:
        """Targets of every line, against all of `paths` in order."""

    def captions(self, targets: dict[str, np.ndarray], count: int) -> list[str]:
        """A few words for each of `count` images of a batch: its label."""


class _PerImage:
    """Labels with one value or row per image line; an image listed twice keeps both lines."""

    name: str
    relational = False

    def __init__(
        self,
        labels: Sequence[ScoreLabel | DistributionLabel],
        values: np.ndarray,
        levels: list[Level] | None,
    ) -> None:
        self.paths, self.levels = label_paths(labels), levels
        position = {path: i for i, path in enumerate(self.paths)}
        self.image = np.array([position[label.path] for label in labels], dtype=np.int64)  # (L,)
        self.values = values  # (L,) or (L, K)

    def __len__(self) -> int:
        return len(self.image)

    def select(self, lines: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return self.image[lines], {self.name: self.values[lines]}

    def groups(self) -> None:
        return None

    def view_keys(self, images: np.ndarray, targets: dict[str, np.ndarray]) -> np.ndarray:
        return images

    def all(self) -> dict[str, np.ndarray]:
        rows = np.empty((len(self.paths), *self.values.shape[1:]), self.values.dtype)
        rows[self.image] = (
            self.values
        )  # lines of one image carry equal targets: labels.py refuses others
        return {self.name: rows}


class ScoreTargets(_PerImage):
    """Mean opinion scores: targets {"mos": float32 (N,)}."""

    name = "mos"

    def __init__(self, labels: Sequence[ScoreLabel], levels: list[Level] | None = None) -> None:
        mos = np.array([label.mos for label in labels], dtype=np.float32)
        super().__init__(labels, mos, levels)

    def captions(self, targets: dict[str, np.ndarray], count: int) -> list[str]:
        return [f"MOS {mos:.3g}" for mos in targets["mos"][:count]]


class DistributionTargets(_PerImage):
    """Opinion histograms: targets {"probs": float32 (N, K)}.

    votes: how many each of `paths` has (M,), where the labels are counts; else None.
    """

    name = "probs"

    def __init__(
        self, labels: Sequence[DistributionLabel], levels: list[Level] | None = None
    ) -> None:
        probs = np.array([label.probs for label in labels], dtype=np.float32)
        super().__init__(labels, probs, levels)
        self.votes: np.ndarray | None = None
        counts = [label.votes for label in labels]
        if None not in counts:
            self.votes = np.empty(len(self.paths))
            self.votes[self.image] = counts

    def captions(self, targets: dict[str, np.ndarray], count: int) -> list[str]:
        rows = targets["probs"][:count]
        scale = np.arange(1, rows.shape[1] + 1)
        mean = rows @ scale
        std = np.sqrt(np.maximum(rows @ scale**2 - mean**2, 0))
        return [f"{m:.2f} ± {s:.2f}" for m, s in zip(mean, std, strict=True)]

"""What one step of training sees, and the label arrays it is cut from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from dataloader.labels.labels import DistributionLabel, ScoreLabel, label_paths
from dataloader.labels.levels import Level
from dataloader.labels.path_table import PathTable
from dataloader.labels.table import LabelTable
from dataloader.sources import Source


@dataclass(frozen=True)
class Batch:
    """images uint8 (N,3,H,W), or float32 (N,F) where features are kept; targets by name; indices
    int64 (N,) into the distinct images; lines: label lines that `targets` stand for.

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

    paths: Sequence[Source]
    levels: list[Level] | None
    relational: bool

    def __len__(self) -> int:
        """Number of label lines."""

    def select(self, lines: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """(indices of the distinct images (N,), targets by name) of the given label lines."""

    def in_order(self, order: np.ndarray) -> Targets:
        """The targets of an epoch that takes the label lines in this order, int64 (lines,): itself,
        unless what is to be learned is drawn anew every epoch. The order is a function of (seed,
        epoch), so what is drawn from it is one, too.
        """

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


T = TypeVar("T", bound="_PerImage")


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
        self.levels = levels
        self.values = values  # (L,) or (L, K)
        paths = label_paths(labels)
        self.paths: Sequence[Source] = paths
        if isinstance(labels, LabelTable):
            self.image = np.arange(len(labels))  # (L,)
            return
        position = {path: i for i, path in enumerate(paths)}
        self.paths = PathTable(map(str, paths))
        self.image = np.array([position[label.path] for label in labels], dtype=np.int64)

    @classmethod
    def of_images(cls: type[T], paths: Sequence[Source], values: np.ndarray) -> T:
        """Labels of distinct images, one each: values (N,) or (N, K)."""
        targets = cls.__new__(cls)
        targets.paths, targets.levels = paths, None
        targets.image, targets.values = np.arange(len(paths)), values.astype(np.float32)
        return targets

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
        rows = np.empty((len(self.paths), *self.values.shape[1:]), self.values.dtype)
        rows[self.image] = (
            self.values
        )  # lines of one image carry equal targets: labels.py refuses others
        return {self.name: rows}


def _values(labels: Sequence[Any], name: str) -> np.ndarray:
    """float32: the named figure, or figures, of every label."""
    if isinstance(labels, LabelTable):
        return labels.values.astype(np.float32)
    return np.array([getattr(label, name) for label in labels], dtype=np.float32)


def _vote_counts(labels: Sequence[DistributionLabel]) -> np.ndarray | None:
    """(N,): votes of every label; None where one has shares."""
    if isinstance(labels, LabelTable):
        return labels.votes if labels.votes is not None and labels.votes.all() else None
    counts = [label.votes for label in labels]
    return None if None in counts else np.array(counts)


class ScoreTargets(_PerImage):
    """Mean opinion scores: targets {"mos": float32 (N,)}."""

    name = "mos"

    def __init__(self, labels: Sequence[ScoreLabel], levels: list[Level] | None = None) -> None:
        mos = _values(labels, "mos")
        super().__init__(labels, mos, levels)

    def captions(self, targets: dict[str, np.ndarray], count: int) -> list[str]:
        return [f"MOS {mos:.3g}" for mos in targets["mos"][:count]]


class DistributionTargets(_PerImage):
    """Opinion histograms: targets {"probs": float32 (N, K)}.

    votes: how many each of `paths` has (M,), where the labels are counts; else None.
    """

    name = "probs"
    votes: np.ndarray | None = None

    def __init__(
        self, labels: Sequence[DistributionLabel], levels: list[Level] | None = None
    ) -> None:
        probs = _values(labels, "probs")
        super().__init__(labels, probs, levels)
        counts = _vote_counts(labels)
        if counts is not None:
            self.votes = np.empty(len(self.paths))
            self.votes[self.image] = counts

    @classmethod
    def of_images(
        cls: type[T], paths: Sequence[Source], values: np.ndarray, votes: np.ndarray | None = None
    ) -> T:
        targets = super().of_images(paths, values)
        targets.votes = None if votes is None else votes.astype(np.float64)
        return targets

    def captions(self, targets: dict[str, np.ndarray], count: int) -> list[str]:
        rows = targets["probs"][:count]
        scale = np.arange(1, rows.shape[1] + 1)
        mean = rows @ scale
        std = np.sqrt(np.maximum(rows @ scale**2 - mean**2, 0))
        return [f"{m:.2f} ± {s:.2f}" for m, s in zip(mean, std, strict=True)]


class RelatedDistributions(DistributionTargets):
    """Opinion histograms of which a loss compares two: the targets are those of a whole step."""

    relational = True

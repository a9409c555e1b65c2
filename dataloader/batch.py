"""What one step of training sees, and the targets it is cut from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from dataloader.labels.labels import Versions
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
    """What is to be learned of Labels. `paths` lists each distinct image once; `select` cuts out
    some label lines. `versions`: what version of what reference each of `paths` is, where that is
    known.
    `relational`: targets are about several images at once, so that a loss needs the predictions of
    a whole step; else each row is about its own image.
    """

    paths: Sequence[Source]
    versions: Versions | None
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

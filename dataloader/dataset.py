"""Images to be scored: the evaluation's views of files or arrays, a batch of images an item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from dataloader.loader import LoadFault
from dataloader.sources import Source, open_source
from utils.check_images import BadImage, why_unreadable
from utils.imaging.images import ImageError, ViewRule, view
from utils.text import printable

Item = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Unread(LoadFault):
    """bad: images of a group that cannot be read; rest: the item of the others, if there are any.
    The message is of the first one.
    """

    bad: tuple[BadImage, ...]
    rest: Item | None


class ViewDataset(Dataset):
    """item b -> (uint8 (v, 3, H, W), indices (n,), counts (n,)) of the b-th group of n images, or
    Unread.

    The v views (crops) are those of the first image, then those of the next; counts says how many
    each has. A group has at most batch_size views, for it is the views that fill the memory: 16
    crops of each of 64 images would be 1024 at once. It has one image at least, and only one where
    the rule leaves images at their own size.
    """

    def __init__(
        self,
        paths: Sequence[Source],
        rule: ViewRule,
        batch_size: int,
        max_pixels: int,
        indices: Sequence[int] | None = None,
    ) -> None:
        self.paths, self.rule, self.max_pixels = paths, rule, max_pixels
        size = 1 if rule.own_size else max(1, batch_size // rule.views)
        mine = list(range(len(paths)) if indices is None else indices)
        self.groups = [mine[i : i + size] for i in range(0, len(mine), size)]

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, group: int) -> Item | Unread:
        views, indices, bad = [], [], []
        for i in self.groups[group]:
            try:
                views.append(self._views(i))
                indices.append(i)
            except (ImageError, MemoryError) as error:
                name = getattr(error, "path", str(self.paths[i]))
                bad.append(BadImage(Path(name), why_unreadable(error)))
        item = _item(views, indices) if views else None
        if not bad and item:
            return item
        return Unread(f"{printable(bad[0].path)}: {bad[0].reason}", tuple(bad), item)

    def _views(self, index: int) -> np.ndarray:
        return view(open_source(self.paths[index], self.max_pixels), self.rule)


def _item(views: list[np.ndarray], indices: list[int]) -> Item:
    counts = torch.tensor([len(own) for own in views])
    return torch.from_numpy(np.concatenate(views)), torch.tensor(indices), counts

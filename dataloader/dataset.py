"""Images to be scored: the evaluation's views of files or arrays, a batch of images an item."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from dataloader.image_cache import ImageCache
from dataloader.loader import LoadFault
from dataloader.sources import Source, resized_source
from utils.check_images import BadImage, why_unreadable
from utils.imaging.images import ImageError, ViewRule, views_of
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
        cache: ImageCache | None = None,
    ) -> None:
        self.paths, self.rule, self.max_pixels, self.cache = paths, rule, max_pixels, cache
        size = images_at_once(rule, batch_size)
        mine = list(range(len(paths)) if indices is None else indices)
        self.groups = [mine[i : i + size] for i in range(0, len(mine), size)]

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, group: int) -> Item | Unread:
        return _read(((i, self.paths[i]) for i in self.groups[group]), self._views)

    def _views(self, index: int) -> np.ndarray:
        source = self.paths[index]
        return views_of(resized_source(source, self.max_pixels, self.rule, self.cache), self.rule)


@dataclass(frozen=True)
class GroupDataset(Dataset):
    """item: of a group of images, which is the key itself, as of ViewDataset; the indices are their
    places in the group. Groups may come without end, from any iterable in place of a sampler.
    """

    rule: ViewRule
    max_pixels: int

    def __getitem__(self, group: Sequence[Source]) -> Item | Unread:
        def views(place: int) -> np.ndarray:
            return views_of(resized_source(group[place], self.max_pixels, self.rule), self.rule)

        return _read(enumerate(group), views)


class Issued:
    """Groups on their way through a loader, which keeps their order; `waiting` has those that were
    handed to it and have not come back. A loader that is started anew gets these once more.
    """

    def __init__(self, groups: Iterable[Sequence[Source]]) -> None:
        self.waiting: deque[Sequence[Source]] = deque()
        self._groups = iter(groups)

    def __iter__(self) -> Iterator[Sequence[Source]]:
        yield from tuple(self.waiting)
        for group in self._groups:
            self.waiting.append(group)
            yield group


def images_at_once(rule: ViewRule, batch_size: int) -> int:
    """How many images make a group of at most batch_size views."""
    return 1 if rule.own_size else max(1, batch_size // rule.views)


def _read(
    numbered: Iterable[tuple[int, Source]], views_of: Callable[[int], np.ndarray]
) -> Item | Unread:
    views, indices, bad = [], [], []
    for i, source in numbered:
        try:
            views.append(views_of(i))
            indices.append(i)
        except (ImageError, MemoryError) as error:
            name = getattr(error, "path", str(source))
            bad.append(BadImage(Path(name), why_unreadable(error)))
    item = _item(views, indices) if views else None
    if not bad and item:
        return item
    return Unread(f"{printable(bad[0].path)}: {bad[0].reason}", tuple(bad), item)


def _item(views: list[np.ndarray], indices: list[int]) -> Item:
    counts = torch.tensor([len(own) for own in views])
    return torch.from_numpy(np.concatenate(views)), torch.tensor(indices), counts

"""Scores of images, each exactly once whatever the batch size and the number of processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dataloader.dataset import GroupDataset, Issued, Unread, ViewDataset, images_at_once
from dataloader.image_cache import ImageCache
from dataloader.loader import batches, make_loader
from dataloader.sources import Source
from models.backbone import SIZE_ERRORS
from models.quality_net import Prediction
from models.sizes import takes
from utils.check_images import REMEDY, BadImage, clearly_broken, describe_bad
from utils.files.row_store import Rows
from utils.imaging.images import DEFAULT_MAX_PIXELS, ImageError, ViewRule
from utils.imaging.pooling import pool_histograms, pool_scores
from utils.runtime import distributed
from utils.runtime.device import autocast, channels_last_helps
from utils.runtime.progress import CountBar
from utils.statistics.predictions import Predictions
from utils.text import printable

FEATURE_ROWS = 1024  # images whose features a head takes at once
# Views of one pass on the CPU: more are no faster there, and what the layers keep grows with them.
CPU_VIEWS = 8
# A step of training holds what goes into its largest layer, what comes out, and the gradients of
# both: without gradients twice as many images take the same memory, whatever the network.
NO_GRADIENTS = 2
# Rows of a group of images, None where it was only looked at; their positions; those not readable.
Group = tuple[np.ndarray | None, list[int], tuple[BadImage, ...]]


@dataclass(frozen=True)
class Scorer:
    """A network as it is used: the only way from images to scores.

    model: called with pixels in [0, 1] (N, 3, H, W). view: how an image becomes input, and how its
    crops are pooled. batch_size: views at once; workers: how many images are read at once;
    max_pixels: of the largest image that is read; amp: precision. None of the last four changes a
    score beyond rounding, but `amp`. features: (N, V, F) of the images to be scored where they are
    kept, in place of files; cache: of images that need not be decoded again.
    """

    model: nn.Module
    device: torch.device
    view: ViewRule
    batch_size: int
    workers: int = 0
    max_pixels: int = DEFAULT_MAX_PIXELS
    amp: str = "off"
    features: Rows | None = None
    cache: ImageCache | None = None

    @torch.inference_mode()
    def predict(self, images: Sequence[Source], title: str | None = None) -> Predictions:
        """Scores (M,) and histograms (M, K) of M images, gathered over all processes in their
        order.

        An image with several views (crops) gets the pool of its views' scores and histograms.
        Raises ImageError on every process when images cannot be read: from the first of them on
        nothing is scored any more, and the rest only looked at, so that all of a process are named.
        `title` shows a count on stderr.
        """
        world = distributed.world()
        part = distributed.shard(len(images), world.rank, world.size)
        mine, _, _, fault = self._part(images, part, title if world.rank == 0 else None)
        raise_together(fault)
        return predictions(distributed.all_gather_rows(mine).numpy())

    @torch.inference_mode()
    def predict_readable(
        self, images: Sequence[Source], skip: bool, title: str | None = None
    ) -> tuple[Predictions, list[int], tuple[BadImage, ...]]:
        """(scores of the images that can be read, their positions, the others), of this process by
        itself. ImageError for those others without `skip`, at once where they can be told by a
        glance, and where nothing is left.
        """
        if not skip:
            refuse_broken(images, self.max_pixels)
        mine, kept, bad, fault = self._part(images, range(len(images)), title, skip)
        if fault is not None:
            raise ImageError(fault)
        return predictions(mine.numpy()), kept, bad

    def _part(
        self, images: Sequence[Source], part: range, title: str | None, skip: bool = False
    ) -> tuple[torch.Tensor, list[int], tuple[BadImage, ...], str | None]:
        """(rows (n, 1 [+ K] + 1), positions (n) of the images that they are of, those that cannot
        be read, why others are missing). Without `skip` the first image that cannot be read ends
        the scoring, and the rest is only looked at.
        """
        model = self.model
        was_training = model.training
        model.eval()
        bar = CountBar(title)
        rows, kept, bad, done, fault = [], [], {}, 0, None
        if self.features is not None:
            assert len(self.features) == len(images)
            groups = self._from_features(self.features, part)
        else:
            groups = self._from_files(images, part, skip)
        for found, indices, others in groups:
            bad |= dict.fromkeys(others)
            if found is not None:
                if fault := _not_finite(found, [images[i] for i in indices]):
                    break
                rows.append(found)
                kept += indices
            done += len(indices) + len(others)
            bar.update(done, len(part))
        bar.finish()
        model.train(was_training)
        columns = 2 + (model.num_classes if model.num_classes > 1 else 0)
        table = torch.from_numpy(np.concatenate(rows)) if rows else torch.empty(0, columns)
        if bad and not (skip and kept):
            fault = fault or unread(tuple(bad))
        return table, kept, tuple(bad), fault

    def _from_files(self, images: Sequence[Source], part: range, skip: bool) -> Iterator[Group]:
        """One group of images after the other."""
        dataset = ViewDataset(images, self.view, self.batch_size, self.max_pixels, part, self.cache)
        workers = min(self.workers, len(dataset))
        loader = make_loader(dataset, range(len(dataset)), workers, self.device)
        yield from self._passes(loader, lambda: images, skip)

    @property
    def group_size(self) -> int:
        """How many images are read, and scored, together."""
        return images_at_once(self.view, self.batch_size)

    def stream(
        self, groups: Iterable[Sequence[Source]], stop: bool = False, most: int | None = None
    ) -> Iterator[tuple[Sequence[Source], Group]]:
        """Each group of at most `group_size` images with its rows, of this process by itself, as
        soon as it is scored; groups are asked for when there is room for them. The positions are
        those inside the group, and what cannot be read comes in its order. A row is score,
        histogram, and how many views the image has.

        most: how many groups there are, where that is known. stop: the first image that cannot be
        read ends the scoring; the rest is only looked at, and at the end ImageError names all of
        them. Scores that are no finite numbers are an ImageError at once.
        """
        self.model.eval()
        issued, bad = Issued(groups), []
        dataset = GroupDataset(self.view, self.max_pixels)
        workers = self.workers if most is None else min(self.workers, most)
        loader = make_loader(dataset, issued, workers, self.device)
        for found in self._passes(loader, lambda: issued.waiting[0], not stop):
            images = issued.waiting.popleft()
            rows, places, others = found
            if rows is not None and (fault := _not_finite(rows, [images[i] for i in places])):
                raise ImageError(fault)
            bad += others if stop else ()
            yield images, found
        if bad:
            raise ImageError(unread(tuple(bad)))

    @torch.inference_mode()
    def _passes(
        self, loader: Iterable[Any], images_of: Callable[[], Sequence[Source]], skip: bool
    ) -> Iterator[Group]:
        """A pass of the network for each item of the loader; images_of: what its indices mean."""
        stopped = False
        for item in batches(loader):
            bad: tuple[BadImage, ...] = ()
            if isinstance(item, Unread):
                item, bad = item.rest, item.bad
                stopped = stopped or not skip
            if item is None:
                yield None, [], bad
                continue
            views, indices, counts = item
            if stopped:
                yield None, indices.tolist(), bad
                continue
            with self._size_named(images_of()[int(indices[0])], views):
                prediction = self._judge(views)
            yield _pooled(prediction, counts.numpy(), self.view), indices.tolist(), bad

    def _judge(self, views: torch.Tensor) -> Prediction:
        """Of uint8 (V, 3, H, W)."""
        parts = views.chunk(-(-len(views) // CPU_VIEWS) if self.device.type == "cpu" else 1)
        planes = getattr(self.model, "takes_planes", False)
        with autocast(self.device, self.amp):
            found = [self.model(to_input(part, self.device, planes)) for part in parts]
        return (
            found[0] if len(found) == 1 else Prediction(*map(torch.cat, zip(*found, strict=True)))
        )

    @contextmanager
    def _size_named(self, image: Source, views: torch.Tensor) -> Iterator[None]:
        """Names the image whose own size the network cannot take: most need a smallest one."""
        try:
            yield
        except SIZE_ERRORS as error:
            height, width = views.shape[-2:]
            if not self.view.own_size or takes(self.model.backbone, (height, width)):
                raise
            raise ImageError(
                f"{image}",
                f"{width}x{height} pixels: {self.model.arch} cannot take this size: take the image "
                "out, or pass --resize squash, crop or pad",
            ) from error

    def _from_features(self, kept: Rows, part: range) -> Iterator[Group]:
        """The same from features that are kept."""
        for start in range(part.start, part.stop, FEATURE_ROWS):
            rows = np.arange(start, min(start + FEATURE_ROWS, part.stop))
            features = kept.read(rows)  # (n, V, F)
            there = ~np.isnan(features[:, :, 0])
            there[:, 0] = True
            prediction = self.model.judge(torch.from_numpy(features[there]).to(self.device))
            yield _pooled(prediction, there.sum(axis=1), self.view), rows.tolist(), ()


def views_beside(batch_size: int, device: torch.device) -> int:
    """Views of a pass that has the memory, and the precision, of a step of training with
    `batch_size` images: more of them on a device, which is idle between small passes. It follows
    from the flags alone, so that a continued run rounds as it did.
    """
    return batch_size if device.type == "cpu" else NO_GRADIENTS * batch_size


def to_input(images: torch.Tensor, device: torch.device, planes: bool = False) -> torch.Tensor:
    """uint8 (N,3,H,W) -> float32 in [0,1] on the device: the only place where bytes become numbers.
    planes: one colour after the other in memory, where torch would have the colours of a pixel.
    """
    pixels = images.to(device, non_blocking=True).float().div_(255)
    if planes or not channels_last_helps(device):
        return pixels
    return pixels.contiguous(memory_format=torch.channels_last)


def refuse_broken(sources: Iterable[Source], max_pixels: int) -> None:
    """ImageError, before anything is scored, that names every clearly broken file."""
    named = (getattr(source, "photo", source) for source in sources)
    files = dict.fromkeys(file for file in named if isinstance(file, Path))
    if bad := clearly_broken(files, max_pixels):
        raise ImageError(unread(tuple(bad)))


def unread(bad: tuple[BadImage, ...]) -> str:
    """One line for one image, as read_image says it; a line each for more."""
    if len(bad) == 1:
        return f"{printable(bad[0].path)}: {bad[0].reason}"
    return f"{describe_bad(bad)}\n{REMEDY}"


def predictions(table: np.ndarray) -> Predictions:
    """Rows (M, 1 [+ K] + 1) as `_pooled` makes them."""
    return Predictions(table[:, 0], table[:, 1:-1] if table.shape[1] > 2 else None, table[:, -1])


def _not_finite(rows: np.ndarray, sources: Sequence[Source]) -> str | None:
    """What is wrong with the first image whose row is not finite: it has no place in any order."""
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if not len(bad):
        return None
    return (
        f"{printable(sources[bad[0]])}: its score is {rows[bad[0], 0]}, not a finite number: "
        "use other weights, or --amp off"
    )


def padded(features: np.ndarray, counts: np.ndarray, most: int) -> np.ndarray:
    """Features (v, F) of the views of n images, counts (n,) of each -> (n, most, F) as they are
    kept, nan where an image has fewer views.
    """
    rows = np.full((len(counts), most, features.shape[1]), np.nan, np.float32)
    rows[np.arange(most) < counts[:, None]] = features
    return rows


def _pooled(prediction: Prediction, counts: np.ndarray, rule: ViewRule) -> np.ndarray:
    """Of the views of n images, counts (n,) of each -> float32 (n, 1 [+ K] + 1): score, histogram
    where there is one, and count.
    """
    columns = [prediction.scores.float()[:, None]]
    if prediction.logits.shape[1] > 1:
        columns.append(torch.softmax(prediction.logits.float(), dim=1))
    # (v, 1 [+ K]): the device is waited for once.
    values = torch.cat(columns, dim=1).cpu().numpy()
    scores, probs = values[:, 0], values[:, 1:]
    rows = np.empty((len(counts), values.shape[1] + 1), np.float32)
    first = np.cumsum(counts) - counts
    for count in np.unique(counts):
        of = counts == count
        views = first[of][:, None] + np.arange(count)
        rows[of, 0] = pool_scores(scores[views], rule)
        if probs.shape[1]:
            rows[of, 1:-1] = pool_histograms(probs[views], scores[views], rule)
    rows[:, -1] = counts
    return rows


def one_place(found: Predictions, rule: ViewRule) -> str | None:
    """`no_room` of what was found."""
    once = 0 if found.views is None else int((found.views == 1).sum())
    return no_room(once, len(found.scores), rule)


def no_room(once: int, images: int, rule: ViewRule) -> str | None:
    """One line where `once` images, those that have one view, have no room for the crops that were
    asked for.
    """
    if not once or rule.crops < 2 or rule.crop_size is None:
        return None
    height, width = rule.crop_size
    return (
        f"{once} of {images} images have no room for {rule.crops} different crops of "
        f"{width}x{height} pixels: each of them is scored once"
    )


def raise_together(fault: str | None) -> None:
    """A fault on one process ends all of them; the others would wait for it for ever."""
    if not distributed.any_rank(fault is not None):
        return
    raise ImageError(fault or "another process found an image that cannot be scored", "")

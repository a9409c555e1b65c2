"""Scores of images, each exactly once whatever the batch size and the number of processes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from applications.inputs.data import REMEDY, describe_bad
from applications.inputs.runtime import Runtime
from dataloader.dataset import Unread, ViewDataset
from dataloader.loader import batches, make_loader
from dataloader.sources import Source
from models.quality_net import Prediction
from models.sizes import SIZE_ERRORS, takes
from utils.check_images import BadImage, clearly_broken
from utils.files.row_store import Rows
from utils.imaging.images import ImageError, ViewRule
from utils.imaging.pooling import pool_scores
from utils.runtime import distributed
from utils.runtime.count_bar import CountBar
from utils.runtime.device import autocast, channels_last_helps, pin_memory
from utils.statistics.predictions import Predictions
from utils.text import printable

FEATURE_ROWS = 1024  # images whose features a head takes at once
# Rows of a group of images, None where it was only looked at; their positions; those not readable.
Group = tuple[np.ndarray | None, list[int], tuple[BadImage, ...]]


@dataclass(frozen=True)
class ScoringOptions:
    """How images are read and fed; none of it changes a score beyond rounding, but `rule` and
    `amp`. features: (N, V, F) of the images to be scored where they are kept, in place of files.
    """

    rule: ViewRule
    batch_size: int
    workers: int
    max_pixels: int
    amp: str = "off"
    features: Rows | None = None


def to_input(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """uint8 (N,3,H,W) -> float32 in [0,1] on the device: the only place where bytes become
    numbers.
    """
    pixels = images.to(device, non_blocking=True).float().div_(255)
    return (
        pixels.contiguous(memory_format=torch.channels_last)
        if channels_last_helps(device)
        else pixels
    )


@torch.inference_mode()
def score_images(
    model: nn.Module,
    paths: Sequence[Source],
    options: ScoringOptions,
    runtime: Runtime,
    title: str | None = None,
) -> Predictions:
    """Scores (M,) and histograms (M,K) of M files, gathered over all processes in the order of
    `paths`.

    A file with several views (crops) gets the pool of its views' scores and the mean of their
    histograms. Raises
    ImageError on every process when images cannot be read: from the first of them on nothing is
    scored any more, and the rest only looked at, so that all of a process are named. `title` shows
    a count on stderr.
    """
    part = distributed.shard(len(paths), runtime.world.rank, runtime.world.size)
    bar = CountBar(title, sys.stderr) if title and runtime.main else None
    mine, _, _, fault = _score_part(model, paths, part, options, runtime.device, bar)
    raise_together(fault)
    return _scores(distributed.all_gather_rows(mine))


@torch.inference_mode()
def score_readable(
    model: nn.Module,
    sources: Sequence[Source],
    options: ScoringOptions,
    device: torch.device,
    skip: bool,
    title: str | None = None,
) -> tuple[Predictions, list[int], tuple[BadImage, ...]]:
    """(scores of the images that can be read, their positions in `sources`, the others), of this
    process by itself. ImageError for those others without `skip`, at once where they can be told by
    a glance, and where nothing is left.
    """
    if not skip:
        refuse_broken(sources, options.max_pixels)
    bar = CountBar(title, sys.stderr) if title else None
    whole = range(len(sources))
    mine, kept, bad, fault = _score_part(model, sources, whole, options, device, bar, skip)
    if fault is not None:
        raise ImageError(fault)
    return _scores(mine), kept, bad


def refuse_broken(sources: Iterable[Source], max_pixels: int) -> None:
    """ImageError, before anything is scored, that names every clearly broken file."""
    named = (getattr(source, "photo", source) for source in sources)
    files = dict.fromkeys(file for file in named if isinstance(file, Path))
    if bad := clearly_broken(files, max_pixels):
        raise ImageError(_unread(tuple(bad)))


def _unread(bad: tuple[BadImage, ...]) -> str:
    """One line for one image, as read_image says it; a line each for more."""
    if len(bad) == 1:
        return f"{printable(bad[0].path)}: {bad[0].reason}"
    return f"{describe_bad(bad)}\n{REMEDY}"


def _scores(rows: torch.Tensor) -> Predictions:
    """rows (M, 1 [+ K])."""
    table = rows.numpy()
    return Predictions(table[:, 0], table[:, 1:] if table.shape[1] > 1 else None)


def _score_part(
    model: nn.Module,
    sources: Sequence[Source],
    part: range,
    options: ScoringOptions,
    device: torch.device,
    bar: CountBar | None = None,
    skip: bool = False,
) -> tuple[torch.Tensor, list[int], tuple[BadImage, ...], str | None]:
    """(rows (n, 1 [+ K]), positions (n) of the images that they are of, those that cannot be read,
    why others are missing). Without `skip` the first image that cannot be read ends the scoring,
    and the rest is only looked at.
    """
    was_training = model.training
    model.eval()
    rows, kept, bad, done, fault = [], [], {}, 0, None
    if options.features is not None:
        assert len(options.features) == len(sources)
        groups = _from_features(model, part, options, device)
    else:
        groups = _from_files(model, sources, part, options, device, skip)
    for found, indices, unread in groups:
        bad |= dict.fromkeys(unread)
        if found is not None:
            if fault := _not_finite(found, [sources[i] for i in indices]):
                break
            rows.append(found)
            kept += indices
        done += len(indices) + len(unread)
        if bar:
            bar.update(done, len(part))
    if bar:
        bar.finish()
    model.train(was_training)
    columns = 1 + (model.num_classes if model.num_classes > 1 else 0)
    table = torch.from_numpy(np.concatenate(rows)) if rows else torch.empty(0, columns)
    if bad and not (skip and kept):
        fault = fault or _unread(tuple(bad))
    return table, kept, tuple(bad), fault


def _not_finite(rows: np.ndarray, sources: Sequence[Source]) -> str | None:
    """What is wrong with the first image whose row is not finite: it has no place in any order."""
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if not len(bad):
        return None
    return (
        f"{printable(sources[bad[0]])}: its score is {rows[bad[0], 0]}, not a finite number: "
        "use other weights, or --amp off"
    )


def _from_files(
    model: nn.Module,
    sources: Sequence[Source],
    part: range,
    options: ScoringOptions,
    device: torch.device,
    skip: bool,
) -> Iterator[Group]:
    """One group of images after the other."""
    dataset = ViewDataset(sources, options.rule, options.batch_size, options.max_pixels, part)
    workers = min(options.workers, len(dataset))
    stopped = False
    loader = make_loader(dataset, range(len(dataset)), workers, pin_memory(device))
    for item in batches(loader):
        bad: tuple[BadImage, ...] = ()
        if isinstance(item, Unread):
            item, bad = item.rest, item.bad
            stopped = stopped or not skip
        if item is None:
            yield None, [], bad
            continue
        views, indices = item  # uint8 (n, V, 3, H, W)
        if stopped:
            yield None, indices.tolist(), bad
            continue
        with _size_named(model, sources[int(indices[0])], views, options.rule):
            with autocast(device, options.amp):
                prediction = model(to_input(views.flatten(0, 1), device))
        yield _pooled(prediction, len(views), options.rule), indices.tolist(), bad


@contextmanager
def _size_named(
    model: nn.Module, source: Source, views: torch.Tensor, rule: ViewRule
) -> Iterator[None]:
    """Names the image whose own size the network cannot take: most need a smallest one."""
    try:
        yield
    except SIZE_ERRORS as error:
        height, width = views.shape[-2:]
        if not rule.own_size or takes(model.backbone, (height, width)):
            raise
        raise ImageError(
            f"{source}",
            f"{width}x{height} pixels: {model.arch} cannot take this size: take the image out, or "
            "pass --resize squash, crop or pad",
        ) from error


def _from_features(
    model: nn.Module, part: range, options: ScoringOptions, device: torch.device
) -> Iterator[Group]:
    """The same from features that are kept."""
    assert options.features is not None
    for start in range(part.start, part.stop, FEATURE_ROWS):
        rows = np.arange(start, min(start + FEATURE_ROWS, part.stop))
        features = torch.from_numpy(options.features.read(rows))  # (n, V, F)
        prediction = model.judge(features.flatten(0, 1).to(device))
        yield _pooled(prediction, len(rows), options.rule), rows.tolist(), ()


def _pooled(prediction: Prediction, count: int, rule: ViewRule) -> np.ndarray:
    """Of count x V views -> (count, 1) scores, or (count, 1 + K) with histograms, float32."""
    scores = prediction.scores.float().cpu().numpy().reshape(count, -1)
    pooled = pool_scores(scores, rule)[:, None]
    if prediction.logits.shape[1] == 1:
        return pooled
    probs = torch.softmax(prediction.logits.float(), dim=1).cpu().numpy()
    return np.concatenate([pooled, probs.reshape(*scores.shape, -1).mean(axis=1)], axis=1)


def raise_together(fault: str | None) -> None:
    """A fault on one process ends all of them; the others would wait for it for ever."""
    if not distributed.any_rank(fault is not None):
        return
    raise ImageError(fault or "another process found an image that cannot be scored", "")


def figures(task, targets, found: Predictions) -> tuple[dict[str, float], list[str]]:
    """(figures by name, warnings as text): a constant prediction gives nan and a line that
    says so.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        values = task.measure(targets.all(), found)
    return values, [str(w.message) for w in caught]

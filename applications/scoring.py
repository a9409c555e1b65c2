"""Scores of images, each exactly once whatever the batch size and the number of processes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from applications.judged import Scores
from applications.runtime import Runtime
from dataloader.dataset import ViewDataset
from dataloader.loader import LoadFault, make_loader
from dataloader.sources import Source
from models.quality_net import Prediction
from utils import distributed
from utils.count_bar import CountBar
from utils.device import autocast, channels_last_helps, pin_memory
from utils.images import ImageError, ViewRule
from utils.pooling import pool_scores
from utils.row_store import Rows
from utils.text import printable

FEATURE_ROWS = 1024  # images whose features a head takes at once


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
) -> Scores:
    """Scores (M,) and histograms (M,K) of M files, gathered over all processes in the order of
    `paths`.

    A file with several views (crops) gets the pool of its views' scores and the mean of their
    histograms. Raises
    ImageError with the file's name, on every process, when one cannot be read. `title` shows a
    count on stderr.
    """
    part = distributed.shard(len(paths), runtime.world.rank, runtime.world.size)
    bar = CountBar(title, sys.stderr) if title and runtime.main else None
    mine, fault = _score_part(model, paths, part, options, runtime.device, bar)
    raise_together(fault)
    return _scores(distributed.all_gather_rows(mine).numpy())


@torch.inference_mode()
def score_alone(
    model: nn.Module, sources: Sequence[Source], options: ScoringOptions, device: torch.device
) -> Scores:
    """`score_images` of this process by itself, whatever group it may be part of."""
    everything = range(len(sources))
    mine, fault = _score_part(model, sources, everything, options, device)
    if fault is not None:
        raise ImageError(fault)
    return _scores(mine.numpy())


def _scores(table: np.ndarray) -> Scores:
    """table (M, 1 [+ K])."""
    return Scores(table[:, 0], table[:, 1:] if table.shape[1] > 1 else None)


def _score_part(
    model: nn.Module,
    sources: Sequence[Source],
    part: range,
    options: ScoringOptions,
    device: torch.device,
    bar: CountBar | None = None,
) -> tuple[torch.Tensor, str | None]:
    """(rows (n, 1 [+ K]) of `part`, why the rest of them is missing)."""
    groups = _from_files if options.features is None else _from_features
    was_training = model.training
    model.eval()
    rows, done, fault = [], 0, None
    for item in groups(model, sources, part, options, device):
        if isinstance(item, LoadFault):
            fault = item.message
            break
        fault = _not_finite(item, [sources[i] for i in part[done : done + len(item)]])
        if fault:
            break
        rows.append(item)
        done += len(item)
        if bar:
            bar.update(done, len(part))
    if bar:
        bar.finish()
    model.train(was_training)
    columns = 1 + (model.num_classes if model.num_classes > 1 else 0)
    return torch.from_numpy(np.concatenate(rows)) if rows else torch.empty(0, columns), fault


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
) -> Iterator[np.ndarray | LoadFault]:
    """Rows of one group of images after the other."""
    dataset = ViewDataset(sources, options.rule, options.batch_size, options.max_pixels, part)
    workers = min(options.workers, len(dataset))
    for item in make_loader(dataset, range(len(dataset)), workers, pin_memory(device)):
        if isinstance(item, LoadFault):
            yield item
            return
        views = item[0]  # uint8 (n, V, 3, H, W)
        with autocast(device, options.amp):
            prediction = model(to_input(views.flatten(0, 1), device))
        yield _pooled(prediction, len(views), options.rule)


def _from_features(
    model: nn.Module,
    sources: Sequence[Source],
    part: range,
    options: ScoringOptions,
    device: torch.device,
) -> Iterator[np.ndarray]:
    """The same from features that are kept."""
    assert options.features is not None and len(options.features) == len(sources)
    for start in range(part.start, part.stop, FEATURE_ROWS):
        rows = np.arange(start, min(start + FEATURE_ROWS, part.stop))
        features = torch.from_numpy(options.features.read(rows))  # (n, V, F)
        prediction = model.judge(features.flatten(0, 1).to(device))
        yield _pooled(prediction, len(rows), options.rule)


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


def figures(task, targets, found: Scores) -> tuple[dict[str, float], list[str]]:
    """(figures by name, warnings as text): a constant prediction gives nan and a line that
    says so.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        values = task.measure(targets.all(), found)
    return values, [str(w.message) for w in caught]

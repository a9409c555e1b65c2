"""Which label lines make which step, and what reads whole steps ahead: threads or processes.

The order is a permutation keyed by (seed, epoch), an augmentation by (seed, epoch, image): nothing
depends on how many images are read at once or on where a run was interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from multiprocessing import queues
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from dataloader import reading_threads
from dataloader.batch import Batch, Targets
from dataloader.image_cache import ImageCache
from dataloader.reading_threads import ThreadLoader
from dataloader.sources import training_view
from dataloader.views.transforms import TrainTransform
from utils.imaging.images import ImageError
from utils.runtime import child_processes, stopping
from utils.runtime.device import pin_memory
from utils.runtime.distributed import shard
from utils.runtime.seed import numpy_generator, permutation
from utils.text import to_stderr

STARTS = 3  # of the processes of a loader, before they are waited for however long they take


@dataclass(frozen=True)
class BatchPlan:
    """Cuts an epoch's shuffled lines into steps, and each step into one share per process.

    Every line is used exactly once an epoch, whatever batch and processes divide. A rest that would
    leave a process
    with a single line (one image breaks batch normalisation) or none joins the step before it.
    """

    lines: int
    batch_size: int
    world: int
    seed: int
    groups: np.ndarray | None = None  # (lines,) from 0: lines to keep together, Targets.groups

    def __post_init__(self) -> None:
        if self.lines < self.world:
            raise ValueError(
                f"{self.lines} training lines for {self.world} processes: pass a smaller -g or "
                "more data"
            )

    def bounds(self) -> np.ndarray:
        """(steps + 1,) ends of the steps' slices of the permutation."""
        return self._bounds

    @cached_property
    def _bounds(self) -> np.ndarray:
        whole = self.batch_size * self.world
        ends = np.append(np.arange(0, self.lines, whole), self.lines)
        fewest = self.world * (2 if self.batch_size > 1 else 1)
        if len(ends) > 2 and ends[-1] - ends[-2] < fewest:
            ends = np.delete(ends, -2)
        return ends

    def steps(self) -> int:
        return len(self._bounds) - 1

    def order(self, epoch: int) -> np.ndarray:
        """Label lines of an epoch in their order: shuffled, then lines of a group brought together
        where the first of them stands.
        """
        order = permutation(self.lines, self.seed, "order", epoch)
        if self.groups is None:
            return order
        order = order.astype(np.int32)  # half of the memory, in every process that reads images
        first = np.empty(int(self.groups.max()) + 1, dtype=np.int32)
        first[self.groups[order[::-1]]] = np.arange(len(order) - 1, -1, -1, dtype=np.int32)
        return order[np.argsort(first[self.groups[order]], kind="stable")]

    def step(self, order: np.ndarray, step: int) -> np.ndarray:
        """Label lines of one step over all processes."""
        return order[self._bounds[step] : self._bounds[step + 1]]

    def share(self, order: np.ndarray, step: int, rank: int) -> np.ndarray:
        """Label lines of one process in one step."""
        lines = self.step(order, step)
        part = shard(len(lines), rank, self.world)
        return lines[part.start : part.stop]

    def step_lines(self, step: int) -> int:
        """How many label lines one step has over all processes."""
        return int(self._bounds[step + 1] - self._bounds[step])


def image_share(count: int, rank: int, world: int) -> np.ndarray:
    """Which of a step's `count` images one process forwards, int64: consecutive, each image once,
    so that what the processes have stands in the step's order when it is put together.

    Where there are fewer images than processes, the later ones repeat those of the first: a
    network cannot run on nothing. Their predictions stand behind all others, and no target
    names them.
    """
    if count < world:
        return np.array([rank % count])
    part = shard(count, rank, world)
    return np.arange(part.start, part.stop)


@dataclass(frozen=True)
class Share:
    """What one process reads of a step: indices (n,) and view keys (n,) of its images, and the
    targets and label lines of a Batch.
    """

    indices: np.ndarray
    keys: np.ndarray
    targets: dict[str, np.ndarray]
    lines: int


@dataclass(frozen=True)
class LoadFault:
    """Why a step could not be read: one line that crosses the process boundary without a
    traceback.
    """

    message: str


class StepDataset(Dataset):
    """item (epoch, step) -> Batch of this process, or LoadFault."""

    def __init__(
        self,
        targets: Targets,
        transform: TrainTransform,
        plan: BatchPlan,
        rank: int,
        max_pixels: int,
        cache: ImageCache | None = None,
    ) -> None:
        self.targets, self.transform, self.plan, self.rank = targets, transform, plan, rank
        self.max_pixels, self.cache = max_pixels, cache
        self._epoch: tuple[int, np.ndarray, Targets] | None = None  # the latest, as drawn

    def __getitem__(self, key: tuple[int, int]) -> Batch | LoadFault:
        epoch, step = key
        share = self.share(epoch, step)
        try:
            images = self._images(epoch, share)
        except ImageError as error:
            return LoadFault(str(error))
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(array))
            for name, array in share.targets.items()
        }
        indices = torch.from_numpy(share.indices)
        return Batch(torch.from_numpy(images), tensors, indices, share.lines)

    def share(self, epoch: int, step: int) -> Share:
        """This process's part of a step: of its lines, or of its images where the targets relate
        them.
        """
        found = self._epoch
        if found is None or found[0] != epoch:  # another thread may be in another epoch
            order = self.plan.order(epoch)
            found = self._epoch = (epoch, order, self.targets.in_order(order))
        _, order, drawn = found
        plan, relational = self.plan, drawn.relational
        lines = plan.step(order, step) if relational else plan.share(order, step, self.rank)
        indices, targets = drawn.select(lines)
        keys = drawn.view_keys(indices, targets)
        if relational:
            mine = image_share(len(indices), self.rank, plan.world)
            indices, keys = indices[mine], keys[mine]
        return Share(indices, keys, targets, len(lines))

    def _images(self, epoch: int, share: Share) -> np.ndarray:
        views = zip(share.indices, share.keys, strict=True)
        return np.stack([self._view(epoch, i, k) for i, k in views])

    def _view(self, epoch: int, index: int, key: int) -> np.ndarray:
        seed, source = self.plan.seed, self.targets.paths[index]
        rng = numpy_generator(seed, "view", epoch, key)
        return training_view(source, self.transform, rng, self.max_pixels, seed, epoch, self.cache)


class StepSampler(Sampler):
    """(epoch, step) from a starting point to the end of training, so that workers live through all
    epochs.
    """

    def __init__(self, steps: int, epochs: int, epoch: int = 0, step: int = 0) -> None:
        self.steps, self.epochs, self.epoch, self.step = steps, epochs, epoch, step

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for epoch in range(self.epoch, self.epochs):
            first = self.step if epoch == self.epoch else 0
            for step in range(first, self.steps):
                yield epoch, step

    def __len__(self) -> int:
        return max(0, (self.epochs - self.epoch) * self.steps - self.step)


def make_loader(
    dataset: Dataset, sampler: Iterable[Any], workers: int, device: torch.device
) -> DataLoader | ThreadLoader:
    """A loader whose items are whole batches, for a network on `device`. It draws nothing from
    torch's global generator.

    Beside a network on the CPU up to MOST workers are threads of this process. An accelerator is
    fed by processes: between its kernels the network needs Python itself.
    """
    if device.type == "cpu" and 0 < workers <= reading_threads.MOST:
        return ThreadLoader(dataset, sampler, workers)
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=sampler,
        num_workers=workers,
        pin_memory=pin_memory(device),
        collate_fn=_shared,
        worker_init_fn=_begin_worker,
        generator=torch.Generator(),
    )


def batches(loader: DataLoader | ThreadLoader) -> Generator[Any, None, None]:
    """The loader's items. A signal ends the wait for one (utils/runtime/stopping.py), and no
    process is left when this ends, also where one of them is halted.

    Raises ValueError where there is no room for what processes share, and torch's RuntimeError when
    one of them dies.
    """
    before = child_processes.running()
    iterator, mine = None, set()
    try:
        for attempt in range(1, STARTS + 1):
            try:
                with stopping.deferred():  # half a start leaves a process that nobody knows of
                    iterator = iter(loader)
            except OSError as error:
                raise ValueError(_no_room(error)) from error
            finally:
                mine = child_processes.running() - before
            if attempt == STARTS or child_processes.begun(mine):
                break
            to_stderr("a process that reads images hangs at its start: all are started again")
            child_processes.kill(mine)
            iterator = None
        while (item := _next(iterator)) is not None:
            if isinstance(item, _NotSent):
                raise ValueError(item.reason)
            yield item
    finally:
        if stopping.asked() is None:
            iterator = None  # torch asks them to end, and waits a while
        child_processes.kill(mine)


def _next(iterator: Iterator[Any]) -> Any:
    with stopping.waiting():
        return next(iterator, None)


def _begin_worker(_worker: int) -> None:
    # A collection writes to all that it looks at, and a page that is written is shared no more: 100
    # MB of a process that has torch.
    gc.freeze()
    child_processes.leave_signals_to_parent()
    # A batch that cannot be sent would be lost in silence, and the main process wait for ever.
    queues.Queue._on_queue_feeder_error = staticmethod(_end_worker)


def _end_worker(error: Exception, _item: object) -> None:
    print(f"a process that reads images cannot send a batch: {error}", file=sys.stderr, flush=True)
    os._exit(1)


@dataclass(frozen=True)
class _NotSent:
    """In place of a batch that a worker has no memory to send in."""

    reason: str


def _shared(item: Any) -> Any:
    """In a worker: the item in the memory that it is sent through, or why that cannot be."""
    if get_worker_info() is None:
        return item
    try:
        _share(item)
    except (RuntimeError, OSError) as error:
        return _NotSent(_no_room(error))
    return item


def _share(item: Any) -> None:
    if isinstance(item, torch.Tensor):
        item.share_memory_()
    elif isinstance(item, dict):
        _share(list(item.values()))
    elif isinstance(item, (list, tuple)):
        for part in item:
            _share(part)
    elif is_dataclass(item):
        _share([getattr(item, field.name) for field in fields(item)])


def _no_room(error: Exception) -> str:
    reason = str(error).splitlines()[0]
    return (
        f"processes that read images have no memory to share ({reason}): pass -j 0 or a smaller "
        "-b, or make /dev/shm larger (docker run --shm-size 1g)"
    )

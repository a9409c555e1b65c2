"""Images of all clients together: decoded by several threads, scored in passes of one thread a
model, so that the event loop never waits.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from demos.serving.limits import Limits
from demos.serving.memory import usable_memory
from demos.serving.metrics import Metrics
from demos.serving.models import Model, Row, bad_row
from utils.check_images import why_unreadable
from utils.imaging.images import ImageError, TooManyPixels, UnknownFormat
from utils.runtime.child_processes import usable_cores

# What an image is refused with where a request has nothing else.
STATUS: dict[type[Exception], int] = {TooManyPixels: 413, UnknownFormat: 415}
UNREADABLE = 422
_MOST_DECODERS = 8
_LARGE = 12_000_000  # pixels of an image that is not decoded beside any number of others
_BYTES = 16  # a pixel, while an image is decoded: WebP; of the others two thirds


@dataclass(frozen=True)
class Found:
    """What became of an image: its row, and the status of its reason where it could not be read."""

    row: Row
    status: int = 200


class Lane:
    """The images that wait for one model, and the task that passes them to it in batches."""

    def __init__(
        self, model: Model, limits: Limits, metrics: Metrics, decoders: ThreadPoolExecutor
    ) -> None:
        self.model, self.limits, self.metrics, self.decoders = model, limits, metrics, decoders
        self.runner = ThreadPoolExecutor(1, f"run {model.name}")
        self.most = max(1, limits.batch_size // model.views)  # images of a pass
        # Decoded ones that wait: two passes, and what the decoders have in hand.
        self.room = asyncio.Semaphore(2 * self.most + usable_cores())
        self.decoded: asyncio.Queue[tuple[np.ndarray, asyncio.Future[Row]]] = asyncio.Queue()
        most = min(usable_memory() / 2 / (_BYTES * limits.max_pixels), _MOST_DECODERS)
        self.large = threading.Semaphore(max(1, int(most)))
        self.coming = 0  # images in the hands of the decoders
        self.seconds = 0.0  # that an image took of late

    async def score(self, name: str, content: bytes) -> Found:
        """One image, whatever it is."""
        async with self.room:
            found = await self._score(name, content)
        result = "scored" if found.row["error"] is None else "unreadable"
        self.metrics.images.labels(self.model.name, result).inc()
        return found

    async def _score(self, name: str, content: bytes) -> Found:
        loop = asyncio.get_running_loop()
        self.coming += 1
        try:
            pixels = await loop.run_in_executor(self.decoders, self._pixels, content, name)
        except (ImageError, MemoryError) as error:
            row = bad_row(self.model.bins, why_unreadable(error))
            return Found(row, STATUS.get(type(error), UNREADABLE))
        finally:
            self.coming -= 1
        row = await self._passed(pixels)
        return Found(row, 200 if row["error"] is None else UNREADABLE)

    def _pixels(self, content: bytes, name: str) -> np.ndarray:
        """`Model.pixels`, of large images so many at once as there is memory for."""
        most = self.limits.max_pixels
        try:
            return self.model.pixels(content, name, min(most, _LARGE))
        except TooManyPixels:  # said from the head of the file
            if most <= _LARGE:
                raise
        with self.large:
            return self.model.pixels(content, name, most)

    async def passed(self, pixels: np.ndarray) -> Row:
        """The row of pixels as `Model.scores` takes them, of any number of views."""
        async with self.room:
            return await self._passed(pixels)

    async def _passed(self, pixels: np.ndarray) -> Row:
        scored: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self.decoded.put_nowait((pixels, scored))
        return await scored

    async def run(self) -> None:
        """Passes until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._batch()
            # Whoever gave up waiting has cancelled what they waited for.
            wanted = [(pixels, scored) for pixels, scored in batch if not scored.done()]
            if not wanted:
                continue
            images = [pixels for pixels, _ in wanted]
            begun = time.perf_counter()
            try:
                rows = await loop.run_in_executor(self.runner, self.model.scores, images)
            except Exception as error:  # a fault of ours: 500, and the next pass goes on
                for _, scored in wanted:
                    if not scored.done():
                        scored.set_exception(error)
                continue
            self._note(images, time.perf_counter() - begun)
            for (_, scored), row in zip(wanted, rows, strict=True):
                if not scored.done():
                    scored.set_result(row)

    async def _batch(self) -> list[tuple[np.ndarray, asyncio.Future[Row]]]:
        """The images of the next pass: all that are there, and those that are decoded within
        batch_ms; a lone one is not kept waiting.
        """
        loop = asyncio.get_running_loop()
        batch = [await self.decoded.get()]
        end = loop.time() + self.limits.batch_ms / 1000
        while len(batch) < self.most:
            if not self.decoded.empty():
                batch.append(self.decoded.get_nowait())
                continue
            left = end - loop.time()
            if not self.coming or left <= 0:
                break
            try:
                batch.append(await asyncio.wait_for(self.decoded.get(), left))
            except asyncio.TimeoutError:
                break
        return batch

    def _note(self, images: Sequence[np.ndarray], taken: float) -> None:
        views = len(images) if self.model.about["whole"] else sum(map(len, images))
        self.metrics.views.labels(self.model.name).observe(views)
        self.metrics.passes.labels(self.model.name).inc(taken)
        each = taken / len(images)
        self.seconds = each if not self.seconds else 0.8 * self.seconds + 0.2 * each


class Service:
    """All models of a service and what waits for them. draining: it was asked to end, and takes
    nothing more after what it has.
    """

    def __init__(self, models: Sequence[Model], limits: Limits) -> None:
        self.models = {model.name: model for model in models}
        self.limits, self.draining = limits, False
        self.waiting = 0  # images
        self.held = 0  # bytes
        self.metrics = Metrics(lambda: self.waiting)
        self.lanes: dict[str, Lane] = {}

    async def __aenter__(self) -> Service:
        decoders = min(usable_cores(), _MOST_DECODERS)
        self.decoders = ThreadPoolExecutor(decoders, "decode")
        for name, model in self.models.items():
            self.lanes[name] = Lane(model, self.limits, self.metrics, self.decoders)
        self.tasks = [asyncio.create_task(lane.run()) for lane in self.lanes.values()]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for pool in (self.decoders, *(lane.runner for lane in self.lanes.values())):
            pool.shutdown(cancel_futures=True)

    def busy(self, name: str, more: int = 1) -> int:
        """Seconds after which `more` images are worth another try; 0 where there is room for them:
        none are taken whose scores could not be there in time.
        """
        last = self.lanes[name].seconds * (self.waiting + more)
        if self.waiting + more <= self.limits.max_waiting and (
            not self.waiting or last <= self.limits.timeout
        ):
            return 0
        return max(1, math.ceil(min(last / 2, self.limits.timeout)))

    async def score(self, name: str, files: Sequence[tuple[str, bytes]]) -> list[Found]:
        """What became of each (name, content), in their order."""
        self.waiting += len(files)
        try:
            lane = self.lanes[name]
            return await asyncio.gather(*(lane.score(*file) for file in files))
        finally:
            self.waiting -= len(files)

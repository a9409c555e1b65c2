"""Quality maps by the toolkit's own definition (utils/imaging/occlusion.py), with an export."""

from __future__ import annotations

import asyncio
import math
import threading
from typing import Any

import numpy as np

from demos.serving.batches import Lane, Service
from utils.imaging.images import ImageError, image_in_memory, resize_image
from utils.imaging.occlusion import falls
from utils.imaging.view_frame import frame_of

MOST_WAITING = 8
_PIXELS = 1 << 23  # of the views that wait for the model together


class Maps:
    """Maps of a service, one at a time: each keeps a whole image, and asks for hundreds of views.
    These go through the queue that all clients share, a few at a time. waiting: maps that are
    computed or wait for it.
    """

    def __init__(self, service: Service) -> None:
        self.service, self.waiting = service, 0
        self.turn = asyncio.Lock()

    async def of(self, model: str, name: str, content: bytes) -> dict[str, Any]:
        """The map of one image: score; size [width, height] of the image, upright; rows and
        columns, the borders of the cells in its pixels; grid, for each cell by how much the score
        falls when it is hidden, None where no view sees it. ImageError as --predict says it.
        """
        self.waiting += 1
        try:
            await self.turn.acquire()
            given_up = threading.Event()
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(None, self._compute, model, name, content, loop, given_up)
            work.add_done_callback(lambda _: self.turn.release())  # not before the thread is done
            try:
                return await asyncio.shield(work)
            finally:
                given_up.set()
        finally:
            self.waiting -= 1

    def _compute(
        self, name: str, image_name: str, content: bytes, loop: Any, given_up: threading.Event
    ) -> dict[str, Any]:
        lane = self.service.lanes[name]
        model, limits = lane.model, self.service.limits
        model.pixels(content, image_name, limits.max_pixels)  # refuses what /score refuses
        image = image_in_memory(content, image_name, limits.max_pixels)
        rule, whole, resized = model.rule, model.about["whole"], None
        if rule.decode == "fast" and not whole:  # its cells lie in the whole image all the same
            scaled = image_in_memory(content, image_name, limits.max_pixels, rule)
            resized = resize_image(scaled, rule)
        frame = frame_of(image, rule, resized)
        height, width = frame.pixels.shape[:2] if whole else frame.size
        batch = max(1, min(limits.batch_size, _PIXELS // (height * width)))

        def scores(views: list[np.ndarray]) -> np.ndarray:
            if given_up.is_set() or self.service.draining:
                raise TimeoutError("nobody waits for this map, or the service ends")
            pixels = views if whole else [view.transpose(2, 0, 1)[None] for view in views]
            return asyncio.run_coroutine_threadsafe(_scores(lane, pixels), loop).result()

        score, grid, cells = falls(frame, rule, batch, scores, pooled=whole)
        if not math.isfinite(score):
            raise ImageError(image_name, "the scores of its parts are not finite numbers")
        cells = cells.moved(frame.inside, frame.source)
        known = np.where(np.isnan(grid), None, grid.astype(object))
        return {
            "score": score,
            "size": list(image.size),
            "rows": cells.rows.tolist(),
            "columns": cells.columns.tolist(),
            "grid": known.tolist(),
        }


async def _scores(lane: Lane, views: list[np.ndarray]) -> np.ndarray:
    rows = await asyncio.gather(*(lane.passed(view) for view in views))
    if reasons := [row["error"] for row in rows if row["error"]]:
        raise ImageError("", reasons[0])
    return np.array([row["score"] for row in rows], np.float64)

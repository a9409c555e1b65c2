"""Items of a dataset read ahead by threads of this process: unlike processes they need no memory of
their own, nor any to send a batch through.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from torch.utils.data import Dataset

# Decoding and resizing leave Python to others, but what is around them waits for it: of more
# threads some would wait for each other.
MOST = 4
PATIENCE = 2.0  # seconds that what is being read may take at an early end; a file may never answer


class ThreadLoader:
    """The dataset's items at some keys, in their order, each time it is gone through. `count`
    threads read as many items ahead; keys are asked for, in the thread that takes the items, when
    there is room for what they mean. An early end waits PATIENCE seconds for what is being read.
    """

    def __init__(self, dataset: Dataset, keys: Iterable[Any], count: int) -> None:
        self.dataset, self.keys, self.count = dataset, keys, count

    def __iter__(self) -> Iterator[Any]:
        asked: SimpleQueue[tuple[Future, Any] | None] = SimpleQueue()
        threads: list[threading.Thread] = []
        ahead: deque[Future] = deque()
        try:
            for _ in range(self.count):
                # Python itself waits for no daemon at its end, as it would for those of a pool.
                thread = threading.Thread(target=self._read, args=(asked,), daemon=True)
                thread.start()
                threads.append(thread)
            for key in self.keys:
                ahead.append(Future())
                asked.put((ahead[-1], key))
                if len(ahead) > self.count:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
            for _ in threads:
                asked.put(None)
            deadline = time.monotonic() + PATIENCE
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _read(self, asked: SimpleQueue[tuple[Future, Any] | None]) -> None:
        """Of one thread: reads what it is asked for, until that is nothing."""
        while (task := asked.get()) is not None:
            future, key = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(self.dataset[key])
                except BaseException as error:  # of whoever takes the item
                    future.set_exception(error)
            del task, future, key  # nothing of a batch is kept until the next is asked for

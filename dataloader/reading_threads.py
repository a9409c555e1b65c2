"""Items of a dataset read ahead by threads of this process: unlike processes they need no memory of
their own, nor any to send a batch through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from torch.utils.data import Dataset

# Decoding and resizing leave Python to others, but what is around them waits for it: of more
# threads some would wait for each other.
MOST = 4


class ThreadLoader:
    """The dataset's items at some keys, in their order, each time it is gone through. `count`
    threads read as many items ahead; keys are asked for, in the thread that takes the items, when
    there is room for what they mean.
    """

    def __init__(self, dataset: Dataset, keys: Iterable[Any], count: int) -> None:
        self.dataset, self.keys, self.count = dataset, keys, count

    def __iter__(self) -> Iterator[Any]:
        pool = ThreadPoolExecutor(self.count, "reads images")
        ahead: deque[Future] = deque()
        try:
            for key in self.keys:
                ahead.append(pool.submit(self.dataset.__getitem__, key))
                if len(ahead) > self.count:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

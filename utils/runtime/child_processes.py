"""Processes that work for this one: they end when it ends, however that happens."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, get_start_method, parent_process
from multiprocessing.process import BaseProcess
from typing import TypeVar

from utils.runtime import stopping

Item = TypeVar("Item")
Result = TypeVar("Result")
PATIENCE = 20.0  # seconds that a fork may take to begin; it takes milliseconds


def usable_cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def running() -> set[BaseProcess]:
    """The children of this process."""
    return set(active_children())


def kill(children: Iterable[BaseProcess]) -> None:
    """End them as they are, also those that are halted and take no other signal."""
    children = list(children)
    if not children:
        return
    # torch would raise an error about each of its loaders that ends; none is to be told of these.
    in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGCHLD")
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if in_main else None
    try:
        for child in children:
            child.kill()
        for child in children:
            child.join()
    finally:
        if in_main:
            signal.signal(signal.SIGCHLD, handler or signal.SIG_DFL)


def leave_signals_to_parent(_worker: int = 0) -> None:
    """Ctrl-C and a signal to the whole group, or to every process of a job, is the main process's
    to answer, which saves first and then ends its children with `kill`.
    """
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def begun(children: Iterable[BaseProcess]) -> bool:
    """Waits until all of them, which are forks, have left their signals to the parent; False where
    one does not within PATIENCE seconds.

    Before Python 3.12 a fork hangs for ever where another thread was just then making itself known
    to Python, as gloo's do after a collective: the lock that it held stays locked in the child.
    """
    if get_start_method() != "fork":
        return True
    deadline = time.monotonic() + PATIENCE
    with stopping.waiting():
        while any(child.is_alive() and not _apart(child) for child in children):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
    return True


def _apart(child: BaseProcess) -> bool:
    try:
        return os.getpgid(child.pid or 0) == child.pid
    except ProcessLookupError:
        return True


def _begin() -> None:
    """Of a pool's process: it would wait for ever for work from a parent that was killed."""
    leave_signals_to_parent()
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def work(
    count: int, function: Callable[[Item], Result], items: Iterable[Item], died: str
) -> Iterator[Result]:
    """function(item) of each item, in their order, by `count` fresh processes, which end with the
    iterator: at once where that is before its last item.

    Fresh ones (spawn) work beside threads and an initialised accelerator; forks may not. ValueError
    with the text `died` where one of them dies.
    """
    before = running()
    executor = ProcessPoolExecutor(count, get_context("spawn"), initializer=_begin)
    try:
        with stopping.deferred():  # half a start leaves a process that nobody knows of
            futures = deque(executor.submit(function, item) for item in items)
        while futures:
            with stopping.waiting():
                found = futures.popleft().result()
            yield found
    except BrokenProcessPool:
        raise ValueError(died) from None
    except BaseException:
        kill(running() - before)
        raise
    finally:
        executor.shutdown()

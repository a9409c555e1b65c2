"""Threads that read ahead: order, how far, and their end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from dataloader import reading_threads, sources
from dataloader.loader import batches
from dataloader.reading_threads import ThreadLoader
from dataloader.sources import PhotoCache


class Slow:
    """item n is n, and earlier ones take longer; no item `broken`."""

    def __init__(self, broken: int = -1) -> None:
        self.broken, self.readers = broken, set()

    def __getitem__(self, key: int) -> int:
        self.readers.add(threading.current_thread())
        time.sleep(0.02 / (1 + key))
        if key == self.broken:
            raise ValueError(f"no item {key}")
        return key


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_items_come_in_order_from_several_threads():
    data = Slow()
    loader = ThreadLoader(data, range(8), 3)
    assert list(batches(loader)) == list(batches(loader)) == list(range(8))
    assert threading.current_thread() not in data.readers and len(data.readers) > 1


def test_keys_are_asked_for_when_there_is_room():
    """Keys may come from a pipe, and what they mean fills the memory."""
    asked = []

    def keys() -> Iterator[int]:
        for key in range(9):
            assert threading.current_thread() is threading.main_thread()
            asked.append(key)
            yield key

    loaded = batches(ThreadLoader(Slow(), keys(), 2))
    for taken in range(1, 4):
        next(loaded)
        assert len(asked) == taken + 2
    loaded.close()
    assert len(asked) == 5


def test_an_error_comes_in_its_place():
    loaded = batches(ThreadLoader(Slow(broken=2), range(9), 2))
    assert [next(loaded), next(loaded)] == [0, 1]
    with pytest.raises(ValueError, match="^no item 2$"):
        next(loaded)


def test_a_file_that_never_answers_holds_up_no_early_end(monkeypatch):
    """As on a disk of another machine: neither what asked for it nor Python's end wait for it."""
    monkeypatch.setattr(reading_threads, "PATIENCE", 0.05)
    answered, before = threading.Event(), set(threading.enumerate())

    class Silent:
        def __getitem__(self, key: int) -> int:
            return key if key == 0 else answered.wait(60)

    loaded = batches(ThreadLoader(Silent(), range(9), 2))
    assert next(loaded) == 0
    loaded.close()
    left = set(threading.enumerate()) - before
    assert left and all(thread.daemon for thread in left)
    answered.set()
    for thread in left:
        thread.join()


def test_threads_share_the_photographs_of_the_cache(monkeypatch):
    def open_photo(path: Path, max_pixels: int) -> Image.Image:
        time.sleep(0.001)
        return Image.new("RGB", (10, 10), (int(path.name), 0, 0))

    monkeypatch.setattr(sources, "open_photo", open_photo)
    cache = PhotoCache(700)  # two of 300 bytes

    class Photos:
        def __getitem__(self, key: int) -> int:
            return cache.open(Path(f"{key % 5}"), 99).getpixel((0, 0))[0]

    found = list(batches(ThreadLoader(Photos(), range(60), 4)))
    assert found == [key % 5 for key in range(60)] and cache.bytes == 600

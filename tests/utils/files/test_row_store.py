"""Rows by name: what is half-written, of another kind or of another name is never served."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from utils.files import row_store
from utils.files.disk_full import free_bytes
from utils.files.row_store import RowStore, row_name

SHAPE = (2, 3)


def named(*numbers: int) -> np.ndarray:
    return np.array([row_name("image", int(number)) for number in numbers])


def rows(*numbers: int) -> np.ndarray:
    return np.array([np.arange(6).reshape(SHAPE) + 10 * n for n in numbers], np.float32)


@pytest.fixture
def store(tmp_path) -> RowStore:
    made = RowStore(tmp_path / "store", {"weights": "a"}, SHAPE)
    made.prepare()
    return made


def test_rows_come_back_in_the_order_asked_for(store):
    assert store.missing(named(1, 2)).tolist() == [0, 1]
    store.add(named(5, 1), rows(5, 1))
    store.add(named(3), rows(3))
    assert store.missing(named(3, 4, 5, 1, 2)).tolist() == [1, 4]
    found = store.rows(named(1, 3, 5))
    assert len(found) == 3
    assert np.array_equal(found.read(np.array([2, 0, 1, 2])), rows(5, 1, 3, 5))
    views = found.read(np.array([2, 0, 1]), np.array([1, 0, 1]))
    assert np.array_equal(views, np.stack([rows(5)[0, 1], rows(1)[0, 0], rows(3)[0, 1]]))
    assert found.read(np.empty(0, np.int64)).shape == (0, *SHAPE)
    with pytest.raises(KeyError):
        store.rows(named(1, 2))


def test_many_rows_in_many_parts(store):
    order = np.random.default_rng(0).permutation(500)
    for start in range(0, 500, 60):
        store.add(named(*order[start : start + 60]), rows(*order[start : start + 60]))
    wanted = np.random.default_rng(1).permutation(500)[:300]
    assert np.array_equal(store.rows(named(*wanted)).read(np.arange(300)), rows(*wanted))


def test_a_large_part_is_mapped_and_read_by_numpy_as_it_stands(store):
    many = np.tile(rows(1), (50_000, 1, 1))  # 1.2 MB
    store.add(named(*range(50_000)), many)
    (part,) = store.rows(named(0, 49_999)).parts
    assert isinstance(part, np.memmap) and np.array_equal(part, many)


def test_a_part_without_its_data_or_half_of_it_is_none(store, monkeypatch):
    """Killed before each of the two renames: nothing looks complete, and the rows can be added."""
    replace = os.replace
    for allowed in (0, 1):
        done = []

        def killed(source, target, done=done, allowed=allowed):
            if len(done) == allowed:
                shutil.copy(source, source + ".left.tmp")  # what SIGKILL would leave
                raise KeyboardInterrupt
            done.append(replace(source, target))

        monkeypatch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            store.add(named(7, 8), rows(7, 8))
        monkeypatch.undo()
        assert list(store.folder.glob(".*.tmp"))
        assert store.missing(named(7, 8)).tolist() == [0, 1]
    store.add(named(7, 8), rows(7, 8))
    assert np.array_equal(store.rows(named(8, 7)).read(np.arange(2)), rows(8, 7))


@pytest.mark.parametrize("suffix", [".npy", ".names.npy"])
@pytest.mark.parametrize("left", [0, 0.5, None], ids=["empty", "half", "gone"])
def test_a_torn_copy_is_not_served_and_is_written_again(store, suffix, left):
    store.add(named(*range(40)), rows(*range(40)))
    store.add(named(50), rows(50))
    (file,) = (f for f in store.folder.glob(f"*{suffix}") if f.stat().st_size > 500
               and f.name.endswith(".names.npy") == (suffix == ".names.npy"))  # fmt: skip
    data = file.read_bytes()
    file.unlink()
    if left is not None:
        file.write_bytes(data[: int(left * len(data))])
    assert store.missing(named(3, 50)).tolist() == [0]
    store.add(named(*range(40)), rows(*range(40)))
    assert file.read_bytes() == data and len(store.missing(named(3, 50))) == 0


def test_what_killed_writers_left_is_cleared(store):
    left = store.folder / ".a.npy.x.tmp"
    left.touch()
    store.prepare()
    assert not left.exists()


def test_a_folder_of_other_rows_is_refused(store):
    assert json.loads((store.folder / "about.json").read_text()) == {"weights": "a"}
    with pytest.raises(ValueError, match=r"about.json: is about other rows: remove .*store$"):
        RowStore(store.folder, {"weights": "b"}, SHAPE).prepare()


def test_rows_of_another_shape_are_refused(store):
    with pytest.raises(ValueError, match=r"\(1, 3, 2\) for 1 names of \(2, 3\)"):
        store.add(named(1), np.zeros((1, 3, 2), np.float32))


def test_names_differ_in_every_part():
    parts = ("a", 1, 2), ("a", 12), ("a1", 2), ("a", 1, 2, 0), ("a", "1", 2)
    assert len({row_name(*p) for p in parts}) == len(parts)
    assert row_name("a", 1) == row_name("a", 1) and len(row_name("a")) == 32


def test_free_bytes_of_a_folder_to_be(tmp_path):
    assert free_bytes(tmp_path / "not" / "yet") == pytest.approx(free_bytes(tmp_path), rel=0.1)


@pytest.mark.parametrize("place", ["header", "first row", "last row", "digest", "names", "short"])
def test_a_damaged_part_is_never_served(store, place):
    """One bit, wherever it is; the other parts are as they were."""
    store.add(named(*range(40)), rows(*range(40)))
    store.add(named(50), rows(50))
    data = max(store.folder.glob("*[!s].npy"), key=lambda file: file.stat().st_size)
    file = data.with_name(f"{data.stem}.names.npy") if place == "names" else data
    whole = bytearray(file.read_bytes())
    size = 40 * store.row_bytes + row_store.DIGEST
    at = {"header": 3, "first row": -size, "last row": -size + 39 * 24, "names": -1, "short": 0}
    whole[at.get(place, -1)] ^= 0 if place == "short" else 4
    file.write_bytes(whole[: -1 if place == "short" else None])

    again = RowStore(store.folder, store.about, SHAPE)
    with pytest.raises(ValueError, match=f"{data.name}: damaged.*: remove it"):
        again.rows(named(*range(39)))
    assert np.array_equal(again.rows(named(50)).read(np.arange(1)), rows(50))
    # Where nothing of it is asked for, it is left alone.
    assert again.missing(named(50)).tolist() == [] and file.exists()
    assert again.missing(named(50, *range(39))).tolist() == list(range(1, 40))
    assert again.damaged == [data] and not data.exists()
    again.add(named(*range(39)), rows(*range(39)))
    assert np.array_equal(again.rows(named(38, 50, 0)).read(np.arange(3)), rows(38, 50, 0))


def test_a_part_is_read_against_its_digest_once(store, monkeypatch):
    store.add(named(1), rows(1))
    taken = []
    monkeypatch.setattr(
        row_store, "_digest", lambda n, d=row_store._digest: taken.append(1) or d(n)
    )
    store.rows(named(1))  # what has just been written is not read again
    assert not taken
    again = RowStore(store.folder, store.about, SHAPE)
    for _ in range(3):
        assert not len(again.missing(named(1)))
        again.rows(named(1)).read(np.zeros(5, np.int64))
    assert len(taken) == 1

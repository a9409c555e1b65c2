"""Disks that are full: every writer names its file, the bytes and the cure, and leaves nothing."""

import errno
import os
import resource
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli import TINY, call
from tests.small_photos import NAMES, write_photos
from tests.tiny_data import write_data
from utils.files.disk_full import Lines, WriteError, bytes_of, named_place
from utils.files.writing import write_atomic, write_text
from utils.runtime.logger import Logger


@contextmanager
def largest_file(size: int):
    """What stands in for a full disk, without rights of an administrator."""
    before, cached = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # Python would leave modules cut short in its cache
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = cached


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "no space left on the disk (needs 7 bytes, "),
        (errno.EDQUOT, "the disk quota is used up (needs 7 bytes): make room, or write elsewhere"),
        (errno.EFBIG, "a file of this size is not allowed (needs 7 bytes): raise ulimit -f, or"),
        (errno.EROFS, "the file system is read-only (needs 7 bytes): write elsewhere"),
        (errno.EACCES, "no permission (needs 7 bytes): change that of the folder, or write "),
        (errno.EIO, "Input/output error (needs 7 bytes): write elsewhere"),
    ],
)
@pytest.mark.parametrize("call_", ["mkstemp", "fsync", "replace"])
def test_the_reasons(tmp_path, monkeypatch, number, said, call_):
    def fails(*_, **__):
        raise OSError(number, os.strerror(number))

    place = "tempfile.mkstemp" if call_ == "mkstemp" else f"os.{call_}"
    monkeypatch.setattr(f"utils.files.writing.{place}", fails)
    file = tmp_path / "sub" / "a\x1b.txt"
    with pytest.raises(WriteError) as caught:
        write_text(file, "7 bytes")
    text = str(caught.value)
    assert text.startswith(f"{tmp_path}/sub/a\\x1b.txt: cannot be written: {said}"), text
    if number == errno.ENOSPC:
        assert text.endswith(" are free): make room, or write elsewhere")
    assert list(tmp_path.rglob("*")) == [tmp_path / "sub"]


def test_the_bytes_are_those_of_the_whole_file(tmp_path):
    rows = np.random.default_rng(0).random((300, 100))
    image = Image.fromarray((rows * 255).astype(np.uint8))
    writers = [
        lambda file: file.write(b"x" * 70_000),
        lambda file: np.lib.format.write_array(file, rows),
        lambda file: image.save(file, format="PNG"),
    ]
    for write in writers:
        write_atomic(tmp_path / "whole", write)
        size = (tmp_path / "whole").stat().st_size
        assert bytes_of(write) == size
        with largest_file(10_000), pytest.raises(WriteError) as caught:
            write_atomic(tmp_path / "whole", write)
        why = str(caught.value).removeprefix(f"{tmp_path / 'whole'}: cannot be written: ")
        assert why.startswith(
            ("a file of this size is not allowed (needs ", "not all of it found ")
        )
        assert f" (needs {size:,} bytes" in why and why.endswith(" or write elsewhere")
        assert [p.name for p in tmp_path.iterdir()] == ["whole"]
        assert (tmp_path / "whole").stat().st_size == size  # as it was


def test_a_line_without_room_is_not_begun(tmp_path):
    file = tmp_path / "log.txt"
    with closing(Lines(file)) as lines, largest_file(20):
        lines.add("first")
        with pytest.raises(WriteError, match=rf"^{file}: .* \(needs 25 bytes\)"):
            lines.add("a long second line")
        lines.add("third \udcff")
    assert file.read_bytes() == b"first\nthird \\udcff\n"
    with pytest.raises(WriteError, match="is a folder|Is a directory"):
        Lines(tmp_path)


def test_events_without_room_name_their_file(tmp_path, monkeypatch):
    threads: list[object] = []
    monkeypatch.setattr(threading, "excepthook", threads.append)
    with closing(Logger(tmp_path)) as logger:
        logger.metrics({"step": 1, "loss": 0.5})
        with largest_file(2000), pytest.raises(WriteError) as caught:
            for step in range(2, 1000):
                logger.metrics({"step": step, **{name: 0.5 for name in "abcdefgh"}})
        assert str(caught.value).startswith(
            f"{tmp_path}/events.out.tfevents.*: cannot be written: "
        )
    assert threads == []  # nothing is printed beside the error


def test_errors_of_writing_keep_their_place(tmp_path):
    with pytest.raises(WriteError, match="^inner: cannot"):
        with named_place("outer"), named_place("inner"):
            raise OSError(errno.EIO, "broken")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    write_data(folder / "data", "regress", 2, 1)
    call(folder, f"--train --criterion regress {TINY} --epochs 1 --no_report --bootstrap 0")
    return folder


@pytest.mark.parametrize(
    ("words", "room", "file"),
    [
        ("--jit --resume B -g 0 -o made/x.pt", 100_000, "made/x.pt"),
        ("--predict data/test --resume B -g 0 -j 0 -o made/x.csv", 100, "made/x.csv"),
        ("--predict data/test --resume B -g 0 -j 0 --maps made", 5000, "made/photo0_0_map.png"),
        ("-e --resume B -g 0 -j 0 --bootstrap 0 -o made/x.html", 10_000, "made/x.html"),
        (f"--train --criterion regress {TINY} --no_report --logdir made", 100_000, "made/*/check"),
        ("--generate basic --photos photos --data made --val_photos 0 --test_photos 0 -j 0", 5000,
         "made/train/refimgs/"),
    ],
)  # fmt: skip
def test_every_command_names_what_it_could_not_write(trained, words, room, file):
    if "photos" in words:
        write_photos(trained / "photos", NAMES[:1])
    best = "checkpoints/model_best_test_resnet.pth"
    before = (trained / best).read_bytes()
    with largest_file(room):
        said = call(trained, words.replace("B", best), code=1).err.splitlines()[-1]
    made, _, reason = said.removeprefix("error: ").partition(": ")
    assert Path(made).match(file) or made.startswith(file) or "made/2" in made, said
    # An export is written by the library that makes it, which does not say how large it will be.
    size = "" if "--jit" in words else " (needs "
    assert reason.startswith(f"cannot be written: a file of this size is not allowed{size}"), said
    assert not [p for p in trained.rglob(".*")] and (trained / best).read_bytes() == before

"""The one writer of files that must not be half-written, and what is asked of their places before
any work is done.

The standard library only, so that processes which never need torch start fast.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO

from utils.disk_full import bytes_of, named_place
from utils.read_file import check_regular
from utils.text import printable


def _place_named(function: Callable[..., None]) -> Callable[..., None]:
    @wraps(function)
    def named(path: Path, write: Callable[[BinaryIO], object], *more: Any, **options: Any) -> None:
        with named_place(path, lambda: bytes_of(write)):
            function(path, write, *more, **options)

    return named


@_place_named
def write_atomic(path: Path, write: Callable[[BinaryIO], object], durable: bool = True) -> None:
    """Write a file so that `path` holds either its old content or all of the new one.

    durable: after a power cut too, at the price of waiting for the disk. Without it only a process
    that is killed does no harm, which is enough for what can be made again. WriteError, one line,
    names file, bytes and cure.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The beginning of the name alone: one of 255 bytes would have no room for the rest.
    prefix = f".{path.name[:40]}."
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def check_output(path: Path, folder: bool = False) -> None:
    """ValueError, one line, where no file (with `folder` none in that folder) can be written. It is
    tried with a file that is removed again; nothing else is made.
    """
    path = Path(path)
    if folder and os.path.isfile(path):
        raise ValueError(f"{printable(path)}: is a file: name a folder")
    inside = folder and os.path.isdir(path)
    place = path if inside else next((p for p in path.parents if os.path.exists(p)), path.parent)
    if not place.is_dir():
        raise ValueError(f"{printable(path)}: {printable(place)} is no folder: name another place")
    # A dangling link is replaced like a file.
    if not inside and not (os.path.islink(path) and not os.path.exists(path)):
        with suppress(FileNotFoundError):
            check_regular(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=place, prefix=".", suffix=".tmp")
    except OSError as error:
        why = f"cannot be written into {printable(place)}: {error.strerror}"
        raise ValueError(f"{printable(path)}: {why}: name another place") from None
    os.close(handle)
    os.unlink(temporary)


def check_apart(path: Path, files: Iterable[Path] = (), folders: Iterable[Path] = ()) -> None:
    """ValueError, one line, where `path`, which is to be written, is one of `files`, or is or lies
    in one of `folders`: what a call reads it never writes to. Links are followed.
    """
    path = Path(path)
    place = path.parent.resolve() / path.name
    for folder in folders:
        if place.is_relative_to(Path(folder).resolve()):
            raise ValueError(
                f"{printable(path)}: lies in {printable(folder)}, which is only read: "
                "write elsewhere"
            )
    for file in files if os.path.exists(path) else ():
        if os.path.exists(file) and os.path.samefile(file, path):
            raise ValueError(
                f"{printable(path)}: is {printable(file)}, which is only read: name another file"
            )


def write_text(path: Path, text: str, errors: str = "strict") -> None:
    """write_atomic for UTF-8 text. errors: what becomes of the bytes of a file name that are no
    UTF-8: "surrogateescape" writes them as they are.
    """
    write_atomic(path, lambda file: file.write(text.encode("utf-8", errors)))


def write_json(path: Path, value: Any) -> None:
    """write_atomic for JSON that a person can read."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_text(path, text, "backslashreplace")  # a byte that is no UTF-8: \udcff, JSON's own escape


def without_nan(value: Any) -> Any:
    """The value with None, JSON's null, for every nan, which JSON does not know."""
    if isinstance(value, dict):
        return {name: without_nan(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

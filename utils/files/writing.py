"""The one writer of files that must not be half-written, and what is asked of their places before
any work is done.

The standard library only, so that processes which never need torch start fast.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from utils.files.disk_full import bytes_of, named_place
from utils.files.lock import try_lock, when_abandoned
from utils.files.reading import check_regular
from utils.text import csv_of, printable


def write_atomic(
    path: Path,
    write: Callable[[BinaryIO], object],
    durable: bool = True,
    keep: Path | None = None,
) -> None:
    """Write a file so that `path` holds either its old content or all of the new one.

    durable: after a power cut too, at the price of waiting for the disk. Without it only a process
    that is killed does no harm, which is enough for what can be made again. keep: a file beside it
    that holds the old content from then on. WriteError, one line, names file, bytes and cure.
    """
    path = Path(path)
    with named_place(path, lambda: bytes_of(write)), ExitStack() as undo:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _locked_temporary(path)
        undo.callback(Path(temporary).unlink, missing_ok=True)
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            if keep is not None and path.exists():
                _keep(path, keep)
            if os.name == "nt":  # an open file cannot be renamed there
                file.close()
            os.replace(temporary, path)  # while it is locked: until then nobody may sweep it
        if durable:
            _sync_folder(path.parent)


def link_atomic(source: Path, target: Path) -> bool:
    """Gives a finished file a second name, which holds either its old content or this one; False
    where that cannot be: another disk, or a file system without hard links.
    """
    with named_place(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.samefile(source) and not target.is_symlink():
            return True
        second = target.with_name(f".{target.name[:40]}.{os.getpid()}.tmp")
        while True:
            try:
                os.link(source, second)
            except OSError:
                return False
            with suppress(FileNotFoundError):  # swept by another process, which saw no lock
                os.replace(second, target)
                break
        _sync_folder(target.parent)
    return True


def check_no_link(path: Path) -> None:
    """ValueError where `path`, which is written in place, leads elsewhere, or is no file at all: a
    folder of a stranger may hold such a thing.
    """
    with suppress(FileNotFoundError):
        if os.path.islink(path):
            raise ValueError(f"{printable(path)}: is a link, and is written to: remove it")
        check_regular(path)


def sweep(folder: Path, pattern: str = ".*.tmp") -> None:
    """Removes what killed processes left of `write_atomic`, nothing that a living one writes."""
    for file in folder.glob(pattern):
        when_abandoned(file, partial(file.unlink, missing_ok=True))


def _locked_temporary(path: Path) -> tuple[int, str]:
    """(handle, file) that `sweep` leaves alone for as long as this process has it open."""
    # The beginning of the name alone: one of 255 bytes would have no room for the rest.
    prefix = f".{path.name[:40]}."
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".tmp")
        try:
            held = try_lock(handle)
        except OSError:  # without locks nothing is ever swept
            held = True
        if held and os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # swept between its making and its lock


def _keep(path: Path, kept: Path) -> None:
    """Gives the file a second name, so that one of the two is there at any moment."""
    kept.unlink(missing_ok=True)
    try:
        os.link(path, kept)
    except OSError:  # a file system without hard links
        os.replace(path, kept)


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
            what = "an input" if str(file) == str(path) else printable(file)
            raise ValueError(f"{printable(path)}: is {what}, which is only read: name another file")


def write_bytes(path: Path, content: bytes) -> None:
    """write_atomic for what is in memory."""
    write_atomic(path, lambda file: file.write(content))


def write_text(path: Path, text: str, errors: str = "strict") -> None:
    """write_atomic for UTF-8 text. errors: what becomes of the bytes of a file name that are no
    UTF-8: "surrogateescape" writes them as they are.
    """
    write_atomic(path, lambda file: file.write(text.encode("utf-8", errors)))


def write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """write_atomic for rows of cells; names of files keep their bytes."""
    write_text(path, csv_of(rows), "surrogateescape")


def write_json(path: Path, value: Any) -> None:
    """write_atomic for JSON that a person can read."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_text(path, text, "backslashreplace")  # a byte that is no UTF-8: \udcff, JSON's own escape


def without_nan(value: Any) -> Any:
    """The value in JSON's types: nan and infinities, which JSON does not know, become None."""
    if isinstance(value, dict):
        return {str(key): without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    number = value.item() if hasattr(value, "item") else value  # NumPy and torch scalars
    return None if isinstance(number, float) and not math.isfinite(number) else number


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

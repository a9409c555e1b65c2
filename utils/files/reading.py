"""Reading files that a stranger may have made: what is no file is never opened, and what is wrong
is one line that names file, place and cure. The standard library only.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any

from utils.text import cut, printable

_KINDS = {
    stat.S_IFIFO: "a pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
_WORDS = {
    str: "text", list: "a list", dict: "an object", int: "a whole number",
    int | None: "a whole number or null", str | None: "text or null",
}  # fmt: skip
_PACKED = {  # by the first bytes
    b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip, as .xlsx is", b"BZh": "bzip2", b"\xfd7zXZ": "xz",
}  # fmt: skip
MOST_BYTES = 1 << 30  # of a text that is read whole; 255,000 label lines are 12 MB


class UnreadableFile(ValueError):
    """`<path>[:line]: <what is wrong>: <remedy>`, one line."""


class RepeatedKey(UnreadableFile):
    """A JSON object that says two things of one key."""


def check_regular(path: str | os.PathLike[str], most: int | None = None) -> None:
    """UnreadableFile for what is no regular file, or larger than `most` bytes, without opening it:
    a pipe would wait for ever, a device may have no end. Links are followed. FileNotFoundError
    where there is nothing.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # a loop of links; a null character
        reason = getattr(error, "strerror", None) or error
        raise UnreadableFile(f"{printable(path)}: cannot be opened: {reason}") from None
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "no regular file")
        raise UnreadableFile(f"{printable(path)}: is {what}: name a file")
    if most is not None and status.st_size > most:
        raise UnreadableFile(
            f"{printable(path)}: {status.st_size} bytes are more than the {most} that are read here"
        )


def read_bytes(path: str | os.PathLike[str], most: int = MOST_BYTES, packed: bool = False) -> bytes:
    """Content of a regular file; UnreadableFile, of one that begins as packed files do, too, unless
    `packed` ones are welcome, or FileNotFoundError where there is none.
    """
    check_regular(path, most)
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableFile(f"{printable(path)}: cannot be read: {error.strerror}") from None
    if not packed and (kind := packed_as(content)):
        raise UnreadableFile(f"{printable(path)}: is packed ({kind}): unpack it first")
    return content


def packed_as(content: bytes) -> str | None:
    """How the content of a file is packed, by its first bytes; None where it is not."""
    return next((kind for start, kind in _PACKED.items() if content.startswith(start)), None)


def read_text(path: str | os.PathLike[str], most: int = MOST_BYTES, errors: str = "strict") -> str:
    """UTF-8 text, with or without a byte order mark; UnreadableFile names the line of what is
    something else, and what to do about it. errors: "surrogateescape" for files of ours that hold
    names of files, whose bytes may be any.
    """
    return utf8(read_bytes(path, most), path, errors)


def text_lines(path: str | os.PathLike[str]) -> Iterator[str]:
    """The lines of a text of any size, one after the other, by the rules of `read_text`."""
    check_regular(path)
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            yield utf8(line, path, first=number)


def utf8(
    content: bytes, path: str | os.PathLike[str], errors: str = "strict", first: int = 1
) -> str:
    """`content` of the file `path`, from its line `first` on, as text, by the rules of
    `read_text`.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableFile(f"{printable(path)}: UTF-16 text: save the file as UTF-8")
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + first
        byte = f"byte 0x{content[error.start]:02x}"
        raise UnreadableFile(
            f"{printable(path)}:{line}: not UTF-8 text (save the file as UTF-8): {byte}"
        ) from None


def read_json(path: str | os.PathLike[str], most: int = MOST_BYTES) -> Any:
    """The value of a JSON file; UnreadableFile for what is none, however deep it is nested."""
    return parse_json(read_text(path, most), path)


def read_object(path: str | os.PathLike[str], most: int = MOST_BYTES) -> dict[str, Any]:
    """The object that a JSON file holds, by the rules of `read_json`; UnreadableFile for any other
    value.
    """
    found = read_json(path, most)
    if not isinstance(found, dict):
        raise UnreadableFile(f"{printable(path)}: an object is wanted")
    return found


def check_entries(
    found: Mapping[str, Any],
    kinds: Mapping[str, type | UnionType],
    path: str | os.PathLike[str],
    needed: bool = False,
) -> None:
    """UnreadableFile for an entry of the JSON object in `path` that is of another kind than it
    should be, or, where they are needed, missing.
    """
    for name, kind in kinds.items():
        value = found.get(name)
        right = isinstance(value, kind) and not (isinstance(value, bool) and kind is int)
        if not right and (needed or name in found):
            said = _WORDS[kind]
            raise UnreadableFile(
                f"{printable(path)}: {name}: {said} is wanted, not {_shown(value)}"
            )


def _shown(value: Any) -> str:
    return cut(printable(json.dumps(value)))


def parse_json(
    text: str, path: str | os.PathLike[str], line: int | None = None, once: bool = False
) -> Any:
    """The value of JSON text of `path` (of its line `line`), by the rules of `read_json`; `once`:
    RepeatedKey for a key that an object has twice, of which else the last one counts.
    """
    at = printable(path) if line is None else f"{printable(path)}:{line}"

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                said = f"{cut(printable(json.dumps(key, ensure_ascii=False)))} is there twice"
                raise RepeatedKey(f"{at}: {said} in one object: take one of them out")
            found[key] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=unique if once else None)
    except RepeatedKey:
        raise
    except json.JSONDecodeError as error:
        place = f":{error.lineno}:{error.colno}" if line is None else f":{error.colno}"
        raise UnreadableFile(f"{at}{place}: not JSON: {error.msg}") from None
    except RecursionError:
        raise UnreadableFile(f"{at}: not read: JSON nested too deep") from None
    except ValueError as error:  # an integer of more digits than Python reads
        raise UnreadableFile(f"{at}: not JSON: {cut(printable(error))}") from None


def csv_rows(
    text: str, path: str | os.PathLike[str], delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of each row of csv text; UnreadableFile names the line of a row that is
    none, such as a cell above 131,072 characters, which an unclosed quotation mark makes.
    """
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise UnreadableFile(
                f"{printable(path)}:{rows.line_num}: not a csv row: {error}: look for a quotation "
                "mark that is never closed"
            ) from None
        yield rows.line_num, row

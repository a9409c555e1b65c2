"""The images that --predict and load_scorer are given: files, folders, patterns, lists, tar shards
and names on stdin; found one after the other, whatever their number.
"""

from __future__ import annotations

import glob
import os
import sqlite3
import sys
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from dataloader.sources import ShardMember
from utils.files.reading import check_regular, text_lines
from utils.files.writing import check_apart
from utils.imaging.image_folders import READABLE_EXTENSIONS, Say, each_image, left_out
from utils.text import cut, printable, to_stderr

STDIN = "-"
Named = Path | ShardMember
_BLOCK = 1024  # names that are looked up at once
_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def find_images(words: Iterable[str], say: Say = to_stderr) -> list[Named]:
    """Files in the order they were named, each once; ValueError names the word that leads
    nowhere. say: told of images in a folder that cannot be read.
    """
    return list(each_named(words, say))


def each_named(
    words: Iterable[str], say: Say = to_stderr, missing: bool = False
) -> Iterator[Named]:
    """The same, found as they are asked for: names that were given before are remembered on the
    disk, where more than one word could give them.

    missing: lines of a list that lead nowhere are given as well, unless all of them do.
    """
    words = list(words)
    found = (
        image
        for word in words
        for image in (_from_stdin() if word == STDIN else expand(word, say, missing))
    )
    alone = len(words) == 1 and (os.path.isdir(words[0]) or _is_shard(Path(words[0])))
    return found if alone else _once(found)


def _once(images: Iterable[Named]) -> Iterator[Named]:
    """Each image where it comes first. The names that have been stand in a table of SQLite's in a
    temporary file, so that there may be any number of them.
    """
    images = iter(images)
    with closing(sqlite3.connect("")) as known:
        known.execute("CREATE TABLE names (name BLOB PRIMARY KEY) WITHOUT ROWID")
        for image in images:
            name = os.fsencode(str(image))
            done = known.execute("INSERT OR IGNORE INTO names VALUES (?)", (name,))
            if done.rowcount:
                yield image


def expand(word: str, say: Say = to_stderr, missing: bool = False) -> Iterator[Named]:
    """Images that a word means: a file, a folder's, a .txt list's, a .tar file's, a pattern's."""
    path = Path(word)
    if path.is_dir():
        return _of_folder(path, say)
    if path.suffix.lower() == ".txt" and path.is_file():
        return _listed(path, missing)
    if path.is_file():
        return _of_file(path)
    if os.path.lexists(path):
        _refuse_no_file(path)
    matches = sorted(glob.glob(word, recursive=True))
    if not matches:
        raise ValueError(
            f"{printable(word)}: no such file, folder or list, and no file matches it as a pattern"
        )
    return (image for match in matches for image in expand(match, say, missing))


def _of_folder(folder: Path, say: Say) -> Iterator[Path]:
    images = each_image(folder)
    first = next(images, None)
    others = left_out(folder)
    if first is None:
        shards = any(map(_is_shard, folder.glob("*.tar")))
        more = f"; for its tar files: {printable(folder / '*.tar')!r}" if shards else ""
        said = f"{folder}: no image in this folder or below it: {others}".rstrip(": ")
        raise ValueError(said + more)
    if others:
        say(f"{printable(folder)}: {others}")
    yield first
    yield from images


def _of_file(path: Path) -> Iterator[Named]:
    if path.name.lower().endswith(_PACKED):
        raise ValueError(
            f"{printable(path)}: a compressed tar file, in which nothing can be found without "
            "unpacking all before it: unpack it to .tar"
        )
    return _members(path) if _is_shard(path) else iter((path,))


def _is_shard(path: Path) -> bool:
    return path.suffix.lower() == ".tar" and path.is_file()


def _members(shard: Path) -> Iterator[ShardMember]:
    """Image files of a tar file in its order; those with hidden names are left out, as in folders.
    ValueError where it ends, or is damaged, before its end.
    """
    damaged = f"{printable(shard)}: a damaged tar file: make it anew"
    found = False
    try:
        with tarfile.open(shard, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # it remembers all of them
                name = os.path.basename(member.name)
                kind = os.path.splitext(name)[1].lower()
                if member.isreg() and kind in READABLE_EXTENSIONS and not name.startswith("."):
                    found = True
                    yield ShardMember(shard, member.offset_data, member.size, member.name)
            with open(shard, "rb") as file:  # the reader ends in silence where it finds no header
                file.seek(tar.offset)
                if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
                    raise ValueError(f"{damaged} (no header at byte {tar.offset})")
    except tarfile.TarError as error:
        raise ValueError(f"{damaged} ({error})") from None
    if not found:
        raise ValueError(f"{printable(shard)}: no image in this tar file")


def _refuse_no_file(path: Path) -> None:
    """ValueError for a pipe, a socket, a device, or a link that leads nowhere; none is opened."""
    try:
        check_regular(path)
    except FileNotFoundError:
        raise ValueError(
            f"{printable(path)}: a link that leads nowhere: mend or remove it"
        ) from None


def _listed(file: Path, missing: bool) -> Iterator[Named]:
    """Images of a list file, one a line, looked for beside it first and then from the working
    directory; they may lead anywhere. A line that begins with `#` is a comment, unless it names an
    image.
    """
    lines = map(str.strip, text_lines(file))
    named = ((number, name, _beside(file.parent, name)) for number, name in enumerate(lines, 1))
    wrong = ""
    some = False
    for number, name, found in named:
        if found is None and (not name or name.startswith("#")):
            continue
        if found is None:
            wrong = wrong or (
                f"{file}:{number}: no such image: {cut(printable(name))} (looked for beside the "
                "list, then from the working directory)"
            )
            if missing:
                yield Path(name)
            continue
        some = True
        yield from _of_file(found)
    if wrong and not (missing and some):
        raise ValueError(wrong)
    if not some:
        raise ValueError(f"{file}: an empty list: one image path a line")


def _beside(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, Path(name)) if os.path.isfile(p)), None)


def _from_stdin() -> Iterator[Named]:
    """Images that stdin names, one a line, as they come; a name that leads nowhere is one as well,
    which cannot be read.
    """
    found = False
    for line in sys.stdin.buffer:
        if name := os.fsdecode(line.rstrip(b"\r\n")):
            found, path = True, Path(name)
            yield from _of_file(path) if path.is_file() else (path,)
    if not found:
        raise ValueError(f"{STDIN}: stdin names no image")


def blocks(images: Iterable[Named]) -> Iterator[list[Named]]:
    """The images in lists of many."""
    images = iter(images)
    while block := list(islice(images, _BLOCK)):
        yield block


def check_not_written(output: Path, images: Iterable[Named]) -> None:
    """ValueError where the file that is to be written is one of the images, or of their tar
    files.
    """
    check_apart(output, (i.shard if isinstance(i, ShardMember) else i for i in images))

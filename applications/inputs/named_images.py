"""The images that --predict and load_scorer are given: files, folders, patterns, lists, tar shards
and names on stdin; found one after the other, whatever their number.
"""

from __future__ import annotations

import glob
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from fnmatch import fnmatch
from itertools import chain, islice
from pathlib import Path

from dataloader.sources import ShardMember
from utils.files.reading import check_regular, text_lines
from utils.files.tar_files import PACKED, compressed, each_member, is_file, is_tar
from utils.files.writing import check_apart
from utils.imaging.image_folders import (
    READABLE_EXTENSIONS,
    Say,
    each_image,
    left_out,
    names_in_order,
    not_read,
)
from utils.text import cut, printable, to_stderr

STDIN = "-"
Named = Path | ShardMember
_BLOCK = 1024  # names that are looked up at once
_LINK = "link"  # no kind of file


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
        for image in (_from_stdin(say) if word == STDIN else expand(word, say, missing))
    )
    alone = len(words) == 1 and (os.path.isdir(words[0]) or is_tar(words[0]))
    return found if alone else _once(found)


def _once(images: Iterable[Named]) -> Iterator[Named]:
    """Each image where it comes first. The names that have been stand in a table of SQLite's in a
    temporary file, so that there may be any number of them. Two members of a tar file that have one
    name are two images.
    """
    with closing(sqlite3.connect("")) as known:
        known.execute("CREATE TABLE names (name BLOB PRIMARY KEY) WITHOUT ROWID")
        for image in images:
            name = os.fsencode(str(image))
            if isinstance(image, ShardMember):
                name += b"\0%d" % image.start
            try:
                done = known.execute("INSERT OR IGNORE INTO names VALUES (?)", (name,))
            except sqlite3.OperationalError as error:
                raise ValueError(
                    f"{printable(image)}: names of images are remembered in a temporary file, so "
                    f"that each is scored once: {error}: name a folder with room in SQLITE_TMPDIR"
                ) from error
            if done.rowcount:
                yield image


def expand(word: str, say: Say = to_stderr, missing: bool = False) -> Iterator[Named]:
    """Images that a word means: a file, a folder's, a .txt list's, a .tar file's, a pattern's."""
    path = Path(word)
    if os.path.isdir(path):
        return _of_folder(path, say)
    if is_file(path):
        is_list = path.suffix.lower() == ".txt"
        return _listed(path, say, missing) if is_list else _of_file(path, say)
    if os.path.lexists(path):
        _refuse_no_file(path)
    matches = _matches(word)
    first = next(matches, None)
    if first is None:
        raise ValueError(
            f"{cut(printable(word))}: no such file, folder or list, and no file matches it as a "
            "pattern"
        )
    return (image for match in chain([first], matches) for image in expand(match, say, missing))


def _matches(word: str) -> Iterator[str]:
    """What a pattern matches, sorted. In one folder, as of `photos/*.jpg`, there may be any number
    of files, and few names are held at once; of patterns for folders all are.
    """
    folder, pattern = os.path.split(word)
    if glob.has_magic(folder) or not glob.has_magic(pattern) or pattern == "**":
        return iter(sorted(glob.glob(word, recursive=True)))

    def wanted(entry: os.DirEntry[str]) -> bool:
        hidden = entry.name.startswith(".") and not pattern.startswith(".")
        return fnmatch(entry.name, pattern) and not hidden

    if not os.path.isdir(folder or os.curdir):
        return iter(())
    names = names_in_order(folder or os.curdir, wanted)
    return (os.path.join(folder, name) for name in names)


def _of_folder(folder: Path, say: Say) -> Iterator[Path]:
    images = each_image(folder)
    first = next(images, None)
    others = left_out(folder)
    if first is None:
        shards = any(map(is_tar, folder.glob("*.tar")))
        more = f"; for its tar files: {printable(folder / '*.tar')!r}" if shards else ""
        said = f"{folder}: no image in this folder or below it: {others}".rstrip(": ")
        raise ValueError(said + more)
    if others:
        say(f"{printable(folder)}: {others}")
    yield first
    yield from images


def _of_file(path: Path, say: Say) -> Iterator[Named]:
    if path.name.lower().endswith(PACKED):
        raise compressed(path)
    return _members(path, say) if is_tar(path) else iter((path,))


def _members(shard: Path, say: Say) -> Iterator[ShardMember]:
    """Image files of a tar file in its order; those with hidden names are left out, as in folders,
    and links, which have no content of their own. ValueError where it ends, or is damaged, before
    its end.
    """
    kinds: Counter[str] = Counter()
    found = False
    for member in each_member(shard):
        name = os.path.basename(member.name)
        kind = os.path.splitext(name)[1].lower()
        if name.startswith("."):
            continue
        if not member.is_file:
            kinds[_LINK] += member.is_link and kind in READABLE_EXTENSIONS
        elif kind in READABLE_EXTENSIONS:
            found = True
            yield ShardMember(shard, member.start, member.size, member.name)
        else:
            kinds[kind] += 1
    others = not_read(kinds)
    if links := kinds[_LINK]:
        said = f"{links} link{'s'[: links > 1]} left out (pack files: tar -h --hard-dereference)"
        others = f"{others}; {said}" if others else said
    if not found:
        raise ValueError(f"{printable(shard)}: no image in this tar file: {others}".rstrip(": "))
    if others:
        say(f"{printable(shard)}: {others}")


def _refuse_no_file(path: Path) -> None:
    """ValueError for a pipe, a socket, a device, or a link that leads nowhere; none is opened."""
    try:
        check_regular(path)
    except FileNotFoundError:
        raise ValueError(
            f"{printable(path)}: a link that leads nowhere: mend or remove it"
        ) from None


def _listed(file: Path, say: Say, missing: bool) -> Iterator[Named]:
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
        yield from _of_file(found, say)
    if wrong and not (missing and some):
        raise ValueError(wrong)
    if not some:
        raise ValueError(f"{file}: an empty list: one image path a line")


def _beside(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, Path(name)) if is_file(p)), None)


def _from_stdin(say: Say) -> Iterator[Named]:
    """Images that stdin names, one a line, as they come; a name that leads nowhere is one as well,
    which cannot be read. ValueError for what can be no names.
    """
    found = False
    for number, line in enumerate(sys.stdin.buffer if sys.stdin else (), 1):
        if b"\0" in line:
            raise ValueError(
                f"{STDIN}: line {number} of stdin holds a null character: names of images are "
                "wanted, one a line: no image itself, nor names as of find -print0"
            )
        if name := os.fsdecode(line.rstrip(b"\r\n")):
            found, path = True, Path(name)
            yield from _of_file(path, say) if is_file(path) else (path,)
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


def named_folders(words: Sequence[str]) -> list[Path]:
    """Folders among the words of --predict and what they match."""
    meant = (match for word in words for match in chain([word], glob.iglob(word, recursive=True)))
    return [path for path in map(Path, meant) if path.is_dir()]

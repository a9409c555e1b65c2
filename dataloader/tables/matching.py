"""From the names in a table to the files of a folder, or of its tar files: by path, by name, or by
name without its suffix, in sub-folders, whatever the case, with folders apart by `/` or by `\\`.

A table's path and a file's path mean one file where one of them ends with the other, so `a/1.jpg`
is never `b/1.jpg`. Two files that a name could mean are an error, unless one is that very path.
"""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from utils.files.names import AT_ONCE, among, hashes_of
from utils.files.tar_files import TAR, index_of, is_tar
from utils.imaging.image_folders import READABLE_EXTENSIONS, UNREADABLE_EXTENSIONS, walk
from utils.text import printable

_ENDS = READABLE_EXTENSIONS | UNREADABLE_EXTENSIONS
NEAR = 0.66  # of difflib's ratio: one letter of three
MOST_NEAR = 5  # missing names that near ones are looked for
MOST_FILES = 50_000  # among which they are looked for: each takes 10 microseconds


class ImageIndex:
    """The images below a folder, hidden ones and those below `apart` left out: `files`, paths from
    it, sorted.
    """

    def __init__(self, folder: Path, apart: Path | None = None) -> None:
        self.folder = folder
        self.files = sorted(_images_below(folder, apart))
        self._exact = {file: place for place, file in enumerate(self.files)}
        self._by_name: dict[str, list[int]] = {}
        self._by_stem: dict[str, list[int]] = {}
        for place, file in enumerate(self.files):
            name = _fold(file.rpartition("/")[2])
            self._by_name.setdefault(name, []).append(place)
            self._by_stem.setdefault(_stem(name), []).append(place)

    def find(self, text: str) -> list[int]:
        """Places in `files` of what a name could mean: one, none, or several that are in doubt."""
        name = text.replace("\\", "/")
        while name.startswith("./"):
            name = name[2:]
        if (exact := self._exact.get(name)) is not None:
            return [exact]
        parts = _fold(name).split("/")
        last = parts[-1]
        for known, key, whole in (
            (self._by_name, last, True), (self._by_stem, _stem(last), False),
        ):  # fmt: skip
            if not key:
                return []
            found = [p for p in known.get(key, ()) if _agree(parts, self.files[p])]
            if len(found) > 1:
                same = [p for p in found if _same(parts, self.files[p], whole)]
                found = same if len(same) == 1 else found
            if found:
                return found
        return []

    def matched(self, texts: Sequence[str]) -> int:
        """How many of the names lead somewhere."""
        return sum(bool(text) and bool(self.find(text)) for text in texts)

    def near(self, text: str) -> str:
        """The file whose path is most like a name that leads nowhere; "" where none is, or where
        there are too many.
        """
        if len(self.files) > MOST_FILES:
            return ""
        name = text.replace("\\", "/")
        last = _fold(name.rpartition("/")[2])
        for known, sought in (
            ({file: place for place, file in enumerate(self.files)}, name),
            ({n: places[0] for n, places in self._by_name.items()}, last),
            ({n: places[0] for n, places in self._by_stem.items()}, _stem(last)),
        ):
            if near := difflib.get_close_matches(sought, known, n=1, cutoff=NEAR):
                return self.files[known[near[0]]]
        return ""


def at_odds(one: str, other: str) -> bool:
    """Whether two names cannot mean one file: as far as both have folders, or suffixes of images,
    these differ.
    """
    mine, theirs = (_fold(text.replace("\\", "/")).split("/") for text in (one, other))
    mine, theirs = ([part for part in parts if part != "."] for parts in (mine, theirs))
    ends = {os.path.splitext(parts[-1])[1] for parts in (mine, theirs)} & _ENDS
    return len(ends) > 1 or not _agree(mine, "/".join(theirs))


def _images_below(folder: Path, apart: Path | None = None) -> Iterator[str]:
    """Paths of image files from the folder on; where it has none, of those in its tar files. The
    folder may be a tar file.
    """
    top, shards, found = os.fspath(folder), [], False
    if is_tar(top):
        yield from images_in(top)
        return
    for parent, names in walk(top, apart):
        below = os.path.relpath(parent, top).replace(os.sep, "/")
        for name in names:
            file = name if below == "." else f"{below}/{name}"
            if (end := _ends(name)) in _ENDS:
                found = True
                yield file
            elif end == TAR:
                shards.append(file)
    for shard in [] if found else shards:
        if is_tar(os.path.join(top, shard)):
            yield from (f"{shard}/{name}" for name in images_in(os.path.join(top, shard)))


def images_in(shard: str | os.PathLike[str]) -> Iterator[str]:
    """Paths of the image files in a tar file, each once; hidden ones are left out."""
    names = dict.fromkeys(index_of(shard).names())
    return (n for n in names if _ends(n) in _ENDS and not n.rpartition("/")[2].startswith("."))


def _ends(name: str) -> str:
    return name[name.rfind(".") :].lower()  # no name that is asked for begins with a dot


def _agree(parts: Sequence[str], file: str) -> bool:
    """Whether the folders before a name and a file's, from the right, are the same as far as both
    have some.
    """
    mine, theirs = parts[:-1], _fold(file).split("/")[:-1]
    common = min(len(mine), len(theirs))
    return not common or list(mine[-common:]) == theirs[-common:]


def _same(parts: Sequence[str], file: str, whole: bool) -> bool:
    """Whether a file's path is that of the name, but for case (and the suffix)."""
    theirs = _fold(file).split("/")
    if not whole:
        theirs[-1], parts = _stem(theirs[-1]), [*parts[:-1], _stem(parts[-1])]
    return list(parts) == theirs


def _fold(name: str) -> str:
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _stem(name: str) -> str:
    """A folded name without the suffix of an image, if it has one."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix in _ENDS else name


def without_label(folder: Path, labelled: Iterable[str]) -> str:
    """How many of the images below a folder nothing is said of, and the first three; "" for none.

    labelled: absolute paths, as text.
    """
    known, top = np.sort(hashes_of(labelled)), os.path.join(os.path.abspath(folder), "")
    files, unlabelled = _images_below(folder), []
    while some := list(islice(files, AT_ONCE)):
        there = among(hashes_of(top + file for file in some), known)
        unlabelled += [some[place] for place in np.flatnonzero(~there).tolist()]
    return said_of(sorted(unlabelled))


def said_of(unlabelled: Sequence[str]) -> str:
    """A line about files that no label names; "" for none."""
    if not unlabelled:
        return ""
    return f"{len(unlabelled):,} image(s) without a label, first three: {first_of(unlabelled)}"


def first_of(names: Sequence[str], most: int = 3) -> str:
    """The first names, and dots where there are more."""
    shown = ", ".join(map(printable, islice(names, most)))
    return shown + (", ..." if len(names) > most else "")

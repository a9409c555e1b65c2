"""Which files of a folder are images: those that are read, and those that are left out and said.

A folder's images are the files with one of READABLE_EXTENSIONS, whatever they hold; .heic is one of
them where pillow-heif is installed. A file with one of UNREADABLE_EXTENSIONS is an image of a kind
that is not read. All others, such as label.txt,
.csv, .json, .md, .xmp or .DS_Store, and hidden names are no images.
"""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from utils.text import printable, to_stderr

HEIC_EXTENSIONS = frozenset(".heic .heics .heif .heifs .hif".split())
_HEIC = HEIC_EXTENSIONS if find_spec("pillow_heif") else frozenset()
READABLE_EXTENSIONS = _HEIC | frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .bmp .dib .tif .tiff .webp .gif .jp2 .j2k .j2c .jpx"
    " .ppm .pgm .pbm .pnm .avif .avifs".split()
)
# Photographs and drawings in kinds that are not read: counted, so that nobody misses them.
UNREADABLE_EXTENSIONS = (HEIC_EXTENSIONS - _HEIC) | frozenset(
    ".jxl .jxr .wdp .hdp .bpg .qoi .flif .svg .svgz"
    " .eps .ai .psd .psb .xcf .kra .exr .hdr .pic .pfm .tga .icb .vda .vst .dds .ktx .ico .icns"
    " .cur .pcx .sgi .rgb .rgba .ras .xbm .xpm .pam .fit .fits .dcm .dicom .wmf .emf .pct .pict"
    " .jpm .jph .jhc .jls .raw .arw .srf .sr2 .cr2 .cr3 .crw .nef .nrw .orf .pef .raf .rw2 .rwl"
    " .dng .srw .x3f .3fr .fff .iiq .erf .mef .mrw .dcr .kdc .gpr".split()
)

PathLike = str | os.PathLike[str]
Say = Callable[[str], object]
BLOCK = 50_000  # names of one folder that are held at once


def list_images(folder: PathLike, say: Say | None = to_stderr) -> list[Path]:
    """Every file below the folder with a readable extension, sorted; hidden names are left out.

    say: told what `left_out` finds, where there are images beside it; None where nobody asked for
    all of the folder's images.
    """
    found = list(each_image(folder))
    if found and say is not None and (others := left_out(folder)):
        say(f"{printable(folder)}: {others}")
    return found


def each_image(folder: PathLike) -> Iterator[Path]:
    """The images of `list_images` in its order, found as they are asked for: what is held at once
    is the names of the folders and at most BLOCK of the files of one.
    """
    top = os.fspath(folder)
    folders = set(_folders(top))
    return _images_in_order(top, folders) if folders else iter(())


def _images_in_order(parent: str, folders: set[str]) -> Iterator[Path]:
    """folders: those that are to be entered."""

    def wanted(entry: os.DirEntry[str]) -> bool:
        if entry.is_dir():
            return os.path.join(parent, entry.name) in folders
        return _kind(entry.name) in READABLE_EXTENSIONS and not entry.name.startswith(".")

    for name in names_in_order(parent, wanted):
        path = os.path.join(parent, name)
        if path in folders:
            yield from _images_in_order(path, folders)
        else:
            yield Path(path)


def names_in_order(folder: str, wanted: Callable[[os.DirEntry[str]], bool]) -> Iterator[str]:
    """The names in a folder that are wanted, sorted; at most BLOCK of them are held at once."""
    last = ""
    while True:
        with os.scandir(folder) as entries:
            names = heapq.nsmallest(BLOCK, (e.name for e in entries if e.name > last and wanted(e)))
        yield from names
        if len(names) < BLOCK:
            return
        last = names[-1]


def _kind(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def left_out(folder: PathLike) -> str:
    """The count by kind of the images below the folder that are not read; "" where there are none.
    Hidden names, texts, tables and files of no known kind are no images.
    """
    return not_read(Counter(_kind(name) for _, files in walk(folder) for name in files))


def not_read(kinds: Counter[str]) -> str:
    """The line of `left_out` from how many files of each kind there are (".heic")."""
    counts = [(-n, kind) for kind, n in kinds.items() if kind in UNREADABLE_EXTENSIONS]
    total = -sum(count for count, _ in counts)
    named = ", ".join(f"{-count} {kind}" for count, kind in sorted(counts))
    files = f"{total} file{'s' * (total > 1)} left out: {named}"
    heic = HEIC_EXTENSIONS & {kind for _, kind in counts}
    more = "; .heic: pip install pillow-heif" if heic else ""
    return f"{files} (convert them to JPEG or PNG{more})" if counts else ""


def walk(folder: PathLike, apart: PathLike | None = None) -> Iterator[tuple[str, Iterator[str]]]:
    """(folder, names of files) of a folder and of all below it, without hidden names and without
    what is below `apart`. Links to folders are followed after all that is there by itself, each
    real folder being walked once, so that no circle of links is endless.
    """
    for parent in _folders(os.fspath(folder), apart, to_stderr):
        with os.scandir(parent) as entries:
            yield parent, (e.name for e in entries if not (e.is_dir() or e.name.startswith(".")))


def _folders(
    top: str, apart: PathLike | None = None, say: Say = lambda line: None
) -> Iterator[str]:
    """The folders of `walk`; one that cannot be read is left out, and said."""
    out = apart and os.path.realpath(apart)
    tops, seen = [top], set[str]()
    while tops:
        to_enter = [tops.pop(0)]
        while to_enter:
            parent = to_enter.pop()
            real = os.path.realpath(parent)
            if real in seen or (real == out and seen):
                continue
            seen.add(real)
            try:
                with os.scandir(parent) as entries:
                    inside = sorted(e.name for e in entries if e.is_dir() and e.name[0] != ".")
            except OSError as error:
                say(f"{printable(parent)}: left out, it cannot be read: {error.strerror}")
                continue
            below = [os.path.join(parent, name) for name in inside]
            tops += filter(os.path.islink, below)
            to_enter += [path for path in reversed(below) if not os.path.islink(path)]
            yield parent

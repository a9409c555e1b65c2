"""Which files of a folder are images: those that are read, and those that are left out and said.

A folder's images are the files with one of READABLE_EXTENSIONS, whatever they hold; .heic is one of
them where pillow-heif is installed. A file with one of UNREADABLE_EXTENSIONS is an image of a kind
that is not read. All others, such as label.txt,
.csv, .json, .md, .xmp or .DS_Store, and hidden names are no images.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import chain
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


def list_images(folder: PathLike, say: Say | None = to_stderr) -> list[Path]:
    """Every file below the folder with a readable extension, sorted; hidden names are left out.

    say: told what `left_out` finds, where there are images beside it; None where nobody asked for
    all of the folder's images.
    """
    by_kind = _files(folder)
    found = sorted(chain.from_iterable(by_kind.get(kind, ()) for kind in READABLE_EXTENSIONS))
    if found and say is not None and (others := _left_out(by_kind)):
        say(f"{printable(folder)}: {others}")
    return found


def left_out(folder: PathLike) -> str:
    """The count by kind of the images below the folder that are not read; "" where there are none.
    Hidden names, texts, tables and files of no known kind are no images.
    """
    return _left_out(_files(folder))


def _left_out(by_kind: dict[str, list[Path]]) -> str:
    counts = [(-len(f), kind) for kind, f in by_kind.items() if kind in UNREADABLE_EXTENSIONS]
    total = -sum(count for count, _ in counts)
    named = ", ".join(f"{-count} {kind}" for count, kind in sorted(counts))
    files = f"{total} file{'s' * (total > 1)} left out: {named}"
    heic = HEIC_EXTENSIONS & {kind for _, kind in counts}
    more = "; .heic: pip install pillow-heif" if heic else ""
    return f"{files} (convert them to JPEG or PNG{more})" if counts else ""


def _files(folder: PathLike) -> dict[str, list[Path]]:
    """Files below the folder by their lower-case extension."""
    found: dict[str, list[Path]] = {}
    for parent, files in walk(folder):
        for name in files:
            kind = os.path.splitext(name)[1].lower()
            found.setdefault(kind, []).append(Path(parent, name))
    return found


def walk(folder: PathLike, apart: PathLike | None = None) -> Iterator[tuple[str, list[str]]]:
    """(folder, names of files) of a folder and of all below it, without hidden names and without
    what is below `apart`. Links to folders are followed after all that is there by itself, each
    real folder being walked once, so that no circle of links is endless.
    """
    out = apart and os.path.realpath(apart)
    tops, seen = [os.fspath(folder)], set[str]()
    while tops:
        for parent, folders, files in os.walk(tops.pop(0)):
            real = os.path.realpath(parent)
            shown = [] if real in seen else [n for n in sorted(folders) if not n.startswith(".")]
            links = [name for name in shown if os.path.islink(os.path.join(parent, name))]
            tops += [os.path.join(parent, name) for name in links]
            if real in seen or (real == out and seen):
                folders[:] = []
                continue
            seen.add(real)
            folders[:] = [name for name in shown if name not in links]
            yield parent, [name for name in files if not name.startswith(".")]

"""Find every unreadable image before training does; a program too: `check_images.py DIR|FILE...`.

Each file is decoded whole by `read_image`, in several processes. Nothing is written or repaired.
As a program it prints one line per bad image to stdout and ends with 0 (all good), 1 (some bad) or
2 (nothing to check).
"""

import argparse
import os
import stat
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from PIL import Image

if __package__ in (None, ""):  # run as a program: imports start at the repository, not in utils/
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from utils.files.tar_files import open_file, stat_file
from utils.imaging.image_folders import left_out, list_images
from utils.imaging.images import DEFAULT_MAX_PIXELS, ImageError, read_image
from utils.runtime.child_processes import usable_cores, work
from utils.runtime.progress import terminal_bar
from utils.text import printable

T = TypeVar("T")
# What stands at the end of a whole file, other programs' additions behind it.
_ENDS, _TAIL = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}, 4096
CHUNK = 8  # images per message to a process
REPAIR, SKIP = "repair or remove them", "leave them out with --bad_images skip"
REMEDY = f"{REPAIR}, or {SKIP}"


@dataclass(frozen=True, slots=True)
class BadImage:
    """reason: what is wrong and what to do, without the path."""

    path: Path
    reason: str


def describe_bad(bad: tuple[BadImage, ...], what: str = "unreadable", most: int = 20) -> str:
    """One line per unreadable image, the first ones, then a count."""
    lines = [f"{len(bad)} {what} image(s):"] + [
        f"  {printable(b.path)}: {b.reason}" for b in bad[:most]
    ]
    return "\n".join(lines + ([f"  ... and {len(bad) - most} more"] if len(bad) > most else []))


def check_images(
    paths: Iterable[str | os.PathLike[str]],
    workers: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Callable[[int, int], None] | None = None,
    smallest: int = 1,
) -> list[BadImage]:
    """The images that `read_image` refuses, in input order, whatever the number of workers.

    workers: processes; None is one per usable core, 0 checks in this process (so does a list too
    short to be worth a second one). progress is called with (done, total) after each image.
    smallest: pixels; an image with a shorter side counts as bad too.
    ValueError for a negative number of workers, or when a process dies (out of memory, as a rule).
    """
    files = [Path(path) for path in paths]
    check = partial(_reason, max_pixels=max_pixels, smallest=smallest)
    reasons = map_files(check, files, workers, progress)
    found = zip(files, reasons, strict=True)
    return [BadImage(path, reason) for path, reason in found if reason is not None]


def clearly_broken(
    paths: Iterable[str | os.PathLike[str]], max_pixels: int = DEFAULT_MAX_PIXELS
) -> list[BadImage]:
    """Those of `check_images` that can be told without decoding all files (about 0.1 ms each): no
    file, empty, no image, too large, or without the end that a whole JPEG or PNG file has. Only
    what looks like that is decoded. Damage in the middle of a file is not found.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's; read_image has the last word
        odd = [Path(path) for path in paths if not _looks_whole(path, max_pixels)]
    return check_images(odd, 0, max_pixels)


def _looks_whole(path: str | os.PathLike[str], max_pixels: int) -> bool:
    try:
        status = stat_file(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            return False
        with open_file(path) as file, Image.open(file) as image:
            end, size = _ENDS.get(image.format or "", b""), image.width * image.height
            file.seek(max(0, status.st_size - _TAIL))
            return size <= max_pixels and end in file.read(_TAIL)
    except Exception:  # decoders raise nearly anything; check_images says what it is
        return False


def map_files(
    look: Callable[[Path], T],
    files: list[Path],
    workers: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[T]:
    """look(file) for each file, in their order, in `workers` processes; see `check_images`."""
    if workers is not None and workers < 0:
        raise ValueError(f"workers {workers}: give 0 or more processes")
    count = min(usable_cores() if workers is None else workers, len(files) // CHUNK)
    if count == 0:
        yield from _counted(map(look, files), len(files), progress)
        return
    remedy = "check with fewer workers, or with a lower max_pixels"
    died = f"a process that checks images died: {remedy}"
    parts = [files[i : i + CHUNK] for i in range(0, len(files), CHUNK)]
    found = work(count, partial(_look_at, look), parts, died)
    yield from _counted(chain.from_iterable(found), len(files), progress)


def _look_at(look: Callable[[Path], T], files: list[Path]) -> list[T]:
    return [look(file) for file in files]


def _counted(
    found: Iterable[T], total: int, progress: Callable[[int, int], None] | None
) -> Iterator[T]:
    for done, one in enumerate(found, start=1):
        yield one
        if progress is not None:
            progress(done, total)


def _reason(path: Path, max_pixels: int, smallest: int) -> str | None:
    try:
        image = read_image(path, max_pixels)
    except (ImageError, MemoryError) as error:
        return why_unreadable(error)
    return why_too_small(image.size, smallest)


def why_unreadable(error: ImageError | MemoryError) -> str:
    """The reason of a BadImage, from what `read_image` raised."""
    if isinstance(error, ImageError):
        return error.reason
    return "does not fit in memory: shrink the image, or lower max_pixels"


def why_too_small(size: tuple[int, int], smallest: int) -> str | None:
    """The reason of a BadImage with a side below `smallest`; else None."""
    if min(size) >= smallest:
        return None
    shown = f"{size[0]}x{size[1]}"
    return f"{shown} pixels, at least {smallest}x{smallest} needed: take it out"


def main(argv: list[str] | None = None) -> int:
    """Run as a program; the exit code is described at the top of this file."""
    parser = argparse.ArgumentParser(description="Decode every image and list the unreadable ones.")
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="DIR|FILE", help="folders are searched to the bottom"
    )
    parser.add_argument("-j", "--workers", type=int, help="processes (default: one per core)")
    parser.add_argument(
        "--max_pixels", "--max-pixels", type=int, default=DEFAULT_MAX_PIXELS,
        help="refuse images of more pixels (default: %(default)s)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    files = list(chain.from_iterable(list_images(p) if p.is_dir() else [p] for p in args.paths))
    if not files:
        others = "; ".join(filter(None, map(left_out, args.paths)))
        what = f"no images there: {others}".rstrip(": ")
        parser.error(f"{what}: name a folder that holds some, or image files")
    bar = terminal_bar(sys.stderr, total=len(files), unit=" images")
    progress = None if bar is None else lambda done, _: bar.update(done - bar.n)
    try:
        bad = check_images(files, args.workers, args.max_pixels, progress)
    except ValueError as error:
        parser.error(str(error))
    if bar is not None:
        bar.close()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    for image in bad:
        print(f"{printable(image.path)}: {image.reason}")
    print(f"{len(files)} images checked, {len(bad)} bad", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

"""--cache: images as they are after they were resized and before anything is drawn or cut, kept on
the disk for this run and later ones, so that each file is decoded once.

They are rows of a store (utils/files/row_store.py) of their own for each rule of the resize: uint8
(H, W, 3) in parts of about PART bytes, which are read by memory map. A row belongs to a file as it
is now, so that one that changes is decoded again. The pixels are those that would be read without
the cache, bit for bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, features

from utils.check_images import BadImage, map_files, why_unreadable
from utils.files.disk_full import no_room
from utils.files.row_store import RowStore, file_name
from utils.imaging.images import ImageError, ViewRule, read_resized
from utils.text import size_text

FORMAT = 1  # to be raised when this program reads or resizes images differently
PART = 1 << 26  # bytes


class ImageCache:
    """Resized images of files in `folder`, read there by as many processes and runs at once as
    there are. max_pixels: of the largest image that is read.
    """

    def __init__(self, folder: str | Path, max_pixels: int) -> None:
        self.folder, self.max_pixels = Path(folder), max_pixels
        self._stores: dict[ViewRule, RowStore] = {}

    def store(self, rule: ViewRule) -> RowStore:
        """Of the images that `rule.sized` makes; not for "native", which has no size of its own."""
        rule = rule.sized
        if rule not in self._stores:
            libraries = {name: features.version(name) for name in ("jpg", "webp", "avif")}
            about = {
                "format": FORMAT,
                "view": rule.to_dict(),
                "max_pixels": self.max_pixels,
                "pillow": PIL.__version__,
                **libraries,
            }
            about = json.loads(json.dumps(about))  # as it will be read again
            digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
            height, width = rule.image_size
            folder = self.folder / f"{width}x{height}-{digest[:16]}"
            shape = (height, width, 3)
            self._stores[rule] = RowStore(folder, about, shape, np.uint8, checked=False)
        return self._stores[rule]

    def find(self, source: object, rule: ViewRule) -> Image.Image | None:
        """The resized image of a file, None where it has to be read."""
        if not isinstance(source, Path) or rule.resize == "native":
            return None
        try:
            name = file_name(source)
        except OSError:  # the reader says what is wrong
            return None
        found = self.store(rule).find(name)
        return None if found is None else Image.fromarray(found)

    def keep(
        self,
        paths: Iterable[Path],
        rule: ViewRule,
        workers: int | None,
        say: Callable[[str], None],
        progress: Callable[[int, int], None] | None = None,
    ) -> list[BadImage]:
        """Reads and keeps those of the files that are not kept yet, for one process; those that
        cannot be read, of these: others have been read before. `say` hears how many there are.
        ValueError where the disk has no room for them.
        """
        missing, store = self.missing(paths, rule), self.store(rule)
        if not missing:
            return []
        needed = len(missing) * store.row_bytes
        if said := no_room("--cache", self.folder, needed):
            raise ValueError(said)
        say(f"{len(missing)} images to keep, {size_text(needed)}, in {store.folder}")
        return self.fill(missing, rule, workers, progress)

    def missing(self, paths: Iterable[Path], rule: ViewRule) -> dict[Path, bytes]:
        """Those of the files that are not kept yet, and the names that they will have; a file that
        is not there has none, b"".
        """
        named = {path: _name(path) for path in dict.fromkeys(paths)}
        files, names = list(named), np.array(list(named.values()), "S32")
        return {files[i]: bytes(names[i]) for i in self.store(rule).missing(names)}

    def fill(
        self,
        missing: dict[Path, bytes],
        rule: ViewRule,
        workers: int | None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[BadImage]:
        """Reads and keeps files that `missing` has named, for one process; those that cannot be
        read. What is kept by then stays, whatever ends it. Files that change meanwhile are read
        again when they are asked for. See `check_images` for workers and progress.
        """
        store, bad = self.store(rule), []
        store.prepare()
        most = max(1, PART // store.row_bytes)
        names, rows = [], []
        look = partial(_resized, rule=rule.sized, max_pixels=self.max_pixels)
        found = map_files(look, list(missing), workers, progress)
        for (path, name), row in zip(missing.items(), found, strict=True):
            if isinstance(row, str):
                bad.append(BadImage(path, row))
                continue
            names.append(name)
            rows.append(row)
            if len(rows) == most:
                store.add(np.array(names), np.stack(rows))
                names, rows = [], []
        if rows:
            store.add(np.array(names), np.stack(rows))
        return bad


def _name(path: Path) -> bytes:
    try:
        return file_name(path)
    except OSError:
        return b""


def _resized(path: Path, rule: ViewRule, max_pixels: int) -> np.ndarray | str:
    """uint8 (H, W, 3), or why the file cannot be read."""
    try:
        return np.asarray(read_resized(path, rule, max_pixels))
    except (ImageError, MemoryError) as error:
        return why_unreadable(error)

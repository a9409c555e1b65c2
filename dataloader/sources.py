"""Where an image comes from: a file, a member of a tar file, a photograph that is distorted while
it is loaded, or memory.

A distorted photograph is what `--generate` would have written, but for its noise in training, which
is drawn anew for every (seed, epoch, ladder): all levels of a ladder start from one generator.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from dataloader.image_cache import ImageCache
from dataloader.views.transforms import TrainTransform
from utils.data_generate.distortions import distort
from utils.data_generate.opening import open_photo
from utils.files.names import Texts
from utils.files.tar_files import read_at
from utils.imaging.images import (
    ImageError,
    ViewRule,
    image_in_memory,
    read_image,
    read_resized,
    resize_image,
)
from utils.runtime.seed import key, numpy_generator, permutation

CACHE_BYTES = 128 * 2**20  # per process: 170 photographs of 512x512, 60 of 1024x683


class DistortedPhoto(NamedTuple):
    """A version of a photograph that lies on no disk.

    name: of the photograph among the others. kinds: the distortion; or several, of which each epoch
    draws some, and `place` says which of those drawn this is; () at level 0, the photograph itself.
    seed: keys what is random in evaluation, which never changes.
    """

    photo: Path
    name: str
    kinds: tuple[str, ...]
    place: int
    level: int
    seed: int

    def distortion(self, seed: int, epoch: int) -> str:
        """The distortion's name in an epoch of training."""
        if len(self.kinds) == 1:
            return self.kinds[0]
        drawn = permutation(len(self.kinds), seed, "ladders", epoch, self.name)
        return self.kinds[drawn[self.place]]

    def as_posix(self) -> str:
        """`photos/a.png` at level 0, else `photos/a.png@jpeg:3`."""
        if self.level == 0:
            return self.photo.as_posix()
        kind = self.kinds[0] if len(self.kinds) == 1 else f"ladder{self.place}"
        return f"{self.photo.as_posix()}@{kind}:{self.level}"

    __str__ = as_posix


class GivenImage(NamedTuple):
    """An image that a caller has in memory: uint8 (H, W, 3), RGB, or (H, W), grey, a Pillow image,
    or the content of a file; name: what it is called in results and errors.
    """

    pixels: np.ndarray | Image.Image | bytes
    name: str

    def as_posix(self) -> str:
        return self.name

    __str__ = as_posix


class ShardMember(NamedTuple):
    """An image file inside a tar file, `size` bytes from the byte `start` on; name: its path in
    there.
    """

    shard: Path
    start: int
    size: int
    name: str

    def as_posix(self) -> str:
        """`photos.tar/0001.jpg`"""
        return f"{self.shard.as_posix()}/{self.name}"

    __str__ = as_posix

    def content(self) -> bytes:
        """Of the file. ImageError where the tar file has become another one."""
        try:
            content = read_at(self.shard, self.start, self.size)
        except OSError as error:
            raise ImageError(str(self), f"cannot be opened ({error.strerror})") from None
        if len(content) < self.size:
            raise ImageError(str(self), "is cut off: replace the tar file")
        return content


Source = Path | DistortedPhoto | GivenImage | ShardMember


class PathTable(Texts, Sequence[Path]):
    """A sequence of `folder`/`name`, each a Path made when it is asked for. As one block of text
    255,000 of them take 5 MB where as many Path objects take 100, and loader processes that only
    read it share it with their parent.
    """

    def __init__(self, names: Iterable[str], folder: str | os.PathLike[str] = "") -> None:
        self._folder = os.path.join(folder, "") if folder else ""
        super().__init__(names)

    @classmethod
    def of(cls, paths: Sequence[str]) -> PathTable:
        """Of paths, whose common folder is kept once."""
        folder = _common(paths)
        return cls((path[len(folder) :] for path in paths), folder)

    @classmethod
    def joined(cls, tables: Sequence[PathTable]) -> PathTable:
        """The paths of several tables, one after the other."""
        folder = _common([table._folder for table in tables])
        if any(table._folder != folder for table in tables):
            texts = chain.from_iterable(table.texts() for table in tables)
            return cls((text[len(folder) :] for text in texts), folder)
        found = cls((), folder)
        found._keep(b"".join(table._text for table in tables))
        return found

    def below(self, folder: str | os.PathLike[str]) -> PathTable:
        """The same names in a folder; they are not copied."""
        found = PathTable((), folder)
        found._text, found._bounds = self._text, self._bounds
        return found

    def __getitem__(self, index):
        found = super().__getitem__(index)
        return found if isinstance(index, slice) else Path(found)

    def __iter__(self) -> Iterator[Path]:
        return map(Path, self.texts())

    def text(self, index: int) -> str:
        """The path at `index`, from 0, as text."""
        return self._folder + super().text(index)

    def texts(self) -> Iterator[str]:
        """All paths as text."""
        names = super().texts()
        return map(self._folder.__add__, names) if self._folder else names


def _common(paths: Sequence[str]) -> str:
    """The folder that all paths are in, with a separator at its end; "" for none."""
    common = os.path.commonprefix(paths)
    return common[: common.rfind(os.sep) + 1]


class PhotoCache:
    """Photographs as decoded and shrunk by `open_photo`, the latest used ones, up to a number of
    bytes: the many versions of one are asked for together. Threads may ask at once.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes, self.bytes = most_bytes, 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Path, int], Image.Image] = OrderedDict()

    def open(self, photo: Path, max_pixels: int) -> Image.Image:
        """The photograph, RGB; not to be drawn on. ImageError with the file's name."""
        asked = (photo, max_pixels)
        image = self._kept.get(asked) or open_photo(photo, max_pixels)
        with self._lock:
            self.bytes += 0 if asked in self._kept else _bytes(image)
            self._kept[asked] = image
            self._kept.move_to_end(asked)
            while self.bytes > self.most_bytes:  # not even one may fit: then it is not kept
                self.bytes -= _bytes(self._kept.popitem(last=False)[1])
        return image


def _bytes(image: Image.Image) -> int:
    return 3 * image.width * image.height


_PHOTOS = PhotoCache(CACHE_BYTES)


def open_source(source: Source, max_pixels: int, rule: ViewRule | None = None) -> Image.Image:
    """The whole image, RGB, the same in every call; ImageError with the file's name. rule: what it
    is opened for, where that may be a smaller one (`read_image`).
    """
    if isinstance(source, Path):
        return read_image(source, max_pixels, rule)
    if isinstance(source, GivenImage):
        return image_in_memory(*source, max_pixels, rule)
    if isinstance(source, ShardMember):
        return image_in_memory(source.content(), str(source), max_pixels, rule)
    photo = _PHOTOS.open(source.photo, max_pixels)
    if source.level == 0:
        return photo.copy()  # the caller's own: the kept one is for the next version
    (kind,) = source.kinds  # an evaluation draws nothing
    # The generator's own key, so that the image is the file it would have written.
    rng = np.random.default_rng([key(source.seed, source.name, kind), 0])
    return Image.fromarray(distort(np.asarray(photo), kind, source.level, rng))


def resized_source(
    source: Source, max_pixels: int, rule: ViewRule, cache: ImageCache | None = None
) -> Image.Image:
    """`resize_image` of `open_source`: what the views of evaluation and training are cut from; the
    same from a cache, where that has it.
    """
    if cache is not None and (found := cache.find(source, rule)) is not None:
        return found
    if isinstance(source, Path):
        return read_resized(source, rule, max_pixels)
    return resize_image(open_source(source, max_pixels, rule), rule)


def training_view(
    source: Path | DistortedPhoto,
    transform: TrainTransform,
    rng: np.random.Generator,
    max_pixels: int,
    seed: int,
    epoch: int,
    cache: ImageCache | None = None,
) -> np.ndarray:
    """uint8 (3, H, W): the view that `rng` draws. A crop is distorted with some of its surroundings
    and then cut. ImageError with the file's name.
    """
    if isinstance(source, Path):
        return transform.drawn(resized_source(source, max_pixels, transform.sized, cache), rng)
    photo = _PHOTOS.open(source.photo, max_pixels)
    if source.level == 0:
        return transform(photo, rng)
    kind = source.distortion(seed, epoch)
    ladder = numpy_generator(seed, "distort", epoch, source.name, kind)
    return transform(photo, rng, partial(distort, name=kind, level=source.level, rng=ladder))

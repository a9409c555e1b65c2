"""All distorted versions of one photograph, written by one process that never imports torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from utils.data_generate.distortions import LEVELS, distort
from utils.data_generate.opening import open_photo
from utils.data_generate.ssim import luma_ssim
from utils.files.writing import write_atomic

PRISTINE = "none"  # the distortion that levels.csv names for level 0
# An enormous photograph must not outweigh the others, so it is cut into no more than 3x3 tiles.
_TILES_PER_SIDE = 3


@dataclass(frozen=True)
class PhotoJob:
    """One photograph to distort, its split's folder, its name there, a key per distortion."""

    photo: Path
    folder: Path
    record: Path
    name: str
    keys: tuple[tuple[str, int], ...]
    tile: int | None
    max_side: int | None
    targets: str | None
    max_pixels: int


@dataclass(frozen=True)
class Written:
    """A file that was written: its path in the split's folder, the photograph or tile it is a
    version of, what was done to it, its size in bytes and its full-reference target.
    """

    path: str
    reference_id: str
    distortion: str
    level: int
    size: int
    target: float | None


def finished(job: PhotoJob) -> list[Written] | None:
    """What an earlier run wrote for this photograph; None unless every file is there, whole."""
    try:
        files = [Written(**row) for row in json.loads(job.record.read_text(encoding="utf-8"))]
        whole = all((job.folder / file.path).stat().st_size == file.size for file in files)
    except (OSError, ValueError, TypeError):
        return None
    return files if whole else None


def distort_photo(job: PhotoJob) -> list[Written]:
    """Write every level of every distortion of a photograph, then a record that says it is done."""
    image = np.asarray(open_photo(job.photo, job.max_pixels, job.max_side))
    files = [
        file
        for index, (name, pristine) in enumerate(tiles(image, job))
        for file in _write_ladders(name, pristine, index, job)
    ]
    rows = json.dumps([asdict(file) for file in files]).encode()
    write_atomic(job.record, lambda stream: stream.write(rows))
    return files


def tiles(image: np.ndarray, job: PhotoJob) -> Iterator[tuple[str, np.ndarray]]:
    """(name, pixels) of the photograph's tiles, or of the whole when no tile size is asked for.

    At most 3x3 tiles that do not overlap, spread from edge to edge; one alone lies in the middle.
    A side shorter than a tile is kept whole.
    """
    if job.tile is None:
        yield job.name, image
        return
    for row, top in enumerate(_starts(image.shape[0], job.tile)):
        for column, left in enumerate(_starts(image.shape[1], job.tile)):
            pixels = image[top : top + job.tile, left : left + job.tile]
            yield f"{job.name}_r{row}c{column}", np.ascontiguousarray(pixels)


def _starts(side: int, tile: int) -> list[int]:
    count = min(_TILES_PER_SIDE, side // tile)
    if count <= 1:
        return [max(0, side - tile) // 2]
    return [(side - tile) * k // (count - 1) for k in range(count)]


def _write_ladders(name: str, pristine: np.ndarray, index: int, job: PhotoJob) -> Iterator[Written]:
    yield _write(job, f"refimgs/{name}.png", PRISTINE, 0, pristine, pristine)
    for distortion, key in job.keys:
        last = pristine
        for level in range(1, LEVELS + 1):
            # One seed for the whole ladder: its levels share what is drawn (see `distort`).
            image = distort(pristine, distortion, level, np.random.default_rng([key, index]))
            if np.array_equal(image, last):
                continue  # a grey photograph's saturation: no worse, so no rung of its own
            last = image
            path = f"{distortion}/{distortion}{level}/{name}.png"
            yield _write(job, path, distortion, level, image, pristine)


def _write(
    job: PhotoJob, path: str, distortion: str, level: int, image: np.ndarray, pristine: np.ndarray
) -> Written:
    file = job.folder / path
    save = Image.fromarray(image).save
    # Not durable: after a power cut the size in the record shows that a file has to be made again.
    write_atomic(file, lambda stream: save(stream, format="PNG", compress_level=4), durable=False)
    target = luma_ssim(pristine, image) if job.targets == "ssim" else None
    return Written(path, Path(path).stem, distortion, level, file.stat().st_size, target)

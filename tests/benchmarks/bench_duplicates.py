"""What decides between a copy and another photograph: distances of both, on real photographs.

    python tests/benchmarks/bench_duplicates.py PHOTOS [PHOTOS ...] [--copies 500] [--sheet FILE]

Copies of some photographs are made in memory and compared with their originals; all photographs
are compared with each other. --sheet writes the most alike pairs side by side, because only eyes
can say whether two photographs show one scene.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.duplicates.near_duplicates import (  # noqa: E402
    CANDIDATE_BITS,
    SAME_SCENE,
    SIDE,
    close_hashes,
    is_flat,
    signs,
    similarity,
)
from utils.imaging.image_folders import list_images  # noqa: E402
from utils.imaging.images import read_image  # noqa: E402

TILE, COLUMNS = 150, 4  # pixels; pairs in a row


def jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def encode(image: Image.Image) -> Image.Image:
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=quality)
        return Image.open(packed).convert("RGB")

    return encode


def scale(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize((int(image.width * factor), int(image.height * factor)))


def bright(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda image: ImageEnhance.Brightness(image).enhance(factor)


def crop(left: float, top: float, right: float, bottom: float):
    def cut(image: Image.Image) -> Image.Image:
        width, height = image.size
        box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
        return image.crop(tuple(round(edge) for edge in box))

    return cut


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 30": jpeg(30),
    "JPEG, quality 95": jpeg(95),
    "half the size": scale(0.5),
    "twice the size": scale(2),
    "brightness +10%": bright(1.1),
    "brightness -10%": bright(0.9),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "2% cropped on every side": crop(0.02, 0.02, 0.02, 0.02),
    "5% cropped on one side": crop(0.05, 0, 0, 0),
    "5% cropped on two sides": crop(0.05, 0.05, 0, 0),
    "5% cropped on every side": crop(0.05, 0.05, 0.05, 0.05),
    "10% cropped on one side": crop(0.1, 0, 0, 0),
    "3% cropped, +10%, 0.6x, q 50": lambda image: jpeg(50)(
        scale(0.6)(bright(1.1)(crop(0.03, 0, 0.03, 0.03)(image)))
    ),
}


def thumbnail(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def table_of_copies(photos: list[Path]) -> None:
    found: dict[str, list[np.ndarray]] = {kind: [] for kind in COPIES}
    originals = []
    for path in photos:
        image = read_image(path)
        originals.append(thumbnail(image))
        for kind, change in COPIES.items():
            found[kind].append(thumbnail(change(image)))
    first = np.stack(originals)
    print(f"copies of {len(first)} photographs; bits of 64 apart, similarity, share found")
    print(f"{'':30} {'bits: mean':>10} {'99%':>4} {'most':>5} {'sim.: 1%':>9} {'least':>6} found")
    for kind, copies in found.items():
        second = np.stack(copies)
        bits = (64 - (signs(first) * signs(second)).sum(axis=1)) / 2
        alike = similarity(first, second)
        hit = (bits <= CANDIDATE_BITS) & (alike >= SAME_SCENE)
        print(
            f"{kind:30} {bits.mean():10.1f} {np.percentile(bits, 99):4.0f} {bits.max():5.0f} "
            f"{np.percentile(alike, 1):9.3f} {alike.min():6.3f} {hit.mean():6.1%}"
        )


def all_pairs(photos: list[Path]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidates and their similarity, the most alike first."""
    shown = np.stack([thumbnail(read_image(path)) for path in photos])
    hashes = signs(shown)
    blocks = list(close_hashes(hashes, hashes, CANDIDATE_BITS))
    a, b = (np.concatenate([block[side] for block in blocks]) for side in (0, 1))
    a, b = a[a < b], b[a < b]  # each pair came from both sides
    usable = ~is_flat(shown)
    a, b = a[usable[a] & usable[b]], b[usable[a] & usable[b]]
    alike = similarity(shown[a], shown[b])
    order = np.argsort(-alike)
    total = len(photos) * (len(photos) - 1) // 2
    print(f"\n{total} pairs of {len(photos)} photographs, {int((~usable).sum())} of them flat")
    print(f"candidates, at most {CANDIDATE_BITS} bits apart: {len(a)}; by similarity:")
    edges = [-1, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, SAME_SCENE, 0.7, 0.8, 0.9, 1.01]
    counts = np.histogram(alike, edges)[0]
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        print(f"  {low:5.2f} to {high:4.2f} {count:6}")
    return a[order], b[order], alike[order]


def sheet(photos: list[Path], a, b, alike, file: Path, most: int = 120) -> None:
    rows = -(-min(len(a), most) // COLUMNS)
    canvas = Image.new("RGB", (COLUMNS * 2 * TILE, rows * (TILE + 14)), "white")
    draw = ImageDraw.Draw(canvas)
    for n, (i, j, score) in enumerate(zip(a[:most], b[:most], alike[:most], strict=True)):
        x, y = n % COLUMNS * 2 * TILE, n // COLUMNS * (TILE + 14)
        for side, number in enumerate((i, j)):
            image = read_image(photos[number]).resize((TILE - 2, TILE - 2))
            canvas.paste(image, (x + side * TILE, y + 13))
        names = f"{photos[i].parent.name}/{photos[i].name} {photos[j].parent.name}/{photos[j].name}"
        draw.text((x, y), f"{score:.2f} {names}"[:52], fill="black")
    canvas.save(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTOS")
    parser.add_argument("--copies", type=int, default=500, help="photographs that are copied")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="the most alike pairs")
    given = parser.parse_args()
    every = sorted(path for folder in given.photos for path in list_images(folder))
    drawn = np.random.default_rng(0).permutation(len(every))[: given.copies]
    table_of_copies([every[n] for n in drawn])
    pairs = all_pairs(every)
    if given.sheet:
        sheet(every, *pairs, given.sheet)

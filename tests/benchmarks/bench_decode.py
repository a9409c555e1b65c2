"""From a JPEG file to pixels of training size, of one core: Pillow and torchvision's usual path
against this toolkit's, exact, fast and from its cache; and what fast decoding does to scores.

python -m tests.benchmarks.bench_decode [--photos DIR] [--size 224] [--runs 5]

Files of 512x512, 2048x1365 and 4000x3000 pixels (JPEG 90) are put together from photographs: those
of DIR, or of installed packages. With --photos the scores of the network that comes with this
toolkit are compared on 100 of them: the SRCC of fast decoding's scores with those of full decoding.
A photograph is mirrored to twice and four times its size, which leaves its details as they are, so
that a half and a quarter are decoded.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from applications.scorer import load_scorer
from dataloader.image_cache import ImageCache
from dataloader.sources import resized_source
from tests.benchmarks.paired import HEAD, machine, row
from utils.data_generate.photos import find_photos, package_photos
from utils.imaging.images import ViewRule, least_size, read_image, views_of
from utils.statistics.metrics import score_metrics

# Pixels of a file, and how often it is read in a call: processor time comes in hundredths.
FILES = {(512, 512): 50, (2048, 1365): 16, (4000, 3000): 6}
TILE = 512
MOST = 100  # photographs that are scored


def write_file(file: Path, size: tuple[int, int], photos: list[Path]) -> None:
    """A JPEG of `size`, of as many photographs as it takes."""
    canvas, number = Image.new("RGB", size), 0
    for y in range(0, size[1], TILE):
        for x in range(0, size[0], TILE):
            tile = read_image(photos[number % len(photos)]).resize((TILE, TILE))
            canvas.paste(tile, (x, y))
            number += 1
    canvas.save(file, quality=90)


def times(size: int, photos: list[Path], runs: int) -> None:
    usual = transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor()])
    exact = ViewRule((size, size))
    fast = replace(exact, decode="fast")

    def theirs(file: Path) -> torch.Tensor:
        with Image.open(file) as image:
            return usual(image.convert("RGB"))

    def ours(file: Path, rule: ViewRule, cache: ImageCache | None = None) -> torch.Tensor:
        image = resized_source(file, 10**9, rule, cache)
        return torch.from_numpy(views_of(image, rule)[0]).float().div_(255)

    def often(count: int, call: Callable[..., object], *given: object) -> Callable[[], None]:
        return lambda: [call(*given) for _ in range(count)] and None

    print(f"{machine('torch', 'torchvision', 'pillow')}; to {size}x{size}, one thread\n{HEAD}")
    with tempfile.TemporaryDirectory() as place:
        for (width, height), count in FILES.items():
            file = Path(place) / f"{width}x{height}.jpg"
            write_file(file, (width, height), photos)
            cache = ImageCache(Path(place) / "kept", 10**9)
            cache.fill(cache.missing([file], exact), exact, 0)
            bits = 8 * file.stat().st_size / width / height
            other = often(count, theirs, file)
            for name, call in (
                ("exact", often(count, ours, file, exact)),
                ("fast", often(count, ours, file, fast)),
                ("cache", often(count, ours, file, exact, cache)),
            ):
                what = f"{width}x{height}, {bits:.1f} bits a pixel, {count} times: {name}"
                print(row(what, call, other, runs), flush=True)


def mirrored(file: Path, times: int) -> Image.Image:
    """The photograph `times` by `times` without seams: as large as a camera's, and as detailed."""
    pixels = np.asarray(read_image(file))
    height, width = (side * (times - 1) for side in pixels.shape[:2])
    return Image.fromarray(np.pad(pixels, ((0, height), (0, width), (0, 0)), "symmetric"))


def agreement(folder: Path, size: int) -> None:
    """Scores of photographs that are decoded at a half and at a quarter."""
    files = list(find_photos(folder))
    files = files[:: max(1, len(files) // MOST)][:MOST]
    scorer = load_scorer("quality", "cpu").network
    rule = ViewRule((size, size), interpolation=scorer.view.interpolation)
    print(f"\n{len(files)} photographs of {folder} as JPEG 95, seen at {size}x{size} by: quality")
    with tempfile.TemporaryDirectory() as place:
        for part in (2, 4):
            made = [Path(place) / f"{part}-{number}.jpg" for number in range(len(files))]
            for file, name in zip(files, made, strict=True):
                mirrored(file, part).save(name, quality=95)
            found = [
                replace(scorer, view=replace(rule, decode=decode)).predict(made).scores
                for decode in ("exact", "fast")
            ]
            least = least_size(Image.open(made[0]).size, replace(rule, decode="fast"))
            decoded = read_image(made[0], rule=replace(rule, decode="fast")).size
            srcc = score_metrics(*found).values()["srcc"]
            spread, worst = np.std(found[0]), np.abs(found[0] - found[1]).max()
            print(
                f"{Image.open(made[0]).size}, decoded to {decoded}, at least {least}: SRCC "
                f"{srcc:.4f}, largest difference {worst:.3f}, standard deviation of scores "
                f"{spread:.3f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, metavar="DIR")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    photos = list(find_photos(given.photos) if given.photos else package_photos())[:48]
    if not photos:
        sys.exit("no photographs: pass --photos DIR")
    times(given.size, photos, given.runs)
    if given.photos:
        agreement(given.photos, given.size)


if __name__ == "__main__":
    main()

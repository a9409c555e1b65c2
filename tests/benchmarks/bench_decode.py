"""From a JPEG file to pixels of training size, of one core: Pillow and torchvision's usual path
against this toolkit's, exact, fast and from its cache; and what fast decoding does to scores.

python -m tests.benchmarks.bench_decode [--photos DIR] [--size 224] [--runs 5]

Files of 512x512, 2048x1365 and 4000x3000 pixels (JPEG 90) are put together from photographs: those
of DIR, or of installed packages. With --photos the scores of the network that comes with this
toolkit are compared on the JPEGs of DIR themselves, seen at sizes for which a half and a quarter of
their pixels are enough: SRCC of fast decoding's scores with those of full decoding.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms

from applications.scorer import load_scorer
from dataloader.image_cache import ImageCache
from dataloader.sources import resized_source
from tests.benchmarks.paired import HEAD, machine, row
from utils.data_generate.photos import find_photos, package_photos
from utils.imaging.images import ViewRule, read_image, views_of
from utils.statistics.metrics import score_metrics

# Pixels of a file, and how often it is read in a call: processor time comes in hundredths.
FILES = {(512, 512): 40, (2048, 1365): 8, (4000, 3000): 4}
TILE = 512
MOST = 200  # photographs that are scored


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


def agreement(folder: Path) -> None:
    files = [file for file in find_photos(folder) if file.suffix.lower() in (".jpg", ".jpeg")]
    files = files[:: max(1, len(files) // MOST)][:MOST]
    scorer = load_scorer("quality", "cpu").network
    side = statistics.median(min(Image.open(file).size) for file in files)
    print(f"\n{len(files)} JPEGs of {folder}, shorter side {side:.0f} (median), network: quality")
    for part in (2, 4):
        size = int(side) // (2 * part)
        rule = ViewRule((size, size), interpolation=scorer.view.interpolation)
        found = [
            replace(scorer, view=replace(rule, decode=decode)).predict(files).scores
            for decode in ("exact", "fast")
        ]
        srcc = score_metrics(*found).values()["srcc"]
        spread, worst = statistics.stdev(found[0].tolist()), abs(found[0] - found[1]).max()
        print(
            f"seen at {size}x{size}, decoded at 1/{part}: SRCC {srcc:.4f}, largest difference "
            f"{worst:.3f} where scores have a standard deviation of {spread:.3f}",
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
        agreement(given.photos)


if __name__ == "__main__":
    main()

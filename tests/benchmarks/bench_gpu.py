"""What gpu.sh needs: files for an epoch of any size, and JPEGs decoded on the device.

python -m tests.benchmarks.bench_gpu files DIR COUNT [--different 500]
python -m tests.benchmarks.bench_gpu decode DIR [--device cuda] [-b 64] [--images 2048]

files: a data folder of histograms with COUNT images of 640x480, of which some are different and the
others are second names of these, as decoding costs the same and the disk is spared. decode: whole
images a second by the clock from bytes in memory to 224x224 on the device, by torchvision.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2.functional import resize

from tests.tiny_data import picture
from utils.runtime.device import choose_device

BINS = 10


def write_data(data: Path, count: int, different: int) -> None:
    """train/ of `count` images, and a small val/ and test/."""
    rng = np.random.default_rng(0)
    for split, number in (("train", count), ("val", 8), ("test", 8)):
        folder = data / split / "images"
        folder.mkdir(parents=True)
        votes = rng.integers(1, 40, (number, BINS)).tolist()
        lines = []
        for place, row in enumerate(votes):
            file = folder / f"{place:06}.jpg"
            if place < different:
                picture(rng, 8, (480, 640)).save(file, quality=85)
            else:
                os.link(folder / f"{place % different:06}.jpg", file)
            lines.append(",".join(map(str, (f"images/{file.name}", *row))))
        (data / split / "label.txt").write_text("\n".join(lines) + "\n")


def decode(folder: Path, device: torch.device, batch_size: int, images: int) -> None:
    files = sorted(folder.glob("*.jpg"))[:images]
    packed = [torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8) for file in files]
    for batch in (1, batch_size):
        done, began = 0, time.perf_counter()
        for start in range(0, len(packed), batch):
            if start == batch:  # the first one prepares the decoder
                done, began = 0, time.perf_counter()
            some = decode_jpeg(packed[start : start + batch], ImageReadMode.RGB, device=device)
            small = torch.stack([resize(image, [224, 224], antialias=True) for image in some])
            done += len(small)
            small[-1, 0, 0, 0].item()  # waits for the device
        rate = done / (time.perf_counter() - began)
        print(f"decode_jpeg on {device}, {batch} at once: {rate:.0f} images/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("files", "decode"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=64)
    parser.add_argument("--different", type=int, default=500)
    parser.add_argument("--device", default="auto")
    parser.add_argument("-b", "--batch_size", type=int, default=64)
    parser.add_argument("--images", type=int, default=2048)
    given = parser.parse_args()
    if given.what == "files":
        write_data(given.folder, given.count, min(given.different, given.count))
        return
    device, _ = choose_device(given.device, None)
    decode(given.folder, device, given.batch_size, given.images)


if __name__ == "__main__":
    main()

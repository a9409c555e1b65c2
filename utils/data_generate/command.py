"""What `live_generator.py` and `tid2013_generator.py` do: `generate` behind a small command line.

`python main.py --generate SET --photos DIR --data OUT` writes the same files, and SSIM targets
besides where scikit-image is installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from utils.flag_types import count, side
from utils.text import visible


def run(distortion_set: str, argv: list[str] | None = None) -> int:
    """Write ladders of the photographs in --data to --out; 0, or 1 with one line about a fault."""
    args = _parser(distortion_set).parse_args(argv)
    # Here, not above: the processes that distort import this file too, and should not import torch.
    from utils.data_generate.generate import generate
    from utils.data_generate.photos import find_photos, keep_apart, split_photos
    from utils.runtime.progress import CountBar

    folder = args.data.resolve()
    out = args.out or folder.with_name(f"{folder.name}_{distortion_set}")
    bar = CountBar("photographs distorted")
    try:
        keep_apart(folder, out)
        splits = split_photos(find_photos(folder), args.val_photos, args.test_photos, args.seed)
        summary = generate(
            splits,
            out,
            distortion_set,
            seed=args.seed,
            workers=args.workers,
            tile=args.tile,
            targets=None,
            progress=bar.update,
        )
    except (ValueError, OSError) as error:
        print(f"error: {visible(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if summary.made:
        bar.finish()
    for split, photos in summary.photos.items():
        print(
            f"{out / split}: {photos} photographs, {summary.images[split]} images, "
            f"{summary.pairs[split]} pairs"
        )
    return 0


def _parser(distortion_set: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=f"Distorted versions of photographs (set {distortion_set}, levels 1 to 5) with "
        "label.txt (pairs) and levels.csv. Nothing is written among the photographs. A call that "
        "was stopped goes on where it was."
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="photographs")
    beside = f"folder to write (default: DIR_{distortion_set}, beside DIR)"
    add("--out", type=Path, metavar="OUT", help=beside)
    add("--seed", type=int, default=0, metavar="N", help="default: 0")
    processes = "processes; they never change what is written (default: one per core)"
    add("--workers", type=count, default=os.cpu_count() or 1, metavar="N", help=processes)
    squares = "cut training photographs into square tiles, 64 or larger"
    add("--tile", type=_tile, metavar="PIXELS", help=squares)
    for split, default in (("val", 2), ("test", 3)):
        whole = f"whole photographs kept for {split} (default: {default})"
        add(f"--{split}_photos", type=count, default=default, metavar="N", help=whole)
    return parser


def _tile(text: str) -> int:
    value = side(text)
    if value < 64:
        raise argparse.ArgumentTypeError(f"{value}: at least 64 pixels")
    return value

"""PSNR of every distortion at levels 1 to 5: the median of photographs, 512 pixels at most.

    python tests/benchmarks/bench_distortions.py --photos DIR

Without --photos: those inside installed packages. TID2013's five levels are near 33, 30, 27, 24 and
21 dB for all of its distortions.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.utils.data_generate.distortions.test_distortions import level_psnr  # noqa: E402
from utils.data_generate.distortions import DISTORTIONS, LEVELS  # noqa: E402
from utils.data_generate.photos import package_photos  # noqa: E402
from utils.imaging.images import read_image  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="a folder of photographs")
    flags = parser.parse_args()
    images = []
    for path in sorted(flags.photos.iterdir()) if flags.photos else package_photos():
        image = read_image(path)
        image.thumbnail((512, 512), Image.Resampling.LANCZOS)
        images.append(np.asarray(image))
    print(f"{len(images)} photographs; dB at levels 1 to {LEVELS}")
    for name in DISTORTIONS:
        found = [level_psnr(images, name, level) for level in range(1, LEVELS + 1)]
        print(f"{name:22}" + "".join(f"{value:6.1f}" for value in found), flush=True)


if __name__ == "__main__":
    main()

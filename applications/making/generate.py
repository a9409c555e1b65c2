"""`--generate SET`: distorted versions of photographs, with labels to rank, and to regress where
scikit-image is installed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from applications.inputs.runtime import Runtime
from config import Config
from utils.data_generate.distortions import distortions_of
from utils.data_generate.generate import TARGETS_FILE, generate
from utils.data_generate.photos import (
    SCIENTIFIC,
    find_photos,
    keep_apart,
    package_photos,
    split_photos,
)
from utils.runtime.progress import CountBar


def run(config: Config, runtime: Runtime) -> int:
    """Write the data set to --data and print what it holds; 0."""
    kinds = distortions_of(config.generate)
    if config.photos:
        keep_apart(Path(config.photos), Path(config.data))
    folder = Path(config.photos or "")
    photos = find_photos(folder, runtime.info) if config.photos else package_photos()
    kept = frozenset() if config.photos else SCIENTIFIC
    splits = split_photos(photos, config.val_photos, config.test_photos, config.seed, kept)
    runtime.info(f"distorting {len(photos)} photographs: {', '.join(kinds)}, 5 levels each")
    targets = "ssim" if find_spec("skimage") else None
    bar = CountBar("photographs distorted")
    summary = generate(
        splits,
        Path(config.data),
        config.generate,
        seed=config.seed,
        workers=config.workers,
        tile=config.tile,
        targets=targets,
        max_pixels=config.max_pixels,
        progress=bar.update,
    )
    if summary.made:
        bar.finish()
    else:
        runtime.info(f"{config.data}: complete already, nothing to do")
    print(f"{'split':6} {'photographs':>11} {'images':>8} {'pairs':>8}")
    for split, count in summary.photos.items():
        print(f"{split:6} {count:11} {summary.images[split]:8} {summary.pairs[split]:8}")
    if targets is None:
        print(f"no {TARGETS_FILE}: SSIM targets need scikit-image (requirements-quickstart.txt)")
    else:
        print(f"{TARGETS_FILE} holds synthetic targets (SSIM), not human opinions")
    return 0

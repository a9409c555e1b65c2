"""Small pictures of which no two are alike, and a name that would break a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

HOSTILE = "<img src=x onerror=alert(1)> & 'a' \"b\".png"


def blotches(seed: int, width: int = 96, height: int = 72, noise: float = 6) -> Image.Image:
    """Smooth random colours, like nothing of another seed; noise: its standard deviation."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9, 3)).astype(np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), float)
    grain = rng.normal(0, 1, smooth.shape) * noise
    return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))


def write_rated(folder: Path, images: dict[str, Image.Image | bytes], **scores: float) -> Path:
    """A split of scored images by name, with its label.txt; bytes are written as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for n, (name, image) in enumerate(images.items()):
        if isinstance(image, bytes):
            (folder / name).write_bytes(image)
        else:
            image.save(folder / name)
        lines.append(f"{name},{scores.get(name, 1 + n % 5)}")
    (folder / "label.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder

"""Tiny labelled data sets with the documented layout, drawn from a seed: noise hides a pattern,
more is worse.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (40, 56)  # height, width
LEVELS = (0, 30, 80)


def picture(rng: np.random.Generator, noise: float, size: tuple[int, int] = SIZE) -> Image.Image:
    """A smooth coloured pattern with Gaussian noise of the given standard deviation (0..255)."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]] / max(size)
    phase = rng.uniform(0, 6, 3)
    waves = np.stack([np.sin(4 * x + p) * np.cos(3 * y - p) for p in phase], axis=2)
    pixels = 128 + 90 * waves + rng.normal(0, 1, waves.shape) * noise
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_split(
    folder: Path, criterion: str, contents: int, seed: int, bins: int = 5
) -> list[Path]:
    """One split with its label.txt; contents x LEVELS images. Returns the images."""
    rng = np.random.default_rng(seed)
    images, lines = [], []
    for content in range(contents):
        names = [f"images/photo{content}_{level}.png" for level in range(len(LEVELS))]
        state = rng.bit_generator.state
        for name, noise in zip(names, LEVELS, strict=True):
            rng.bit_generator.state = state  # one content, three levels of noise
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(rng, noise).save(path)
            images.append(path)
        lines += label_lines(names, criterion, bins)
        rng.random(content + 1)
    (folder / "label.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return images


def label_lines(names: list[str], criterion: str, bins: int) -> list[str]:
    """Label lines of one ladder of images, best first."""
    if criterion == "rank":
        return [f"{a},{b}" for i, a in enumerate(names) for b in names[i + 1 :]]
    if criterion == "regress":
        return [f"{name},{4.5 - 1.5 * level}" for level, name in enumerate(names)]
    rows = []
    for level, name in enumerate(names):
        votes = np.exp(-0.5 * (np.arange(bins) - (bins - 1 - 2 * level)) ** 2)
        rows.append(f"{name}," + ",".join(str(int(v)) for v in np.ceil(20 * votes)))
    return rows


def write_data(
    root: Path, criterion: str, train: int = 6, held_out: int = 2, bins: int = 5
) -> Path:
    """train/, val/ and test/ below root, no content in two of them."""
    for number, (split, contents) in enumerate(
        (("train", train), ("val", held_out), ("test", held_out))
    ):
        write_split(root / split, criterion, contents, 100 + number, bins)
    return root

"""Distortions of five growing levels, after the generator of RankIQA (Liu et al., ICCV 2017).

A distortion takes uint8 (H, W, 3) and returns uint8 (H, W, 3). Level 0 is the input bit for bit,
level 5 the worst. What is random is drawn from the generator that is passed in.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import correlate1d

LEVELS = 5
SMALLEST_SIDE = 16  # pixels
# A JPEG 2000 code stream spends some 180 bytes on headers whatever the image, more than a small
# image has at 0.02 bits per pixel. So the stated rate is for the pixels alone, and an image smaller
# than this is mirrored to it, coded, and cut back.
_JPEG2000_HEADER = 180  # bytes
_JPEG2000_SIDE = 256  # pixels


@dataclass(frozen=True)
class Distortion:
    """`apply(image, parameter, rng)`, its parameters at levels 1..5, and what they mean."""

    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    parameters: tuple[float, float, float, float, float]
    unit: str


def jpeg(image: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG at a libjpeg quality, chroma halved (libjpeg's default and MATLAB's imwrite)."""
    return _recode(image, format="JPEG", quality=int(quality))


def jpeg2000(image: np.ndarray, bits_per_pixel: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG 2000 (irreversible wavelet), `bits_per_pixel` out of 24 spent on the pixels."""
    height, width = image.shape[:2]
    rest = (max(0, _JPEG2000_SIDE - height), max(0, _JPEG2000_SIDE - width))
    padded = np.pad(image, ((0, rest[0]), (0, rest[1]), (0, 0)), mode="symmetric")
    ratio = padded.size / (padded.size / 24 * bits_per_pixel + _JPEG2000_HEADER)
    options = {"irreversible": True, "no_jp2": True, "quality_mode": "rates"}
    coded = _recode(padded, format="JPEG2000", quality_layers=[ratio], **options)
    return np.ascontiguousarray(coded[:height, :width])


def white_noise(image: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Independent Gaussian noise per channel, `variance` for values in 0..1 (MATLAB's imnoise)."""
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return _to_uint8(image + noise * np.float32(255 * np.sqrt(variance)))


def gaussian_blur(image: np.ndarray, kernel: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian of `kernel` pixels across (odd) with sigma = kernel / 6, borders mirrored."""
    radius = int(kernel) // 2
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / (kernel / 6)) ** 2)
    weights /= weights.sum()
    rows = correlate1d(image.astype(np.float32), weights, axis=0, mode="reflect")
    return _to_uint8(correlate1d(rows, weights, axis=1, mode="reflect"))


def _recode(image: np.ndarray, **options: object) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, **options)
    stream.seek(0)
    with Image.open(stream) as coded:
        return np.asarray(coded.convert("RGB"))


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


# RankIQA's levels for LIVE. Its JPEG quality 0 is 1 here: libjpeg raises every lower value to 1.
DISTORTIONS: dict[str, Distortion] = {
    "jpeg": Distortion(jpeg, (43, 12, 7, 4, 1), "libjpeg quality"),
    "jpeg2000": Distortion(jpeg2000, (0.46, 0.16, 0.07, 0.04, 0.02), "bits per pixel"),
    "white_noise": Distortion(
        white_noise, (2**-10, 2**-7.5, 2**-5.5, 2**-3.5, 1.0), "variance for values in 0..1"
    ),
    "gaussian_blur": Distortion(gaussian_blur, (7, 15, 39, 91, 199), "kernel, pixels"),
}

SETS: dict[str, tuple[str, ...]] = {
    "basic": ("jpeg", "jpeg2000", "white_noise", "gaussian_blur"),
}


def distortions_of(distortion_set: str) -> tuple[str, ...]:
    """The distortions of a set; ValueError with the nearest name and the list for another name."""
    return _lookup(SETS, distortion_set, "set of distortions")


def distort(image: np.ndarray, name: str, level: int, rng: np.random.Generator) -> np.ndarray:
    """A distorted version, uint8 (H, W, 3), of `image`, uint8 (H, W, 3) of at least 16x16 pixels.

    Level 0 is a copy of the input. ValueError for another shape or type, an unknown name, or a
    level outside 0..5.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: expected uint8 (H, W, 3), got {image.dtype} {image.shape}")
    if min(image.shape[:2]) < SMALLEST_SIDE:
        side = f"{SMALLEST_SIDE}x{SMALLEST_SIDE}"
        raise ValueError(f"image: {image.shape[1]}x{image.shape[0]} pixels, at least {side} needed")
    if not 0 <= level <= LEVELS:
        raise ValueError(f"level {level}: expected 0 (the input) to {LEVELS} (the worst)")
    distortion = _lookup(DISTORTIONS, name, "distortion")
    if level == 0:
        return image.copy()
    return distortion.apply(image, distortion.parameters[level - 1], rng)


def _lookup(table: dict, name: str, what: str):
    if name not in table:
        near = difflib.get_close_matches(name, table, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"unknown {what} {name!r}: {hint}one of {', '.join(table)}")
    return table[name]

"""JPEG 2000's wavelet (CDF 9/7, ISO/IEC 15444-1 annex F, by lifting) and its code-blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from utils.data_generate.distortions.pixels import to_rgb, to_ycbcr

_STEPS = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
_SCALE = 1.149604398860241  # low-pass gain sqrt(2): squared errors are nearly those of the pixels
_DEPTH = 5  # decompositions, JPEG 2000's default
CODE_BLOCK = 8  # coefficients a side


@dataclass(frozen=True)
class Coefficients:
    """`low` (C, h, w) is the coarsest picture; `details[0]` (3, C, h, w) the finest three bands."""

    low: np.ndarray
    details: list[np.ndarray]
    size: tuple[int, int]


def decompose(planes: np.ndarray) -> Coefficients:
    """Coefficients of planes (C, H, W), at least 16x16 and mirrored to whole coarse pixels."""
    height, width = planes.shape[1:]
    depth = min(_DEPTH, int(np.log2(min(height, width))) - 2)
    rest = (-height % 2**depth, -width % 2**depth)
    low = np.pad(planes.astype(np.float32), ((0, 0), (0, rest[0]), (0, rest[1])), mode="symmetric")
    details = []
    for _ in range(depth):
        top, bottom = _split(low, 1)
        (low, right), (left, corner) = _split(top, 2), _split(bottom, 2)
        details.append(np.stack([right, left, corner]))
    return Coefficients(low, details, (height, width))


def rebuild(coefficients: Coefficients) -> np.ndarray:
    """The planes (C, H, W) that `decompose` took apart."""
    low = coefficients.low
    for right, left, corner in reversed(coefficients.details):
        low = _join(_join(low, right, 2), _join(left, corner, 2), 1)
    height, width = coefficients.size
    return low[:, :height, :width]


def change_details(
    image: np.ndarray, change: Callable[[list[np.ndarray]], Iterable[np.ndarray]]
) -> np.ndarray:
    """uint8 (H, W, 3) with other bands of detail: `change` takes those of the YCbCr planes, the
    finest first, and gives as many.
    """
    taken = decompose(to_ycbcr(image))
    return to_rgb(rebuild(Coefficients(taken.low, list(change(taken.details)), taken.size)))


def _split(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    values = np.moveaxis(values, axis, 0)
    even, odd = values[0::2].copy(), values[1::2].copy()
    for step, weight in enumerate(_STEPS):
        _lift(even, odd, step, np.float32(weight))
    even *= np.float32(_SCALE)
    odd /= np.float32(_SCALE)
    return np.moveaxis(even, 0, axis), np.moveaxis(odd, 0, axis)


def _join(low: np.ndarray, high: np.ndarray, axis: int) -> np.ndarray:
    even = np.moveaxis(low, axis, 0) / np.float32(_SCALE)
    odd = np.moveaxis(high, axis, 0) * np.float32(_SCALE)
    for step in reversed(range(len(_STEPS))):
        _lift(even, odd, step, np.float32(-_STEPS[step]))
    values = np.empty((2 * len(even), *even.shape[1:]), np.float32)
    values[0::2], values[1::2] = even, odd
    return np.moveaxis(values, 0, axis)


def _lift(even: np.ndarray, odd: np.ndarray, step: int, weight: np.float32) -> None:
    """Add the two neighbours, times `weight`, to the odd (even step) or even samples; the border is
    mirrored about its sample.
    """
    if step % 2 == 0:
        odd[:-1] += weight * (even[:-1] + even[1:])
        odd[-1] += 2 * weight * even[-1]
    else:
        even[1:] += weight * (odd[1:] + odd[:-1])
        even[0] += 2 * weight * odd[0]


def code_blocks(band: np.ndarray) -> tuple[int, ...]:
    """Shape (3, C, rows, columns) of the code-blocks of a scale's bands (3, C, h, w)."""
    return (*band.shape[:2], *(-(-side // CODE_BLOCK) for side in band.shape[2:]))


def spread(blocks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A value per code-block (..., rows, columns) -> per coefficient, `shape` (..., h, w)."""
    values = blocks.repeat(CODE_BLOCK, axis=-2).repeat(CODE_BLOCK, axis=-1)
    return values[..., : shape[-2], : shape[-1]]


def block_peaks(band: np.ndarray) -> np.ndarray:
    """The largest magnitude in each code-block, (..., h, w) -> (..., rows, columns)."""
    rows = np.arange(0, band.shape[-2], CODE_BLOCK)
    columns = np.arange(0, band.shape[-1], CODE_BLOCK)
    return np.maximum.reduceat(np.maximum.reduceat(np.abs(band), rows, axis=-2), columns, axis=-1)

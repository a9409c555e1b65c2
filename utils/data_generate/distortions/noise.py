"""Noise. Every function draws the same pattern at every level; the level only makes it stronger."""

from __future__ import annotations

import numpy as np
import scipy

from utils.data_generate.distortions.pixels import luma, to_rgb, to_uint8, to_ycbcr
from utils.data_generate.distortions.wavelet import change_details

_LUMA_SHARE = 0.1  # of the chroma's variance
_GRAIN = 1.5  # pixels, sigma of the low-pass that correlates noise
_HIGH = 0.25  # cycles per pixel, half of what a pixel grid can hold
_NEIGHBOURHOOD = 7  # pixels
_COMFORT_SCALES = 3  # the finest: coarser bands hold objects, not texture


def white_noise(image: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Independent Gaussian noise per channel, `variance` for values in 0..1 (MATLAB's imnoise)."""
    return to_uint8(image + _normal(image.shape, rng) * np.float32(255 * np.sqrt(variance)))


def colour_noise(image: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise on YCbCr in 0..1: `variance` on Cb and Cr, a tenth of it on Y.

    TID2013's noise that is stronger in colour than in luma, at RankIQA's variances; RankIQA's own
    is equally strong on all three. Level 1 is near 17 dB, far from TID2013's 33.
    """
    planes = to_ycbcr(image)
    shares = np.sqrt(np.array([_LUMA_SHARE, 1, 1], np.float32))[:, None, None]
    return to_rgb(planes + _normal(planes.shape, rng) * shares * np.float32(255 * variance**0.5))


def correlated_noise(image: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise through a Gaussian of 1.5 pixels; `deviation` of the result, grey levels."""
    radius = _frequencies(image.shape)
    shaped = _shaped_noise(np.exp(-2 * (np.pi * _GRAIN * radius) ** 2), rng)
    return to_uint8(image + shaped * np.float32(deviation))


def high_frequency_noise(
    image: np.ndarray, variance: float, rng: np.random.Generator
) -> np.ndarray:
    """Gaussian noise above 0.25 cycles per pixel alone, `variance` for values in 0..1.

    RankIQA cuts 10 cycles per image away, which leaves nearly white noise.
    """
    shaped = _shaped_noise((_frequencies(image.shape) >= _HIGH).astype(float), rng)
    return to_uint8(image + shaped * np.float32(255 * np.sqrt(variance)))


def masked_noise(image: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise in proportion to the local contrast, which hides it.

    `deviation` is that of the whole picture's noise, in grey levels; the local contrast is the
    standard deviation of luma over 7x7 pixels.
    """
    light = luma(image).astype(np.float64)
    mean = scipy.ndimage.uniform_filter(light, _NEIGHBOURHOOD, mode="reflect")
    square = scipy.ndimage.uniform_filter(light * light, _NEIGHBOURHOOD, mode="reflect")
    contrast = np.sqrt(np.maximum(square - mean * mean, 0)) + 1e-3  # a flat picture masks evenly
    strength = (contrast / np.sqrt(np.mean(contrast**2)) * deviation).astype(np.float32)
    return to_uint8(image + _normal(image.shape, rng) * strength[..., None])


def impulse_noise(image: np.ndarray, density: float, rng: np.random.Generator) -> np.ndarray:
    """Salt and pepper: `density` of all values becomes 0 or 255, channel by channel."""
    draw = rng.random(image.shape, dtype=np.float32)
    value = np.where(rng.random(image.shape, dtype=np.float32) < 0.5, 0, 255).astype(np.uint8)
    return np.where(draw < density, value, image)


def multiplicative_noise(
    image: np.ndarray, deviation: float, rng: np.random.Generator
) -> np.ndarray:
    """Speckle: x (1 + deviation n), n standard normal and independent per channel."""
    return to_uint8(image * (1 + _normal(image.shape, rng) * np.float32(deviation)))


def comfort_noise(image: np.ndarray, threshold: float, rng: np.random.Generator) -> np.ndarray:
    """Fine detail below `threshold` (grey levels) becomes noise of the same strength.

    A coder that spends nothing on faint texture and plays random texture instead: the wavelet
    coefficients of the three finest scales below the threshold keep their size and get a random
    sign.
    """

    def replayed(band: np.ndarray) -> np.ndarray:
        sign = np.where(rng.random(band.shape, dtype=np.float32) < 0.5, -1, 1).astype(np.float32)
        return np.where(np.abs(band) < threshold, band * sign, band)

    return change_details(
        image,
        lambda bands: [*map(replayed, bands[:_COMFORT_SCALES]), *bands[_COMFORT_SCALES:]],
    )


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


def _frequencies(shape: tuple[int, ...]) -> np.ndarray:
    """Cycles per pixel of each coefficient of a cosine transform, (H, W)."""
    rows, columns = (np.arange(side) / (2 * side) for side in shape[:2])
    return np.hypot(rows[:, None], columns)


def _shaped_noise(transfer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise (H, W, 3) of unit variance with the spectrum `transfer` (H, W).

    The cosine transform is orthogonal: white noise may be drawn behind it.
    """
    gain = (transfer / np.sqrt(np.mean(transfer**2))).astype(np.float32)
    drawn = _normal((3, *transfer.shape), rng) * gain
    return np.moveaxis(scipy.fft.idctn(drawn, axes=(1, 2), norm="ortho"), 0, -1)

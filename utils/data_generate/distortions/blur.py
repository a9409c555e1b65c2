"""Detail that is smoothed away: Gaussian blur, and a denoiser at work."""

from __future__ import annotations

import numpy as np
import scipy

from utils.data_generate.distortions.noise import white_noise
from utils.data_generate.distortions.pixels import to_uint8
from utils.data_generate.distortions.wavelet import change_details

_SHRINK = 3.0  # standard deviations of the noise below which a coefficient counts as noise


def gaussian_blur(image: np.ndarray, kernel: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian of `kernel` pixels across (odd) with sigma = kernel / 6, borders mirrored."""
    return blurred(image, kernel / 6, int(kernel) // 2)


def blurred(image: np.ndarray, sigma: float, radius: int) -> np.ndarray:
    """uint8 (H, W, 3) through a Gaussian cut off at `radius` pixels, borders mirrored.

    Mirrored borders make a symmetric filter a product behind the cosine transform, so a kernel of
    199 pixels costs no more than one of 7.
    """
    planes = np.moveaxis(image, -1, 0).astype(np.float32)
    rows, columns = (_response(side, sigma, radius) for side in planes.shape[1:])
    spectrum = scipy.fft.dctn(planes, axes=(1, 2)) * (rows[:, None] * columns)
    return to_uint8(np.moveaxis(scipy.fft.idctn(spectrum, axes=(1, 2)), 0, -1))


def _response(side: int, sigma: float, radius: int) -> np.ndarray:
    offsets = np.arange(1, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    waves = np.cos(np.pi / side * np.outer(np.arange(side), offsets))
    return ((1 + 2 * (waves * weights).sum(1)) / (1 + 2 * weights.sum())).astype(np.float32)


def denoising(image: np.ndarray, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise, `variance` for values in 0..1, then a denoiser that knows its strength.

    Wavelet coefficients below three standard deviations are set to zero (Donoho and Johnstone,
    Biometrika 1994); what remains is smeared texture and ripples. RankIQA uses BM3D.
    """
    least = _SHRINK * np.float32(255 * np.sqrt(variance))
    noisy = white_noise(image, variance, rng)
    return change_details(
        noisy, lambda bands: [np.where(np.abs(band) < least, 0, band) for band in bands]
    )

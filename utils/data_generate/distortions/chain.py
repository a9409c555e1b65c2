"""What happens to a photograph on its way to a screen: blur, downscaling, noise and JPEG."""

from __future__ import annotations

import numpy as np
from PIL import Image

from utils.data_generate.distortions.blur import blurred
from utils.data_generate.distortions.compression import jpeg
from utils.data_generate.distortions.noise import white_noise

# What each step does at full strength.
_SIGMA = 4.0  # pixels
_SHRINK = 4.0  # times smaller
_DEVIATION = 40.0  # grey levels
_COARSEST = 500.0  # per cent of JPEG's standard quantisation steps: libjpeg quality 10
_WEAKEST = 0.35  # of a step's full strength


def chain(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Blur, downscaling, Gaussian noise and JPEG, one after the other, in an order that is drawn.

    How strong each is relative to its full strength (sigma 4 pixels, a quarter of the size, 40 grey
    levels, quality 10) is drawn too, 0.35 to 1; `strength`, 0..1, multiplies all four.
    """
    order = rng.permutation(len(_STEPS))
    shares = rng.uniform(_WEAKEST, 1, len(_STEPS)) * strength
    own = np.random.default_rng(rng.integers(2**63))
    for index in order:
        image = _STEPS[index](image, float(shares[index]), own)
    return image


def _blur(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    sigma = _SIGMA * share
    return blurred(image, sigma, int(np.ceil(4 * sigma)))


def _downscale(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    factor = 1 + (_SHRINK - 1) * share
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    picture = Image.fromarray(image).resize(small, Image.Resampling.BICUBIC)
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def _noise(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return white_noise(image, (_DEVIATION * share / 255) ** 2, rng)


def _jpeg(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    # Steps, not qualities, in proportion: noise of twice the strength before steps of twice the
    # size leaves twice the error, while steps that outgrow the noise would remove it.
    percent = _COARSEST * share
    return jpeg(image, round(100 - percent / 2 if percent < 100 else 5000 / percent), rng)


_STEPS = (_blur, _downscale, _noise, _jpeg)

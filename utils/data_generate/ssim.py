"""Full-reference similarity: the synthetic target where there are no opinions."""

from __future__ import annotations

import numpy as np

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_WINDOW = 11  # pixels
# SSIM depends on the viewing distance (Wang et al. 2003, section 1). At full resolution noise in
# smooth areas decides, so content outweighs the distortion; averaged 4 x 4 it does not.
_AVERAGED = 4


def luma_ssim(reference: np.ndarray, distorted: np.ndarray) -> float:
    """Mean SSIM of two uint8 (H, W, 3) images, 1 for equal ones (Wang et al. 2004, eq. 13).

    On luma averaged over 4 x 4 pixels (fewer where the image would be smaller than the window),
    with the paper's Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03. ValueError for images of
    different shapes or below 11x11 pixels (the window), or when scikit-image is not installed.
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError:
        raise ValueError(
            "SSIM targets need scikit-image: pip install -r requirements-quickstart.txt"
        ) from None
    if reference.shape != distorted.shape or min(reference.shape[:2]) < _WINDOW:
        shapes = f"{reference.shape} and {distorted.shape}"
        raise ValueError(
            f"SSIM needs two images of one shape and at least 11x11 pixels, got {shapes}"
        )
    factor = min(_AVERAGED, min(reference.shape[:2]) // _WINDOW)
    value = structural_similarity(
        _averaged(reference.astype(np.float64) @ _LUMA, factor),
        _averaged(distorted.astype(np.float64) @ _LUMA, factor),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255.0,
    )
    return float(value)


def _averaged(luma: np.ndarray, factor: int) -> np.ndarray:
    """(H, W) -> (H // factor, W // factor): means of square blocks; a rest at the edge is cut."""
    height, width = (side // factor for side in luma.shape)
    blocks = luma[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return blocks.mean(axis=(1, 3))

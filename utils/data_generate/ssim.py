"""Full-reference similarity: the synthetic target where there are no opinions."""

from __future__ import annotations

import numpy as np

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def luma_ssim(reference: np.ndarray, distorted: np.ndarray) -> float:
    """Mean SSIM of two uint8 (H, W, 3) images on luma, 1 for equal ones (Wang et al. 2004, eq. 13).

    Gaussian window with sigma 1.5, K1 = 0.01, K2 = 0.03, as in the paper. ValueError for images of
    different shapes or below 11x11 pixels (the window), or when scikit-image is not installed.
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError:
        raise ValueError(
            "SSIM targets need scikit-image: pip install -r requirements-quickstart.txt"
        ) from None
    if reference.shape != distorted.shape or min(reference.shape[:2]) < 11:
        shapes = f"{reference.shape} and {distorted.shape}"
        raise ValueError(
            f"SSIM needs two images of one shape and at least 11x11 pixels, got {shapes}"
        )
    value = structural_similarity(
        reference.astype(np.float64) @ _LUMA,
        distorted.astype(np.float64) @ _LUMA,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255.0,
    )
    return float(value)

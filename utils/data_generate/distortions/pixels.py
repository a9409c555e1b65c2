"""What the distortions share: rounding, colour spaces, and one way through a codec."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

# Full-range BT.601, JPEG's YCbCr; rows give Y, Cb, Cr. Chroma is centred on 0.
_TO_YCBCR = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.168735892, -0.331264108, 0.5],
        [0.5, -0.418687589, -0.081312411],
    ]
)
_TO_RGB = np.linalg.inv(_TO_YCBCR)


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Rounded to the nearest grey level and cut at 0 and 255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def to_ycbcr(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> float32 planes (3, H, W): Y in 0..255, Cb and Cr in -127.5..127.5."""
    return _mixed(np.moveaxis(image, -1, 0).astype(np.float32), _TO_YCBCR)


def to_rgb(planes: np.ndarray) -> np.ndarray:
    """The inverse of `to_ycbcr`: (3, H, W) -> uint8 (H, W, 3)."""
    return np.ascontiguousarray(np.moveaxis(to_uint8(_mixed(planes, _TO_RGB)), 0, -1))


def luma(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> float32 (H, W), 0..255."""
    return image.astype(np.float32) @ _TO_YCBCR[0].astype(np.float32)


def _mixed(planes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    # Written out: a product of matrices may differ in the last bit with the number of threads.
    rows = [
        sum(np.float32(m) * plane for m, plane in zip(row, planes, strict=True)) for row in matrix
    ]
    return np.stack(rows)


def encode(image: np.ndarray, **options: object) -> bytes:
    """The file that Pillow writes for uint8 (H, W, 3)."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, **options)
    return stream.getvalue()


def decode(file: bytes) -> np.ndarray:
    """uint8 (H, W, 3) of a file in memory."""
    with Image.open(io.BytesIO(file)) as coded:
        return np.asarray(coded.convert("RGB"))

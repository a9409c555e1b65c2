"""Parts of a picture that are moved, covered or missing."""

from __future__ import annotations

import numpy as np

from utils.data_generate.distortions.pixels import to_uint8

_AREA = 512 * 384  # pixels of TID2013's pictures, which the numbers of patches are for
_PATCH, _BLOCK = 15, 32  # pixels
_SMALL = 8  # a patch is at most this part of the shorter side


def non_eccentricity(image: np.ndarray, patches: float, rng: np.random.Generator) -> np.ndarray:
    """Patches of 15x15 pixels replaced by what lies 5 pixels to the right and below.

    `patches` is their number on 512x384 pixels: others get as many per area, and small images
    smaller ones. Worse levels move the same patches and more.
    """
    height, width = image.shape[:2]
    side, count = _fitted(image, _PATCH, patches)
    moved = np.zeros((height, width), bool)
    for row, column in _corners(image, side, count, rng):
        moved[row : row + side, column : column + side] = True
    distance = max(1, round(side / 3))
    rows = np.minimum(np.arange(height) + distance, height - 1)
    columns = np.minimum(np.arange(width) + distance, width - 1)
    return np.where(moved[..., None], image[rows[:, None], columns], image)


def local_blocks(image: np.ndarray, blocks: float, rng: np.random.Generator) -> np.ndarray:
    """Blocks of 32x32 pixels in random flat colours.

    TID2013's local block-wise distortions, which differ in intensity from block to block, in
    RankIQA's numbers; RankIQA paints all in one colour, the picture's mean with another red at
    levels 1 to 3. Level 1 is near 27 dB, below TID2013's 33.

    `blocks` is their number on 512x384 pixels: others get as many per area, and small images
    smaller ones. Worse levels keep the same blocks and put more beneath them.
    """
    side, count = _fitted(image, _BLOCK, blocks)
    corners = _corners(image, side, count, rng)
    colours = np.random.default_rng(rng.integers(2**63)).integers(256, size=(count, 3))
    covered = image.copy()
    for (row, column), colour in zip(corners[::-1], colours[::-1], strict=True):
        covered[row : row + side, column : column + side] = colour
    return covered


def _fitted(image: np.ndarray, side: int, number: float) -> tuple[int, int]:
    """(side, number) of squares that cover as much of this image as they do of TID2013's."""
    fitted = max(1, min(side, min(image.shape[:2]) // _SMALL))
    area = image.shape[0] * image.shape[1]
    return fitted, int(np.ceil(number * area / _AREA * (side / fitted) ** 2))


def _corners(image: np.ndarray, side: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Top and left of squares inside the image, (count, 2); a longer list begins with a shorter.

    Takes one number from `rng`, so that what is drawn next does not depend on `count`.
    """
    own = np.random.default_rng(rng.integers(2**63))
    room = np.array(image.shape[:2]) - side + 1
    return (own.random((count, 2)) * room).astype(int)


def sparse_sampling(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Only `share` of the pixels is kept, the others are guessed from them.

    The guess is push-pull (Gortler et al., SIGGRAPH 1996): means of ever larger squares, then back
    to the finest, each hole filled from the next coarser picture.
    """
    draw = rng.random(image.shape[:2], dtype=np.float32)
    kept = draw <= max(share, draw.min())
    return to_uint8(_fill(image.astype(np.float32), kept))


def _fill(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """`values` (H, W, 3) where `kept` (H, W), elsewhere an interpolation; one must be kept."""
    if kept.all():
        return values
    height, width = kept.shape
    rest = (height % 2, width % 2)
    weights = np.pad(kept.astype(np.float32), ((0, rest[0]), (0, rest[1])))
    padded = np.pad(values, ((0, rest[0]), (0, rest[1]), (0, 0))) * weights[..., None]
    number = _summed(weights[..., None])
    coarse = _fill(_summed(padded) / np.maximum(number, 1), number[..., 0] > 0)
    finer = _doubled(_doubled(coarse, 0), 1)[:height, :width]
    return np.where(kept[..., None], values, finer)


def _summed(values: np.ndarray) -> np.ndarray:
    """Sums of 2x2 pixels, (2h, 2w, C) -> (h, w, C)."""
    rows = values[0::2] + values[1::2]
    return rows[:, 0::2] + rows[:, 1::2]


def _doubled(values: np.ndarray, axis: int) -> np.ndarray:
    """Twice as many samples along an axis, linear between the old ones' centres."""
    old = np.moveaxis(values, axis, 0)
    before, after = np.concatenate([old[:1], old[:-1]]), np.concatenate([old[1:], old[-1:]])
    new = np.empty((2 * len(old), *old.shape[1:]), np.float32)
    new[0::2], new[1::2] = 0.75 * old + 0.25 * before, 0.75 * old + 0.25 * after
    return np.moveaxis(new, 0, axis)

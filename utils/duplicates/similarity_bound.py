"""How alike two thumbnails can be at most, for a fiftieth of the time that `similarity` takes.

`similarity` correlates the gradients of one thumbnail, cropped in one of K * K = 81 ways, with
those of the other. A cosine transform (DCT-II, of length 1) turns the sum of squared differences of
neighbouring pixels into one over frequencies, each weighed by 4 - 2 cos(pi u / SIDE) -
2 cos(pi v / SIDE): gradients are vectors of SIDE * SIDE frequencies, their correlation the cosine
between two. By the inequality of Cauchy and Schwarz that is at most

    (product of the LOW x LOW lowest frequencies) + (length of the rest) * (length of the rest),

for vectors of length 1. Of candidates that are photographs, nine in ten and more are told apart by
that, for all crops at once, in one product of matrices for each image.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from utils.duplicates.near_duplicates import CROPPED, SIDE

LOW = 16  # frequencies down, and across
SLACK = 2e-3  # of a similarity, by which rounding may be wrong

_PART = 8  # thumbnails at once with all their crops: 3 MB, which stay in a processor's cache
_WHOLE_PART = 64  # without
_FAINT = 3e-3  # of a thumbnail's energy: with less in its gradients, a crop is not told apart
_ROUNDING = 1e-5  # by which a share of energy may be wrong
_REACH = 2  # pixels: two that are further apart meet in no gradient of a crop


class SimilarityBound:
    """For pairs (i, j) of pictures[i], cropped as `similarity` may crop it, and views[j]: uint8
    (N, SIDE, SIDE) twice. Half a kilobyte is kept for each image.
    """

    def __init__(self, pictures: np.ndarray, views: np.ndarray) -> None:
        self._pictures, self._views = pictures, views
        self._whole, self._rest = _uncropped(views, LOW, np.float16)

    def may_reach(self, limit: float, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """bool (P,): False for pairs whose similarity is below `limit` if rows[p] is the one that
        is cropped. Pairs of one row follow each other. Where the lowest frequencies leave it open,
        all of them are looked at.
        """
        wanted = self._most(rows, columns, LOW) >= limit - SLACK
        wanted[wanted] = self._most(rows[wanted], columns[wanted], SIDE) >= limit - SLACK
        return wanted

    def _most(self, rows: np.ndarray, columns: np.ndarray, low: int) -> np.ndarray:
        """float32 (P,): the bound itself, by the low x low lowest frequencies."""
        found = np.empty(len(rows), np.float32)
        whole, other_rest = self._whole, self._rest
        if low != LOW:  # only of these images
            seen, columns = np.unique(columns, return_inverse=True)
            whole, other_rest = _uncropped(self._views[seen], low, np.float32)
        images, starts = np.unique(rows, return_index=True)
        ends = np.append(starts[1:], len(rows))
        for start in range(0, len(images), _PART):
            part = slice(start, start + _PART)
            cropped = _waves(self._pictures[images[part]], len(CROPPED), low)
            for waves, lengths, rest, first, end in zip(
                *cropped, starts[part], ends[part], strict=True
            ):
                others = columns[first:end]
                most = waves @ whole[others].astype(np.float32).T  # (K * K, P of the row)
                most /= lengths[:, None]
                most += rest[:, None] * other_rest[others]
                found[first:end] = most.max(axis=0)
        return found


def _uncropped(
    pictures: np.ndarray, low: int, kind: type[np.floating]
) -> tuple[np.ndarray, np.ndarray]:
    """(N, low * low): what the lowest frequencies of pixels of another picture are multiplied with
    for the product of both pictures' gradients, if that one's have length 1; (N,): its rest.
    """
    whole = np.empty((len(pictures), low * low), kind)
    others = np.empty(len(pictures), np.float32)
    for start in range(0, len(pictures), _WHOLE_PART):
        part = slice(start, start + _WHOLE_PART)
        waves, lengths, rest = _waves(pictures[part], 1, low)
        whole[part] = waves[:, 0] / lengths * _WEIGHTS[:low, :low].reshape(-1)
        others[part] = rest[:, 0]
    return whole, others


def _waves(pictures: np.ndarray, crops: int, low: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of uint8 pictures (N, SIDE, SIDE) for each pair of the first K crops, across and down: the
    lowest frequencies of pixels (N, K * K, low * low), the length of all gradients (N, K * K), and
    the share of that length beyond the lowest frequencies, infinite where it is not known.
    """
    x = pictures.astype(np.float32)
    x -= x.mean(axis=(1, 2), keepdims=True)
    chosen, weights = _COSINES[low][:crops], _WEIGHTS[:low, :low].reshape(-1)
    down = chosen.reshape(-1, SIDE) @ x
    turned = chosen.transpose(0, 2, 1).copy()
    waves = (down[:, None] @ turned).reshape(len(x), crops**2, low**2)
    energy = waves**2 @ weights  # all there is, if no frequency is left out
    squares = np.maximum(energy if low == SIDE else _gradient_squares(x, crops), 1e-6)
    rest = np.sqrt(np.maximum(1 - energy / squares, 0) + _ROUNDING)
    rest[squares < _FAINT * (x**2).sum(axis=(1, 2))[:, None]] = np.inf
    return waves, np.sqrt(squares), rest


def _gradient_squares(x: np.ndarray, crops: int) -> np.ndarray:
    """(N, K * K): the sum of squared gradients of x (N, SIDE, SIDE), cropped across and down by
    the first K crops. It is a sum over products of pixels at most REACH apart: no crop is made.
    """
    count = len(x)
    padded = np.zeros((count, SIDE + _REACH, SIDE + 2 * _REACH), np.float32)
    padded[:, :SIDE, _REACH:-_REACH] = x
    beside = sliding_window_view(padded, SIDE, axis=2)  # (N, ., 2 * REACH + 1, SIDE)
    sums = np.empty((2, count, _REACH + 1, SIDE, crops), np.float32)
    for step in range(_REACH + 1):  # rows down; the same ones up are as many again
        products = (beside[:, step : step + SIDE] * x[:, :, None]).reshape(count * SIDE, -1)
        for kind in range(2):
            sums[kind, :, step] = (products @ _ACROSS[kind, :, :crops]).reshape(count, SIDE, -1)
    found = _DOWN[:, None, :crops] @ sums.reshape(2, count, -1, crops)
    return found.sum(axis=0).transpose(0, 2, 1).reshape(count, -1)


def _bands(matrices: np.ndarray, first: int) -> np.ndarray:
    """(K, n, SIDE): the diagonals from `first` to REACH of (K, SIDE, SIDE), zero beyond edges."""
    rows = np.arange(SIDE)
    padded = np.pad(matrices, ((0, 0), (0, 0), (_REACH, _REACH)))
    return padded[:, rows, rows + _REACH + np.arange(first, _REACH + 1)[:, None]]


_WAVE = np.arange(SIDE)[:, None]
_LENGTHS = np.sqrt(np.where(_WAVE == 0, 1, 2) / SIDE)
_TRANSFORM = _LENGTHS * np.cos(np.pi * _WAVE * (2 * np.arange(SIDE) + 1) / (2 * SIDE))
_COSINES = {low: (_TRANSFORM[:low] @ CROPPED).astype(np.float32) for low in (LOW, SIDE)}
_STEPS = 2 - 2 * np.cos(np.pi * _WAVE / SIDE)
_WEIGHTS = (_STEPS + _STEPS.T).astype(np.float32)  # (SIDE, SIDE)

# Gradients across are differences across of what is cropped down, and the other way round.
_STEPPED = np.diff(CROPPED, axis=1)
_SQUARES = [crops.transpose(0, 2, 1) @ crops for crops in (_STEPPED, CROPPED)]  # (K, SIDE, SIDE)
_ACROSS = np.stack([_bands(square, -_REACH).reshape(len(CROPPED), -1).T for square in _SQUARES])
_TIMES = np.where(np.arange(_REACH + 1) > 0, 2, 1).astype(np.float32)[:, None]
_DOWN = np.stack([(_bands(s, 0) * _TIMES).reshape(len(CROPPED), -1) for s in _SQUARES[::-1]])

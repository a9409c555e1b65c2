"""Brightness, contrast and colour."""

from __future__ import annotations

import numpy as np
import scipy
from PIL import Image

from utils.data_generate.distortions.pixels import luma, to_rgb, to_uint8, to_ycbcr

_PALETTE_PIXELS = 16384


def mean_shift(image: np.ndarray, shift: float, rng: np.random.Generator) -> np.ndarray:
    """All values plus or minus `shift` grey levels; the direction is drawn."""
    return to_uint8(image + np.float32(shift if rng.random() < 0.5 else -shift))


def contrast_change(
    image: np.ndarray, factors: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Distances from the mean luma times one of `factors` (lower, higher); which one is drawn.

    TID2013's change of contrast, in both directions, at RankIQA's factors; RankIQA itself
    multiplies the values by the lower one, which darkens as well. Level 1 is near 27 dB, below
    TID2013's 33.
    """
    factor, middle = np.float32(factors[int(rng.random() < 0.5)]), luma(image).mean()
    return to_uint8(middle + (image - middle) * factor)


def saturation_change(image: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    """Cb and Cr times `factor`: 0 is grey, below 0 are the opposite colours. Grey stays grey."""
    planes = to_ycbcr(image)
    planes[1:] *= np.float32(factor)
    return to_rgb(planes)


def colour_quantisation(image: np.ndarray, colours: float, rng: np.random.Generator) -> np.ndarray:
    """A palette of `colours` (median cut of 16384 pixels or fewer, evenly spread), errors diffused
    (Floyd and Steinberg).
    """
    step = int(np.ceil(np.sqrt(image.shape[0] * image.shape[1] / _PALETTE_PIXELS)))
    sample = Image.fromarray(np.ascontiguousarray(image[::step, ::step]))
    palette = sample.quantize(int(colours), method=Image.Quantize.MEDIANCUT)
    dithered = Image.fromarray(image).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    return np.asarray(dithered.convert("RGB"))


def quantisation(image: np.ndarray, thresholds: float, rng: np.random.Generator) -> np.ndarray:
    """Values cut into `thresholds` + 1 classes by Otsu's rule, each replaced by its mean.

    One set of thresholds for all channels, found exactly: least squared error over all ways to cut
    the histogram (Otsu 1979, by dynamic programming). The numbers of thresholds are RankIQA's,
    which puts 0, 255 and thresholds in the place of a class and so shifts it; means are nearer
    TID2013's quantisation noise. Level 1 is near its 33 dB.
    """
    counts = np.bincount(image.ravel(), minlength=256).astype(np.float64)
    return _optimal_classes(counts, int(thresholds) + 1)[image]


def _optimal_classes(counts: np.ndarray, classes: int) -> np.ndarray:
    """uint8 (256,): the mean of each value's class, for the best cut of a histogram (256,)."""
    cost, means = _interval_costs(counts)
    best, cuts = cost[0], []  # best[j]: least error of values 0..j in as many classes as so far
    for _ in range(classes - 1):
        # An interval that begins at i > 0 continues the best cut of 0..i-1.
        total = best[:-1, None] + cost[1:]  # (255, 256)
        cuts.append(total.argmin(0) + 1)
        best = total.min(0)
    table, end = np.empty(256, np.uint8), 255
    for cut in [*reversed(cuts), None]:
        start = 0 if cut is None else int(cut[end])
        table[start : end + 1] = np.rint(means[start, end])
        end = start - 1
        if end < 0:
            break
    return table


def _interval_costs(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared error and mean, each (256, 256), of the values i..j as one class; inf where i > j."""
    values = np.arange(256)
    sums = [np.concatenate([[0], np.cumsum(counts * values**power)]) for power in range(3)]
    number, first, second = (total[None, 1:] - total[:-1, None] for total in sums)
    means = first / np.maximum(number, 1)
    cost = np.where(np.tri(256, k=-1, dtype=bool), np.inf, np.maximum(second - first * means, 0))
    return cost, means


def chromatic_aberration(image: np.ndarray, shift: float, rng: np.random.Generator) -> np.ndarray:
    """Red moved `shift` pixels sideways, blue half as far, then a 3x3 box blur; left or right is
    drawn.

    TID2013's chromatic aberrations, colours out of register, with RankIQA's shifts; RankIQA moves
    red and green, a pixel less, to the right and blurs by a narrow Gaussian. Level 1 is near 26 dB,
    below TID2013's 33.
    """
    direction = 1 if rng.random() < 0.5 else -1
    columns = np.arange(image.shape[1])
    moved = image.copy()
    for channel, distance in ((0, int(shift)), (2, int(shift) // 2)):
        source = np.clip(columns - direction * distance, 0, len(columns) - 1)
        moved[..., channel] = image[:, source, channel]
    return to_uint8(
        scipy.ndimage.uniform_filter(moved.astype(np.float32), (3, 3, 0), mode="nearest")
    )

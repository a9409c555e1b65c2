"""Distortions of five growing levels, after the generator of RankIQA (Liu et al., ICCV 2017).

A distortion takes uint8 (H, W, 3) and returns uint8 (H, W, 3). Level 0 is the input bit for bit,
level 5 the worst. What is random is drawn from the generator that is passed in.

Where RankIQA's generator states parameters they are used (R below); it stops at level 4 for
TID2013, and the fifth continues its row. What is done with them is TID2013's distortion rather than
RankIQA's operation where the two differ, as each function says. With these parameters level 1 lies
between 24 and 33 dB, of colour_noise at 17, whereas TID2013's levels are near 33, 30, 27, 24 and 21
dB. The others (C) are calibrated to about equal steps of PSNR, most of them near those.
tests/benchmarks/bench_distortions.py prints the PSNR of every level.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.data_generate.distortions import blur, chain, colour, compression, noise, spatial

LEVELS = 5
SMALLEST_SIDE = 16  # pixels


@dataclass(frozen=True)
class Distortion:
    """`apply(image, parameter, rng)`, its parameters at levels 1..5, and what they mean."""

    apply: Callable[[np.ndarray, Any, np.random.Generator], np.ndarray]
    parameters: tuple[Any, Any, Any, Any, Any]
    unit: str


_VARIANCE = "variance for values in 0..1"
_GREY = "standard deviation, grey levels"
_TID_NOISE = (5.7, 8.1, 11.4, 16.1, 22.7)  # grey levels: 33, 30, 27, 24 and 21 dB

# name: (function, parameters of levels 1 to 5, their unit).
_TABLE = {
    # LIVE's five. R; its JPEG quality 0 is 1 here: libjpeg raises every lower value to 1.
    "jpeg": (compression.jpeg, (43, 12, 7, 4, 1), "libjpeg quality"),
    "jpeg2000": (compression.jpeg2000, (0.46, 0.16, 0.07, 0.04, 0.02), "bits per pixel"),
    "white_noise": (noise.white_noise, (2**-10, 2**-7.5, 2**-5.5, 2**-3.5, 1.0), _VARIANCE),
    "gaussian_blur": (blur.gaussian_blur, (7, 15, 39, 91, 199), "kernel, pixels"),
    "fast_fading": (  # C
        compression.fast_fading, (-10, -7.5, -5, -2.5, 1), "gain that is needed, dB over the mean"),
    # TID2013's others, in its order.
    "additive_noise": (noise.white_noise, (0.001, 0.005, 0.01, 0.05, 0.2), _VARIANCE),
    "colour_noise": (noise.colour_noise, (0.014, 0.0198, 0.0343, 0.0524, 0.08), _VARIANCE),  # R
    "correlated_noise": (noise.correlated_noise, _TID_NOISE, _GREY),  # C
    "masked_noise": (noise.masked_noise, _TID_NOISE, _GREY),  # C
    "high_frequency_noise": (  # R
        noise.high_frequency_noise, (0.001, 0.005, 0.01, 0.05, 0.2), _VARIANCE),
    "impulse_noise": (noise.impulse_noise, (0.005, 0.01, 0.05, 0.1, 0.2), "share of values"),  # R
    "quantisation": (colour.quantisation, (9, 7, 5, 3, 1), "thresholds"),  # R
    "denoising": (blur.denoising, (0.001, 0.005, 0.01, 0.05, 0.2), _VARIANCE),  # R
    "jpeg_transmission": (  # C
        compression.jpeg_transmission, (0.02, 0.04, 0.08, 0.16, 0.32), "share of segments"),
    "jpeg2000_transmission": (  # C
        compression.jpeg2000_transmission, (0.02, 0.04, 0.055, 0.1, 0.2), "share of code-blocks"),
    "non_eccentricity": (  # R
        spatial.non_eccentricity, (30, 70, 150, 300, 600), "patches on 512x384 pixels"),
    "local_blocks": (spatial.local_blocks, (2, 4, 8, 16, 32), "blocks on 512x384"),  # R
    "mean_shift": (colour.mean_shift, (15, 30, 45, 60, 75), "grey levels"),  # R
    "contrast_change": (  # R
        colour.contrast_change, ((0.85, 1.2), (0.7, 1.4), (0.55, 1.6), (0.4, 1.8), (0.25, 2.0)),
        "factor, lower or higher"),
    "saturation_change": (  # R
        colour.saturation_change, (0.4, 0.0, -0.4, -0.8, -1.2), "factor of Cb and Cr"),
    "multiplicative_noise": (  # R
        noise.multiplicative_noise, (0.05, 0.09, 0.13, 0.2, 0.3),
        "standard deviation of the factor"),
    "comfort_noise": (  # C
        noise.comfort_noise, (8, 14, 25, 45, 80), "wavelet coefficient, grey levels"),
    "noisy_compression": (  # C
        compression.noisy_compression, ((6, 60), (12, 40), (18, 25), (27, 15), (40, 8)),
        "noise in grey levels, libjpeg quality"),
    "colour_quantisation": (colour.colour_quantisation, (64, 32, 16, 8, 4), "colours"),  # R
    "chromatic_aberration": (colour.chromatic_aberration, (2, 6, 10, 14, 18), "pixels"),  # R
    "sparse_sampling": (  # C
        spatial.sparse_sampling, (0.8, 0.6, 0.4, 0.2, 0.07), "share of pixels kept"),
    **{f"chain_{n}": (chain.chain, (0.2, 0.4, 0.6, 0.8, 1.0), "of full strength")
       for n in range(1, 6)},
}  # fmt: skip
DISTORTIONS = {name: Distortion(*row) for name, row in _TABLE.items()}

SETS: dict[str, tuple[str, ...]] = {
    "basic": ("jpeg", "jpeg2000", "white_noise", "gaussian_blur"),
    "live": ("jpeg", "jpeg2000", "white_noise", "gaussian_blur", "fast_fading"),
    "tid2013": (
        "additive_noise", "colour_noise", "correlated_noise", "masked_noise",
        "high_frequency_noise", "impulse_noise", "quantisation", "gaussian_blur", "denoising",
        "jpeg", "jpeg2000", "jpeg_transmission", "jpeg2000_transmission", "non_eccentricity",
        "local_blocks", "mean_shift", "contrast_change", "saturation_change",
        "multiplicative_noise", "comfort_noise", "noisy_compression", "colour_quantisation",
        "chromatic_aberration", "sparse_sampling",
    ),
    "chain": tuple(f"chain_{number}" for number in range(1, 6)),
}  # fmt: skip


def distortions_of(distortion_set: str) -> tuple[str, ...]:
    """The distortions of a set; ValueError with the nearest name and the list for another name."""
    return _lookup(SETS, distortion_set, "set of distortions")


def distort(image: np.ndarray, name: str, level: int, rng: np.random.Generator) -> np.ndarray:
    """A distorted version, uint8 (H, W, 3), of `image`, uint8 (H, W, 3) of at least 16x16 pixels.

    Hand a fresh generator of one seed to every level of a ladder, a seed made without the level:
    then all levels share what is drawn (the noise, where patches lie, the direction of a shift, the
    order of a chain), and a worse level is worse on this very photograph, not only on average.

    Level 0 is a copy of the input. ValueError for another shape or type, an unknown name, or a
    level outside 0..5.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: expected uint8 (H, W, 3), got {image.dtype} {image.shape}")
    if min(image.shape[:2]) < SMALLEST_SIDE:
        side = f"{SMALLEST_SIDE}x{SMALLEST_SIDE}"
        raise ValueError(f"image: {image.shape[1]}x{image.shape[0]} pixels, at least {side} needed")
    if not 0 <= level <= LEVELS:
        raise ValueError(f"level {level}: expected 0 (the input) to {LEVELS} (the worst)")
    distortion = _lookup(DISTORTIONS, name, "distortion")
    if level == 0:
        return image.copy()
    return np.ascontiguousarray(distortion.apply(image, distortion.parameters[level - 1], rng))


def _lookup(table: dict, name: str, what: str):
    if name not in table:
        near = difflib.get_close_matches(name, table, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"unknown {what} {name!r}: {hint}one of {', '.join(table)}")
    return table[name]

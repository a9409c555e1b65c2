"""Compression, and code streams that arrive damaged."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import scipy

from utils.data_generate.distortions.noise import white_noise
from utils.data_generate.distortions.pixels import decode, encode
from utils.data_generate.distortions.wavelet import (
    block_peaks,
    change_details,
    code_blocks,
    spread,
)

# A JPEG 2000 code stream spends some 180 bytes on headers whatever the image, more than a small
# image has at 0.02 bits per pixel. So the stated rate is for the pixels alone, and an image smaller
# than this is mirrored to it, coded, and cut back.
_JPEG2000_HEADER = 180  # bytes
_JPEG2000_SIDE = 192  # pixels

_SENT_QUALITY = 90  # libjpeg quality of a stream that loses nothing on its way
_SEGMENTS = 40  # restart segments a picture has at least, where its size allows
_LONGEST_SEGMENT = 8  # coded units of 16x16 pixels
_COHERENCE = 0.9  # correlation of the channel's gain from one code-block to the next
_WARM_UP = 64  # code-blocks until the gain's statistics are steady
_PLANES_PER_DB = 2.0  # bit-planes lost per decibel that the gain lacks
_LEAST_GARBAGE = 4.0  # grey levels


def jpeg(image: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG at a libjpeg quality, chroma halved (libjpeg's default and MATLAB's imwrite)."""
    return decode(encode(image, format="JPEG", quality=int(quality)))


def jpeg2000(image: np.ndarray, bits_per_pixel: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG 2000 (irreversible wavelet), `bits_per_pixel` out of 24 spent on the pixels."""
    height, width = image.shape[:2]
    rest = (max(0, _JPEG2000_SIDE - height), max(0, _JPEG2000_SIDE - width))
    padded = np.pad(image, ((0, rest[0]), (0, rest[1]), (0, 0)), mode="symmetric")
    ratio = padded.size / (padded.size / 24 * bits_per_pixel + _JPEG2000_HEADER)
    options = {"irreversible": True, "no_jp2": True, "quality_mode": "rates"}
    coded = decode(encode(padded, format="JPEG2000", quality_layers=[ratio], **options))
    return np.ascontiguousarray(coded[:height, :width])


def noisy_compression(
    image: np.ndarray, strength: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """JPEG of a noisy picture; `strength` is (noise in grey levels, libjpeg quality)."""
    deviation, quality = strength
    return jpeg(white_noise(image, (deviation / 255) ** 2, rng), quality, rng)


def jpeg_transmission(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A JPEG stream of quality 90 with wrong bytes in `share` of its restart segments.

    A decoder goes astray at a wrong byte and finds its way again at the next restart marker. The
    segments that one level damages are damaged in the same way at every worse one.
    """
    units, subsampling = _units(image, 16), "4:2:0"
    if units < _SEGMENTS:  # smaller units for a small picture
        units, subsampling = _units(image, 8), "4:4:4"
    options = {
        "restart_marker_blocks": int(np.clip(units // _SEGMENTS, 1, _LONGEST_SEGMENT)),
        "subsampling": subsampling,
    }
    file = encode(image, format="JPEG", quality=_SENT_QUALITY, **options)
    start = _scan_start(file)
    # Inside the scan 0xFF is followed by 0 (a value) or D0..D7 (a restart marker), or it ends.
    ends = [m.start() for m in re.finditer(rb"\xff[\xd0-\xd7\xd9]", file[start:])]
    segments = list(zip([0, *(end + 2 for end in ends[:-1])], ends, strict=True))
    order = rng.permutation(len(segments))
    keys = rng.integers(2**63, size=len(segments))
    scan = bytearray(file[start:])
    for index in order[: int(np.ceil(share * len(segments)))]:
        _damage(scan, *segments[index], np.random.default_rng(keys[index]))
    return decode(file[:start] + bytes(scan))


def _units(image: np.ndarray, side: int) -> int:
    return -(-image.shape[0] // side) * -(-image.shape[1] // side)


def _scan_start(file: bytes) -> int:
    """Where the entropy-coded data begins: behind the start-of-scan segment."""
    position = 2
    while file[position + 1] != 0xDA:
        position += 2 + int.from_bytes(file[position + 2 : position + 4], "big")
    return position + 2 + int.from_bytes(file[position + 2 : position + 4], "big")


def _damage(scan: bytearray, start: int, end: int, rng: np.random.Generator) -> None:
    """Change some bytes of a segment's first half; never make or break a marker."""
    for place in rng.integers(start, start + max(1, (end - start) // 2), size=4):
        value = scan[place] ^ int(rng.integers(1, 256))
        behind_ff = place > start and scan[place - 1] == 0xFF
        if 0xFF not in (scan[place], value) and not behind_ff:
            scan[place] = value


def fast_fading(image: np.ndarray, threshold: float, rng: np.random.Generator) -> np.ndarray:
    """A JPEG 2000 stream over a Rayleigh-fading channel; `threshold` (dB) is the gain it needs.

    A model of the stream, so that it can always be decoded: the code-blocks (8x8 coefficients) go
    out one after the other, coarse scales first, each under its own gain, relative to the channel's
    mean. A block whose gain is too low loses its lowest bit-planes, two per missing decibel, as an
    embedded code does that is cut at the first error. The coarsest picture is protected. All levels
    see one channel, so what a level loses every worse one loses too.
    """

    def faded(bands: list[np.ndarray]) -> Iterator[np.ndarray]:
        shapes = [code_blocks(band) for band in bands]
        counts = [int(np.prod(shape)) for shape in shapes]
        missing = threshold - 10 * np.log10(_rayleigh_power(sum(counts), rng))
        planes = np.ceil(np.maximum(missing, 0) * _PLANES_PER_DB)
        pieces = np.split(planes, np.cumsum(counts[::-1])[:-1])[::-1]
        for band, shape, piece in zip(bands, shapes, pieces, strict=True):
            sent = piece.reshape(shape[0], *shape[2:], shape[1])  # a place's colours in a row
            step = np.exp2(np.minimum(np.moveaxis(sent, -1, 1), 24)).astype(np.float32)
            step = spread(step, band.shape)
            yield np.where(step > 1, np.trunc(band / step) * step, band)

    return change_details(image, faded)


def _rayleigh_power(count: int, rng: np.random.Generator) -> np.ndarray:
    """Squared magnitudes (count,), mean 1, of a complex Gaussian gain that changes slowly."""
    drawn = rng.standard_normal((2, count + _WARM_UP))
    gain = scipy.signal.lfilter([np.sqrt((1 - _COHERENCE**2) / 2)], [1, -_COHERENCE], drawn)
    return np.maximum((gain**2).sum(0)[_WARM_UP:], 1e-12)


def jpeg2000_transmission(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A JPEG 2000 stream with bit errors in `share` of its code-blocks, scattered over it.

    A model of the stream, so that it can always be decoded: an arithmetic decoder that has lost its
    way reads random bits, so a damaged block (8x8 coefficients) holds random values as large as its
    largest. The same share of every scale is hit, rounded (upwards in the finest, so that something
    is), or one coarse block would outweigh all others; the coarsest picture is protected. The
    blocks that one level damages are damaged in the same way at every worse one.
    """

    def damaged(bands: list[np.ndarray]) -> Iterator[np.ndarray]:
        for scale, band in enumerate(bands):
            shape = code_blocks(band)
            rank = rng.permutation(int(np.prod(shape))).reshape(shape)
            number = share * rank.size
            hit = rank < (np.ceil(number) if scale == 0 else np.rint(number))
            peaks = spread(np.maximum(block_peaks(band), _LEAST_GARBAGE), band.shape)
            garbage = rng.uniform(-1, 1, band.shape).astype(np.float32) * peaks
            yield np.where(spread(hit, band.shape), garbage, band)

    return change_details(image, damaged)

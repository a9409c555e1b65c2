"""Near duplicates among many images: a 64-bit perceptual hash finds candidates, registered
correlation decides.

An image is known by its thumbnail: grey, SIDE x SIDE pixels, the aspect squashed.

1. The hash holds the signs of the 64 lowest frequencies of the thumbnail's cosine transform, the
   mean left out (after pHash: Zauner, "Implementation and Benchmarking of Perceptual Image Hash
   Functions", 2010). Brightness and contrast do not change signs. Every two hashes are compared.
2. Candidates, at most CANDIDATE_BITS apart, are registered: one of the two is cropped by 0, 2.5 or
   5% on each side, whichever fits the other best. The similarity is then the correlation of the
   two thumbnails' gradients: two skies agree in their pixels, but hardly in their gradients.

Both limits come from tests/benchmarks/bench_duplicates.py on 2,224 photographs. All copies that
were re-encoded (JPEG quality 30 to 95), resized, brightened by 10%, cropped by 2% on every side or
by 5% on one are found, and 98% of those cropped by 5% on two sides or more. Of the 2.5 million
pairs of photographs, 109 reach SAME_SCENE; seen with the eye, each shows one scene twice (other
exposure, focus or moment). The first pairs of two scenes come at 0.47.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

SIDE = 32  # pixels of a thumbnail
CANDIDATE_BITS = 18  # of 64
SAME_SCENE = 0.65  # similarity
FLAT = 2.0  # standard deviation in grey levels, 0..255, below which a thumbnail shows nothing
CROPS = (0.0, 0.025, 0.05)  # of the width or height, on one side

_ROWS, _COLUMNS = 64, 8192  # hashes compared at once, the columns three by three: 2 MB
_MOST = 1 << 20  # pairs of hashes at once: 16 MB
_BASE = 128  # of the digits in which three distances stand in one number
_FLAGS = np.array([64, 64 * _BASE, 64 * _BASE**2], np.int32)
_PART = 4096  # thumbnails looked at at once: 16 MB
_BATCH = 512  # pairs registered at once

Pairs = tuple[np.ndarray, np.ndarray]
Progress = Callable[[int, int], None]


def is_flat(thumbnails: np.ndarray) -> np.ndarray:
    """bool (N,): thumbnails (N, SIDE, SIDE) with nothing to compare."""
    flat = np.empty(len(thumbnails), bool)
    for start in range(0, len(thumbnails), _PART):
        part = thumbnails[start : start + _PART].astype(np.float32)
        flat[start : start + _PART] = part.std(axis=(1, 2)) < FLAT
    return flat


def signs(thumbnails: np.ndarray) -> np.ndarray:
    """The hashes of uint8 (N, SIDE, SIDE): float32 (N, 64) of -1 and 1, in zigzag order."""
    frequencies = _zigzag(64)
    wave = _cosines(int(frequencies.max()) + 1)  # (F, SIDE)
    bits = np.empty((len(thumbnails), 64), np.float32)
    for start in range(0, len(thumbnails), _PART):
        part = thumbnails[start : start + _PART].astype(np.float32)
        spectrum = wave @ part @ wave.T  # (n, F, F): down, across
        chosen = spectrum[:, frequencies[:, 0], frequencies[:, 1]]
        bits[start : start + _PART] = np.where(chosen > 0, 1, -1)
    return bits


def mirrored_signs(bits: np.ndarray) -> np.ndarray:
    """The hashes of the same images, left and right exchanged: odd waves across change sign."""
    odd = _zigzag(64)[:, 1] % 2 == 1
    return np.where(odd, -bits, bits)


def close_hashes(
    first: np.ndarray, second: np.ndarray, most_bits: int, progress: Progress | None = None
) -> Iterator[Pairs]:
    """All (i, j), i != j, with first[i] and second[j] at most `most_bits` (below 64) apart, in
    ascending order of i; a few rows at a time, or fewer pairs where they would be many.

    Exact: of three hashes b, b', b'' the numbers 64 + most_bits - (bits that differ from a) stand
    in one product of matrices as digits of base 128, and digits with the bit of 64 are looked for.
    The lowest 23 bits of a float32 from 2**23 on are the digits.
    """
    count, third = len(first), -(-len(first) // 3)
    rows = np.ones((count, 65), np.float32)
    rows[:, :64] = first > 0
    columns = np.zeros((3, third, 65), np.float32)  # (bits of a) @ (signs of b): ones of both, less
    columns.reshape(-1, 65)[:count, :64] = second  # those of a alone
    columns.reshape(-1, 65)[:count, 64] = 64 + most_bits - (second > 0).sum(axis=1)
    packed = np.tensordot(_BASE ** np.arange(3, dtype=np.float32), columns, 1).T.copy()
    packed[64] += 2**23
    for top in range(0, count, _ROWS):
        found: list[np.ndarray] = []
        for left in range(0, third, _COLUMNS):
            digits = (rows[top : top + _ROWS] @ packed[:, left : left + _COLUMNS]).view(np.int32)
            places = np.flatnonzero(digits & _FLAGS.sum(dtype=np.int32) != 0)
            row, column = np.divmod(places.astype(np.int32), np.int32(digits.shape[1]))
            place, digit = np.nonzero(digits.reshape(-1)[places, None] & _FLAGS)
            pairs = np.stack([row[place] + top, (column + left)[place] + digit * third])
            found.append(pairs[:, pairs[0] != pairs[1]])
            if sum(part.shape[1] for part in found) > _MOST or left + _COLUMNS >= third:
                i, j = np.concatenate(found, axis=1)
                order = i.argsort(kind="stable")
                yield i[order], j[order]
                found = []
        if progress is not None:
            progress(min(top + _ROWS, count), count)


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float32 (P,), at most 1: of thumbnails a[i] and b[i], (P, SIDE, SIDE), best crops found."""
    found = np.empty(len(a), np.float32)
    for start in range(0, len(a), _BATCH):
        x = a[start : start + _BATCH].astype(np.float32)
        y = b[start : start + _BATCH].astype(np.float32)
        x, y = _centred(x), _centred(y)
        fit_xy, alike_xy = _registered(x, y)
        fit_yx, alike_yx = _registered(y, x)
        found[start : start + _BATCH] = np.where(fit_xy > fit_yx, alike_xy, alike_yx)
    return found


def _registered(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P,) twice: correlation of pixels and of gradients, x cropped so that it fits y best.

    Rows, columns and rows again: each step looks at every crop of one axis.
    """
    turned = y.transpose(0, 2, 1)
    _, x_rows = _best_rows(x, y)
    _, columns = _best_rows((CROPPED[x_rows] @ x).transpose(0, 2, 1), turned)
    across = x @ CROPPED[columns].transpose(0, 2, 1)
    fit, rows = _best_rows(across, y)
    cropped = CROPPED[rows] @ across
    return fit, _correlation(_gradients(cropped), _gradients(y))


def _best_rows(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P,) twice: the largest correlation of a row-cropped x with y, which has no mean; the crop.

    <R x, y> = <R, y x'>, and |R x|^2 = <R'R, x x'>: no crop has to be made.
    """
    flat = (len(x), SIDE * SIDE)
    across = x.transpose(0, 2, 1)
    products = (y @ across).reshape(flat) @ CROPPED.reshape(-1, SIDE * SIDE).T  # (P, K)
    squares = (x @ across).reshape(flat) @ _CROPPED_SQUARE.reshape(-1, SIDE * SIDE).T
    means = x.sum(axis=2) @ CROPPED.sum(axis=1).T / SIDE  # (P, K): of R x, times SIDE
    spread = np.sqrt(np.maximum(squares - means**2, 1e-6))
    norms = np.sqrt(np.maximum((y**2).sum(axis=(1, 2)), 1e-6))
    correlations = products / spread / norms[:, None]
    best = correlations.argmax(axis=1)
    return correlations[np.arange(len(x)), best], best


def _centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(axis=(1, 2), keepdims=True)


def _gradients(x: np.ndarray) -> np.ndarray:
    across = (x[:, :, 1:] - x[:, :, :-1]).reshape(len(x), -1)
    down = (x[:, 1:] - x[:, :-1]).reshape(len(x), -1)
    return np.concatenate([across, down], axis=1)


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    norms = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return (x * y).sum(axis=1) / np.maximum(norms, 1e-6)


def _zigzag(count: int) -> np.ndarray:
    """(count, 2): frequencies (down, across) by their sum, the mean left out."""
    places = [(u, v) for u in range(SIDE) for v in range(SIDE)]
    return np.array(sorted(places, key=lambda place: (sum(place), place))[1 : count + 1])


def _cosines(count: int) -> np.ndarray:
    """float32 (count, SIDE): the rows of a cosine transform (DCT-II), not scaled."""
    frequency, place = np.arange(count)[:, None], np.arange(SIDE)[None]
    return np.cos(np.pi * frequency * (2 * place + 1) / (2 * SIDE)).astype(np.float32)


def _crop_rows(before: float, after: float) -> np.ndarray:
    """(SIDE, SIDE): R @ x shows x without the given shares of its first and last rows."""
    centres = SIDE * before + (np.arange(SIDE) + 0.5) * (1 - before - after) - 0.5
    lower = np.floor(centres).astype(int)
    share = centres - lower
    rows = np.zeros((SIDE, SIDE), np.float32)
    for row, (first, weight) in enumerate(zip(lower, share, strict=True)):
        rows[row, np.clip(first, 0, SIDE - 1)] += 1 - weight
        rows[row, np.clip(first + 1, 0, SIDE - 1)] += weight
    return rows


CROPPED = np.stack([_crop_rows(a, b) for a in CROPS for b in CROPS])  # (K, SIDE, SIDE)
_CROPPED_SQUARE = CROPPED.transpose(0, 2, 1) @ CROPPED

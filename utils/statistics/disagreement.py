"""Where two models disagree: pairs of images that one orders one way and the other the other way,
and images whose places on the two scales are far apart.

Two models need not share a scale, so scores are compared in units of each model's own spread over
the images: z = (score - mean) / standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from utils.statistics.resampled import Floats, Ints, balances, differing_pairs
from utils.statistics.ties import constant, tied


@dataclass(frozen=True)
class OpposedPair:
    """a, b: places of two images. lead_first: by how much the first model puts a above b;
    lead_second: by how much the second puts b above a; both above 0, in standard deviations.
    """

    a: int
    b: int
    lead_first: float
    lead_second: float


def standardised(scores: ArrayLike) -> Floats:
    """(score - mean) / standard deviation (N,), ties equal; zeros for a constant. ValueError for
    scores that are not (N,) or not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"scores: shape {values.shape}: finite values (N,) are wanted")
    if constant(values):
        return np.zeros_like(values)
    centred = tied(values) - values.mean()
    return centred / float(np.sqrt(np.mean(centred**2)))


def opposed_pairs(first: ArrayLike, second: ArrayLike, most: int = 10) -> list[OpposedPair]:
    """The `most` pairs that two models (N,), (N,) order differently with the largest strength, the
    smaller of their two leads: both models must be sure.

    Strongest first; each image stands in one pair at most, or one odd image would fill the list.
    """
    u, v = standardised(first), -standardised(second)
    if u.shape != v.shape:
        raise ValueError(f"scores {u.shape} and {v.shape}: must be of the same images")
    left = np.arange(len(u))
    found: list[OpposedPair] = []
    while len(found) < most and len(left) > 1:
        a, b = _strongest(u[left], v[left])
        lead_first, lead_second = u[left[a]] - u[left[b]], v[left[a]] - v[left[b]]
        if min(lead_first, lead_second) <= 0:
            break
        pair = OpposedPair(int(left[a]), int(left[b]), float(lead_first), float(lead_second))
        found.append(pair)
        left = np.delete(left, [a, b])
    return found


def _strongest(u: Floats, v: Floats) -> tuple[int, int]:
    """(a, b) with the largest min(u[a] - u[b], v[a] - v[b]), in O(N log N).

    An image that another one exceeds in both u and v is no better as `a`, so `a` is on the upper
    front and `b` on the lower one. Along the lower front, u rising and v falling, the first lead
    falls and the second rises: the best partner is where they cross.
    """
    upper, lower = _front(u, v), _front(-u, -v)
    cross = np.searchsorted(u[lower] - v[lower], u[upper] - v[upper])
    partners = np.stack([np.maximum(cross - 1, 0), np.minimum(cross, len(lower) - 1)])  # (2, F)
    b = lower[partners]
    strength = np.minimum(u[upper] - u[b], v[upper] - v[b])
    side, place = np.unravel_index(int(np.argmax(strength)), strength.shape)
    return int(upper[place]), int(b[side, place])


def _front(u: Floats, v: Floats) -> Ints:
    """Places of the points that no other exceeds in u and v, u falling and v rising; of equal
    points the first.
    """
    order = np.lexsort((-v, -u))
    before = np.concatenate([[-np.inf], np.maximum.accumulate(v[order])[:-1]])
    return order[v[order] > before]


def share_opposed(first: ArrayLike, second: ArrayLike) -> float:
    """Share of all pairs of images that (N,) and (N,) order in opposite ways; a tie is no order.
    nan below two images.
    """
    x, y = tied(first), tied(second)
    pairs = len(x) * (len(x) - 1) / 2
    if not pairs:
        return float("nan")
    both = np.stack([x, y], axis=1)
    untied = differing_pairs(x) + differing_pairs(y) - differing_pairs(both)
    surplus = float(balances(x, y).sum()) / 2  # pairs in one order less those in opposite ones
    return (untied - surplus) / 2 / pairs


def furthest_apart(first: ArrayLike, second: ArrayLike, most: int = 10) -> list[int]:
    """Places of the images whose standardised scores differ most, largest first."""
    apart = np.abs(standardised(first) - standardised(second))
    return [int(i) for i in np.argsort(-apart, kind="stable")[:most] if apart[i] > 0]

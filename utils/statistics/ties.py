"""When two numbers are equal: the one tolerance of every metric, of pairs drawn by opinions, of
ladders and of disagreements.

Scores and labels are kept as float32, and means of votes are sums of them: equal ones may differ by
some digits that say nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# A share of the largest of the values that are compared: those nearer than this are a tie. It is
# two steps of float32, so that nothing that is known of scores and labels is lost.
TIE = 2.0**-22


def tolerance(values: Floats) -> float:
    """How far values of these may be apart and still be a tie, in their units."""
    return TIE * float(np.abs(values).max(initial=0.0))


def constant(values: Floats) -> bool:
    """Whether all values (N,) are one tie; True for none."""
    return not len(values) or float(np.ptp(values)) <= tolerance(values)


def tied(values: ArrayLike) -> Floats:
    """The values (N,) with those of a tie made equal, to the least of them, so that what follows
    can compare exactly; values that are not finite stay what they are.

    In their order, a value that is further than the tolerance above the one before begins another
    tie. A long run of near values, as very many predictions make it, is cut into pieces of one
    tolerance, or all of it would be one tie.
    """
    array = np.asarray(values, dtype=np.float64)
    if not (finite := np.isfinite(array)).all():
        result = array.copy()
        result[finite] = tied(array[finite])
        return result
    order = np.argsort(array, kind="stable")
    value, apart = array[order], tolerance(array)
    new = np.ones(len(value), dtype=bool)
    new[1:] = np.diff(value) > apart
    run = value[new][np.cumsum(new) - 1]  # (N,): the least of each value's run
    piece = np.floor((value - run) / (apart or 1.0))
    new[1:] |= piece[1:] != piece[:-1]
    result = np.empty_like(value)
    result[order] = value[new][np.cumsum(new) - 1]
    return result


def won(better: ArrayLike, worse: ArrayLike) -> Floats:
    """Of pairs (P,), (P,) of scores: 1 where the better image's is higher, 0.5 for a tie, else
    0.
    """
    both = tied(np.concatenate([better, worse]))
    return (np.sign(both[: len(both) // 2] - both[len(both) // 2 :]) + 1) / 2

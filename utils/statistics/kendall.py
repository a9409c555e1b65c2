"""The balance of every image in Kendall's tau, in O(N log^2 N) and without a matrix of pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def balances(x: Floats, y: Floats) -> Floats:
    """sum_j sign(x_i - x_j) sign(y_i - y_j) of each i (N,): concordant less discordant partners."""
    a, b = (np.unique(values, return_inverse=True)[1].reshape(-1) for values in (x, y))
    concordant = _below_both(a, b) + _below_both(-a, -b)
    return (concordant - _below_both(a, -b) - _below_both(-a, b)).astype(np.float64)


def _below_both(a: Ints, b: Ints) -> Ints:
    """For each i the number of j with a_j < a_i and b_j < b_i (N,)."""
    # Equal a stand in falling order of b, so that none of them counts for another.
    order = np.lexsort((-b, a))
    result = np.empty(len(a), dtype=np.int64)
    result[order] = _smaller_before(b[order] - b.min(initial=0))
    return result


def _smaller_before(values: Ints) -> Ints:
    """For each place the number of smaller values before it (N,); values from 0.

    Merge sort from the bottom: at every level each right half counts into its left half.
    """
    place = np.arange(len(values))
    step, found = int(values.max(initial=0)) + 1, np.zeros(len(values), dtype=np.int64)
    half = 1
    while half < len(values):
        block, right = place // (2 * half), (place // half) % 2 == 1
        keys = block * step + values
        left = np.sort(keys[~right])
        # Every block before is full, with `half` values on its left.
        found[right] += np.searchsorted(left, keys[right]) - block[right] * half
        half *= 2
    return found

"""How far a fitted logistic may be from the one that endless images would give.

The covariance of the parameters is the cluster-robust one of least squares (Liang and Zeger,
Biometrika 73, 1986; White, Econometrica 48, 1980, where every image is a cluster of its own), with
the customary factor for few clusters, and the curve is linear in small changes of the parameters
(the delta method). No error is taken for normal or of equal size along the curve.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from utils.statistics.bootstrap import FEWEST
from utils.statistics.logistic_fit import LogisticFit

Floats = NDArray[np.float64]


def fit_band(
    fit: LogisticFit,
    predictions: ArrayLike,
    mos: ArrayLike,
    clusters: ArrayLike,
    at: ArrayLike,
    level: float = 0.95,
) -> tuple[Floats, Floats]:
    """(low, high), each (M,): the pointwise interval of the curve at the predictions `at` (M,).

    predictions, mos: (N,), what the fit was made on. clusters: (N,) whole numbers from 0 without
    gaps, the references of the images. nan for a failed fit, and below 5 clusters.
    """
    x, y, where = (np.asarray(values, dtype=np.float64) for values in (predictions, mos, at))
    owner = np.asarray(clusters, dtype=np.int64)
    groups, count = int(owner.max(initial=-1)) + 1, len(fit.parameters)
    if fit.failed or groups < FEWEST or len(x) <= count:
        nothing = np.full(where.shape, np.nan)
        return nothing, nothing
    slopes = _slopes(fit, x)  # (N, P)
    pull = slopes * (y - fit(x))[:, None]
    together = np.zeros((groups, count))
    np.add.at(together, owner, pull)
    # Parameters of different size, and some that a straight line leaves open.
    inner = np.linalg.pinv(slopes.T @ slopes, hermitian=True)
    few = groups / (groups - 1) * (len(x) - 1) / (len(x) - count)
    covariance = few * inner @ (together.T @ together) @ inner
    gradient = _slopes(fit, where)  # (M, P)
    variance = np.einsum("mp,pq,mq->m", gradient, covariance, gradient)
    reach = stats.t.ppf((1 + level) / 2, groups - 1) * np.sqrt(np.maximum(variance, 0))
    return fit(where) - reach, fit(where) + reach


def _slopes(fit: LogisticFit, x: Floats) -> Floats:
    """The curve's derivative by each parameter, (N, P)."""
    one = np.ones_like(x)
    if fit.kind == "4p":
        b1, b2, b3, b4 = fit.parameters
        z = (x - b3) / abs(b4)
        s = special.expit(z)
        steep = (b1 - b2) * s * (1 - s)
        return np.stack([s, one - s, -steep / abs(b4), -steep * z / b4], axis=1)
    b1, b2, b3, _, _ = fit.parameters
    s = special.expit(b2 * (x - b3))
    steep = b1 * s * (1 - s)
    return np.stack([s - 0.5, steep * (x - b3), -steep * b2, x, one], axis=1)

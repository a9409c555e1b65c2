"""Whether predictions can be taken at their word: what people said of images predicted alike, and
how far a fitted logistic may be from the one that endless images would give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from utils.statistics.bootstrap import FEWEST
from utils.statistics.logistic_fit import LogisticFit
from utils.statistics.resampled import Floats, Ints


@dataclass(frozen=True)
class Calibration:
    """Of B groups of images with neighbouring predictions: predicted, voted (B,) means; low, high
    (B,) the 95% interval of the voted mean, nan for a group of one; images (B,).
    """

    predicted: Floats
    voted: Floats
    low: Floats
    high: Floats
    images: Ints


def calibration(predictions: ArrayLike, mos: ArrayLike, groups: int = 10) -> Calibration:
    """Up to `groups` groups of nearly equal numbers of images, in the order of their predictions
    (N,); equal predictions may fall into two. The interval is Student's t, images independent.
    """
    x, y = (np.asarray(values, dtype=np.float64) for values in (predictions, mos))
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise ValueError(f"predictions {x.shape} and mos {y.shape}: must both be (N,), N above 0")
    parts = np.array_split(np.argsort(x, kind="stable"), min(groups, len(x)))
    images = np.array([len(part) for part in parts], dtype=np.int64)
    voted = np.array([y[part].mean() for part in parts])
    reach = np.array([_reach(y[part]) for part in parts])
    predicted = np.array([x[part].mean() for part in parts])
    return Calibration(predicted, voted, voted - reach, voted + reach, images)


def _reach(values: Floats) -> float:
    n = len(values)
    if n < 2:
        return float("nan")
    return float(scipy.special.stdtrit(n - 1, 0.975) * values.std(ddof=1) / np.sqrt(n))


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

    The covariance of the parameters is the cluster-robust one of least squares (Liang and Zeger,
    Biometrika 73, 1986; White, Econometrica 48, 1980, where every image is a cluster of its own),
    with the customary factor for few clusters, and the curve is linear in small changes of the
    parameters (the delta method). No error is taken for normal or of equal size along the curve.
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
    reach = scipy.special.stdtrit(groups - 1, (1 + level) / 2) * np.sqrt(np.maximum(variance, 0))
    return fit(where) - reach, fit(where) + reach


def _slopes(fit: LogisticFit, x: Floats) -> Floats:
    """The curve's derivative by each parameter, (N, P)."""
    one = np.ones_like(x)
    if fit.kind == "4p":
        b1, b2, b3, b4 = fit.parameters
        z = (x - b3) / abs(b4)
        s = scipy.special.expit(z)
        steep = (b1 - b2) * s * (1 - s)
        return np.stack([s, one - s, -steep / abs(b4), -steep * z / b4], axis=1)
    b1, b2, b3, _, _ = fit.parameters
    s = scipy.special.expit(b2 * (x - b3))
    steep = b1 * s * (1 - s)
    return np.stack([s - 0.5, steep * (x - b3), -steep * b2, x, one], axis=1)

"""Tests of two correlations with one variable in common, and Holm's correction.

Of two models A and B and the MOS y, both on the same n images: is r(A, y) different from r(B, y)?
The tests assume normal variables and independent images. With Spearman's correlations in place of
Pearson's they are an approximation in wide use; with several images of one reference they find too
much, and the cluster bootstrap of utils/statistics/compare_models.py does not.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


def williams(r_a: float, r_b: float, r_ab: float, n: int) -> tuple[float, float]:
    """(t, two-sided p) with n - 3 degrees of freedom.

    Williams, "The comparison of regression variables", JRSS B 21, 1959, as in Steiger 1980, eq. 7.
    nan with one UserWarning where it does not exist.
    """
    if reason := _undefined(r_a, r_b, r_ab, n):
        warnings.warn(f"Williams' test: {reason}: nan", UserWarning, stacklevel=2)
        return math.nan, math.nan
    determinant = 1 - r_a**2 - r_b**2 - r_ab**2 + 2 * r_a * r_b * r_ab
    mean = (r_a + r_b) / 2
    below = 2 * (n - 1) / (n - 3) * max(determinant, 0.0) + mean**2 * (1 - r_ab) ** 3
    t = (r_a - r_b) * math.sqrt((n - 1) * (1 + r_ab) / below)
    return t, float(2 * stats.t.sf(abs(t), n - 3))


def steiger(r_a: float, r_b: float, r_ab: float, n: int) -> tuple[float, float]:
    """(z, two-sided p): Fisher's z with the pooled covariance.

    Steiger, "Tests for comparing elements of a correlation matrix", Psychological Bulletin 87,
    1980, eq. 14. nan with one UserWarning where it does not exist.
    """
    if reason := _undefined(r_a, r_b, r_ab, n):
        warnings.warn(f"Steiger's test: {reason}: nan", UserWarning, stacklevel=2)
        return math.nan, math.nan
    mean = (r_a + r_b) / 2
    psi = r_ab * (1 - 2 * mean**2) - mean**2 * (1 - 2 * mean**2 - r_ab**2) / 2
    covariance = psi / (1 - mean**2) ** 2
    apart = math.atanh(r_a) - math.atanh(r_b)
    z = apart * math.sqrt((n - 3) / max(2 - 2 * covariance, 1e-300))
    return z, float(2 * stats.norm.sf(abs(z)))


def _undefined(r_a: float, r_b: float, r_ab: float, n: int) -> str | None:
    if not all(map(math.isfinite, (r_a, r_b, r_ab))):
        return "a correlation is not finite"
    if n < 4:
        return f"{n} images, fewer than 4"
    if max(abs(r_a), abs(r_b)) >= 1:
        return "a correlation of 1 has no spread"
    if 1 - abs(r_ab) < 1e-12:
        return "the two predictions are the same but for their units"
    return None


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p (M,) for M tests together; Holm, Scandinavian Journal of Statistics 6, 1979.

    A test whose p is nan stays nan and does not count as one.
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted

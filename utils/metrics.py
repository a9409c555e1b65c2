"""Evaluation figures in the field's terms, in NumPy float64 and SciPy on the CPU.

A figure that does not exist (a correlation with a constant, nothing to average) is nan with one
UserWarning that says why, never 0. Input that is not finite is an error: a figure over the
remaining images would look like one over all.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]

# Below this spread, relative to the size of the values, differences are float64 rounding.
_CONSTANT = 1e-13
# How far a histogram's sum may be from 1.
_SUM_TOLERANCE = 1e-2


def _finite(name: str, values: ArrayLike, ndim: int) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim:
        wanted = "(N,)" if ndim == 1 else "(N, K)"
        raise ValueError(f"{name}: shape {array.shape} where {wanted} is wanted")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = ", ".join(str(int(i)) for i in bad[0])
        raise ValueError(f"{name}[{place}]: {array[tuple(bad[0])]}: must be finite")
    return array


def _vectors(name: str, x: ArrayLike, other_name: str, y: ArrayLike) -> tuple[Array, Array]:
    a, b = _finite(name, x, 1), _finite(other_name, y, 1)
    if len(a) != len(b):
        raise ValueError(f"{name} has {len(a)} values and {other_name} {len(b)}: must be equal")
    return a, b


def _histograms(name: str, probs: ArrayLike) -> Array:
    array = _finite(name, probs, 2)
    if array.shape[1] < 1:
        raise ValueError(f"{name}: shape {array.shape}: a histogram needs at least one bin")
    wrong = (array < 0).any(axis=1) | (np.abs(array.sum(axis=1) - 1) > _SUM_TOLERANCE)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{name}[{row}]: sum {array[row].sum():.6g}, least {array[row].min():.6g}: "
            "a histogram is not negative and sums to 1"
        )
    return array


def _warn(reasons: Iterable[str | None]) -> None:
    """One warning for all that is wrong; every public function calls this once, directly."""
    said = list(dict.fromkeys(reason for reason in reasons if reason))
    if said:
        warnings.warn("; ".join(said), UserWarning, stacklevel=3)


def _constant(values: Array) -> bool:
    return bool(np.ptp(values) <= _CONSTANT * np.abs(values).max())


def _undefined(x: Array, y: Array, names: tuple[str, str]) -> str | None:
    """Why a correlation of x and y does not exist; None when it does."""
    if len(x) < 2:
        return f"correlation of {len(x)} values is undefined: nan"
    constant = [name for name, values in zip(names, (x, y), strict=True) if _constant(values)]
    if constant:
        return f"constant {' and '.join(constant)}: correlation is undefined: nan"
    return None


def _pearson(x: Array, y: Array) -> float:
    return float(stats.pearsonr(x, y).statistic)


def _spearman(x: Array, y: Array) -> float:
    return float(stats.spearmanr(x, y).statistic)


def _kendall(x: Array, y: Array) -> float:
    return float(stats.kendalltau(x, y, variant="b").statistic)


def _checked(
    figure: Callable[[Array, Array], float], x: Array, y: Array, reason: str | None
) -> float:
    if reason:
        return math.nan
    with warnings.catch_warnings():
        # SciPy's remark on nearly constant input: the limit for that is _CONSTANT here.
        warnings.simplefilter("ignore")
        return figure(x, y)


_NAMES = ("prediction", "mos")
_CORRELATIONS = {"srcc": _spearman, "plcc": _pearson, "krcc": _kendall}


def srcc(pred: ArrayLike, mos: ArrayLike) -> float:
    """Spearman's rank correlation of (N,) and (N,), ties at their mean rank."""
    x, y = _vectors("pred", pred, "mos", mos)
    reason = _undefined(x, y, _NAMES)
    _warn([reason])
    return _checked(_spearman, x, y, reason)


def plcc(pred: ArrayLike, mos: ArrayLike) -> float:
    """Pearson's correlation of (N,) and (N,), raw: no logistic is fitted first."""
    x, y = _vectors("pred", pred, "mos", mos)
    reason = _undefined(x, y, _NAMES)
    _warn([reason])
    return _checked(_pearson, x, y, reason)


def krcc(pred: ArrayLike, mos: ArrayLike) -> float:
    """Kendall's tau-b of (N,) and (N,), corrected for ties."""
    x, y = _vectors("pred", pred, "mos", mos)
    reason = _undefined(x, y, _NAMES)
    _warn([reason])
    return _checked(_kendall, x, y, reason)


def _rmse(x: Array, y: Array) -> float:
    return float(np.sqrt(np.mean((x - y) ** 2))) if len(x) else math.nan


def _mae(x: Array, y: Array) -> float:
    return float(np.mean(np.abs(x - y))) if len(x) else math.nan


def _empty(n: int) -> str | None:
    return None if n else "no values: a mean over nothing is undefined: nan"


def rmse(pred: ArrayLike, mos: ArrayLike) -> float:
    """Root of the mean squared error of (N,) and (N,), in MOS units."""
    x, y = _vectors("pred", pred, "mos", mos)
    _warn([_empty(len(x))])
    return _rmse(x, y)


def mae(pred: ArrayLike, mos: ArrayLike) -> float:
    """Mean absolute error of (N,) and (N,), in MOS units."""
    x, y = _vectors("pred", pred, "mos", mos)
    _warn([_empty(len(x))])
    return _mae(x, y)


def _pair_accuracy(better: Array, worse: Array) -> float:
    if not len(better):
        return math.nan
    return float(np.mean(np.where(better == worse, 0.5, better > worse)))


def pair_accuracy(scores_better: ArrayLike, scores_worse: ArrayLike) -> float:
    """Share of pairs (P,), (P,) whose better image has the higher score, 0..1; a tie is half."""
    x, y = _vectors("scores_better", scores_better, "scores_worse", scores_worse)
    _warn([_empty(len(x))])
    return _pair_accuracy(x, y)


def _distributions(p: ArrayLike, q: ArrayLike) -> tuple[Array, Array]:
    a, b = _histograms("probs", p), _histograms("target", q)
    if a.shape != b.shape:
        raise ValueError(f"probs {a.shape} and target {b.shape} differ in shape: must be equal")
    return a, b


def _emds(p: Array, q: Array, r: float) -> Array:
    difference = np.abs(np.cumsum(p - q, axis=1))  # (N, K)
    return np.mean(difference**r, axis=1) ** (1 / r)


def _emd(p: Array, q: Array, r: float) -> float:
    return float(np.mean(_emds(p, q, r))) if len(p) else math.nan


def emd(p: ArrayLike, q: ArrayLike, r: float = 1) -> float:
    """mean_n (mean_k |CDF_p(k) - CDF_q(k)|^r)^(1/r) of (N, K) and (N, K) histograms.

    NIMA (TIP 2018) eq. 1: in units of the whole range of bins, r=1 to report, r=2 to train.
    """
    if not 1 <= r < math.inf:
        raise ValueError(f"r {r}: must be at least 1")
    a, b = _distributions(p, q)
    _warn([_empty(len(a))])
    return _emd(a, b, r)


def emd_of_each(p: ArrayLike, q: ArrayLike, r: float = 1) -> Array:
    """`emd` of each image (N,), before the mean over images."""
    return _emds(*_distributions(p, q), r)


def distribution_mean(probs: ArrayLike) -> Array:
    """Mean score (N,) of histograms (N, K) over the bins 1..K."""
    array = _histograms("probs", probs)
    return array @ np.arange(1, array.shape[1] + 1, dtype=np.float64)


def distribution_std(probs: ArrayLike) -> Array:
    """Standard deviation (N,) of histograms (N, K) over the bins 1..K."""
    array = _histograms("probs", probs)
    bins = np.arange(1, array.shape[1] + 1, dtype=np.float64)
    mean = array @ bins
    return np.sqrt(np.sum(array * (bins - mean[:, None]) ** 2, axis=1))


def _score_metrics(x: Array, y: Array, reason: str | None) -> dict[str, float]:
    figures = {name: _checked(figure, x, y, reason) for name, figure in _CORRELATIONS.items()}
    return {**figures, "rmse": _rmse(x, y), "mae": _mae(x, y), "n": len(x)}


def score_metrics(pred: ArrayLike, mos: ArrayLike) -> dict[str, float]:
    """srcc, plcc (raw), krcc (tau-b), rmse, mae and n of predictions (N,) against MOS (N,)."""
    x, y = _vectors("pred", pred, "mos", mos)
    reason = _undefined(x, y, _NAMES)
    _warn([reason])
    return _score_metrics(x, y, reason)


def distribution_metrics(probs: ArrayLike, target: ArrayLike) -> dict[str, float]:
    """emd_r1, emd_r2, the score metrics of the mean, std_srcc, std_plcc and n, of (N, K) pairs."""
    p, q = _distributions(probs, target)
    mean_p, mean_q = distribution_mean(p), distribution_mean(q)
    std_p, std_q = distribution_std(p), distribution_std(q)
    of_mean = _undefined(mean_p, mean_q, ("predicted mean", "mean of the votes"))
    of_std = _undefined(std_p, std_q, ("predicted std", "std of the votes"))
    _warn([of_mean, of_std])
    return {
        "emd_r1": _emd(p, q, 1),
        "emd_r2": _emd(p, q, 2),
        **_score_metrics(mean_p, mean_q, of_mean),
        "std_srcc": _checked(_spearman, std_p, std_q, of_std),
        "std_plcc": _checked(_pearson, std_p, std_q, of_std),
    }


def pair_metrics(scores_better: ArrayLike, scores_worse: ArrayLike) -> dict[str, float]:
    """pair_accuracy (0..1, a tie is half) and n_pairs of (P,) and (P,) scores."""
    x, y = _vectors("scores_better", scores_better, "scores_worse", scores_worse)
    _warn([_empty(len(x))])
    return {"pair_accuracy": _pair_accuracy(x, y), "n_pairs": len(x)}

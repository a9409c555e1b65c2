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

from utils.statistics.ties import TIE, constant, tied, won

Array = NDArray[np.float64]

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


def vectors(name: str, x: ArrayLike, other_name: str, y: ArrayLike) -> tuple[Array, Array]:
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


def warn(reasons: Iterable[str | None]) -> None:
    """One warning for all that is wrong; every public function calls this once, directly."""
    said = list(dict.fromkeys(reason for reason in reasons if reason))
    if said:
        warnings.warn("; ".join(said), UserWarning, stacklevel=3)


def undefined(x: Array, y: Array, names: tuple[str, str]) -> str | None:
    """Why a correlation of x and y does not exist; None when it does."""
    if len(x) < 2:
        return f"correlation of {len(x)} values is undefined: nan"
    flat = [name for name, values in zip(names, (x, y), strict=True) if constant(values)]
    if flat:
        return f"constant {' and '.join(flat)}: correlation is undefined: nan"
    return None


def _pearson(x: Array, y: Array) -> float:
    return float(stats.pearsonr(x, y).statistic)


def spearman(x: Array, y: Array) -> float:
    return float(stats.spearmanr(tied(x), tied(y)).statistic)


def kendall(x: Array, y: Array) -> float:
    return float(stats.kendalltau(tied(x), tied(y), variant="b").statistic)


def checked(
    figure: Callable[[Array, Array], float], x: Array, y: Array, reason: str | None
) -> float:
    if reason:
        return math.nan
    with warnings.catch_warnings():
        # SciPy's remark on nearly constant input: the limit for that is TIE here.
        warnings.simplefilter("ignore")
        return figure(x, y)


_NAMES = ("prediction", "mos")
_CORRELATIONS = {"srcc": spearman, "plcc": _pearson, "krcc": kendall}


def srcc(pred: ArrayLike, mos: ArrayLike) -> float:
    """Spearman's rank correlation of (N,) and (N,), ties at their mean rank."""
    x, y = vectors("pred", pred, "mos", mos)
    reason = undefined(x, y, _NAMES)
    warn([reason])
    return checked(spearman, x, y, reason)


def plcc(pred: ArrayLike, mos: ArrayLike) -> float:
    """Pearson's correlation of (N,) and (N,), raw: no logistic is fitted first."""
    x, y = vectors("pred", pred, "mos", mos)
    reason = undefined(x, y, _NAMES)
    warn([reason])
    return checked(_pearson, x, y, reason)


def krcc(pred: ArrayLike, mos: ArrayLike) -> float:
    """Kendall's tau-b of (N,) and (N,), corrected for ties."""
    x, y = vectors("pred", pred, "mos", mos)
    reason = undefined(x, y, _NAMES)
    warn([reason])
    return checked(kendall, x, y, reason)


def _rmse(x: Array, y: Array) -> float:
    return float(np.sqrt(np.mean((x - y) ** 2))) if len(x) else math.nan


def _mae(x: Array, y: Array) -> float:
    return float(np.mean(np.abs(x - y))) if len(x) else math.nan


def empty(n: int) -> str | None:
    return None if n else "no values: a mean over nothing is undefined: nan"


def rmse(pred: ArrayLike, mos: ArrayLike) -> float:
    """Root of the mean squared error of (N,) and (N,), in MOS units."""
    x, y = vectors("pred", pred, "mos", mos)
    warn([empty(len(x))])
    return _rmse(x, y)


def mae(pred: ArrayLike, mos: ArrayLike) -> float:
    """Mean absolute error of (N,) and (N,), in MOS units."""
    x, y = vectors("pred", pred, "mos", mos)
    warn([empty(len(x))])
    return _mae(x, y)


def _pair_accuracy(better: Array, worse: Array) -> float:
    return float(np.mean(won(better, worse))) if len(better) else math.nan


def pair_accuracy(scores_better: ArrayLike, scores_worse: ArrayLike) -> float:
    """Share of pairs (P,), (P,) whose better image has the higher score, 0..1; a tie is half."""
    x, y = vectors("scores_better", scores_better, "scores_worse", scores_worse)
    warn([empty(len(x))])
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
    warn([empty(len(a))])
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


def middle_score(bins: int) -> int:
    """The middle of a scale 1..bins, of two middle scores the lower one: 5 for 10 bins, 4 for 7.

    NIMA (TIP 2018, section IV) and AVA (CVPR 2012) cut their scale 1..10 at 5: a mean score above
    5 is high quality.
    """
    return (bins + 1) // 2


def moments_of_votes(q: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (N,) of the votes (N, K), equal where they are equal but for
    rounding: such images tie in a ranking.
    """
    return tied(distribution_mean(q)), tied(distribution_std(q))


def above(mean: Array, cut: float) -> NDArray[np.bool_]:
    # A histogram whose mean is the cut must not be high by rounding.
    return mean > cut * (1 + TIE)


def _one_sided(mean: Array, cut: float) -> str | None:
    """Why there are no two classes to tell apart; None when there are."""
    if not len(mean):
        return empty(0)
    high = above(mean, cut)
    if high.any() and not high.all():
        return None
    side = "above" if high.all() else "at most"
    return f"all means of the votes are {side} {cut:g}: two-class accuracy is undefined: nan"


def _two_class_accuracy(x: Array, y: Array, cut: float, reason: str | None) -> float:
    return math.nan if reason else float(np.mean(above(x, cut) == above(y, cut)))


def two_class_accuracy(pred: ArrayLike, mos: ArrayLike, cut: float) -> float:
    """Share of predictions (N,) on the same side of `cut` as the mean votes (N,), 0..1.

    High is above the cut, low is at or below it (NIMA, section IV). nan where all votes lie on one
    side: any constant would be right.
    """
    x, y = vectors("pred", pred, "mos", mos)
    reason = _one_sided(y, cut)
    warn([reason])
    return _two_class_accuracy(x, y, cut, reason)


def _score_metrics(x: Array, y: Array, reason: str | None) -> dict[str, float]:
    figures = {name: checked(figure, x, y, reason) for name, figure in _CORRELATIONS.items()}
    return {**figures, "rmse": _rmse(x, y), "mae": _mae(x, y), "n": len(x)}


def score_metrics(pred: ArrayLike, mos: ArrayLike) -> dict[str, float]:
    """srcc, plcc (raw), krcc (tau-b), rmse, mae and n of predictions (N,) against MOS (N,)."""
    x, y = vectors("pred", pred, "mos", mos)
    reason = undefined(x, y, _NAMES)
    warn([reason])
    return _score_metrics(x, y, reason)


def distribution_metrics(probs: ArrayLike, target: ArrayLike) -> dict[str, float]:
    """NIMA's scorecard of (N, K) pairs: emd_r1, emd_r2, two_class_accuracy at `cut`, the score
    metrics of the mean (plcc is LCC there), std_srcc, std_plcc and n. cut: `middle_score`.
    """
    p, q = _distributions(probs, target)
    mean_p, std_p = distribution_mean(p), distribution_std(p)
    mean_q, std_q = moments_of_votes(q)
    cut = float(middle_score(p.shape[1]))
    of_mean = undefined(mean_p, mean_q, ("predicted mean", "mean of the votes"))
    of_std = undefined(std_p, std_q, ("predicted std", "std of the votes"))
    of_class = _one_sided(mean_q, cut)
    warn([of_mean, of_std, of_class])
    return {
        "emd_r1": _emd(p, q, 1),
        "emd_r2": _emd(p, q, 2),
        "two_class_accuracy": _two_class_accuracy(mean_p, mean_q, cut, of_class),
        "cut": cut,
        **_score_metrics(mean_p, mean_q, of_mean),
        "std_srcc": checked(spearman, std_p, std_q, of_std),
        "std_plcc": checked(_pearson, std_p, std_q, of_std),
    }


def baseline_metrics(guess: ArrayLike, target: ArrayLike) -> dict[str, float]:
    """baseline_emd_r1, _emd_r2 and _two_class_accuracy of one histogram (K,) for all of (N, K).

    What is to be beaten: with the mean histogram of the training images, the figures of a network
    that sees nothing. nan without a warning where distribution_metrics gives one.
    """
    q = _histograms("target", target)
    p, q = _distributions(np.broadcast_to(_finite("guess", guess, 1), (len(q), np.size(guess))), q)
    cut = float(middle_score(q.shape[1]))
    mean_q, _ = moments_of_votes(q)
    accuracy = _two_class_accuracy(distribution_mean(p), mean_q, cut, _one_sided(mean_q, cut))
    figures = {"emd_r1": _emd(p, q, 1), "emd_r2": _emd(p, q, 2), "two_class_accuracy": accuracy}
    return {f"baseline_{name}": value for name, value in figures.items()}


def pair_metrics(scores_better: ArrayLike, scores_worse: ArrayLike) -> dict[str, float]:
    """pair_accuracy (0..1, a tie is half) and n_pairs of (P,) and (P,) scores."""
    x, y = vectors("scores_better", scores_better, "scores_worse", scores_worse)
    warn([empty(len(x))])
    return {"pair_accuracy": _pair_accuracy(x, y), "n_pairs": len(x)}

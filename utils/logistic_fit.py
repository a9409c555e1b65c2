"""The monotone (4p) and the general (5p) logistic that map predictions to MOS before PLCC and RMSE.

4p: VQEG, "Final report ... Full Reference Television, Phase I", 2000, and ITU-T J.149:
    b2 + (b1 - b2) / (1 + exp(-(x - b3) / |b4|))
5p: Sheikh, Sabir and Bovik, "A statistical evaluation of recent full reference image quality
assessment algorithms", IEEE TIP 15(11), 2006, which VQEG's later data are fitted with as well:
    b1 (1/2 - 1 / (1 + exp(b2 (x - b3)))) + b4 x + b5

For a given centre and width both are linear in everything else, so least squares has two unknowns:
a grid over them cannot start in the wrong valley, and what is left is solved exactly at each step
(variable projection, Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973). A fit that does not exist
or did not converge is said (`failed`) and maps to nan; one that is odd is said too (`remark`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.optimize import least_squares

Floats = NDArray[np.float64]

# Widths of the logistic in units of the predictions' spread: a step, and a straight line.
_NARROW, _WIDE = 0.02, 20.0
_WIDTHS = (0.05, 0.15, 0.4, 1.0, 2.5, 7.0)
_CENTRES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)  # quantiles of the predictions
# How far the centre may lie outside the predictions, in their spread: data that only bend, such as
# an exponential, are one end of a logistic.
_OUTSIDE = 12.0
_REFINED = 5  # starts that are followed to their valley
_GRID_IMAGES = 2000  # images, spread over the order of predictions, that choose the valley
_NEARLY = 1.02  # a width this near to a limit is at it


@dataclass(frozen=True)
class LogisticFit:
    """kind: "4p" or "5p"; parameters: b1, b2, ... of the formulas above; n: images fitted on;
    failed: why there is no fit; remark: what is odd about it.
    """

    kind: str
    parameters: tuple[float, ...]
    n: int
    failed: str | None = None
    remark: str | None = None

    def __call__(self, predictions: ArrayLike) -> Floats:
        """Mapped predictions (N,), in MOS units; all nan for a failed fit."""
        x = np.asarray(predictions, dtype=np.float64)
        if self.failed:
            return np.full(x.shape, np.nan)
        return _FORMULAS[self.kind](x, *self.parameters)


def _four(x: Floats, b1: float, b2: float, b3: float, b4: float) -> Floats:
    return b2 + (b1 - b2) * special.expit((x - b3) / abs(b4))


def _five(x: Floats, b1: float, b2: float, b3: float, b4: float, b5: float) -> Floats:
    return b1 * (special.expit(b2 * (x - b3)) - 0.5) + b4 * x + b5


_FORMULAS: dict[str, Callable[..., Floats]] = {"4p": _four, "5p": _five}
_COUNTS = {"4p": 4, "5p": 5}
KINDS = tuple(_FORMULAS)


def fit_logistic(kind: str, predictions: ArrayLike, mos: ArrayLike) -> LogisticFit:
    """The least-squares logistic of a kind ("4p", "5p") from predictions (N,) to MOS (N,)."""
    x, y = (np.asarray(values, dtype=np.float64) for values in (predictions, mos))
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"predictions {x.shape} and mos {y.shape}: must both be (N,)")
    if reason := _impossible(kind, x, y):
        return LogisticFit(kind, (), len(x), reason)
    middle, spread = float(np.median(x)), _spread(x)
    level, height = float(y.mean()), float(y.std())
    t, target = (x - middle) / spread, (y - level) / height
    found = _solve(kind, t, target)
    if isinstance(found, str):
        return LogisticFit(kind, (), len(x), found)
    centre, width, linear = found
    b3, b4 = middle + spread * centre, spread * width
    if kind == "4p":
        low, rise = level + height * linear[0], height * linear[1]
        parameters: tuple[float, ...] = (low + rise, low, b3, b4)
    else:
        slope = height * linear[2] / spread
        base = level + height * (linear[0] + linear[1] / 2) - slope * middle
        parameters = (height * linear[1], 1 / b4, b3, slope, base)
    parameters = tuple(float(value) for value in parameters)
    return LogisticFit(kind, parameters, len(x), None, _odd(kind, parameters, x, width))


def _impossible(kind: str, x: Floats, y: Floats) -> str | None:
    count = _COUNTS[kind]
    for name, values in (("prediction", x), ("mos", y)):
        if not np.isfinite(values).all():
            return f"{name}[{int(np.argmin(np.isfinite(values)))}] is not finite"
    if len(x) <= count:
        return f"{count} parameters need more than {count} images, not {len(x)}"
    for name, values in (("prediction", x), ("mos", y)):
        if np.ptp(values) <= 1e-13 * np.abs(values).max():
            return f"constant {name}"
    if len(np.unique(x)) < count:
        return f"{count} parameters need as many different predictions, not {len(np.unique(x))}"
    return None


def _spread(x: Floats) -> float:
    """As a standard deviation, but a few predictions far out do not widen it."""
    quarter, three = np.quantile(x, [0.25, 0.75])
    return float((three - quarter) / 1.349) or float(x.std())


def _basis(kind: str, t: Floats, centre: float, width: float) -> Floats:
    columns = [np.ones_like(t), special.expit((t - centre) / width)]
    return np.stack([*columns, t] if kind == "5p" else columns, axis=1)  # (N, 2 or 3)


def _linear(kind: str, t: Floats, y: Floats, centre: float, width: float) -> tuple[Floats, Floats]:
    """(coefficients of the basis, residuals (N,)) of the best fit at a centre and width."""
    basis = _basis(kind, t, centre, width)
    found: Floats = np.linalg.lstsq(basis, y, rcond=1e-12)[0].astype(np.float64)
    return found, basis @ found - y


def _solve(kind: str, t: Floats, y: Floats) -> tuple[float, float, Floats] | str:
    """(centre, width, coefficients), or why there are none."""
    order = np.argsort(t, kind="stable")
    kept = order[np.unique(np.linspace(0, len(t) - 1, _GRID_IMAGES).astype(np.int64))]
    few, target = t[kept], y[kept]
    starts = []
    outside = [few.min() - _OUTSIDE / 4, few.max() + _OUTSIDE / 4]
    for centre in [*np.quantile(few, _CENTRES), *outside]:
        for width in _WIDTHS:
            residuals = _linear(kind, few, target, float(centre), width)[1]
            starts.append((float(residuals @ residuals), float(centre), width))
    valleys = [_descend(kind, few, target, c, w) for _, c, w in sorted(starts)[:_REFINED]]
    # A start that still drifts after all its steps follows a valley without an end.
    best = min(valleys, key=lambda valley: (valley.status <= 0, valley.cost))
    if len(kept) < len(t):
        best = _descend(kind, t, y, best.x[0], float(np.exp(best.x[1])))
    if best.status <= 0:
        return f"did not converge in {best.nfev} steps"
    centre, width = float(best.x[0]), float(np.exp(best.x[1]))
    return centre, width, _linear(kind, t, y, centre, width)[0]


def _descend(kind: str, t: Floats, y: Floats, centre: float, width: float) -> Any:
    """SciPy's result for (centre, log width), within their limits."""
    low, high = float(t.min()) - _OUTSIDE, float(t.max()) + _OUTSIDE
    return least_squares(
        lambda p: _linear(kind, t, y, p[0], float(np.exp(p[1])))[1],
        [np.clip(centre, low, high), np.log(width)],
        bounds=([low, np.log(_NARROW)], [high, np.log(_WIDE)]),
        max_nfev=300,
    )


def _odd(kind: str, parameters: tuple[float, ...], x: Floats, width: float) -> str | None:
    remarks = []
    mapped = _FORMULAS[kind](np.linspace(x.min(), x.max(), 201), *parameters)
    steps = np.diff(mapped) / max(float(np.ptp(mapped)), 1e-300)
    if (steps > 1e-6).any() and (steps < -1e-6).any():
        remarks.append("not monotone over the predictions")
    elif (steps < -1e-6).any():
        remarks.append("falls: higher predictions go with lower MOS")
    if width < _NARROW * _NEARLY:
        remarks.append("as steep as allowed, almost a step")
    if width > _WIDE / _NEARLY and kind == "4p":
        remarks.append("as flat as allowed, almost a straight line")
    return "; ".join(remarks) or None

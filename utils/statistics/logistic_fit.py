"""The monotone (4p) and the general (5p) logistic that map predictions to MOS before PLCC and RMSE.

4p: VQEG, "Final report ... Full Reference Television, Phase I", 2000, and ITU-T J.149:
    b2 + (b1 - b2) / (1 + exp(-(x - b3) / |b4|))
5p: Sheikh, Sabir and Bovik, "A statistical evaluation of recent full reference image quality
assessment algorithms", IEEE TIP 15(11), 2006, which VQEG's later data are fitted with as well:
    b1 (1/2 - 1 / (1 + exp(b2 (x - b3)))) + b4 x + b5

For a given centre and width both are linear in everything else, so least squares has two unknowns,
and what is left is solved exactly at each step (variable projection, Golub and Pereyra, SIAM J.
Numer. Anal. 10, 1973). Predictions and MOS are scaled first. The best places of a grid, steps
between two predictions, the straight line and bends at the end of a logistic are followed to their
valleys together, for the general logistic also the monotone one: it is never worse, and neither is
worse than the straight line, up to 1e-6 of the standard deviation of MOS. A flat valley ends at its
best point and is said (`remark`), as is a curve that is odd in another way; what cannot be fitted,
such as a constant, is nan and says why (`failed`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from utils.statistics.resampled import Bools, Floats
from utils.statistics.ties import constant

# The grid: widths in the predictions' spread and range, centres as shares of their distinct values.
_NARROW, _WIDE, _WIDTHS = 0.02, 2.0, 14
_CENTRES = np.linspace(0, 1, 61)
# Centres outside, in widths beyond the last prediction: data that only bend, such as an
# exponential, are one end of a logistic. At the last of them it is one up to 1e-6.
_OUTSIDE = np.array([1.0, 4.0, 15.0])
# Widest logistic, in ranges: over them it is straight up to 1e-8, and for the general one, of which
# a parabola and a cube are limits as well, up to 1e-4.
_WIDEST = {"4p": 1e3, "5p": 20.0}
_KEPT = 8  # places of the grid that are followed to their valley
_ITERATIONS = 100
_HOPEFUL = 15  # iterations after which only the best valleys are followed further
_SETTLED = 1e-8  # gain, as a share of the error, below which a valley has ended
_GRID_IMAGES = 500  # images, spread over the order of predictions, that choose the valley
_FINAL = 3  # valleys that are followed to their end
_AGAIN = 2  # valleys that are followed again on all images


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

    @property
    def turns(self) -> bool:
        """Whether it turns round or levels what the model says, so that metrics after it flatter
        the model.
        """
        return (self.remark or "").startswith(_TURNS)

    def __call__(self, predictions: ArrayLike) -> Floats:
        """Mapped predictions (N,), in MOS units; all nan for a failed fit."""
        x = np.asarray(predictions, dtype=np.float64)
        if self.failed:
            return np.full(x.shape, np.nan)
        return _FORMULAS[self.kind](x, *self.parameters)


def _four(x: Floats, b1: float, b2: float, b3: float, b4: float) -> Floats:
    return b2 + (b1 - b2) * scipy.special.expit((x - b3) / abs(b4))


def _five(x: Floats, b1: float, b2: float, b3: float, b4: float, b5: float) -> Floats:
    return b1 * (scipy.special.expit(b2 * (x - b3)) - 0.5) + b4 * x + b5


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
    centre, width, linear, flat = _solve(kind, t, target)
    b3, b4 = middle + spread * centre, spread * width
    if kind == "4p":
        low, rise = level + height * linear[0], height * linear[1]
        parameters: tuple[float, ...] = (low + rise, low, b3, b4)
    else:
        slope = height * linear[2] / spread
        base = level + height * (linear[0] + linear[1] / 2) - slope * middle
        parameters = (height * linear[1], 1 / b4, b3, slope, base)
    parameters = tuple(float(value) for value in parameters)
    return LogisticFit(kind, parameters, len(x), None, _odd(kind, parameters, x, flat))


def _impossible(kind: str, x: Floats, y: Floats) -> str | None:
    count = _COUNTS[kind]
    for name, values in (("prediction", x), ("mos", y)):
        if not np.isfinite(values).all():
            return f"{name}[{int(np.argmin(np.isfinite(values)))}] is not finite"
    if len(x) <= count:
        return f"{count} parameters need more than {count} images, not {len(x)}"
    for name, values in (("prediction", x), ("mos", y)):
        if constant(values):
            return f"constant {name}"
    return None


def _spread(x: Floats) -> float:
    """As a standard deviation, but a few predictions far out do not widen it."""
    quarter, three = np.quantile(x, [0.25, 0.75])
    return float((three - quarter) / 1.349) or float(x.std())


class _Profile:
    """The error of the best logistic at each centre and width. Of the logistic only its own height
    is left: the straight lines in the fit are projected out.
    """

    def __init__(self, kind: str, t: Floats, y: Floats) -> None:
        self.kind, self.t = kind, t
        self.low, self.high = float(t.min()), float(t.max())
        self.range = self.high - self.low
        lines = np.stack([np.ones_like(t)] if kind == "4p" else [np.ones_like(t), t])
        self._lines = np.linalg.qr(lines.T)[0].T  # (1 or 2, N), orthonormal
        self._y, self._left = y, self._without(y)

    def _without(self, columns: Floats) -> Floats:
        return columns - (columns @ self._lines.T) @ self._lines

    def _height(self, curve: Floats) -> tuple[Floats, Floats]:
        """(curves (K, N) without lines, how high each stands in the data (K, 1))."""
        rest = self._without(curve)
        size = np.einsum("kn,kn->k", rest, rest)
        exists = size > 1e-24 * len(self.t)
        height = np.where(exists, rest @ self._left / np.where(exists, size, 1.0), 0.0)
        return rest, height[:, None]

    def errors(self, places: Floats) -> Floats:
        """Squared error (K,) at places (K, 2), each a centre and the logarithm of a width."""
        rest, height = self._height(
            scipy.special.expit((self.t - places[:, :1]) / np.exp(places[:, 1:]))
        )
        return float(self._left @ self._left) - height[:, 0] * (rest @ self._left)

    def parts(self, places: Floats) -> tuple[Floats, Floats, Floats]:
        """(squared error (K,), half its gradient (K, 2), Gauss and Newton's half of its second
        derivatives (K, 2, 2)) by the two parts of `moved`. Slopes of the residuals are Kaufman's:
        the gradient is exact.
        """
        width = np.exp(places[:, 1:])
        z = (self.t - places[:, :1]) / width
        curve = scipy.special.expit(z)
        rest, height = self._height(curve)
        residuals = self._left - height * rest
        steep = curve * (1 - curve) * height
        along = (self.t - np.clip(places[:, :1], self.low, self.high)) / width
        slopes = self._without(np.stack([steep, steep * along], axis=1))  # (K, 2, N)
        size = np.maximum(np.einsum("kn,kn->k", rest, rest), 1e-300)
        slopes -= (slopes @ rest[:, :, None]) / size[:, None, None] * rest[:, None]
        pull = (slopes @ residuals[:, :, None])[:, :, 0]
        return np.einsum("kn,kn->k", residuals, residuals), pull, slopes @ slopes.swapaxes(1, 2)

    def linear(self, centre: float, width: float) -> Floats:
        """Coefficients of 1, the logistic and, for the general one, t."""
        curve = scipy.special.expit((self.t - centre) / width)
        height = float(self._height(curve[None])[1][0, 0])
        columns = np.stack([np.ones_like(self.t), self.t][: len(self._lines)], axis=1)
        return np.insert(np.linalg.lstsq(columns, self._y - height * curve)[0], 1, height)

    def moved(self, places: Floats, pull: Floats, square: Floats, damping: Floats) -> Floats:
        """Places after a damped step: of the centre in widths and of the width's logarithm. What a
        centre is outside the predictions is kept in widths, so that a bend may change without
        becoming another. A part that a limit holds back is taken into account by the other.
        """
        log, inside = places[:, 1], np.clip(places[:, 0], self.low, self.high)
        width = np.exp(log)
        outside = (places[:, 0] - inside) / width
        own = np.einsum("kdd->kd", square) * (1 + damping[:, None]) + 1e-300
        shared, far = square[:, 0, 1], self.range / width + 1
        lowest = np.maximum((self.low - inside) / width - _OUTSIDE[-1] - outside, -far)
        highest = np.minimum((self.high - inside) / width + _OUTSIDE[-1] - outside, far)
        widest = np.minimum(np.log(_WIDEST[self.kind] * self.range) - log, 2)
        down = np.maximum(own.prod(axis=1) - shared**2, 1e-300)
        wider = np.clip((shared * pull[:, 0] - own[:, 0] * pull[:, 1]) / down, -2, widest)
        aside = np.clip(-(pull[:, 0] + shared * wider) / own[:, 0], lowest, highest)
        wider = np.clip(-(pull[:, 1] + shared * aside) / own[:, 1], -2, widest)
        return np.stack([inside + (outside + aside) * np.exp(log + wider), log + wider], axis=1)

    def steps(self) -> Floats:
        """The three best steps (3, 2), each with at most one of the predictions on its slope.

        Sums from each prediction upward give the error of all steps at once. With u the images
        above a prediction and v those at it, the best step u + h v has its h in closed form.
        """
        order = np.argsort(self.t, kind="stable")
        values, first = np.unique(self.t[order], return_index=True)
        columns = np.vstack([self._left, self._lines, np.ones_like(self.t)])[:, order]
        own = np.add.reduceat(columns, first, axis=1)
        above = own[:, ::-1].cumsum(axis=1)[:, ::-1] - own
        uu, vv = (part[-1] - (part[1:-1] ** 2).sum(axis=0) for part in (above, own))
        uv, a, b = -(above[1:-1] * own[1:-1]).sum(axis=0), above[0], own[0]
        down = a * vv - b * uv
        h = np.clip((b * uu - a * uv) / np.where(down == 0, 1e-300, down), 0, 1)
        both = np.stack([np.zeros_like(h), h])
        size = uu + 2 * both * uv + both**2 * vv
        gain = np.where(size > 1e-12, (a + both * b) ** 2 / np.maximum(size, 1e-12), 0.0)
        best = np.argsort(-gain.max(axis=0), kind="stable")[:3]
        h = np.where(gain[1] > gain[0], h, 0.0)[best]
        gaps = np.concatenate([[np.inf], np.diff(values), [np.inf]])
        width = np.minimum(gaps[:-1], gaps[1:])[best] / 70
        place = scipy.special.logit(np.clip(h, 1e-13, 1 - 1e-13))
        return np.stack([values[best] - width * place, np.log(width)], axis=1)

    def line(self) -> Floats:
        """The straight line's place (1, 2)."""
        widest = np.log(_WIDEST[self.kind] * self.range)
        return np.array([[(self.low + self.high) / 2, widest]])


def _solve(kind: str, t: Floats, y: Floats) -> tuple[float, float, Floats, bool]:
    """(centre, width, coefficients, whether the valley is flat)."""
    starts = np.empty((0, 2))
    if kind == "5p":
        centre, width, _, _ = _solve("4p", t, y)
        starts = np.array([[centre, np.log(width)]])
    profile = _Profile(kind, t, y)
    order = np.argsort(t, kind="stable")
    kept = order[np.unique(np.linspace(0, len(t) - 1, _GRID_IMAGES).astype(np.int64))]
    few = profile if len(kept) == len(t) else _Profile(kind, t[kept], y[kept])
    found, error, flat = _descend(few, np.vstack([starts, few.steps(), _grid(few)]))
    if few is not profile:
        valleys = found[np.argsort(error, kind="stable")[:_FINAL]]
        again = np.vstack([starts, valleys, profile.steps()[:1], profile.line()])
        hopeful = np.argsort(profile.errors(again), kind="stable")[:_AGAIN]
        found, error, flat = _descend(profile, again[hopeful])
    best = int(np.argmin(error))
    centre, width = float(found[best, 0]), float(np.exp(found[best, 1]))
    return centre, width, profile.linear(centre, width), bool(flat[best])


def _grid(profile: _Profile) -> Floats:
    """Places (K, 2) that are better than those around them, and the straight line."""
    values = np.unique(profile.t)
    inside = np.interp(_CENTRES * (len(values) - 1), np.arange(len(values)), values)
    rows = []
    for width in np.geomspace(_NARROW, _WIDE * profile.range, _WIDTHS):
        far = _OUTSIDE * width
        centres = np.concatenate([profile.low - far[::-1], inside, profile.high + far])
        rows.append(np.stack([centres, np.full_like(centres, np.log(width))], axis=1))
    places = np.stack(rows)  # (W, C, 2)
    errors = np.stack([profile.errors(row) for row in places])
    around = np.pad(errors, 1, constant_values=np.inf)
    height, length = errors.shape
    nearby = [around[i : i + height, j : j + length] for i in range(3) for j in range(3)]
    lowest = errors <= np.min(nearby, axis=0)
    chosen = np.argsort(errors[lowest], kind="stable")[:_KEPT]
    return np.vstack([places[lowest][chosen], profile.line()])


def _descend(profile: _Profile, starts: Floats) -> tuple[Floats, Floats, Bools]:
    """(places (K, 2), squared errors (K,), whether its valley has no end (K,)) after Levenberg and
    Marquardt's steps from all starts at once. A start is left only for what is better.
    """
    places = starts.copy()
    error, pull, square = profile.parts(places)
    damping, going = np.full(len(places), 1e-2), np.arange(len(places))
    for iteration in range(_ITERATIONS):
        if iteration == _HOPEFUL:
            going = going[np.argsort(error[going], kind="stable")[:_FINAL]]
        tried = profile.moved(places[going], pull[going], square[going], damping[going])
        new = profile.parts(tried)
        better = new[0] < error[going]
        gain = np.where(better, error[going] - new[0], np.inf)
        moved = going[better]
        for old, fresh in zip((places, error, pull, square), (tried, *new), strict=True):
            old[moved] = fresh[better]
        damping[going] *= np.where(better, 0.2, 5.0)
        ended = (gain <= _SETTLED * error[going]) | (error[going] < 1e-20 * len(profile.t))
        going = going[~ended & (damping[going] < 1e8)]
        if not len(going):
            break
    limit = np.exp(places[:, 1]) > 0.99 * _WIDEST[profile.kind] * profile.range
    beyond = np.maximum(profile.low - places[:, 0], places[:, 0] - profile.high)
    flat = limit | (beyond > 0.99 * _OUTSIDE[-1] * np.exp(places[:, 1]))
    flat[going] = True
    return places, error, flat


_TURNS = ("not monotone", "falls", "almost a step")  # how such remarks begin


def _odd(kind: str, parameters: tuple[float, ...], x: Floats, flat: bool) -> str | None:
    remarks = []
    at = np.linspace(x.min(), x.max(), 201)
    mapped = _FORMULAS[kind](at, *parameters)
    size = max(float(np.ptp(mapped)), 1e-300)
    steps = np.diff(mapped) / size
    if (steps > 1e-6).any() and (steps < -1e-6).any():
        remarks.append("not monotone over the predictions")
    elif (steps < -1e-6).any():
        remarks.append("falls: higher predictions go with lower MOS")
    bent = mapped - np.linspace(mapped[0], mapped[-1], len(mapped))
    width = abs(parameters[3]) if kind == "4p" else 1 / abs(parameters[1])
    share = scipy.special.expit((np.unique(x) - parameters[2]) / width)
    slope = np.mean((share > 0.02) & (share < 0.98))
    if np.abs(bent).max() < 2e-3 * size:
        remarks.append("almost a straight line: its width is not determined")
    elif share[0] < 0.5 < share[-1] and slope < 0.02 + 2 / len(share):
        remarks.append("almost a step: its width is not determined")
    elif flat:
        remarks.append("the best point of a flat valley: its parameters are not determined")
    return "; ".join(remarks) or None

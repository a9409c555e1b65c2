"""The rules that a verdict rests on (verdict.py): every one holds a metric, with its 95% interval,
against what needs no model at all. What decides is the end of the interval that is worse for the
model, so that a small test set earns less.

mean: RMSE against always saying one score, the mean of the training labels where that is known,
    else of the judged images themselves, which is the strictest. A training mean that lies further
    from the judged images' mean than their standard deviation is of another scale, and not used.
histogram: EMD (r=1) against one histogram for all images, that of the training labels or of the
    judged images, likewise.
order: SRCC against 0, which a random order has.
pairs, each distortion: pair accuracy against 0.5, a coin, over all pairs and for each distortion.
ceiling: what agreement among raters allows. A MOS is the true score and noise, whose variance is
    std^2 / n of an image's n votes, so the reliability of the MOS is R = 1 - mean(std^2 / n) /
    var(mos), and a model that says the true score has a correlation of sqrt(R) with the MOS (the
    attenuation formula: Spearman, American Journal of Psychology 15, 1904). It tells, and decides
    nothing.
untrained: the same metric of the same network before the first step, on up to SAMPLE label lines
    of the same split. It tells, and decides nothing: the rules above are harder.
weakest distortion, level, scores: the part where the model is worst (weakest.py). It tells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from applications.evaluation.evaluation import Evaluation
from applications.evaluation.weakest import of_distortions, of_levels, of_thirds, thirds
from utils.statistics.metric import Metric
from utils.statistics.metrics import emd_of_each
from utils.statistics.resampled import Floats, Mean, OrderShare, Resampled, RootMean, divided
from utils.statistics.ties import constant, tied
from utils.statistics.vote_noise import Ceiling

SAMPLE = 128  # label lines that the untrained network is judged on: its SRCC to about 0.09
# Thresholds for the worse end of an interval.
SORTS = 0.5  # SRCC: two of three pairs in the right order, of normally distributed scores
PAIRS = 2 / 3  # pair accuracy where people said which image is better: the same
LADDERS = 0.8  # pair accuracy where the better image is known, and no rater errs
SAME = 0.005  # of the error of a constant: who saves less is no better than it
SAVES = 0.05  # of the error of a constant: an SRCC of .5 saves .13 of the RMSE, .32 saves so much


@dataclass(frozen=True)
class Learned:
    """What is known of a training: the mean score and the mean histogram (K,) of its labels, and
    the metrics of its network before the first step, (value, low, high) by name.
    """

    mean: float | None = None
    histogram: Sequence[float] | None = None
    untrained: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Learned:
        """From what a weights file says (applications/inputs/payload.py)."""
        mean, histogram = payload.get("mean_score"), payload.get("mean_histogram")
        if mean is None and histogram is not None:
            mean = float(np.dot(histogram, np.arange(1, len(histogram) + 1)))
        return cls(mean, histogram, payload.get("untrained") or {})


@dataclass(frozen=True)
class Finding:
    """What one rule found. kind: good, warn, bad, or "" where it only tells; text: a sentence or
    two; metric: of the model; against: what it is held against; gain: by how much it is better.
    """

    rule: str
    kind: str
    text: str
    metric: Metric
    against: Metric | None = None
    gain: Metric | None = None


def main_name(labels: Mapping[str, Any]) -> str:
    """The metric that the order is judged by: SRCC where images have scores, else pair accuracy."""
    return "pair_accuracy" if "better" in labels else "srcc"


# ---- the numbers


@dataclass(frozen=True)
class Case:
    """What a rule looks at; n: metrics by key, those of the evaluation and those of `asked_of`."""

    e: Evaluation
    learned: Learned
    n: Mapping[str, Metric]
    main: Metric
    samples: int
    seed: int

    @cached_property
    def distortions(self) -> list[Metric]:
        return of_distortions(self.e, self.samples, self.seed)


class Saved(Resampled):
    """By what share one error is smaller than another: 1 - own / other."""

    scale = "difference"

    def __init__(self, own: Resampled, other: Resampled) -> None:
        self._own, self._other, self.images = own, other, own.images

    def __call__(self, counts: Floats) -> Floats:
        return 1 - divided(self._own(counts), self._other(counts))


def asked_of(e: Evaluation, learned: Learned) -> dict[str, Resampled]:
    """What is resampled for the rules, beside the evaluation's own metrics."""
    asked: dict[str, Resampled] = {}
    votes, probs = e.labels.get("probs"), e.predictions.probs
    if votes is not None and probs is not None:
        other = np.broadcast_to(_histogram(e, learned)[0], votes.shape)
        own, base = (Mean(emd_of_each(p, votes, 1)) for p in (probs, other))
        asked |= {"constant_emd_r1": base, "emd_r1_saved": Saved(own, base)}
    if e.opinions is None or constant(e.opinions.mos):
        return asked
    mos = e.opinions.mos.astype(np.float64)
    error = e.scores - mos
    own, base = RootMean(error**2), RootMean((_mean(e, learned)[0] - mos) ** 2)
    asked |= {"constant_rmse": base, "rmse_saved": Saved(own, base)}
    asked["order"] = OrderShare(e.scores.astype(np.float64), tied(mos))
    if e.opinions.std is not None and e.opinions.votes is not None:
        asked["ceiling"] = Ceiling(mos, e.opinions.std, e.opinions.votes)
    return asked


def _mean(e: Evaluation, learned: Learned) -> tuple[float, str]:
    """(the one score that is always said, whose mean it is)."""
    assert e.opinions is not None
    own, spread = float(np.mean(e.opinions.mos)), float(np.std(e.opinions.mos))
    if learned.mean is not None and abs(learned.mean - own) <= spread:
        return learned.mean, "the training scores' mean"
    return own, "the mean of these images' own scores"


def _histogram(e: Evaluation, learned: Learned) -> tuple[np.ndarray, str]:
    """(the one histogram that is always said, (K,), whose mean it is)."""
    votes = e.labels["probs"]
    if learned.histogram is not None and len(learned.histogram) == votes.shape[1]:
        known = np.maximum(np.asarray(learned.histogram, dtype=np.float64), 0)
        if known.sum() > 0:
            return known / known.sum(), "the training images' mean histogram"
    return votes.mean(axis=0, dtype=np.float64), "the mean histogram of these images"


# ---- the rules, one after the other


def _graded(low: float, enough: float, chance: float) -> str:
    return "good" if low >= enough else "warn" if low > chance else "bad"


def _saves(gain: Metric) -> str:
    return "good" if gain.low >= SAVES else "bad" if gain.value < SAME else "warn"


def _against_mean(c: Case) -> list[Finding]:
    if "rmse_saved" not in c.n or "rmse" not in c.n:
        return []
    mean, whose = _mean(c.e, c.learned)
    own, base, gain = c.n["rmse"], c.n["constant_rmse"], c.n["rmse_saved"]
    text = f"Always saying {mean:.3g} ({whose}) is typically {base.value:.3g} off; this model is "
    text += f"{own.value:.3g} off, {_less(gain)} (RMSE)."
    return [Finding("mean", _saves(gain), text, own, base, gain)]


def _against_histogram(c: Case) -> list[Finding]:
    if "emd_r1_saved" not in c.n:
        return []
    own, base, gain = c.n["emd_r1"], c.n["constant_emd_r1"], c.n["emd_r1_saved"]
    whose = _histogram(c.e, c.learned)[1]
    text = f"Always predicting one histogram ({whose}) is {base.value:.3f} away from the votes; "
    text += f"this model is {own.value:.3f} away, {_less(gain)} (EMD, r = 1)."
    return [Finding("histogram", _saves(gain), text, own, base, gain)]


def _order(c: Case) -> list[Finding]:
    if c.main.name != "srcc":
        return []
    text = f"Its order agrees with people's by {_shown(c.main)} (SRCC: 0 is a random order, 1 the "
    text += f"very same; usable from {SORTS:g} on, at the lower end)."
    return [Finding("order", _graded(c.main.low, SORTS, 0), text, c.main)]


def _pairs(c: Case) -> list[Finding]:
    if c.main.name != "pair_accuracy":
        return []
    enough = LADDERS if c.e.ladders else PAIRS
    text = f"It puts the better image first in {_shown(c.main, 100)} of 100 pairs (a coin: 50; "
    text += f"usable from {100 * enough:.0f} on, at the lower end)."
    found = [Finding("pairs", _graded(c.main.low, enough, 0.5), text, c.main)]
    rows = c.distortions
    if not rows:
        return found
    # One that is right in all resamples has no interval.
    lost = sorted((m for m in rows if np.fmin(m.low, m.value) <= 0.5), key=lambda m: m.value)
    worst = lost[0] if lost else min(rows, key=lambda m: m.value)
    text = f"For each of {len(rows)} distortions it is better than a coin."
    if lost:
        names = ", ".join(
            m.group.name + " (upside down)" * bool(np.fmax(m.high, m.value) < 0.5)
            for m in lost[:4]
            if m.group
        )
        more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
        text = f"No better than a coin for {len(lost)} of {len(rows)} distortions: {names}{more}."
    return [*found, Finding("each distortion", "warn" if lost else "good", text, worst)]


def _ceiling(c: Case) -> list[Finding]:
    top = c.n.get("ceiling")
    if top is None or not math.isfinite(top.low):
        return []
    after = c.n.get("plcc_4p")
    own = after if after is not None and math.isfinite(after.value) else c.n["plcc"]
    text = "People differ: a perfect model would correlate with these votes by only "
    text += f"{_shown(top)}, this one does by {_shown(own)} (PLCC)."
    if own.high >= top.low:
        text += " More than that these votes cannot tell: it would take more votes an image."
    return [Finding("ceiling", "", text, own, top)]


def _untrained(c: Case) -> list[Finding]:
    ends = c.learned.untrained.get(c.main.name)
    if not ends:
        return []
    before = Metric(c.main.name, *map(float, ends), scale=c.main.scale)
    helped = c.main.low > before.high
    factor, of = (100, " of 100 pairs") if c.main.name == "pair_accuracy" else (1, "")
    text = f"Before this training the same network had {_shown(before, factor)}{of}: "
    text += "training has helped." if helped else "that training has helped is not certain."
    return [Finding("untrained", "", text, c.main, before)]


def _weakest(c: Case) -> list[Finding]:
    parts = [c.distortions, of_levels(c.e, c.samples, c.seed)]
    worst = [min(found, key=lambda m: m.value) for found in parts if len(found) > 1]
    # Only where the model's numbers are on the scale of the scores, and not all of them right.
    if "rmse_saved" in c.n and c.n["rmse_saved"].low > 0:
        found = of_thirds(c.e, c.samples, c.seed)
        furthest = max(found, key=lambda m: m.value)
        worst += [furthest] if len(found) > 1 and furthest.value > 0 else []
    return [Finding(f"weakest {m.group.kind}", "", _of_part(c.e, m), m) for m in worst if m.group]


def _of_part(e: Evaluation, worst: Metric) -> str:
    assert worst.group is not None
    kind, name = worst.group.kind, worst.group.name
    if kind == "distortion":
        pairs = worst.name == "pair_accuracy"
        said = f"{_shown(worst, 100)} of 100 pairs are right" if pairs else f"SRCC {_shown(worst)}"
        return f"Weakest distortion: {name}, where {said}."
    if kind == "level":
        return (
            f"Weakest level: {name} (0 is the photograph itself, a higher one a stronger "
            f"distortion), told from the next better one in {_shown(worst, 100)} of 100 pairs."
        )
    assert e.opinions is not None
    images = thirds(e.opinions.mos)[name]
    mos = e.opinions.mos[images]
    error = float(np.mean(e.scores[images] - mos))
    ends = f" [{worst.low:.3g}, {worst.high:.3g}]" if math.isfinite(worst.low) else ""
    return (
        f"Weakest on images that people rated in the {name} third ({mos.min():.3g} to "
        f"{mos.max():.3g}), where it is typically {worst.value:.3g}{ends} off, on "
        f"average {abs(error):.2g} too {'high' if error > 0 else 'low'}."
    )


RULES: tuple[Callable[[Case], list[Finding]], ...] = (
    _against_mean, _against_histogram, _order, _pairs, _ceiling, _untrained, _weakest,
)  # fmt: skip


# ---- words


def _shown(metric: Metric, factor: float = 1) -> str:
    digits = 0 if factor == 100 else 2
    value, low, high = (f"{factor * x:.{digits}f}" for x in (metric.value, metric.low, metric.high))
    return f"{value} [{low}, {high}]" if math.isfinite(metric.low) else value


def _less(gain: Metric) -> str:
    """How much less an error is, from the share that is saved."""
    if abs(gain.value) < SAME:
        return "much the same"
    chance = "" if gain.low >= 0 or gain.high <= 0 else ", which may be chance"
    return f"{abs(100 * gain.value):.0f}% {'less' if gain.value > 0 else 'more'}{chance}"

"""Whether a model is of use, in plain words: "usable", "weak", or "no better than the mean: do not
use". Needs no torch: it reads an Evaluation and what is known of the training.

usable: the order is surely right (SORTS, PAIRS or LADDERS of rules.py, which says what every rule
is), every distortion is told better than by a coin, and mean and histogram are beaten, whatever of
this there is. No better: the order may be random, and the mean is not surely beaten; or the order
is not surely right, and the error is that of the mean, or above it. Weak: all else. Without
intervals (below FEWEST independent images or references, or without resamples) nothing is certain,
and nothing is said but that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from applications.evaluation.evaluation import Evaluation, shown
from applications.evaluation.rules import RULES, Case, Finding, Learned, asked_of, main_name
from utils.runtime.seed import numpy_generator
from utils.statistics.bootstrap import FEWEST, Interval, bootstrap, heard
from utils.statistics.metric import Metric
from utils.statistics.ties import constant

USABLE, WEAK, USELESS = "usable", "weak", "no better than the mean"
CHANCE, UNKNOWN = "no better than chance", "too little to judge"
# Classes of report.css.
KINDS = {USABLE: "good", WEAK: "warn", USELESS: "bad", CHANCE: "bad", UNKNOWN: "warn"}
_OPENINGS = {
    USABLE: "Usable: clearly better than {than}.",
    WEAK: "Weak: better than {than}, but not to be relied on for a single image.",
    USELESS: "No better than the mean: do not use.",
    CHANCE: "No better than chance: do not use.",
}
_HARDLY = (
    "Weak: hardly better than always saying the mean, and not to be relied on for a single image."
)
_EXTREMES = (
    "Weak: its numbers tell extremes apart, better than always saying the mean; its order of the "
    "images in between, and of near ones, may be random or worse."
)
# Where the order is right, and what else there is is not.
_BUT = {
    "each distortion": "Weak: better than a coin, but not for every distortion.",
    "mean": "Weak: its order is of use, its numbers are not: they are hardly better than saying "
    "the same of every image, or worse.",
    "histogram": "Weak: its order is of use, its histograms are hardly better than one "
    "and the same for every image, or worse.",
}


@dataclass(frozen=True)
class Verdict:
    """outcome: one of KINDS; text: what a person reads first; findings: by rule, in their order."""

    outcome: str
    text: str
    findings: tuple[Finding, ...] = ()

    @property
    def kind(self) -> str:
        """good, warn or bad."""
        return KINDS[self.outcome]

    def lines(self) -> str:
        """As a terminal shows it: what is read first, then a line a rule."""
        return "\n".join([f"Verdict: {self.text}", *(f"  {f.text}" for f in self.findings)])

    def as_json(self) -> dict[str, Any]:
        """What results.json holds: every number that the verdict rests on."""
        rules = [{k: v for k, v in asdict(f).items() if v is not None} for f in self.findings]
        return {"outcome": self.outcome, "text": self.text, "rules": rules}


def verdict_of(e: Evaluation, learned: Learned, samples: int, seed: int) -> Verdict:
    """The verdict on an evaluation with its intervals. samples: resamples of those that are made
    here, drawn from `seed`.
    """
    main = _main(e)
    if len(e.scores) > 1 and constant(e.scores):
        outcome = USELESS if e.opinions is not None else CHANCE
        return Verdict(outcome, f"{_OPENINGS[outcome]} It says the same of every image.")
    if main is None or not math.isfinite(main.low) or not samples:
        return Verdict(UNKNOWN, _too_little(e, samples))
    rng = numpy_generator(seed, "verdict")
    asked = asked_of(e, learned)
    with heard([]):  # what has no interval takes part in no rule
        found = bootstrap(asked, e.clusters, samples, rng) if asked else {}
    n = dict(e.by_key) | {
        name: Metric(name, v.value, *_ends(v), asked[name].scale) for name, v in found.items()
    }
    case = Case(e, learned, n, main, samples, seed)
    every = [finding for rule in RULES for finding in rule(case)]
    outcome = _outcome(e, {f.rule: f.kind for f in every if f.kind})
    return Verdict(outcome, _headline(outcome, case, every), tuple(every))


def _ends(found: Interval) -> tuple[float, float]:
    """An interval's ends: the value itself where no resample differs, as of a model without any
    error, and not beyond 0 where all resamples lie on one side of it.
    """
    known = found.resamples[~np.isnan(found.resamples)]
    low, high = found.low, found.high
    if math.isnan(low) and len(known) and np.ptp(known) == 0:
        return found.value, found.value
    return (max(low, 0.0) if (known > 0).all() else low,
            min(high, 0.0) if (known < 0).all() else high)  # fmt: skip


def _main(e: Evaluation) -> Metric | None:
    """With an interval also where every pair is right, or wrong, or all references are right in the
    same share of their pairs, so that all resamples are the same: if none of G independent images
    or references differs, up to 3 / G of all may (the rule of three: Hanley and Lippman-Hand, JAMA
    249, 1983).
    """
    main, count = e.by_key.get(main_name(e.labels)), int(e.clusters.max(initial=-1)) + 1
    if main is None or not math.isnan(main.low) or count < FEWEST:
        return main
    pairs = main.name == "pair_accuracy"
    worst = 0.0 if pairs else -1.0
    # Where each has pairs, no resample is without any.
    alike = pairs and len(np.unique(e.clusters[e.labels["better"]])) == count
    if main.value not in (worst, 1) and not alike:
        return main
    low, high = max(worst, main.value - 3 / count), min(1.0, main.value + 3 / count)
    return replace(main, low=low, high=high)


# ---- the outcome, and the words for it


def _outcome(e: Evaluation, kinds: Mapping[str, str]) -> str:
    order = kinds.get("order") or kinds["pairs"]
    mean = kinds.get("mean")
    if (order == "bad" and mean != "good") or (order != "good" and mean == "bad"):
        return USELESS if e.opinions is not None else CHANCE
    return WEAK if {"warn", "bad"} & {*kinds.values()} else USABLE


def _headline(outcome: str, c: Case, found: Sequence[Finding]) -> str:
    kinds = {f.rule: f.kind for f in found}
    than = "always saying the mean" if "mean" in kinds else "a coin"
    said = [_OPENINGS[outcome].format(than=than)]
    if outcome == WEAK and "mean" in kinds and not c.n["rmse_saved"].low > 0:
        said = [_HARDLY]
    if outcome == WEAK and "good" in (kinds.get("order"), kinds.get("pairs")):
        said = [next(text for rule, text in _BUT.items() if kinds.get(rule, "good") != "good")]
    if outcome == WEAK and kinds.get("order") == "bad":
        said = [_EXTREMES]
    rated = "the one that people rated higher" if "order" in c.n else "the better one"
    if times := c.n.get("order", c.n.get("pair_accuracy")):
        said.append(
            f"Of two images it puts {rated} first {_of_100(times)} times in 100 (a coin: 50)."
        )
    if "mean" in kinds and c.e.opinions is not None:
        own, base, mos = c.n["rmse"].value, c.n["constant_rmse"].value, c.e.opinions.mos
        said.append(f"It is typically {own:.3g} off; always saying the mean is {base:.3g} off "
                    f"(people's scores go from {mos.min():.3g} to {mos.max():.3g}).")  # fmt: skip
    said += [f.text for f in found if f.rule == "each distortion" and f.kind != "good"]
    if c.main.name == "srcc" and c.main.high < 0 and outcome == USELESS:
        said.append("Its order is upside down: is a lower score the better one in these labels?")
    if outcome in (USELESS, CHANCE):
        said.append(f"That is as far as these {len(c.e.images):,} images can tell.")
    else:
        said += [f.text for f in found if f.rule.startswith("weakest")][:1]
    return " ".join(said)


def _too_little(e: Evaluation, samples: int) -> str:
    count, main = int(e.clusters.max(initial=-1)) + 1, e.by_key.get(main_name(e.labels))
    why = "--bootstrap 0 leaves out the intervals that it needs"
    if samples and count < FEWEST:
        why = f"{count} independent images or references, and at least {FEWEST} are needed; 50 and "
        why += "more say much: hold out more (--test_photos N of photographs, --split_shares)"
    elif samples:
        why = "what the images were called does not differ, or its metric has no interval"
    value = f" What there is: {main.name} {shown(main.value)}." if main else ""
    return f"Too little to judge: {why}.{value}"


def _of_100(share: Metric) -> str:
    return f"{100 * share.value:.0f}"

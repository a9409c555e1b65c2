"""How well scores order ladders of growing distortion, where nobody rated anything.

Source: Ma et al., "Waterloo Exploration Database: New Challenges for Image Quality Assessment
Models", IEEE TIP 26(2), 2017, with its D-test, L-test and P-test. All figures lie in 0..1, or in
-1..1 for correlations, and higher is better:

- ladder_accuracy: share of the pairs of every ladder whose better level has the higher score.
- monotone_ladders: share of ladders whose scores fall strictly at every level.
- l_test_srcc, l_test_krcc (L-test): mean over the ladders of the correlation of scores with falling
  levels. The paper's lists are the distorted images; here the reference heads them where it is
  known, as it does in `ladder_accuracy`.
- d_test (D-test): max over thresholds T of the mean of the share of pristine images above T and of
  the share of distorted images not above it: 0.5 is chance. d_test_auc: the ROC area, the share of
  (pristine, distorted) pairs in the right order. Neither knows references.
- p_test (P-test): share of quality-discriminable pairs in the right order. The paper calls a pair
  discriminable when full-reference measures agree on it by a margin. Here levels alone decide: two
  images of DIFFERENT references under ONE distortion, at least 2 levels apart. It asks what ladders
  cannot: whether scores mean the same on another photograph.
- by level k, step_accuracy: pairs of level k with the next better level of the same ladder (k - 1
  where all levels exist), the hardest ones; d_test_auc: level k against the pristine images.

A tie counts as half a pair and makes a ladder not monotone. A figure that does not exist is nan,
and one UserWarning says why; a constant prediction has 0.5 for every accuracy and nan for
correlations.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from utils.statistics.ladders import Floats, Ints, Ladders, build_ladders
from utils.statistics.share_figures import wins_over

Figures = dict[str, Any]

# The overall figures, each better when higher.
FIGURES = (
    "ladder_accuracy", "monotone_ladders", "l_test_srcc", "l_test_krcc", "d_test", "d_test_auc",
    "p_test",
)  # fmt: skip
SAFE_GAP = 2  # levels between images of two references whose order counts as known


def ladder_metrics(
    scores: ArrayLike,
    references: Sequence[Hashable],
    distortions: Sequence[Hashable],
    levels: ArrayLike,
) -> Figures:
    """All figures of M images: FIGURES and n_ladders, n_ladder_pairs, n_p_test_pairs over all
    distortions, and `by_distortion` {name: the same figures and "levels"} and `by_level`, which
    both hold {level: images, mean_score, d_test_auc, step_accuracy, n_steps}.

    scores (M,); references, distortions (M,); levels (M,), 0 is the reference itself. ValueError as
    `build_ladders`. 100,000 images take about a second.
    """
    found = build_ladders(scores, references, distortions, levels)
    tally, reasons = tally_of(found), _Reasons()
    wins, known = _across(found, tally)
    everything = np.arange(len(found))
    pristine, distorted = found.levels == 0, found.levels > 0
    overall = {
        **_ladder_figures(tally, everything, reasons, None),
        **_separability(found.scores[pristine], found.scores[distorted], reasons, None),
        **_preference(float(wins.sum()), int(known.sum()), reasons, None),
    }
    by_distortion: dict[Any, Figures] = {}
    for kind, name in enumerate(found.distortions):
        row = found.image[found.distortion[found.ladder] == kind]
        good, bad = row[pristine[row]], row[distorted[row]]
        by_distortion[name] = {
            **_ladder_figures(tally, np.flatnonzero(found.distortion == kind), reasons, name),
            **_separability(found.scores[good], found.scores[bad], reasons, name),
            **_preference(float(wins[kind]), int(known[kind]), reasons, name),
            "levels": _by_level(found, row, tally.step_wins[kind], tally.steps[kind]),
        }
    each = np.arange(len(found.scores))
    by_level = _by_level(found, each, tally.step_wins.sum(0), tally.steps.sum(0))
    reasons.warn()
    return {**overall, "by_distortion": by_distortion, "by_level": by_level}


class _Reasons:
    """Why figures are nan; one warning for all of them. `where` is a distortion, None for all."""

    def __init__(self) -> None:
        self.found: dict[str, list[Any]] = {}

    def add(self, reason: str, where: Any) -> None:
        self.found.setdefault(reason, []).append(where)

    def warn(self) -> None:
        # What is true of all distortions together need not be said of each.
        said = [
            reason if None in where else f"{reason} ({', '.join(map(str, where))})"
            for reason, where in self.found.items()
        ]
        if said:
            warnings.warn("; ".join(said), UserWarning, stacklevel=3)


@dataclass(frozen=True)
class Tally:
    """Of each ladder (L,): pairs of different levels, how many are won (a tie is half), pairs of
    different scores, pairs SAFE_GAP levels apart and how many of them are won, Spearman's
    correlation. Of each distortion and of each of the K levels that exist, (D, K): pairs with the
    next better level, won ones.
    """

    pairs: Floats
    wins: Floats
    untied: Floats
    far_pairs: Floats
    far_wins: Floats
    srcc: Floats
    steps: Floats
    step_wins: Floats


def tally_of(found: Ladders) -> Tally:
    count, score, level = len(found), found.scores[found.image], found.levels[found.image]
    numbers = np.unique(found.levels)
    shape = (len(found.distortions), len(numbers))
    cell = found.distortion[found.ladder] * shape[1] + np.searchsorted(numbers, level)
    sums = np.zeros((5, count))
    steps = np.zeros((2, shape[0] * shape[1]))
    for a, b in found.pairs():
        gap, ladder = level[b] - level[a], found.ladder[a]
        won = _won(score[a], score[b])
        far, near = gap >= SAFE_GAP, found.step[b] - found.step[a] == 1
        for total, weight in zip(
            sums, (gap > 0, won * (gap > 0), won != 0.5, far, won * far), strict=True
        ):
            total += np.bincount(ladder, weight, count)
        steps[0] += np.bincount(cell[b], near, steps.shape[1])
        steps[1] += np.bincount(cell[b], won * near, steps.shape[1])
    srcc = _spearman_within(score, level, found.ladder, count)
    pairs, wins, untied, far_pairs, far_wins = sums
    all_steps, won_steps = steps.reshape(2, *shape)
    return Tally(pairs, wins, untied, far_pairs, far_wins, srcc, all_steps, won_steps)


def _won(better: Floats, worse: Floats) -> Floats:
    """1 where better is higher, 0.5 where both are equal, else 0."""
    return 0.5 * ((better > worse).astype(np.float64) + (better >= worse))


def _spearman_within(score: Floats, level: Ints, ladder: Ints, count: int) -> Floats:
    """Spearman's correlation (L,) of scores with falling levels in each ladder; nan where one of
    them is constant.
    """
    x, y = (_centred(_ranks_within(values, ladder), ladder, count) for values in (score, -level))
    products = (np.bincount(ladder, part, count) for part in (x * y, x * x, y * y))
    xy, xx, yy = products
    defined = (xx > 0) & (yy > 0)
    result = np.full(count, math.nan)
    result[defined] = np.clip(xy[defined] / np.sqrt(xx[defined] * yy[defined]), -1, 1)
    return result


def _ranks_within(values: Floats | Ints, group: Ints) -> Floats:
    """Ranks of values (R,) among those of their group, equal ones at their mean rank; from 0.
    group: 0..G-1, every one of them at least once.
    """
    order = np.lexsort((values, group))
    value, owner = values[order], group[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (value[1:] != value[:-1]) | (owner[1:] != owner[:-1])
    run = np.cumsum(new) - 1
    length = np.bincount(run)
    middle = np.cumsum(length) - (length + 1) / 2
    size = np.bincount(group)
    ranks = np.empty(len(order))
    ranks[order] = middle[run] - (np.cumsum(size) - size)[owner]
    return ranks


def _centred(values: Floats, group: Ints, count: int) -> Floats:
    mean = np.bincount(group, values, count) / np.maximum(np.bincount(group, minlength=count), 1)
    return values - mean[group]


def _ladder_figures(tally: Tally, ladders: Ints, reasons: _Reasons, where: Any) -> Figures:
    """Pair accuracy, share of monotone ladders and the L-test over the given ladders."""
    used = ladders[tally.pairs[ladders] > 0]
    pairs, wins, untied = tally.pairs[used], tally.wins[used], tally.untied[used]
    figures = {name: math.nan for name in FIGURES[:4]}
    counts = {"n_ladders": len(used), "n_ladder_pairs": int(pairs.sum())}
    if not len(used):
        reasons.add("no ladder has two levels: pair accuracy and L-test are undefined: nan", where)
        return {**figures, **counts}
    figures["ladder_accuracy"] = float(wins.sum() / pairs.sum())
    figures["monotone_ladders"] = float(np.mean(wins == pairs))
    defined = untied > 0
    if not defined.any():
        reasons.add("all ladders have constant scores: the L-test is undefined: nan", where)
    elif not defined.all() and where is None:
        without = f"{int((~defined).sum())} of {len(used)} ladders have constant scores"
        reasons.add(f"{without}: left out of the L-test", where)
    if defined.any():
        # tau-b: concordant less discordant pairs over those untied in levels and in scores.
        tau = (2 * wins - pairs)[defined] / np.sqrt((pairs * untied)[defined])
        figures["l_test_srcc"] = float(tally.srcc[used][defined].mean())
        figures["l_test_krcc"] = float(tau.mean())
    return {**figures, **counts}


def _separability(pristine: Floats, distorted: Floats, reasons: _Reasons, where: Any) -> Figures:
    """D-test: accuracy at the best threshold, mean of both classes, and the area under the ROC."""
    if not len(pristine) or not len(distorted):
        what = "pristine image (level 0)" if len(distorted) else "distorted image"
        reasons.add(f"no {what}: the D-test is undefined: nan", where)
        return {"d_test": math.nan, "d_test_auc": math.nan}
    limits = np.unique(np.concatenate([pristine, distorted]))
    above = 1 - np.searchsorted(np.sort(pristine), limits, "right") / len(pristine)
    below = np.searchsorted(np.sort(distorted), limits, "right") / len(distorted)
    # Above the highest score, and below the lowest one, all images are called alike: 0.5.
    best = float((above + below).max() / 2)
    return {"d_test": best, "d_test_auc": _auc(pristine, distorted)}


def _auc(better: Floats, worse: Floats) -> float:
    """Share of pairs, one of each, in the right order; a tie is half. nan without pairs."""
    pairs = len(better) * len(worse)
    return float(wins_over(better, worse).sum()) / pairs if pairs else math.nan


def _across(found: Ladders, tally: Tally) -> tuple[Floats, Floats]:
    """(won, all) pairs of the P-test of each distortion (D,)."""
    kinds = len(found.distortions)
    # All pairs far enough apart, less those within a ladder: those of one reference.
    wins, pairs = np.zeros(kinds), np.zeros(kinds)
    wins -= np.bincount(found.distortion, tally.far_wins, kinds)
    pairs -= np.bincount(found.distortion, tally.far_pairs, kinds)
    of_row = found.distortion[found.ladder]
    for kind in range(kinds):
        image = found.image[of_row == kind]
        score, level = found.scores[image], found.levels[image]
        for low in np.unique(level):
            better, worse = score[level <= low - SAFE_GAP], score[level == low]
            wins[kind] += wins_over(better, worse).sum()
            pairs[kind] += len(better) * len(worse)
    return wins, pairs


def _preference(wins: float, pairs: int, reasons: _Reasons, where: Any) -> Figures:
    if not pairs:
        reasons.add(
            f"no two references {SAFE_GAP} levels apart in one distortion: "
            "the P-test is undefined: nan",
            where,
        )
    return {"p_test": wins / pairs if pairs else math.nan, "n_p_test_pairs": pairs}


def _by_level(found: Ladders, image: Ints, step_wins: Floats, steps: Floats) -> dict[int, Figures]:
    """{level: its figures} over the given images; steps, step_wins (K,) of all levels."""
    score, level = found.scores[image], found.levels[image]
    pristine = score[level == 0]
    rows = {}
    for place, number in enumerate(np.unique(found.levels).tolist()):
        here = score[level == number]
        if not len(here):
            continue
        rows[number] = {
            "images": len(here),
            "mean_score": float(here.mean()),
            "d_test_auc": _auc(pristine, here) if number else math.nan,
            "step_accuracy": float(step_wins[place] / steps[place]) if steps[place] else math.nan,
            "n_steps": int(steps[place]),
        }
    return rows

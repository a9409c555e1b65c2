"""How well scores order ladders of growing distortion, where nobody rated anything.

Source: Ma et al., "Waterloo Exploration Database: New Challenges for Image Quality Assessment
Models", IEEE TIP 26(2), 2017, with its D-test, L-test and P-test. All metrics lie in 0..1, or in
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

A tie counts as half a pair and makes a ladder not monotone. A constant prediction has 0.5 for every
accuracy and nan for correlations.

What is resampled is the reference photograph with all its ladders: images of one photograph share
its content. A resample (utils/statistics/resampled.py) equals the metrics of the drawn references
written out under names of their own, but for the P-test: two copies of a reference are not two
references, so that pairs between them are left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from utils.statistics.ladders import SAFE_GAP, Ladders, build_ladders, tally_of
from utils.statistics.metrics import Measured
from utils.statistics.resampled import (
    Among,
    Floats,
    Ints,
    Ratio,
    Resampled,
    Undefined,
    divided,
    sums_of,
)
from utils.statistics.resampled_pairs import (
    BestThreshold,
    FirstOrderShare,
    RocArea,
    shares_won,
    wins_over,
)

# The metrics over all ladders, each better when higher.
LADDER_METRICS = (
    "ladder_accuracy", "monotone_ladders", "l_test_srcc", "l_test_krcc", "d_test", "d_test_auc",
    "p_test",
)  # fmt: skip
EXACT_REFERENCES = 300  # resamples of more take the P-test to first order


@dataclass(frozen=True)
class LadderMetrics:
    """overall: LADDER_METRICS and n_ladders, n_ladder_pairs, n_p_test_pairs, and why some are nan;
    by_distortion: the same of each; levels: of each distortion, and by_level: of all, {level:
    images, mean_score, d_test_auc, step_accuracy, n_steps}.
    """

    overall: Measured
    by_distortion: dict[Any, Measured]
    levels: dict[Any, dict[int, Measured]]
    by_level: dict[int, Measured]

    def values(self) -> dict[str, Any]:
        """As results.json holds them: `by_distortion` has the "levels" of each."""
        levels = {
            name: {level: one.values() for level, one in rows.items()}
            for name, rows in {**self.levels, None: self.by_level}.items()
        }
        by_distortion = {
            name: {**own.values(), "levels": levels[name]}
            for name, own in self.by_distortion.items()
        }
        return {
            **self.overall.values(), "by_distortion": by_distortion, "by_level": levels[None],
        }  # fmt: skip


def ladder_metrics(
    scores: ArrayLike,
    references: Sequence[Hashable],
    distortions: Sequence[Hashable],
    levels: ArrayLike,
) -> LadderMetrics:
    """All metrics of M images. scores (M,); references, distortions (M,); levels (M,), 0 is the
    reference itself. ValueError as `build_ladders`.

    Counts of a resample (B, M) must be equal for images of one reference. The values of 100,000
    images take about a second, and so do 1000 resamples of 25 references x 24 distortions x 5
    levels of the overall ones.
    """
    judge = _Judge(build_ladders(scores, references, distortions, levels))
    names = judge.found.distortions
    overall = judge.metrics(None)
    by_distortion = {name: Measured(judge.metrics(kind)) for kind, name in enumerate(names)}
    of_levels = {name: judge.by_level(kind) for kind, name in enumerate(names)}
    reasons = judge.reasons()
    return LadderMetrics(Measured(overall, reasons), by_distortion, of_levels, judge.by_level(None))


class PTest(Resampled):
    """The P-test of the distortions `kinds`: c'Wc / c'Nc of counts c of references, where W, N
    (R, R) are pairs won and all pairs between two; of more than EXACT_REFERENCES to first order.

    ends (2, R): pairs won and all pairs at each reference, every pair at both of its ends.
    """

    scale = "share"

    def __init__(self, found: Ladders, image: Ints, kinds: Sequence[int], ends: Floats) -> None:
        self._found, self._image, self._kinds, self._ends = found, image, kinds, ends
        self.images = len(found.owner)

    @property
    def value(self) -> float:
        won, pairs = self._ends.sum(axis=1).tolist()
        return won / pairs if pairs else np.nan

    def __call__(self, counts: Floats) -> Floats:
        drawn = np.take(counts, self._image, axis=1)
        if len(self._image) <= EXACT_REFERENCES:
            return divided(*(np.einsum("br,br->b", drawn @ m, drawn) for m in self._between))
        won, lost = self._ends[0], self._ends[1] - self._ends[0]
        return FirstOrderShare(won.sum() / 2, lost.sum() / 2, won, lost)(drawn)

    @cached_property
    def _between(self) -> Floats:
        """(pairs won, pairs) (2, R, R) of two different references, the better image's first."""
        count, score, owner = len(self._image), self._found.scores, self._found.owner
        sums = np.zeros((2, count * count))
        for better, worse in self._found.apart(self._kinds):
            cell = (owner[better][:, None] * count + owner[worse]).reshape(-1)
            won = shares_won(score[better][:, None], score[worse]).reshape(-1)
            sums += sums_of(cell, count * count, won, np.ones_like(won))
        return sums.reshape(2, count, count) * ~np.eye(count, dtype=bool)


class _Judge:
    """Ladders, what was counted of them, and why metrics are nan. A `kind` is the place of a
    distortion, None for all of them together.
    """

    def __init__(self, found: Ladders) -> None:
        self.found, self.tally = found, tally_of(found)
        self._image = np.unique(found.owner, return_index=True)[1]  # (R,): one of each reference
        self._ends = [self._pairs_across(kind) for kind in range(len(found.distortions))]
        self._said: dict[str, list[int | None]] = {}

    def reasons(self) -> tuple[str, ...]:
        """One sentence for all of them."""
        said = []
        for why, kinds in self._said.items():
            names = [str(self.found.distortions[kind]) for kind in kinds if kind is not None]
            # What is true of all distortions together need not be said of each.
            said.append(why if None in kinds else f"{why} ({', '.join(names)})")
        return ("; ".join(said),) if said else ()

    def _missing(self, reason: str, kind: int | None) -> Undefined:
        self._said.setdefault(reason, []).append(kind)
        return Undefined(reason)

    def _among(self, metric: Resampled, images: Ints) -> Resampled:
        return Among(metric, images, len(self.found.owner))

    def _ratio(
        self, ladder: Ints, above: NDArray, below: NDArray, scale: str = "share"
    ) -> Resampled:
        """A ratio of sums over `ladder` (n,), resampled by their references."""
        sums = sums_of(self.found.reference[ladder], len(self._image), above, below)
        return self._among(Ratio(sums[0], sums[1], scale), self._image)

    def _images(self, kind: int | None) -> Ints:
        """Of one distortion, with those of level 0 whose reference has it, or all there are."""
        found = self.found
        if kind is None:
            return np.arange(len(found.scores))
        return found.image[found.distortion[found.ladder] == kind]

    def metrics(self, kind: int | None) -> dict[str, Resampled | float]:
        """LADDER_METRICS and counts."""
        return {**self._of_ladders(kind), **self._separability(kind), **self._preference(kind)}

    def _of_ladders(self, kind: int | None) -> dict[str, Resampled | float]:
        """Pair accuracy, share of monotone ladders and the L-test."""
        tally = self.tally
        used = tally.pairs > 0
        if kind is not None:
            used &= self.found.distortion == kind
        ladder = np.flatnonzero(used)
        pairs, wins, untied = tally.pairs[ladder], tally.wins[ladder], tally.untied[ladder]
        one, known = np.ones(len(ladder)), untied > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            # tau-b: concordant less discordant pairs over those untied in levels and in scores.
            tau = (2 * wins - pairs) / np.sqrt(pairs * untied)
        found: dict[str, Resampled | float] = {
            "ladder_accuracy": self._ratio(ladder, wins, pairs),
            "monotone_ladders": self._ratio(ladder, wins == pairs, one),
        }
        for name, values in (("l_test_srcc", tally.srcc[ladder]), ("l_test_krcc", tau)):
            found[name] = self._ratio(ladder[known], values[known], one[known], "correlation")
        if not len(ladder):
            why = "no ladder has two levels: pair accuracy and L-test are undefined: nan"
            found |= dict.fromkeys(found, self._missing(why, kind))
        elif not known.any():
            why = "all ladders have constant scores: the L-test is undefined: nan"
            found |= dict.fromkeys(("l_test_srcc", "l_test_krcc"), self._missing(why, kind))
        elif not known.all() and kind is None:
            without = f"{int((~known).sum())} of {len(ladder)} ladders have constant scores"
            self._missing(f"{without}: left out of the L-test", kind)
        return {**found, "n_ladders": len(ladder), "n_ladder_pairs": int(pairs.sum())}

    def _separability(self, kind: int | None) -> dict[str, Resampled]:
        images = self._images(kind)
        score, pristine = self.found.scores[images], self.found.levels[images] == 0
        if pristine.all() or not pristine.any():
            what = "distorted image" if pristine.all() else "pristine image (level 0)"
            missing = self._missing(f"no {what}: the D-test is undefined: nan", kind)
            return {"d_test": missing, "d_test_auc": missing}
        both = BestThreshold(score, pristine), RocArea(score, pristine)
        return {
            name: own if kind is None else self._among(own, images)
            for name, own in zip(("d_test", "d_test_auc"), both, strict=True)
        }

    def _preference(self, kind: int | None) -> dict[str, Resampled | float]:
        kinds = range(len(self._ends)) if kind is None else [kind]
        ends = sum((self._ends[k] for k in kinds), np.zeros((2, len(self._image))))
        pairs = int(ends[1].sum() / 2)
        if pairs:
            return {"p_test": PTest(self.found, self._image, kinds, ends), "n_p_test_pairs": pairs}
        where = f"no two references {SAFE_GAP} levels apart in one distortion"
        why = f"{where}: the P-test is undefined: nan"
        return {"p_test": self._missing(why, kind), "n_p_test_pairs": 0}

    def _pairs_across(self, kind: int) -> Floats:
        """`ends` (2, R) of a PTest of one distortion."""
        found, count = self.found, len(self._image)
        score, mine = found.scores, found.distortion == kind
        inside = self.tally.far_wins[mine], self.tally.far_pairs[mine]
        ends = -2 * sums_of(found.reference[mine], count, *inside)  # those of one reference
        for better, worse in found.apart([kind]):
            high, low = score[better], score[worse]
            owner = np.concatenate([found.owner[better], found.owner[worse]])
            won = np.concatenate([wins_over(high, low), len(high) - wins_over(low, high)])
            pairs = np.repeat([len(low), len(high)], [len(high), len(low)])
            ends += sums_of(owner, count, won, pairs)
        return ends

    def by_level(self, kind: int | None) -> dict[int, Measured]:
        """{level: its metrics}, of one distortion or of all."""
        images, tally = self._images(kind), self.tally
        score, level = self.found.scores[images], self.found.levels[images]
        mine = np.ones(len(tally.step_won), dtype=bool)
        if kind is not None:
            mine = self.found.distortion[tally.step_ladder] == kind
        rows = {}
        for number in np.unique(level).tolist():
            here = level == number
            step = np.flatnonzero(mine & (tally.step_level == number))
            ladder, won = tally.step_ladder[step], tally.step_won[step]
            area: Resampled = Undefined("the pristine images themselves")
            if number:
                both = here | (level == 0)
                area = self._among(RocArea(score[both], level[both] == 0), images[both])
            rows[number] = Measured({
                "images": int(here.sum()),
                "mean_score": float(score[here].mean()),
                "d_test_auc": area,
                "step_accuracy": self._ratio(ladder, won, np.ones(len(won))),
                "n_steps": len(step),
            })  # fmt: skip
        return rows

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

from utils.statistics.ladders import SAFE_GAP, Ladders, Tally, build_ladders, tally_of
from utils.statistics.metrics import Measured
from utils.statistics.resampled import (
    Among,
    Floats,
    Ints,
    Ratio,
    Resampled,
    Undefined,
    divided,
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
    judge = _Judge(build_ladders(scores, references, distortions, levels), references)
    found, names = judge.found, judge.found.distortions
    rows = [found.image[found.distortion[found.ladder] == kind] for kind in range(len(names))]
    overall = judge.measured(np.arange(len(found)), np.arange(len(found.scores)), None)
    by_distortion = {
        name: judge.measured(np.flatnonzero(found.distortion == kind), rows[kind], kind)
        for kind, name in enumerate(names)
    }
    of_levels = {name: judge.by_level(rows[kind], kind) for kind, name in enumerate(names)}
    everything = judge.by_level(np.arange(len(found.scores)), None)
    reasons = judge.reasons()
    return LadderMetrics(
        Measured(overall, reasons), {n: Measured(f) for n, f in by_distortion.items()},
        of_levels, everything,
    )  # fmt: skip


class PTest(Resampled):
    """The P-test of some distortions: c'Wc / c'Nc of counts c of references, where W, N (R, R) are
    pairs won and all pairs between two; of more than EXACT_REFERENCES to first order.

    owner (M,): reference of each image; won, pairs: those of the distortions `kinds`.
    """

    scale = "share"

    def __init__(
        self,
        found: Ladders,
        tally: Tally,
        owner: Ints,
        kinds: Sequence[int],
        won: float,
        pairs: float,
    ) -> None:
        self._found, self._tally, self._owner, self._kinds = found, tally, owner, kinds
        self._image = np.unique(owner, return_index=True)[1]  # (R,): one of each reference
        self._won, self.pairs, self.images = won, pairs, len(owner)

    @property
    def value(self) -> float:
        return self._won / self.pairs if self.pairs else np.nan

    def __call__(self, counts: Floats) -> Floats:
        drawn = np.take(counts, self._image, axis=1)
        if len(self._image) > EXACT_REFERENCES:
            return self._near(drawn)
        return divided(*(np.einsum("br,br->b", drawn @ m, drawn) for m in self._between))

    @cached_property
    def _between(self) -> Floats:
        """(pairs won, pairs) (2, R, R) of two different references, the better image's first."""
        count, score = len(self._image), self._found.scores
        sums = np.zeros((2, count * count))
        for better, worse in self._found.apart(self._kinds):
            cell = (self._owner[better][:, None] * count + self._owner[worse]).reshape(-1)
            won = shares_won(score[better][:, None], score[worse]).reshape(-1)
            sums += [np.bincount(cell, own, count * count) for own in (won, np.ones_like(won))]
        return sums.reshape(2, count, count) * ~np.eye(count, dtype=bool)

    @cached_property
    def _near(self) -> FirstOrderShare:
        """From the sums of pairs at each reference, which are those of both sides."""
        found, score, owner, count = self._found, self._found.scores, self._owner, len(self._image)
        mine = np.isin(found.distortion, self._kinds)
        inside = (self._tally.far_wins[mine], self._tally.far_pairs[mine])
        # Pairs within a reference are none; they are counted at both of their ends.
        sums = np.stack([-2 * np.bincount(found.reference[mine], own, count) for own in inside])
        for better, worse in found.apart(self._kinds):
            high, low = score[better], score[worse]
            ends = np.concatenate([owner[better], owner[worse]])
            won = np.concatenate([wins_over(high, low), len(high) - wins_over(low, high)])
            sizes = np.repeat([float(len(low)), len(high)], [len(high), len(low)])
            sums += [np.bincount(ends, own, count) for own in (won, sizes)]
        won, lost = sums[0], sums[1] - sums[0]
        return FirstOrderShare(won.sum() / 2, lost.sum() / 2, won, lost)


class _Judge:
    """Ladders, what was counted of them, and why metrics are nan."""

    def __init__(self, found: Ladders, references: Sequence[Hashable]) -> None:
        self.found, self.tally = found, tally_of(found)
        place = {name: number for number, name in enumerate(found.references)}
        self.owner = np.array([place[name] for name in references], dtype=np.int64)  # (M,)
        self.image = np.unique(self.owner, return_index=True)[1]  # (R,): one of each reference
        self._said: dict[str, list[int | None]] = {}

    def reasons(self) -> tuple[str, ...]:
        """One sentence for all of them."""
        # What is true of all distortions together need not be said of each.
        names = self.found.distortions
        said = [
            why if None in kinds else f"{why} ({', '.join(str(names[k]) for k in kinds)})"
            for why, kinds in self._said.items()
        ]
        return ("; ".join(said),) if said else ()

    def _say(self, reason: str, kind: int | None) -> str:
        self._said.setdefault(reason, []).append(kind)
        return reason

    def measured(self, ladders: Ints, images: Ints, kind: int | None) -> dict[str, Any]:
        """LADDER_METRICS and counts of some ladders and images: of one distortion, or of all."""
        return {
            **self._of_ladders(ladders, kind),
            **self._separability(images, kind),
            **self._preference(kind),
        }

    def _ratio(self, ladder: Ints, above: NDArray, below: NDArray, scale="share") -> Resampled:
        """A ratio of sums over `ladder` (n,), resampled by their references."""
        count, owner = len(self.image), self.found.reference[ladder]
        sums = (np.bincount(owner, part, count) for part in (above, below))
        return self._among(Ratio(*sums, scale), self.image)

    def _among(self, metric: Resampled, images: Ints) -> Resampled:
        everything = len(images) == len(self.owner) and (np.diff(images) == 1).all()
        return metric if everything else Among(metric, images, len(self.owner))

    def _of_ladders(self, ladders: Ints, kind: int | None) -> dict[str, Any]:
        """Pair accuracy, share of monotone ladders and the L-test over the given ladders."""
        tally = self.tally
        used = ladders[tally.pairs[ladders] > 0]
        pairs, wins, untied = tally.pairs[used], tally.wins[used], tally.untied[used]
        counts = {"n_ladders": len(used), "n_ladder_pairs": int(pairs.sum())}
        if not len(used):
            why = "no ladder has two levels: pair accuracy and L-test are undefined: nan"
            missing = Undefined(self._say(why, kind))
            return {**dict.fromkeys(LADDER_METRICS[:4], missing), **counts}
        order = {
            "ladder_accuracy": self._ratio(used, wins, pairs),
            "monotone_ladders": self._ratio(used, wins == pairs, np.ones(len(used))),
        }
        known = untied > 0
        if not known.any():
            why = "all ladders have constant scores: the L-test is undefined: nan"
            missing = Undefined(self._say(why, kind))
            return {**order, "l_test_srcc": missing, "l_test_krcc": missing, **counts}
        if not known.all() and kind is None:
            without = f"{int((~known).sum())} of {len(used)} ladders have constant scores"
            self._say(f"{without}: left out of the L-test", kind)
        # tau-b: concordant less discordant pairs over those untied in levels and in scores.
        tau = (2 * wins - pairs)[known] / np.sqrt((pairs * untied)[known])
        one, ladder = np.ones(len(tau)), used[known]
        correlations = {
            "l_test_srcc": self._ratio(ladder, tally.srcc[ladder], one, "correlation"),
            "l_test_krcc": self._ratio(ladder, tau, one, "correlation"),
        }
        return {**order, **correlations, **counts}

    def _separability(self, images: Ints, kind: int | None) -> dict[str, Any]:
        score, pristine = self.found.scores[images], self.found.levels[images] == 0
        if pristine.all() or not pristine.any():
            what = "distorted image" if pristine.all() else "pristine image (level 0)"
            missing = Undefined(self._say(f"no {what}: the D-test is undefined: nan", kind))
            return {"d_test": missing, "d_test_auc": missing}
        kinds = {"d_test": BestThreshold, "d_test_auc": RocArea}
        return {k: self._among(own(score, pristine), images) for k, own in kinds.items()}

    def _preference(self, kind: int | None) -> dict[str, Any]:
        kinds = range(len(self.found.distortions)) if kind is None else [kind]
        won, pairs = self._across[:, list(kinds)].sum(axis=1).tolist()
        if not pairs:
            where = f"no two references {SAFE_GAP} levels apart in one distortion"
            self._say(f"{where}: the P-test is undefined: nan", kind)
        test = PTest(self.found, self.tally, self.owner, kinds, won, pairs)
        return {"p_test": test, "n_p_test_pairs": int(pairs)}

    @cached_property
    def _across(self) -> Floats:
        """(won, all) pairs of the P-test of each distortion (2, D): all pairs far enough apart,
        less those within a ladder, which are of one reference.
        """
        found, kinds = self.found, len(self.found.distortions)
        own = (self.tally.far_wins, self.tally.far_pairs)
        sums = -np.stack([np.bincount(found.distortion, part, kinds) for part in own])
        for kind in range(kinds):
            for better, worse in found.apart([kind]):
                won = wins_over(found.scores[better], found.scores[worse]).sum()
                sums[:, kind] += won, len(better) * len(worse)
        return sums

    def by_level(self, images: Ints, kind: int | None) -> dict[int, Measured]:
        """{level: its metrics} over the given images, of one distortion or of all."""
        score, level, tally = self.found.scores[images], self.found.levels[images], self.tally
        steps = np.arange(len(tally.step_won))
        if kind is not None:
            steps = np.flatnonzero(self.found.distortion[tally.step_ladder] == kind)
        rows = {}
        for number in np.unique(level).tolist():
            here = level == number
            step = steps[tally.step_level[steps] == number]
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

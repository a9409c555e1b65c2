"""The figures of ladders (utils/statistics/ranking_metrics.py) of many resamples of their
references at once.

What is drawn is the reference photograph with all its ladders: images of one photograph share its
content. Figures as in utils/statistics/weighted_figures.py, equal to `ladder_metrics` of the drawn
references written out under names of their own, but for the P-test: two copies of a reference are
not two references, so that pairs between them are left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from utils.statistics.ladders import Floats, Ints, Ladders, build_ladders
from utils.statistics.ranking_metrics import SAFE_GAP, Tally, tally_of
from utils.statistics.share_figures import (
    FirstOrderShare,
    Ratio,
    starts_of,
    weighted_area,
    wins_over,
)
from utils.statistics.weighted_figures import Figure, divided

EXACT_REFERENCES = 300  # of more the P-test is taken to first order


def resampled_ladders(
    scores: ArrayLike,
    references: Sequence[Hashable],
    distortions: Sequence[Hashable],
    levels: ArrayLike,
) -> dict[str, Figure]:
    """FIGURES of utils/statistics/ranking_metrics.py, to be called with counts (B, M) of the
    images; those of one reference must be equal. Arguments and errors as `ladder_metrics`. 1000
    resamples of 25 references x 24 distortions x 5 levels take about a second.
    """
    found = build_ladders(scores, references, distortions, levels)
    tally = tally_of(found)
    place = {name: number for number, name in enumerate(found.references)}
    owner = np.array([place[name] for name in references], dtype=np.int64)  # (M,)
    image = np.unique(owner, return_index=True)[1]  # (R,): one of each reference
    return {
        **_within(found, tally, image),
        "d_test": _Threshold(found.scores, found.levels == 0),
        "d_test_auc": _Separability(found.scores, found.levels == 0),
        "p_test": _across(found, tally, owner, image),
    }


def _within(found: Ladders, tally: Tally, image: Ints) -> dict[str, Figure]:
    """Ratios of sums over ladders."""
    used, untied = tally.pairs > 0, tally.untied > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = (2 * tally.wins - tally.pairs) / np.sqrt(tally.pairs * tally.untied)

    def ratio(above: Floats, below: NDArray, scale: str = "share") -> Ratio:
        sums = np.zeros((2, len(found.scores)))
        for total, part in zip(sums, (above, below), strict=True):
            total[image] = np.bincount(found.reference, part, len(image))
        return Ratio(sums[0], sums[1], scale)

    return {
        "ladder_accuracy": ratio(tally.wins, tally.pairs),
        "monotone_ladders": ratio(used * (tally.wins == tally.pairs), used),
        "l_test_srcc": ratio(np.where(untied, tally.srcc, 0), untied, "correlation"),
        "l_test_krcc": ratio(np.where(untied, tau, 0), untied, "correlation"),
    }


class _Separability:
    """Area under the ROC of scores (M,), pristine against distorted images."""

    scale = "share"

    def __init__(self, scores: Floats, pristine: NDArray[np.bool_]) -> None:
        self._order = np.argsort(scores, kind="stable")
        self._scores, self._pristine = scores[self._order], pristine[self._order]

    def __call__(self, counts: Floats) -> Floats:
        return weighted_area(np.take(counts, self._order, axis=1), self._pristine, self._scores)


class _Threshold(_Separability):
    """Accuracy at the best threshold of each resample, mean of both classes."""

    scale = "best"

    def __call__(self, counts: Floats) -> Floats:
        drawn = np.take(counts, self._order, axis=1)
        good, bad = drawn * self._pristine, drawn * ~self._pristine
        totals = [part.sum(axis=1, keepdims=True) for part in (good, bad)]
        # Just above the last of each group of equal scores.
        ends = np.append(starts_of(self._scores)[1:], len(self._scores)) - 1
        gained = np.cumsum(bad * totals[0] - good * totals[1], axis=1)[:, ends]
        both = (totals[0] * totals[1])[:, 0]
        return divided(0.5 * (both + gained.max(axis=1, initial=-np.inf)), both)


class _Across:
    """c'Wc / c'Nc of counts c of references: W, N (R, R), pairs won and all pairs between two."""

    scale = "share"

    def __init__(self, won: Floats, pairs: Floats, image: Ints) -> None:
        self._won, self._pairs, self._image = won, pairs, image

    def __call__(self, counts: Floats) -> Floats:
        drawn = np.take(counts, self._image, axis=1)
        won, pairs = (np.einsum("br,br->b", drawn @ m, drawn) for m in (self._won, self._pairs))
        return divided(won, pairs)


def _across(found: Ladders, tally: Tally, owner: Ints, image: Ints) -> Figure:
    """The P-test. owner (M,): reference of each image; image (R,): one image of each reference."""
    if len(image) <= EXACT_REFERENCES:
        return _Across(*_between(found, owner, len(image)), image)
    # Sums of pairs over the references of both sides; those within a reference are no pairs.
    count = len(image)
    won, pairs = np.zeros(count), np.zeros(count)
    for better, worse in _comparable(found):
        high, low = found.scores[better], found.scores[worse]
        won += np.bincount(owner[better], wins_over(high, low), count)
        won += np.bincount(owner[worse], len(high) - wins_over(low, high), count)
        pairs += np.bincount(owner[better], minlength=count) * float(len(worse))
        pairs += np.bincount(owner[worse], minlength=count) * float(len(better))
    won -= 2 * np.bincount(found.reference, tally.far_wins, count)
    pairs -= 2 * np.bincount(found.reference, tally.far_pairs, count)
    slopes = np.zeros((2, len(owner)))
    slopes[:, image] = won, pairs - won
    # Every pair was counted at both of its ends.
    return FirstOrderShare(won.sum() / 2, (pairs - won).sum() / 2, *slopes)


def _comparable(found: Ladders) -> Iterator[tuple[Ints, Ints]]:
    """(better images, worse images) of which every pair is at least SAFE_GAP levels apart, within
    one distortion; every such pair once.
    """
    of_row = found.distortion[found.ladder]
    for kind in range(len(found.distortions)):
        image = found.image[of_row == kind]
        level = found.levels[image]
        for low in np.unique(level):
            better, worse = image[level <= low - SAFE_GAP], image[level == low]
            if len(better):
                yield better, worse


def _between(found: Ladders, owner: Ints, count: int) -> tuple[Floats, Floats]:
    """(pairs won, pairs) (R, R) between two different references, the better image's first."""
    won, pairs = np.zeros(count * count), np.zeros(count * count)
    for better, worse in _comparable(found):
        high, low = found.scores[better][:, None], found.scores[worse]
        cell = (owner[better][:, None] * count + owner[worse]).reshape(-1)
        wins = 0.5 * ((high > low).astype(np.float64) + (high >= low))
        won += np.bincount(cell, wins.reshape(-1), count * count)
        pairs += np.bincount(cell, minlength=count * count)
    for matrix in (won, pairs):
        matrix.reshape(count, count)[np.diag_indices(count)] = 0
    return won.reshape(count, count), pairs.reshape(count, count)

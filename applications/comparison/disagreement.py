"""Where two runs disagree, and who is right where that is known."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from applications.comparison.images import Matched
from applications.comparison.pairs import Pairs
from dataloader.labels.labels import Version
from utils.statistics.disagreement import furthest_apart, opposed_pairs, share_opposed, standardised

MOST = 10  # pairs, and images, of every two runs
RULE = (
    "scores in units of each run's own spread (standard deviation over these images); a pair "
    "counts by the smaller of the two runs' leads, and each image stands in one pair at most"
)


@dataclass(frozen=True)
class OpposedImages:
    """Run `first` puts image a above b by lead_first, run `second` b above a by lead_second. right:
    the run that the labels agree with; None: equal, or not known.
    """

    a: int
    b: int
    lead_first: float
    lead_second: float
    right: str | None


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Of two runs. share: of all pairs of images, ordered in opposite ways; images: places, the
    largest difference of standardised scores first; z: standardised scores (N,) by run.
    """

    first: str
    second: str
    share: float
    pairs: list[OpposedImages]
    images: list[int]
    z: dict[str, np.ndarray]


def disagreements(matched: Matched, pairs: Pairs | None) -> list[Disagreement]:
    """Of every two runs."""
    z = {name: standardised(scores) for name, scores in matched.scores.items()}
    lines = pairs.lines() if pairs is not None else set()
    found = []
    for first, second in itertools.combinations(matched.scores, 2):
        one, two = matched.scores[first], matched.scores[second]
        opposed = []
        for pair in opposed_pairs(one, two, MOST):
            order = _order(matched, lines, pair.a, pair.b)
            right = {1: first, -1: second}.get(order)
            opposed.append(OpposedImages(pair.a, pair.b, pair.lead_first, pair.lead_second, right))
        share, images = share_opposed(one, two), furthest_apart(one, two, MOST)
        found.append(Disagreement(first, second, share, opposed, images, z))
    return found


def _order(matched: Matched, lines: set[tuple[int, int]], a: int, b: int) -> int:
    """1 where the labels put a above b, -1 below, 0 where they do not say."""
    if matched.opinion is not None:
        return int(np.sign(matched.opinion[a] - matched.opinion[b]))
    if (a, b) in lines or (b, a) in lines:
        return 1 if (a, b) in lines else -1
    if matched.versions is None:
        return 0
    return _by_level(matched.versions[a], matched.versions[b])


def _by_level(a: Version, b: Version) -> int:
    """Two versions of one photograph are ordered by the level of one distortion; level 0 is the
    photograph itself.
    """
    if a.level is None or b.level is None or a.reference_id != b.reference_id:
        return 0
    if a.distortion != b.distortion and a.level and b.level:
        return 0
    return int(np.sign(b.level - a.level))

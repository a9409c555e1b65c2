"""The charts that a page and a sheet of pictures both show: ladders, and histograms of opinions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from utils.drawing.chart import Bars, Chart, Floats, Line
from utils.statistics.ladders import Ladders

MOST_LINES = 40  # photographs in a panel
FAULT = "its score does not fall"


def evenly_spread(distances: Floats, most: int = 12) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(indices, places from 0) of up to `most` of N images, best to worst: the smallest distance,
    the largest, and those at equal steps of rank between.
    """
    order = np.argsort(distances, kind="stable")
    places = np.array(spread(len(order), most), dtype=np.int64)
    return order[places], places


def spread(count: int, most: int) -> list[int]:
    """0..count-1, or `most` of them, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()


def histogram_chart(title: str, probs: Floats, votes: Floats) -> Chart:
    """Predicted and voted shares (K,) of the bins 1..K."""
    edges = 0.5 + np.arange(len(votes) + 1, dtype=np.float64)
    marks = (Bars(edges, votes, "voted", 5), Bars(edges, probs, "predicted", 1, outline=True))
    return Chart(title, "bin", "share", marks)


def ladder_charts(found: Ladders, accuracy: Mapping[str, float]) -> list[Chart]:
    """Score against level, a chart per distortion, all on one scale: a steep line is steeper than
    another. accuracy: the pair accuracy of each, said in its title.

    Each pale line is a photograph (the mean where it has several images at a level), orange where
    its score does not fall; the strong line is the mean of all. Of more than 40 photographs every
    n-th is drawn.
    """
    known = found.scores[np.isfinite(found.scores)]
    ends = None
    if len(known):
        low, high = float(known.min()), float(known.max())
        # A constant network draws flat lines through the middle.
        space = 0.06 * (high - low) or max(abs(high) * 0.05, 0.5)
        ends = low - space, high + space
    return [_ladder_chart(found, kind, accuracy, ends) for kind in range(len(found.distortions))]


def _ladder_chart(
    found: Ladders, kind: int, accuracy: Mapping[str, float], ends: tuple[float, float] | None
) -> Chart:
    name = str(found.distortions[kind])
    own = np.flatnonzero(found.distortion == kind)
    pieces = [
        found.by_level(found.image[found.ladder == own[i]]) for i in spread(len(own), MOST_LINES)
    ]
    faults = [
        (levels[i : i + 2], scores[i : i + 2])
        for levels, scores in pieces
        for i in np.flatnonzero(np.diff(scores) >= 0)
    ]
    mean = found.by_level(found.image[found.distortion[found.ladder] == kind])
    share = accuracy.get(name, math.nan)
    said = "nan" if math.isnan(share) else f"{share:.4f}"
    marks = (
        Line(*_broken(pieces), "photographs", 5, thin=True),
        Line(*_broken(faults), FAULT, 1, thin=True),
        Line(*mean, "mean", 6, dots=True),
    )
    return Chart(f"{name}: {said} of pairs in order", "level", "score", marks, y_range=ends)


def _broken(pieces: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Lines as one series, broken between them: forty names would hide them."""
    if not pieces:
        return np.empty(0), np.empty(0)
    x, y = (np.concatenate([np.append(piece[part], np.nan) for piece in pieces]) for part in (0, 1))
    return x, y

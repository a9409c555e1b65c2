"""How the labels of the splits are spread: scores, votes, and how often pairs name an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataloader.labels.labels import Labels
from dataloader.sources import Source

BINS = 20  # of the histogram of scores


def image_scores(splits: Mapping[str, Labels]) -> dict[Source, float]:
    """The score of each image that has one: of a histogram its mean over 1..K, or its bucket."""
    found: dict[Source, float] = {}
    for labels in splits.values():
        if labels.values is not None:
            found |= zip(labels.sources, labels.of_sources(labels.means()).tolist(), strict=True)
    return found


def label_figures(splits: Mapping[str, Labels]) -> dict[str, dict[str, Any]]:
    """By split, built-in types only: "scores" (in the same bins in all splits) and "votes", or
    "pairs".
    """
    edges = _edges([labels for labels in splits.values() if labels.values is not None])
    return {name: _figures(labels, edges) for name, labels in splits.items()}


def spread_figures(rows: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Of images with (std, votes): the votes of each, where they are known."""
    votes = np.array([votes for _, votes in rows if votes == votes])
    return {"votes": {"lines": len(votes), "per_image": _spread(votes)}} if len(votes) else {}


def _figures(labels: Labels, edges: np.ndarray) -> dict[str, Any]:
    if labels.values is None:
        named = np.bincount(labels.images.ravel())
        return {"pairs": {"lines": len(labels), "per_image": _spread(named)}}
    return {"scores": _scores(labels.means(), edges), **_votes(labels)}


def _scores(scores: np.ndarray, edges: np.ndarray) -> dict[str, Any]:
    counts = np.histogram(scores, edges)[0]
    return {
        **_spread(scores),
        "mean": float(scores.mean()),
        "std": float(scores.std()),
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def _edges(splits: Sequence[Labels]) -> np.ndarray:
    """(BINS + 1,), from the lowest to the highest score of all splits, or a histogram's scale."""
    if not splits:
        return np.empty(0)
    if splits[0].bins:
        return np.linspace(1, max(labels.bins or 0 for labels in splits), BINS + 1)
    scores = np.concatenate([labels.means() for labels in splits])
    low, high = float(scores.min()), float(scores.max())
    return np.linspace(low, high, BINS + 1) if low < high else np.array([low - 0.5, low + 0.5])


def _votes(labels: Labels) -> dict[str, Any]:
    """Of lines that count votes: how many an image has, and each bin of histograms in all; {} for
    none.
    """
    if labels.values is None or labels.votes is None or not labels.votes.any():
        return {}
    counted = labels.votes > 0
    votes, values = labels.votes[counted], labels.values[counted]
    found = {"lines": len(votes), "per_image": _spread(votes)}
    if labels.bins:
        found["by_bin"] = np.rint(votes @ values).astype(int).tolist()
    return {"votes": found}


def _spread(values: np.ndarray) -> dict[str, float]:
    low, high = float(values.min()), float(values.max())
    return {"min": low, "median": float(np.median(values)), "max": high}

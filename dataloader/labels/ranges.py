"""How the labels of the splits are spread: scores, votes, and how often pairs name an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dataloader.labels.records import BucketLabel, Label, LabelFile, PairLabel, ScoreLabel
from dataloader.sources import Source

BINS = 20  # of the histogram of scores


def score_of(label: Label) -> float | None:
    """The mean opinion score; of a histogram its mean, over 1..K; a bucket; None for a pair."""
    if isinstance(label, PairLabel):
        return None
    if isinstance(label, ScoreLabel):
        return label.mos
    if isinstance(label, BucketLabel):
        return float(label.bucket)
    return sum(score * share for score, share in enumerate(label.probs, start=1))


def image_scores(files: Mapping[str, LabelFile]) -> dict[Source, float]:
    """The score of each image that has one."""
    labels = (label for file in files.values() for label in file.labels)
    return {
        label.path: score
        for label in labels
        if not isinstance(label, PairLabel) and (score := score_of(label)) is not None
    }


def label_figures(files: Mapping[str, LabelFile]) -> dict[str, dict[str, Any]]:
    """By split, built-in types only: "scores" (histograms have the same bins in all splits) and
    "votes", or "pairs".
    """
    edges = _edges(files)
    return {name: _figures(file, edges) for name, file in files.items()}


def vote_figures(probs: np.ndarray, votes: np.ndarray | None, rows: np.ndarray) -> dict[str, Any]:
    """The same of histograms (N, K) that stand in the given rows (N,) of a table; votes: how many
    each row of the table was made of, if known.
    """
    scores = probs @ np.arange(1, probs.shape[1] + 1)
    counts = None if votes is None else votes[rows]
    edges = np.linspace(1, probs.shape[1], BINS + 1)
    return {"scores": _scores(scores, edges), **_votes(probs, counts)}


def spread_figures(rows: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Of images with (std, votes): the votes of each, where they are known."""
    votes = np.array([votes for _, votes in rows if votes == votes])
    return {"votes": {"lines": len(votes), "per_image": _spread(votes)}} if len(votes) else {}


def _figures(file: LabelFile, edges: np.ndarray | None) -> dict[str, Any]:
    if edges is None:
        return {"pairs": _pairs(file.labels)}
    scores = np.array([score_of(label) for label in file.labels], float)
    counted = [label for label in file.labels if getattr(label, "votes", None)]
    probs = np.array([label.probs for label in counted])
    return {
        "scores": _scores(scores, edges),
        **_votes(probs, np.array([label.votes for label in counted])),
    }


def _scores(scores: np.ndarray, edges: np.ndarray) -> dict[str, Any]:
    counts = np.histogram(scores, edges)[0]
    return {
        **_spread(scores),
        "mean": float(scores.mean()),
        "std": float(scores.std()),
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def _edges(files: Mapping[str, LabelFile]) -> np.ndarray | None:
    """(BINS + 1,), from the lowest to the highest score of all splits; a histogram's whole scale;
    None for pairs.
    """
    bins = [file.num_classes for file in files.values() if file.num_classes]
    if bins:
        return np.linspace(1, max(bins), BINS + 1)
    scores = [s for f in files.values() for label in f.labels if (s := score_of(label)) is not None]
    if not scores:
        return None
    low, high = min(scores), max(scores)
    return np.linspace(low, high, BINS + 1) if low < high else np.array([low - 0.5, low + 0.5])


def _votes(probs: np.ndarray, votes: np.ndarray | None) -> dict[str, Any]:
    """Of labels that count votes (N,): how many an image has, and each bin in all; {} for none."""
    if votes is None or not len(votes):
        return {}
    by_bin = np.rint(votes @ probs).astype(int).tolist()
    return {"votes": {"lines": len(votes), "per_image": _spread(votes), "by_bin": by_bin}}


def _pairs(labels: list[Label]) -> dict[str, Any]:
    pairs = [label for label in labels if isinstance(label, PairLabel)]
    named = Counter(source for label in pairs for source in (label.better, label.worse))
    return {"lines": len(pairs), "per_image": _spread(np.array(list(named.values()), float))}


def _spread(values: np.ndarray) -> dict[str, float]:
    low, high = float(values.min()), float(values.max())
    return {"min": low, "median": float(np.median(values)), "max": high}

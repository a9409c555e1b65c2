"""How the labels of the splits are spread: scores, votes, and how often pairs name an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from dataloader.label_records import Label, LabelFile, PairLabel, ScoreLabel
from dataloader.sources import Source

BINS = 20  # of the histogram of scores


def score_of(label: Label) -> float | None:
    """The mean opinion score; of a histogram its mean, over 1..K; None for a pair."""
    if isinstance(label, PairLabel):
        return None
    if isinstance(label, ScoreLabel):
        return label.mos
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


def _figures(file: LabelFile, edges: np.ndarray | None) -> dict[str, Any]:
    if edges is None:
        return {"pairs": _pairs(file.labels)}
    scores = np.array([score_of(label) for label in file.labels], float)
    found: dict[str, Any] = {
        **_spread(scores),
        "mean": float(scores.mean()),
        "std": float(scores.std()),
    }
    counts = np.histogram(scores, edges)[0]
    found["histogram"] = {"edges": edges.tolist(), "counts": counts.tolist()}
    votes = _votes(file) if file.num_classes else {}
    return {"scores": found, **({"votes": votes} if votes else {})}


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


def _votes(file: LabelFile) -> dict[str, Any]:
    """Of the lines that count votes: how many an image has, and each bin in all. Labels keep
    shares only, so the lines are looked at once more.
    """
    lines = file.file.read_bytes().split(b"\n")
    rows = [lines[label.line - 1].rsplit(b",", file.num_classes or 1)[1:] for label in file.labels]
    counts = np.array(rows, float)  # (N, K)
    counts = counts[counts.sum(axis=1) > 1.5]  # shares sum to 1, votes are whole
    if not len(counts):
        return {}
    by_bin = counts.sum(axis=0).astype(int).tolist()
    return {"lines": len(counts), "per_image": _spread(counts.sum(axis=1)), "by_bin": by_bin}


def _pairs(labels: list[Label]) -> dict[str, Any]:
    pairs = [label for label in labels if isinstance(label, PairLabel)]
    named = Counter(source for label in pairs for source in (label.better, label.worse))
    return {"lines": len(pairs), "per_image": _spread(np.array(list(named.values()), float))}


def _spread(values: np.ndarray) -> dict[str, float]:
    low, high = float(values.min()), float(values.max())
    return {"min": low, "median": float(np.median(values)), "max": high}

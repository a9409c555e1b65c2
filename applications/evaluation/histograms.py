"""Predicted against voted histograms of a split: the baseline to beat, a picture and its table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from applications.evaluation.evaluation import Evaluation
from dataloader.batch import Targets
from dataloader.sources import open_source
from utils.drawing.panels import evenly_spread, histogram_chart
from utils.drawing.sheet import Panel, fit, sheet
from utils.files.writing import write_bytes, write_csv
from utils.statistics import metrics

_PHOTO = (250, 160)  # pixels of the place of a photograph, and of a chart


def mean_labels(targets: Targets) -> dict[str, Any]:
    """What weights say of the labels they learned from: the mean histogram (K,) of a split's
    images, or their mean score; nothing where nobody was asked.
    """
    labels = targets.all()
    named = {"mean_histogram": labels.get("probs"), "mean_score": labels.get("mos")}
    return {
        name: values.mean(axis=0, dtype=np.float64).tolist()
        for name, values in named.items()
        if values is not None
    }


def baseline_metrics(targets: Targets, learned: Sequence[float] | None) -> dict[str, float]:
    """The scorecard of the training labels' mean histogram on a split
    (utils/statistics/metrics.py); nothing where either has no histograms, or another number of
    bins.
    """
    votes = targets.all().get("probs")
    if votes is None or learned is None or len(learned) != votes.shape[1]:
        return {}
    return metrics.baseline_metrics(learned, votes)


def write_histograms(
    stem: Path, title: str, e: Evaluation, cell: Callable[[object], str], max_pixels: int
) -> None:
    """stem.png and stem.csv of up to 12 images, from the smallest EMD to the largest, where
    predictions and labels are histograms. cell: names an image.

    csv: a row per panel: place among all images, path, EMD, mean and standard deviation predicted
    and voted, p1..pK predicted, t1..tK voted.
    """
    votes, probs = e.labels.get("probs"), e.predictions.probs
    if votes is None or probs is None:
        return
    distances = metrics.emd_of_each(probs, votes, 1)
    chosen, places = evenly_spread(distances)
    probs, votes = probs[chosen].astype(np.float64), votes[chosen].astype(np.float64)
    paths = [e.images[i] for i in chosen]
    rows = _table(list(map(cell, paths)), places, probs, votes)
    write_csv(stem.with_name(f"{stem.name}.csv"), rows)
    note = f"{len(chosen)} of {len(distances)} images, from the smallest EMD (r = 1) to the largest"
    voted, predicted = _spreads(votes), _spreads(probs)
    panels = (
        Panel(
            f"{place + 1}.  {Path(paths[i].as_posix()).name}",
            fit(open_source(paths[i], max_pixels), *_PHOTO),
            histogram_chart("", probs[i], votes[i]),
            (f"EMD {distances[chosen[i]]:.3f}", f"voted {voted[i]}", f"predicted {predicted[i]}"),
        )
        for i, place in enumerate(places)
    )
    picture = sheet(panels, title, note, columns=4, width=_PHOTO[0], height=_PHOTO[1])
    write_bytes(stem.with_name(f"{stem.name}.png"), picture)


def _spreads(histograms: np.ndarray) -> list[str]:
    means, deviations = metrics.distribution_mean(histograms), metrics.distribution_std(histograms)
    return [f"{m:.2f} ± {s:.2f}" for m, s in zip(means, deviations, strict=True)]


def _table(
    paths: Sequence[str], places: np.ndarray, probs: np.ndarray, votes: np.ndarray
) -> Iterator[list[Any]]:
    columns = {
        "emd_r1": metrics.emd_of_each(probs, votes, 1),
        "emd_r2": metrics.emd_of_each(probs, votes, 2),
        "mean": metrics.distribution_mean(probs),
        "std": metrics.distribution_std(probs),
        "voted_mean": metrics.distribution_mean(votes),
        "voted_std": metrics.distribution_std(votes),
        **{f"p{k + 1}": column for k, column in enumerate(probs.T)},
        **{f"t{k + 1}": column for k, column in enumerate(votes.T)},
    }
    yield ["place", "path", *columns]
    for i, path in enumerate(paths):
        numbers = (f"{column[i]:.9g}" for column in columns.values())
        yield [places[i] + 1, path, *numbers]

"""A model judged on one split, as data: what tables, files, pages and comparisons read.

Needs no torch, so that what only reads an evaluation loads no network.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from dataloader.labels.labels import Versions
from dataloader.labels.side_tables import LEVELS_COLUMNS
from dataloader.sources import Source
from dataloader.targets.pairs import linked
from utils.files.writing import write_csv
from utils.statistics.bootstrap import cluster_numbers
from utils.statistics.logistic_fit import LogisticFit
from utils.statistics.metric import Metric
from utils.statistics.predictions import Opinions, Predictions
from utils.text import csv_text

ALL = "all"  # in place of the name of a distortion: over all of them
_RAW = ("plcc", "rmse")  # metrics that exist after a fit as well


@dataclass(frozen=True)
class LadderRow:
    """Metrics of ladders (utils/statistics) of one distortion, ALL for all of them, and of one
    level, None for all levels.
    """

    distortion: str
    level: int | None
    values: Mapping[str, float]


@dataclass(frozen=True)
class Resampling:
    """How intervals were made: resamples, and how many of what is drawn for each."""

    samples: int
    count: int
    drawn: str
    level: float = 0.95


@dataclass(frozen=True)
class Fitted:
    """Images that logistics were fitted on: scores, mos and clusters (N,) each."""

    scores: np.ndarray
    mos: np.ndarray
    clusters: np.ndarray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model judged on one split of M distinct images.

    task: name of the criterion. split: "test"; origin: the folder of its labels, or what they were
    made of; file: where the labels stand, in words where that is no file.
    images, versions (reference_id, distortion and level, None where no image has any): M each.
    labels: by name ("mos", "probs", "better", "worse", ...), against the images in order; lines:
    how many label lines there are. opinions: what the scores can be fitted to, None where nobody
    was asked. clusters (M,): images that are drawn together. metrics: in the order of tables.
    ladders: of parts of the split, where levels are known. fits: by kind, "4p" and "5p",
    made on the split `fit_on`, whose images are `fitted` where they are others.
    """

    task: str
    split: str
    origin: str
    file: str
    images: Sequence[Source]
    versions: Versions | None
    labels: Mapping[str, np.ndarray]
    lines: int
    predictions: Predictions
    opinions: Opinions | None
    clusters: np.ndarray
    metrics: tuple[Metric, ...]
    ladders: tuple[LadderRow, ...] = ()
    fits: Mapping[str, LogisticFit] = field(default_factory=dict)
    fit_on: str | None = None
    fitted: Fitted | None = None
    resampling: Resampling | None = None

    @property
    def scores(self) -> np.ndarray:
        return self.predictions.scores

    @cached_property
    def by_key(self) -> dict[str, Metric]:
        """The metrics of all images by their names with their fits, as results.json has them."""
        return {metric.key: metric for metric in self.metrics}

    @cached_property
    def names(self) -> list[str]:
        """What each image is called: its file name, with its folders where names repeat."""
        whole = [PurePosixPath(image.as_posix()) for image in self.images]
        short = [path.name for path in whole]
        if len(set(short)) == len(short):
            return short
        shared = len(os.path.commonprefix([path.parts[:-1] for path in whole]))
        return ["/".join(path.parts[shared:]) for path in whole]

    def usable_fit(self, kind: str) -> LogisticFit | None:
        """The logistic "4p" or "5p"; None where there is none, or it failed."""
        fit = self.fits.get(kind)
        return None if fit is None or fit.failed else fit

    def in_mos_units(self) -> tuple[np.ndarray, str]:
        """(predictions (M,) that can be compared with the MOS, how they were made): as they are
        where there is no fit, or an odd one, which would turn round or level what the model says.
        """
        fit = self.usable_fit("4p")
        if fit is None or fit.turns:
            why = (
                f"the 4-parameter fit is odd ({fit.remark})"
                if fit
                else "there is no 4-parameter fit"
            )
            return self.scores.astype(np.float64), f"as they are: {why}"
        where = "these images" if self.fitted is None else "the images of val/"
        return fit(self.scores), f"after the 4-parameter fit on {where}"

    # ---- as text and files

    def as_json(self) -> dict[str, Any]:
        """What results.json holds: metrics by key, `by_distortion` and `by_level` of ladders,
        `fit` and `fits`, `intervals` and how they were made.
        """
        found: dict[str, Any] = {metric.key: metric.value for metric in self.metrics}
        if self.ladders:
            found |= self._ladders_as_json()
        if self.fit_on is not None:
            fits = {kind: dataclasses.asdict(fit) for kind, fit in self.fits.items()}
            found |= {"fit": self.fit_on, "fits": fits}
        if self.resampling is not None:
            known = (m for m in self.metrics if m.low == m.low)
            found["intervals"] = {m.key: [m.low, m.high] for m in known}
            found["bootstrap"] = dataclasses.asdict(self.resampling)
        return found

    def _ladders_as_json(self) -> dict[str, Any]:
        by_distortion: dict[str, dict[str, Any]] = {}
        by_level: dict[int, dict[str, float]] = {}
        for row in self.ladders:
            if row.distortion == ALL and row.level is not None:
                by_level[row.level] = dict(row.values)
            elif row.level is None:
                by_distortion[row.distortion] = {**row.values, "levels": {}}
        for row in self.ladders:
            if row.distortion != ALL and row.level is not None:
                by_distortion[row.distortion]["levels"][row.level] = dict(row.values)
        by_distortion.pop(ALL, None)
        return {"by_distortion": by_distortion, "by_level": by_level}

    def table(self, title: str) -> str:
        """Aligned columns for a person: name, value, 95% interval, and where a fit comes from, or
        that there is none; last, what was resampled.
        """
        width = max(len(metric.key) for metric in self.metrics)
        rows = [title]
        for metric in self.metrics:
            cells = [f"{metric.key:{width}}", shown(metric.value)]
            if metric.low == metric.low:
                cells.append(f"[{metric.low:.4f}, {metric.high:.4f}]")
            if self.fit_on is not None and metric.key in _RAW:
                cells.append("raw")
            if metric.fit:
                failed = self.fits[metric.fit].failed
                cells.append("fit: failed" if failed else f"fit: {self.fit_on}")
            rows.append("  ".join(cells))
        how = self.resampling
        if how is not None and any(metric.low == metric.low for metric in self.metrics):
            rows.append(f"[95% intervals: {how.samples} resamples of {how.count} {how.drawn}]")
        return "\n".join(rows)

    def write_predictions(self, path: Path, cell: Callable[[object], str]) -> None:
        """A csv: path, score, histogram where there is one, the label where it belongs to one
        image, and reference, distortion and level where they are known. cell: names an image.
        """
        probs, votes = self.predictions.probs, self.labels.get("probs")
        columns = {name: self.labels[name] for name in ("mos", "bucket") if name in self.labels}
        for letter, table in (("p", probs), ("t", votes)):
            if table is not None:
                columns |= {f"{letter}{k}": column for k, column in enumerate(table.T, 1)}
        versions = [
            [csv_text(v.reference_id), csv_text(v.distortion), v.level] for v in self.versions or ()
        ]
        rows = [["path", "score", *columns, *(LEVELS_COLUMNS[1:] if versions else ())]]
        for i, image in enumerate(self.images):
            numbers = (f"{column[i]:.9g}" for column in (self.scores, *columns.values()))
            rows.append([cell(image), *numbers, *(versions[i] if versions else ())])
        write_csv(path, rows)


def shown(value: Any) -> str:
    """A value as tables say it."""
    if isinstance(value, float | np.floating):
        return f"{value:.4f}"
    return str(value)


def image_clusters(
    versions: Versions | None, images: Sequence[Source], labels: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, str]:
    """(cluster of each image (M,), what a cluster is): its reference where versions name it, else
    for pairs the images that pairs link, where that is not all of them; else the image.
    """
    if versions is not None:
        owners = zip(versions.reference_id, images, strict=True)
        return cluster_numbers([reference or image for reference, image in owners]), "references"
    if "better" in labels:
        groups = cluster_numbers(linked(len(images), labels["better"], labels["worse"]).tolist())
        if groups.max(initial=0) > 0:
            return groups, "groups of images that pairs link"
    return np.arange(len(images)), "images"


def known_levels(versions: Versions | None) -> list[int]:
    """Positions of the images whose level is known."""
    return [] if versions is None else np.flatnonzero(versions.level >= 0).tolist()


def known_columns(
    versions: Versions | None, images: Sequence[Source], scores: np.ndarray
) -> tuple[np.ndarray, list[Hashable], list[str], list[int]]:
    """Scores, references, distortions and levels of the images whose level is known; an image of no
    reference is its own.
    """
    places = known_levels(versions)
    known = [] if versions is None else [versions[i] for i in places]
    return (
        scores[places],
        [version.reference_id or images[i] for i, version in zip(places, known, strict=True)],
        [version.distortion for version in known],
        [version.level or 0 for version in known],
    )


def extremes(error: np.ndarray, most: int) -> tuple[list[int], list[int]]:
    """(images whose error is most above 0, most below 0), the largest first."""
    order = np.argsort(-error, kind="stable")
    over = [int(i) for i in order[:most] if error[i] > 0]
    return over, [int(i) for i in order[::-1][:most] if error[i] < 0]

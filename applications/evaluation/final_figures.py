"""What the last evaluation of a model adds to its figures: logistic fits, the noise of votes,
intervals. Validation in every epoch does without.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from applications.evaluation.ladders import resampled_figures
from applications.inputs.data import Data, Split
from applications.tasks import Task
from config import Config
from dataloader.batch import Targets
from dataloader.labels.paths import images_root
from dataloader.labels.side_tables import SPREAD_FILE, read_spread
from dataloader.targets.pairs import linked
from utils.runtime.seed import numpy_generator
from utils.statistics import vote_noise
from utils.statistics.bootstrap import bootstrap, cluster_numbers
from utils.statistics.logistic_fit import KINDS, LogisticFit, fit_logistic
from utils.statistics.predictions import Opinions, Predictions
from utils.statistics.resampled import Mean, Pearson, Resampled, RootMean


@dataclass(frozen=True)
class Judged:
    """A split and what the network says of its images."""

    split: Split
    found: Predictions


def fits_on_val(config: Config, task: Task, splits: Mapping[str, Split], trained: bool) -> bool:
    """Whether logistics are fitted on validation scores: after training where there is a val/
    split, unless --fit says otherwise. Rankings have no opinions to be fitted to.
    """
    wanted = (config.fit or ("val" if trained else "test")) == "val"
    return wanted and "val" in splits and task.opinions(splits["val"].targets) is not None


def check_fit(config: Config, data: Data) -> None:
    """ValueError for --fit val without a val/ split."""
    if config.fit == "val" and "val" not in data.splits:
        raise ValueError(f"--fit val: {config.data} has no val/ split: leave --fit out")


def final_figures(
    config: Config, task: Task, judged: Judged, values: dict[str, Any], val: Judged | None
) -> tuple[dict[str, Any], list[str]]:
    """(`values` and what is added, remarks). Added, where they exist:

    plcc_4p, rmse_4p, plcc_5p, rmse_5p: after a logistic fitted on `val`, else on the judged images
    themselves; `fit`: the name of the split it was fitted on, `fits`: parameters and what is odd.
    Figures of utils/statistics/vote_noise.py, their errors after the 4-parameter fit. `intervals`:
    figure -> [low, high], 95%, with the fits as they are, figures of ladders among them;
    `bootstrap`: how they were made.
    """
    targets, scores = judged.split.targets, judged.found.scores
    clusters, unit = image_clusters(targets)
    figures = task.measure(targets.all(), judged.found, clusters).metrics()
    remarks: list[str] = []
    opinions = task.opinions(targets)
    if opinions is None and config.fit:
        remarks.append(f"--fit {config.fit}: nothing to fit, {task.name} labels are no opinions")
    if opinions is not None:
        opinions = _with_spread(opinions, judged.split, remarks)
        on = val or judged
        fits = _fits(task, on)
        remarks += [f"{fit.kind} fit: {said}" for fit in fits if (said := fit.failed or fit.remark)]
        more = {**_after_fits(fits, scores, opinions), **_outliers(fits[0], scores, opinions)}
        resolved, power = _resolved(config, scores, opinions, clusters, remarks)
        figures = {**figures, **more, **power}
        described = {fit.kind: dataclasses.asdict(fit) for fit in fits}
        values = {
            **values,
            **{name: metric.value for name, metric in more.items()},
            **resolved,
            "fit": on.split.name,
            "fits": described,
        }
    if config.bootstrap:
        figures = {**figures, **resampled_figures(targets, judged.found)}
        # What is nan has been explained; an interval of it would be explained again.
        figures = {name: f for name, f in figures.items() if values[name] == values[name]}
        values = {**values, **_intervals(config, figures, clusters, unit, remarks)}
    return values, remarks


def image_clusters(targets: Targets) -> tuple[np.ndarray, str]:
    """(cluster of each image (M,), what a cluster is): its reference where levels.csv names it,
    else for pairs the images that pairs link, where that is not all of them; else the image.
    """
    if targets.versions is not None:
        owners = zip(targets.versions.reference_id, targets.paths, strict=True)
        return cluster_numbers([reference or path for reference, path in owners]), "references"
    labels = targets.all()
    if "better" in labels:
        groups = cluster_numbers(
            linked(len(targets.paths), labels["better"], labels["worse"]).tolist()
        )
        if groups.max(initial=0) > 0:
            return groups, "groups of images that pairs link"
    return np.arange(len(targets.paths)), "images"


def _with_spread(opinions: Opinions, split: Split, remarks: list[str]) -> Opinions:
    """With the deviations of std.csv, for labels that have none of their own. A fault of that file
    costs a figure, not the evaluation.
    """
    folders = [file.parent for file in split.label_files]
    if opinions.std is not None or not folders:
        return opinions
    paths = cast(Sequence[Path], split.targets.paths)  # those of label files are paths
    try:
        files = [folder / SPREAD_FILE for folder in folders]
        found = read_spread(files, paths, images_root(folders[0].parent))
    except ValueError as error:
        remarks.append(f"no outlier ratio: {error}")
        return opinions
    return opinions if found is None else Opinions(opinions.mos, *found)


def _fits(task: Task, on: Judged) -> list[LogisticFit]:
    opinions = task.opinions(on.split.targets)
    assert opinions is not None  # the judged split has some, and the labels are of one kind
    return [fit_logistic(kind, on.found.scores, opinions.mos) for kind in KINDS]


def _after_fits(
    fits: list[LogisticFit], scores: np.ndarray, opinions: Opinions
) -> dict[str, Resampled]:
    figures: dict[str, Resampled] = {}
    for fit in fits:
        mapped = fit(scores)
        figures[f"plcc_{fit.kind}"] = Pearson(mapped, opinions.mos)
        figures[f"rmse_{fit.kind}"] = RootMean((mapped - opinions.mos) ** 2)
    return figures


def _outliers(fit: LogisticFit, scores: np.ndarray, opinions: Opinions) -> dict[str, Resampled]:
    """Errors after a fit that failed are nan, and so is their share."""
    if opinions.std is None:
        return {}
    error = fit(scores) - opinions.mos
    found = {}
    if opinions.spread:
        found["outlier_ratio_std"] = vote_noise.outliers(error, opinions.std)
    if opinions.votes is not None:
        found["outlier_ratio_se"] = vote_noise.outliers(error, opinions.std, opinions.votes)
    return {
        name: Mean(np.where(np.isnan(error), np.nan, far), "share") for name, far in found.items()
    }


def _resolved(
    config: Config, scores: np.ndarray, opinions: Opinions, clusters: np.ndarray, remarks: list[str]
) -> tuple[dict[str, float], dict[str, Resampled]]:
    """(resolving power, what of it is to be resampled)."""
    if opinions.std is None or opinions.votes is None:
        return {}, {}
    rng = numpy_generator(config.seed, "resolving power")
    columns = scores, opinions.mos, opinions.std, opinions.votes
    pairs = vote_noise.opinion_pairs(*columns, rng)
    found = vote_noise.resolving_power(pairs, clusters)
    remarks += found.reasons
    return found.values(), found.metrics()


def _intervals(
    config: Config,
    figures: dict[str, Resampled],
    clusters: np.ndarray,
    unit: str,
    remarks: list[str],
) -> dict[str, Any]:
    rng = numpy_generator(config.seed, "bootstrap")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = bootstrap(figures, clusters, config.bootstrap, rng)
    remarks += [str(w.message) for w in caught]
    return {
        "intervals": {k: [i.low, i.high] for k, i in found.items() if i.low == i.low},
        "bootstrap": {
            "samples": config.bootstrap, "level": 0.95,
            "drawn": unit, "count": int(clusters.max(initial=-1)) + 1,
        },
    }  # fmt: skip

"""A model judged on a split: the one way from a network's predictions to metrics, for -e, --test,
the test after training and, without fits and intervals, for validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from applications.evaluation.evaluation import Evaluation, Fitted, Resampling, image_clusters
from applications.evaluation.histograms import baseline_metrics
from applications.evaluation.ladders import measured_ladders, overall
from applications.evaluation.scoring import Scorer, one_place
from applications.inputs.splits import Data, Split
from applications.tasks.base import Task
from dataloader.labels.paths import images_root
from dataloader.labels.side_tables import SPREAD_FILE, read_spread
from utils.files.row_store import Rows
from utils.runtime import distributed
from utils.runtime.seed import numpy_generator
from utils.statistics import vote_noise
from utils.statistics.bootstrap import bootstrap, heard
from utils.statistics.logistic_fit import KINDS, LogisticFit, fit_logistic
from utils.statistics.metric import Metric
from utils.statistics.predictions import Opinions, Predictions
from utils.statistics.resampled import Mean, Pearson, Resampled, RootMean

Say = Callable[[str], None]


@dataclass(frozen=True)
class Judging:
    """What is asked of an evaluation beside its metrics. samples: resamples for intervals, 0 for
    none; seed: of all that is drawn; fit: what --fit says, None where it was not given; trained:
    whether it ends a training.
    """

    samples: int
    seed: int
    fit: str | None = None
    trained: bool = False


def split_to_fit_on(how: Judging, task: Task, splits: Mapping[str, Split]) -> Split | None:
    """val/ where logistics are fitted on its scores: after training where there is one, unless
    --fit says otherwise; None: on the judged images. Rankings have no opinions to be fitted to.
    """
    val = splits.get("val")
    wanted = (how.fit or ("val" if how.trained else "test")) == "val"
    return val if wanted and val is not None and task.opinions(val.targets) else None


def check_fit(fit: str | None, data: Data, root: str) -> None:
    """ValueError for --fit val without a val/ split below `root`."""
    if fit == "val" and "val" not in data.splits:
        raise ValueError(f"--fit val: {root} has no val/ split: leave --fit out")


def evaluate(
    scorer: Scorer,
    task: Task,
    split: Split,
    how: Judging,
    say: Say,
    val: Split | None = None,
    learned: Sequence[float] | None = None,
    features: Rows | None = None,
    of_val: Predictions | None = None,
) -> Evaluation:
    """The model on every image of a split exactly once; all processes call this, and the main one
    gets fits and intervals. say: told what is odd, and the metrics in a line. val: the split that
    logistics are fitted on, None: the judged one. learned: mean histogram of the training labels,
    the baseline to beat. features: of the images, where they are kept. of_val: what the model says
    of `val`, where that is known.
    """
    targets = split.targets
    found = replace(scorer, features=features).predict(targets.paths, f"scoring {split.name}")
    clusters, unit = image_clusters(targets.versions, targets.paths, targets.all())
    measured = task.measure(targets.all(), found, clusters)
    ladders, more, of_ladders = measured_ladders(targets, found)
    values = measured.values() | baseline_metrics(targets, learned) | overall(ladders)
    once = one_place(found, scorer.view)
    for remark in [*([once] if once else []), *measured.reasons, *more]:
        say(f"{split.file}: {remark}")
    say("  ".join(f"{name} {v:.4f}" for name, v in values.items() if isinstance(v, float)))
    judged = Evaluation(
        task.name, split.name, split.title, str(split.file), targets.paths, targets.versions,
        targets.all(), len(targets), found, task.opinions(targets), clusters,
        tuple(Metric(name, value) for name, value in values.items()), ladders,
    )  # fmt: skip
    fitted = None
    if val is not None:
        of_val = of_val or scorer.predict(val.targets.paths, "scoring val")
        # Validation has said so in a training.
        if not how.trained and (once := one_place(of_val, scorer.view)):
            say(f"{val.file}: {once}")
        opinions = task.opinions(val.targets)
        assert opinions is not None  # split_to_fit_on asks
        versions, images = val.targets.versions, val.targets.paths
        own, _ = image_clusters(versions, images, val.targets.all())
        fitted = Fitted(of_val.scores, opinions.mos, own)
    if distributed.world().rank > 0:
        return judged
    judged, remarks = _finished(measured.metrics() | of_ladders, split, judged, how, fitted, unit)
    for remark in remarks:
        say(f"{split.file}: {remark}")
    return judged


# ---- fits, the noise of votes, intervals


def _finished(
    resampled: dict[str, Resampled],
    split: Split,
    judged: Evaluation,
    how: Judging,
    fitted: Fitted | None,
    unit: str,
) -> tuple[Evaluation, list[str]]:
    """(with plcc, rmse after logistic fits, metrics against the noise of votes where that is known,
    and 95% intervals, with the fits as they are; remarks).
    """
    scores, opinions, clusters = judged.scores, judged.opinions, judged.clusters
    metrics, fits, remarks = list(judged.metrics), {}, []
    if opinions is None and how.fit:
        remarks.append(f"--fit {how.fit}: nothing to fit, {judged.task} labels are no opinions")
    if opinions is not None:
        opinions = _with_spread(opinions, split, remarks)
        on = fitted or Fitted(scores, opinions.mos, clusters)
        fits = {kind: fit_logistic(kind, on.scores, on.mos) for kind in KINDS}
        for fit in fits.values():
            if said := fit.failed or fit.remark:
                remarks.append(f"{fit.kind} fit: {said}")
        more = {**_after_fits(fits, scores, opinions), **_outliers(fits["4p"], scores, opinions)}
        resolved, power = _resolved(how, scores, opinions, clusters, remarks)
        resampled = dict(resampled)
        for (name, kind), statistic in more.items():
            metric = Metric(name, statistic.value, fit=kind)
            metrics.append(metric)
            resampled[metric.key] = statistic
        metrics += [Metric(name, value) for name, value in resolved.items()]
        resampled |= power
    finished = replace(
        judged, opinions=opinions, metrics=tuple(metrics), fits=fits, fitted=fitted,
        fit_on=("val" if fitted else split.name) if fits else None,
    )  # fmt: skip
    if how.samples:
        finished = _with_intervals(finished, resampled, how, unit, remarks)
    return finished, remarks


def _with_spread(opinions: Opinions, split: Split, remarks: list[str]) -> Opinions:
    """With the deviations of std.csv, for labels that have none of their own. A fault of that file
    costs a metric, not the evaluation.
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


Fitting = dict[tuple[str, str], Resampled]  # by (name, kind of fit, "" for none)


def _after_fits(fits: Mapping[str, LogisticFit], scores: np.ndarray, opinions: Opinions) -> Fitting:
    found: Fitting = {}
    for kind, fit in fits.items():
        mapped = fit(scores)
        found["plcc", kind] = Pearson(mapped, opinions.mos)
        found["rmse", kind] = RootMean((mapped - opinions.mos) ** 2)
    return found


def _outliers(fit: LogisticFit, scores: np.ndarray, opinions: Opinions) -> Fitting:
    """Errors after a fit that failed are nan, and so is their share."""
    if opinions.std is None:
        return {}
    error, far = fit(scores) - opinions.mos, {}
    if opinions.spread:
        far["outlier_ratio_std"] = vote_noise.outliers(error, opinions.std)
    if opinions.votes is not None:
        far["outlier_ratio_se"] = vote_noise.outliers(error, opinions.std, opinions.votes)
    return {
        (name, ""): Mean(np.where(np.isnan(error), np.nan, share), "share")
        for name, share in far.items()
    }


def _resolved(
    how: Judging, scores: np.ndarray, opinions: Opinions, clusters: np.ndarray, remarks: list[str]
) -> tuple[dict[str, float], dict[str, Resampled]]:
    """(resolving power, what of it is to be resampled)."""
    if opinions.std is None or opinions.votes is None:
        return {}, {}
    rng = numpy_generator(how.seed, "resolving power")
    pairs = vote_noise.opinion_pairs(scores, opinions.mos, opinions.std, opinions.votes, rng)
    found = vote_noise.resolving_power(pairs, clusters)
    remarks += found.reasons
    return found.values(), found.metrics()


def _with_intervals(
    judged: Evaluation, resampled: dict[str, Resampled], how: Judging, unit: str, remarks: list[str]
) -> Evaluation:
    # What is nan has been explained; an interval of it would be explained again.
    values = {key: metric.value for key, metric in judged.by_key.items()}
    asked = {key: f for key, f in resampled.items() if values[key] == values[key]}
    with heard(remarks):
        rng = numpy_generator(how.seed, "bootstrap")
        found = bootstrap(asked, judged.clusters, how.samples, rng)
    metrics = tuple(
        replace(m, low=found[m.key].low, high=found[m.key].high, scale=asked[m.key].scale)
        if m.key in found
        else m
        for m in judged.metrics
    )
    count = int(judged.clusters.max(initial=-1)) + 1
    return replace(judged, metrics=metrics, resampling=Resampling(how.samples, count, unit))

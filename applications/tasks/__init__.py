"""The tasks: the only place that knows what `rank`, `emd`, `regress` and those made of two of them
are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from applications.tasks.judged import (
    Opinions,
    Scores,
    resampled_emd,
    resampled_joint,
    resampled_rank,
    resampled_siamese,
    voted,
)
from config import Config
from criterions.batch_pairs import BucketLoss, OrderLoss
from criterions.contrastive_loss import ContrastiveLoss
from criterions.emd_loss import EMDLoss
from criterions.joint_loss import JointLoss
from criterions.ranking_loss import RankingLoss
from criterions.regress_loss import RegressLoss
from dataloader.batch import DistributionTargets, RelatedDistributions, ScoreTargets, Targets
from dataloader.labels.levels import Level
from dataloader.sources import Source
from dataloader.targets.buckets import BucketedDistributions, BucketTargets
from dataloader.targets.pairs import PairTargets
from models.quality_net import Prediction, QualityNet
from utils.statistics import metrics, order_metrics, ranking_metrics
from utils.statistics.metric import HIGHER_IS_BETTER
from utils.statistics.weighted_figures import Figure, score_figures

SCORE_FIGURES = ("srcc", "plcc", "krcc", "rmse", "mae")


Votes = np.ndarray | None
# () -> (positions of some training images (M,), the network's present scores of them (M,)).
Sample = Callable[[], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Task:
    """name; label_kind for labels.read_labels; monitor: the validation figure that decides what is
    best.

    targets: (config, labels, levels of their images) -> arrays. criterion: (config, training
    targets) -> loss module. measure: (all targets, Scores) -> figures by name. fit_head: sets the
    head's units from the training targets, and from scores of a sample where the head was trained
    before (`ScoreHead.trained_for`); returns what the user should hear. figures: those that can be
    monitored. units: what a score of one branch means. bins: K, of a task that learns histograms
    without having any in its labels, where neither --num_classes nor --resume say it. of_votes:
    (config, images, their histograms (N, K), how many votes each has (N,), if known) -> arrays;
    None where votes are no labels. resampled: (all targets, Scores, clusters of the images (M,)) ->
    those of `measure` that can have an interval. opinions: what the scores are to be fitted to,
    None where nobody was asked.
    """

    name: str
    label_kind: str
    monitor: str
    targets: Callable[[Config, list, list[Level] | None], Targets]
    criterion: Callable[[Config, dict[str, np.ndarray]], nn.Module]
    measure: Callable[[dict[str, np.ndarray], Scores], dict[str, float]]
    fit_head: Callable[[QualityNet, dict[str, np.ndarray], Sample], str | None]
    figures: tuple[str, ...]
    units: str
    resampled: Callable[[dict[str, np.ndarray], Scores, np.ndarray], dict[str, Figure]]
    opinions: Callable[[Targets], Opinions | None]
    of_votes: Callable[[Config, Sequence[Source], np.ndarray, Votes], Targets] | None = None
    bins: int | None = None


def _no_units(model: QualityNet, targets: dict[str, np.ndarray], sample: Sample) -> None:
    """A ranking has no units."""


def _pair_targets(config: Config, labels: list, levels: list[Level] | None) -> PairTargets:
    margin = config.margin if config.margin_by_level else None
    return PairTargets(labels, levels, margin, config.across)


def _mean_scores(
    config: Config, images: Sequence[Source], probs: np.ndarray, votes: Votes
) -> ScoreTargets:
    return ScoreTargets.of_images(images, probs @ np.arange(1, probs.shape[1] + 1))


def _measure_rank(targets: dict[str, np.ndarray], found: Scores) -> dict[str, float]:
    return metrics.pair_metrics(found.scores[targets["better"]], found.scores[targets["worse"]])


def _measure_emd(targets: dict[str, np.ndarray], found: Scores) -> dict[str, float]:
    if found.probs is None or found.probs.shape[1] != targets["probs"].shape[1]:
        have = 1 if found.probs is None else found.probs.shape[1]
        raise ValueError(
            f"the network has {have} branches, the labels {targets['probs'].shape[1]} bins: "
            "they must agree"
        )
    return metrics.distribution_metrics(found.probs, targets["probs"])


def _measure_regress(targets: dict[str, np.ndarray], found: Scores) -> dict[str, float]:
    return metrics.score_metrics(found.scores, targets["mos"])


def _spread(targets: dict[str, np.ndarray]) -> float:
    return float(np.std(targets["mos"], dtype=np.float64)) or 1.0


def _regress_criterion(config: Config, targets: dict[str, np.ndarray]) -> nn.Module:
    # In units of the labels' spread a learning rate means the same on a 0..1 and on a 0..100 scale.
    return RegressLoss(config.loss, scale=_spread(targets))


def _fit_mos_units(model: QualityNet, targets: dict[str, np.ndarray], sample: Sample) -> None:
    head, mos = model.heads["quality"], targets["mos"]
    if head.num_classes > 1:
        _check_scale(head.num_classes, float(mos.min()), float(mos.max()))
        return
    offset, scale = float(np.mean(mos, dtype=np.float64)), _spread(targets)
    if head.trained_for:
        positions, scores = sample()
        if head.trained_for[-1] == "regress" and _explains(scores, mos[positions]):
            return
        # A ranking's scores have an order but no units, another data set's have other ones.
        if line := _straight_line(scores, mos[positions]):
            start, slope = line
            offset, scale = start + slope * float(head.offset), slope * float(head.scale)
    head.set_scale(offset, scale)


def _explains(scores: np.ndarray, mos: np.ndarray) -> bool:
    """Whether the scores are nearer to the labels than the labels' own mean is: then they are of
    these labels' scale.
    """
    x, y = scores.astype(np.float64), mos.astype(np.float64)
    return bool(((x - y) ** 2).mean() < y.var())


def _expect_scores(model: QualityNet, targets: dict[str, np.ndarray], sample: Sample) -> str | None:
    """Contrast tells apart, never which is better: that comes with the weights."""
    if set(model.heads["quality"].trained_for) - {"siamese"}:
        return None
    return (
        "a network that never learned scores is being ranked: --resume weights of --criterion emd "
        "say which bucket is the better one"
    )


def _straight_line(scores: np.ndarray, mos: np.ndarray) -> tuple[float, float] | None:
    """(offset, slope) of the least-squares line from scores to MOS; None where it does not rise."""
    x, y = scores.astype(np.float64), mos.astype(np.float64)
    spread = x.var()
    slope = ((x - x.mean()) * (y - y.mean())).mean() / spread if spread > 0 else 0.0
    return (float(y.mean() - slope * x.mean()), float(slope)) if slope > 0 else None


def _check_scale(bins: int, low: float, high: float) -> None:
    if low < 1 or high > bins:
        raise ValueError(
            f"MOS from {low:g} to {high:g}, but --num_classes {bins} can only say 1 to {bins}: "
            "pass --num_classes 1, or labels on that scale"
        )


def _fit_histogram(model: QualityNet, targets: dict[str, np.ndarray], sample: Sample) -> None:
    """A fresh head starts from the mean histogram of the training images, the best guess of a
    network that has seen nothing; a head that was trained before keeps what it knows.
    """
    head = model.heads["quality"]
    if head.trained_for:
        return
    mean = torch.from_numpy(targets["probs"].mean(axis=0)).clamp_min(1e-4).log()
    with torch.no_grad():
        head.fc.bias.copy_(mean - mean.mean())


def _measure_siamese(targets: dict[str, np.ndarray], found: Scores) -> dict[str, float]:
    pairs = (targets[name] for name in ("first", "second", "same"))
    return order_metrics.bucket_metrics(found.scores, targets["bucket"], *pairs)


def _measure_joint(targets: dict[str, np.ndarray], found: Scores) -> dict[str, float]:
    figures = _measure_emd(targets, found)
    means = (metrics.distribution_mean(p) for p in (found.probs, targets["probs"]))
    return {**figures, **order_metrics.order_metrics(*means)}


def _joint(config: Config, other: nn.Module) -> JointLoss:
    """--loss_weights times the earth mover's distance of every image and a loss of their order."""
    weights = [float(weight) for weight in config.loss_weights.split(",")]
    return JointLoss([EMDLoss(r=2), other], weights)


def _contrast_beside(config: Config, targets: dict[str, np.ndarray]) -> JointLoss:
    bucket = targets["bucket"]
    if (bucket == bucket[0]).all():
        raise ValueError(
            f"the means of all training histograms are in bucket {bucket[0]}: pass a smaller "
            f"--bucket_width than {config.bucket_width:g}"
        )
    return _joint(config, BucketLoss())


_EMD = Task(
    "emd", "distributions", "emd_r2",
    lambda config, labels, levels: DistributionTargets(labels, levels),
    lambda config, targets: EMDLoss(r=2), _measure_emd, _fit_histogram,
    ("emd_r1", "emd_r2", "two_class_accuracy", *SCORE_FIGURES, "std_srcc", "std_plcc", "loss"),
    "bins 1..K", resampled_emd, voted,
    lambda config, images, probs, votes: DistributionTargets.of_images(images, probs, votes),
)  # fmt: skip
_BOTH = replace(
    _EMD, measure=_measure_joint, resampled=resampled_joint,
    figures=("pair_accuracy", *_EMD.figures),
)  # fmt: skip

TASKS = {
    "rank": Task(
        "rank", "pairs", "pair_accuracy", _pair_targets,
        lambda config, targets: RankingLoss(config.margin, config.hard_pairs),
        _measure_rank, _no_units,
        ("pair_accuracy", "loss"), "ranking only",
        resampled_rank, lambda targets: None,
    ),
    "emd": _EMD,
    "regress": Task(
        "regress", "scores", "srcc",
        lambda config, labels, levels: ScoreTargets(labels, levels),
        _regress_criterion, _measure_regress, _fit_mos_units,
        (*SCORE_FIGURES, "loss"), "MOS",
        lambda targets, found, clusters: score_figures(found.scores, targets["mos"]),
        lambda targets: Opinions(targets.all()["mos"]),
        _mean_scores,
    ),
    "siamese": Task(
        "siamese", "buckets", "same_bucket_accuracy",
        lambda config, labels, levels: BucketTargets(labels, levels),
        lambda config, targets: ContrastiveLoss(), _measure_siamese, _expect_scores,
        ("same_bucket_accuracy", "srcc", "krcc", "loss"), "bins 1..K",
        resampled_siamese, lambda targets: None, bins=10,
    ),
    "emd+rank": replace(
        _BOTH, name="emd+rank",
        targets=lambda config, labels, levels: RelatedDistributions(labels, levels),
        of_votes=lambda config, images, probs, votes: RelatedDistributions.of_images(
            images, probs, votes
        ),
        criterion=lambda config, targets: _joint(config, OrderLoss(config.margin)),
    ),
    "emd+siamese": replace(
        _BOTH, name="emd+siamese",
        targets=lambda config, labels, levels: BucketedDistributions(
            labels, levels, config.bucket_width
        ),
        of_votes=lambda config, images, probs, votes: BucketedDistributions.of_images(
            images, probs, votes, config.bucket_width
        ),
        criterion=_contrast_beside,
    ),
}  # fmt: skip


def monitored(config: Config) -> tuple[str, str]:
    """(figure, "max" or "min") that decides which weights are best; ValueError for a figure the
    task has not.
    """
    task = TASKS[config.criterion]
    name = config.monitor or task.monitor
    if name not in (*task.figures, *ranking_metrics.FIGURES):
        raise ValueError(
            f"--monitor {name}: {task.name} has {', '.join(task.figures)}, and with levels.csv "
            f"{', '.join(ranking_metrics.FIGURES)}"
        )
    return name, "max" if HIGHER_IS_BETTER[name] else "min"


def is_better(value: float, best: float | None, direction: str) -> bool:
    """Whether `value` beats `best`. nan beats no number; anything beats no figure at all and nan,
    another nan included: where there is no figure, the last weights are kept.
    """
    if best is None or best != best:
        return True
    return value > best if direction == "max" else value < best


def branches(config: Config, bins: int | None) -> int:
    """K of the head: --num_classes, else the bins of the label file, else the task's own, else
    1.
    """
    return config.num_classes or bins or TASKS[config.criterion].bins or 1


def validation_loss(criterion: nn.Module, targets: dict[str, np.ndarray], found: Scores) -> float:
    """The training's loss over all images of a split at once, whatever batches they were
    scored in.
    """
    scores = torch.from_numpy(found.scores)
    # Pooled histograms have no logits of their own; their logarithm is one that the softmax turns
    # back.
    logits = (
        scores[:, None]
        if found.probs is None
        else torch.from_numpy(found.probs).clamp_min(1e-12).log()
    )
    tensors = {name: torch.from_numpy(array) for name, array in targets.items()}
    return float(criterion(Prediction(scores, logits), tensors))

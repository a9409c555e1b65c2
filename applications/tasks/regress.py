"""regress: mean opinion scores."""

from __future__ import annotations

import numpy as np

from applications.tasks.base import Arrays, Sample, Task
from config import Config
from criterions.regress_loss import RegressLoss
from dataloader.batch import Targets
from dataloader.labels.labels import Labels
from dataloader.targets.images import ScoreTargets
from models.quality_net import QualityNet
from utils.statistics.metrics import Measured, score_metrics
from utils.statistics.predictions import Opinions, Predictions


class Regress(Task):
    name, label_kind = "regress", "scores"
    metrics = ("srcc", "plcc", "krcc", "rmse", "mae", "loss")
    units = "MOS"

    def targets(self, config: Config, labels: Labels) -> ScoreTargets:
        return ScoreTargets(labels)

    def criterion(self, config: Config, labels: Arrays) -> RegressLoss:
        # In units of the labels' spread a learning rate means the same on a 0..1 and on a 0..100
        # scale.
        return RegressLoss(config.loss, scale=_spread(labels["mos"]))

    def fit_head(self, model: QualityNet, labels: Arrays, sample: Sample) -> None:
        """Scores begin at the labels' mean and spread; those of a head that was trained before on
        the straight line that leads from them to the labels, where there is one.
        """
        head, mos = model.heads["quality"], labels["mos"]
        if head.num_classes > 1:
            _check_scale(head.num_classes, float(mos.min()), float(mos.max()))
            return
        offset, scale = float(np.mean(mos, dtype=np.float64)), _spread(mos)
        if head.trained_for:
            positions, scores = sample()
            if head.trained_for[-1] == "regress" and _explains(scores, mos[positions]):
                return
            # A ranking's scores have an order but no units, another data set's have other ones.
            if line := _straight_line(scores, mos[positions]):
                start, slope = line
                offset, scale = start + slope * float(head.offset), slope * float(head.scale)
        head.set_scale(offset, scale)

    def measure(
        self, labels: Arrays, found: Predictions, clusters: np.ndarray | None = None
    ) -> Measured:
        return score_metrics(found.scores, labels["mos"])

    def opinions(self, targets: Targets) -> Opinions:
        std = getattr(targets, "std", None)
        votes = None if std is None else getattr(targets, "votes", None)
        return Opinions(targets.all()["mos"], std, votes)


def _spread(mos: np.ndarray) -> float:
    return float(np.std(mos, dtype=np.float64)) or 1.0


def _explains(scores: np.ndarray, mos: np.ndarray) -> bool:
    """Whether the scores are nearer to the labels than the labels' own mean is: then they are of
    these labels' scale.
    """
    x, y = scores.astype(np.float64), mos.astype(np.float64)
    return bool(((x - y) ** 2).mean() < y.var())


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

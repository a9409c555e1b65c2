"""rank: pairs of images of which the first is the better one (RankIQA, Liu et al., ICCV 2017)."""

from __future__ import annotations

import numpy as np

from applications.tasks.base import Arrays, Task
from config import Config
from criterions.ranking_loss import RankingLoss
from dataloader.labels.labels import Labels
from dataloader.targets.pairs import PairTargets
from utils.statistics.metrics import Measured, pair_metrics
from utils.statistics.predictions import Predictions


class Rank(Task):
    name, label_kind = "rank", "pairs"
    metrics = ("pair_accuracy", "loss")
    units = "ranking only"

    def targets(self, config: Config, labels: Labels) -> PairTargets:
        margin = config.margin if config.margin_by_level else None
        return PairTargets(labels, margin, config.across)

    def criterion(self, config: Config, labels: Arrays) -> RankingLoss:
        return RankingLoss(config.margin, config.hard_pairs)

    def measure(
        self, labels: Arrays, found: Predictions, clusters: np.ndarray | None = None
    ) -> Measured:
        return pair_metrics(found.scores, labels["better"], labels["worse"], clusters)

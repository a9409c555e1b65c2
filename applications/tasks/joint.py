"""emd+rank and emd+siamese: histograms of opinions, and beside them the order of the images."""

from __future__ import annotations

import numpy as np
from torch import nn

from applications.tasks.base import Arrays
from applications.tasks.emd import Emd
from config import Config
from criterions.batch_pairs import BucketLoss, OrderLoss
from criterions.emd_loss import EMDLoss
from criterions.joint_loss import JointLoss
from dataloader.labels.labels import Labels
from dataloader.targets.buckets import BucketedDistributions
from dataloader.targets.images import RelatedDistributions
from utils.statistics.metrics import Measured, distribution_mean, order_metrics
from utils.statistics.predictions import Predictions


class Joint(Emd):
    """Judged by the histograms, and by all pairs of images that the votes tell apart."""

    metrics = ("pair_accuracy", *Emd.metrics)

    def measure(
        self, labels: Arrays, found: Predictions, clusters: np.ndarray | None = None
    ) -> Measured:
        of_histograms = super().measure(labels, found, clusters)
        means = (distribution_mean(p) for p in (found.probs, labels["probs"]))
        return of_histograms | order_metrics(*means)


class EmdRank(Joint):
    """The second loss is that of every two images of a step whose votes differ."""

    name = "emd+rank"

    def targets(self, config: Config, labels: Labels) -> RelatedDistributions:
        return RelatedDistributions(labels)

    def criterion(self, config: Config, labels: Arrays) -> JointLoss:
        return _joint(config, OrderLoss(config.margin))


class EmdSiamese(Joint):
    """The second loss tells buckets of mean scores apart, as siamese does."""

    name = "emd+siamese"

    def targets(self, config: Config, labels: Labels) -> BucketedDistributions:
        return BucketedDistributions(labels, config.bucket_width)

    def criterion(self, config: Config, labels: Arrays) -> JointLoss:
        bucket = labels["bucket"]
        if (bucket == bucket[0]).all():
            raise ValueError(
                f"the means of all training histograms are in bucket {bucket[0]}: pass a smaller "
                f"--bucket_width than {config.bucket_width:g}"
            )
        return _joint(config, BucketLoss())


def _joint(config: Config, other: nn.Module) -> JointLoss:
    """--loss_weights times the earth mover's distance of every image and a loss of their order."""
    weights = [float(weight) for weight in config.loss_weights.split(",")]
    return JointLoss([EMDLoss(r=2), other], weights)

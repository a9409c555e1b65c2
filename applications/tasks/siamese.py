"""siamese: images in buckets of their mean scores; a pair is of one bucket or of two (Siamese
NIMA).
"""

from __future__ import annotations

import numpy as np

from applications.tasks.base import Arrays, Sample, Task
from config import Config
from criterions.contrastive_loss import ContrastiveLoss
from dataloader.labels.labels import Labels
from dataloader.targets.buckets import BucketTargets
from models.quality_net import QualityNet
from utils.statistics.metrics import Measured, bucket_metrics
from utils.statistics.predictions import Predictions


class Siamese(Task):
    name, label_kind = "siamese", "buckets"
    metrics = ("same_bucket_accuracy", "srcc", "krcc", "loss")
    units = "bins 1..K"
    bins = 10

    def targets(self, config: Config, labels: Labels) -> BucketTargets:
        return BucketTargets(labels)

    def criterion(self, config: Config, labels: Arrays) -> ContrastiveLoss:
        return ContrastiveLoss()

    def fit_head(self, model: QualityNet, labels: Arrays, sample: Sample) -> str | None:
        """Contrast tells apart, never which is better: that comes with the weights."""
        if set(model.heads["quality"].trained_for) - {"siamese"}:
            return None
        return (
            "a network that never learned scores is being ranked: --resume weights of --criterion "
            "emd say which bucket is the better one"
        )

    def measure(
        self, labels: Arrays, found: Predictions, clusters: np.ndarray | None = None
    ) -> Measured:
        pairs = (labels[name] for name in ("first", "second", "same"))
        return bucket_metrics(found.scores, labels["bucket"], *pairs, clusters)

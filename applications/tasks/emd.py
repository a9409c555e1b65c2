"""emd: histograms of opinions (NIMA, Talebi and Milanfar, TIP 2018)."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from applications.tasks.base import Arrays, Sample, Task
from config import Config
from criterions.emd_loss import EMDLoss
from dataloader.batch import Targets
from dataloader.labels.labels import Labels
from dataloader.targets.images import DistributionTargets
from models.quality_net import QualityNet
from utils.statistics.metrics import Measured, distribution_metrics, moments_of_votes
from utils.statistics.predictions import Opinions, Predictions


class Emd(Task):
    name, label_kind = "emd", "distributions"
    metrics = (
        "emd_r1", "emd_r2", "two_class_accuracy", "srcc", "plcc", "krcc", "rmse", "mae",
        "std_srcc", "std_plcc", "loss",
    )  # fmt: skip
    units = "bins 1..K"

    def targets(self, config: Config, labels: Labels) -> DistributionTargets:
        return DistributionTargets(labels)

    def criterion(self, config: Config, labels: Arrays) -> nn.Module:
        return EMDLoss(r=2)

    def fit_head(self, model: QualityNet, labels: Arrays, sample: Sample) -> None:
        """A fresh head starts from the mean histogram of the training images, the best guess of a
        network that has seen nothing; a head that was trained before keeps what it knows.
        """
        head = model.heads["quality"]
        if head.trained_for:
            return
        mean = torch.from_numpy(labels["probs"].mean(axis=0)).clamp_min(1e-4).log()
        with torch.no_grad():
            head.fc.bias.copy_(mean - mean.mean())

    def measure(
        self, labels: Arrays, found: Predictions, clusters: np.ndarray | None = None
    ) -> Measured:
        bins = labels["probs"].shape[1]
        if found.bins != bins:
            raise ValueError(
                f"the network has {found.bins} branches, the labels {bins} bins: they must agree"
            )
        return distribution_metrics(found.probs, labels["probs"])

    def opinions(self, targets: Targets) -> Opinions:
        votes: np.ndarray | None = getattr(targets, "votes", None)
        mos, std = moments_of_votes(targets.all()["probs"])
        if votes is not None:  # of the people asked, as an estimate for all: n - 1
            std = std * np.sqrt(votes / np.maximum(votes - 1, 1))
        return Opinions(mos, std, votes)

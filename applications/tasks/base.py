"""What every task is made of; a subclass in a file of its own says what is different about it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from config import Config
from dataloader.batch import Targets
from dataloader.labels.labels import Labels
from models.quality_net import Prediction, QualityNet
from utils.statistics.metrics import Measured
from utils.statistics.predictions import Opinions, Predictions

Arrays = dict[str, np.ndarray]
# () -> (positions of some training images (M,), the network's present scores of them (M,)).
Sample = Callable[[], tuple[np.ndarray, np.ndarray]]


class Task:
    """A criterion: its labels, its loss, and what a network that was trained by it is judged by.

    name: of --criterion. label_kind: of `read_labels`. metrics: those of `measure` that can be
    monitored (utils/flag_words.py says which one is by default). units: what a score of a network
    with one branch means. bins: K of a task that learns histograms without having any in its
    labels, where neither --num_classes nor --resume says it.
    """

    name: str
    label_kind: str
    metrics: tuple[str, ...]
    units: str
    bins: int | None = None

    def targets(self, config: Config, labels: Labels) -> Targets:
        """What is to be learned of labels of the task's kind."""
        raise NotImplementedError

    def criterion(self, config: Config, labels: Arrays) -> nn.Module:
        """The loss, called with (Prediction, targets of a batch); labels: all of the training."""
        raise NotImplementedError

    def fit_head(self, model: QualityNet, labels: Arrays, sample: Sample) -> str | None:
        """Gives the head its units from the training labels, and from scores of a sample where it
        was trained before (`ScoreHead.trained_for`); returns what the user should hear.
        """
        return None

    def measure(
        self, labels: Arrays, found: Predictions, clusters: np.ndarray | None = None
    ) -> Measured:
        """What the predictions are judged by, as values and to be resampled. labels: of all lines,
        against the images of `found` in order; clusters (M,): which images are drawn together,
        None: each alone.
        """
        raise NotImplementedError

    def opinions(self, targets: Targets) -> Opinions | None:
        """What the scores are to be fitted to; None where nobody was asked."""
        return None

    def validation_loss(self, criterion: nn.Module, labels: Arrays, found: Predictions) -> float:
        """The training's loss over all images of a split at once, whatever batches they were
        scored in.
        """
        scores = torch.from_numpy(found.scores)
        # Pooled histograms have no logits of their own; their logarithm is one that the softmax
        # turns back.
        logits = (
            scores[:, None]
            if found.probs is None
            else torch.from_numpy(found.probs).clamp_min(1e-12).log()
        )
        tensors = {name: torch.from_numpy(array) for name, array in labels.items()}
        return float(criterion(Prediction(scores, logits), tensors))

"""What a network says of images, what people said of them, and which figures of a task are
resampled for an interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataloader.batch import Targets
from utils.statistics import metrics
from utils.statistics.weighted_figures import (
    Figure,
    Kendall,
    Mean,
    OrderShare,
    PairMean,
    Pearson,
    Spearman,
    score_figures,
)


@dataclass(frozen=True)
class Scores:
    """What a network says of M distinct images: scores (M,) and, for K > 1 branches, histograms
    probs (M, K).
    """

    scores: np.ndarray
    probs: np.ndarray | None


@dataclass(frozen=True)
class Opinions:
    """What people said of M images: mos (M,); std of the votes (M,) and how many (M,), where they
    are known. spread: whether std is that of the votes; else it is the standard error of the mos,
    and votes are 1.
    """

    mos: np.ndarray
    std: np.ndarray | None = None
    votes: np.ndarray | None = None
    spread: bool = True


def resampled_rank(
    targets: dict[str, np.ndarray], found: Scores, clusters: np.ndarray
) -> dict[str, Figure]:
    better, worse = targets["better"], targets["worse"]
    ahead = np.sign(found.scores[better] - found.scores[worse])
    return {"pair_accuracy": PairMean((ahead + 1) / 2, better, worse, clusters)}


def resampled_emd(
    targets: dict[str, np.ndarray], found: Scores, clusters: np.ndarray
) -> dict[str, Figure]:
    probs, votes = found.probs, targets["probs"]
    mean, std = metrics.distribution_mean(probs), metrics.distribution_std(probs)
    voted_mean, voted_std = metrics.moments_of_votes(votes)
    cut = metrics.middle_score(votes.shape[1])
    agree = metrics.above(mean, cut) == metrics.above(voted_mean, cut)
    return {
        "emd_r1": Mean(metrics.emd_of_each(probs, votes, 1)),
        "emd_r2": Mean(metrics.emd_of_each(probs, votes, 2)),
        "two_class_accuracy": Mean(agree, "share"),
        **score_figures(mean, voted_mean),
        "std_srcc": Spearman(std, voted_std),
        "std_plcc": Pearson(std, voted_std),
    }


def resampled_joint(
    targets: dict[str, np.ndarray], found: Scores, clusters: np.ndarray
) -> dict[str, Figure]:
    mean = metrics.distribution_mean(found.probs)
    voted_mean = metrics.distribution_mean(targets["probs"])
    order: dict[str, Figure] = {"pair_accuracy": OrderShare(mean, voted_mean)}
    return order | resampled_emd(targets, found, clusters)


def resampled_siamese(
    targets: dict[str, np.ndarray], found: Scores, clusters: np.ndarray
) -> dict[str, Figure]:
    first, second = targets["first"], targets["second"]
    right = (np.abs(found.scores[first] - found.scores[second]) < 0.5) == targets["same"]
    return {
        "same_bucket_accuracy": PairMean(right.astype(np.float64), first, second, clusters),
        "srcc": Spearman(found.scores, targets["bucket"]),
        "krcc": Kendall(found.scores, targets["bucket"]),
    }


def voted(targets: Targets) -> Opinions:
    probs = targets.all()["probs"]
    votes: np.ndarray | None = getattr(targets, "votes", None)
    mos, std = metrics.moments_of_votes(probs)
    if votes is not None:  # of the people asked, as an estimate for all: n - 1
        std = std * np.sqrt(votes / np.maximum(votes - 1, 1))
    return Opinions(mos, std, votes)

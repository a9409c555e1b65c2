"""One number that says how good a model is, with its interval and with what it is a number of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

# Whether a larger value is a better one, of every metric there is, by its name without a fit.
HIGHER_IS_BETTER = {
    # predictions against opinions
    "srcc": True, "plcc": True, "krcc": True, "rmse": False, "mae": False,
    "outlier_ratio_std": False, "outlier_ratio_se": False,
    "auc_different": True, "auc_better": True, "correct_better": True,
    # predicted histograms against votes; the same of one histogram for all images
    "emd_r1": False, "emd_r2": False, "two_class_accuracy": True,
    "std_srcc": True, "std_plcc": True,
    "baseline_emd_r1": False, "baseline_emd_r2": False, "baseline_two_class_accuracy": True,
    # pairs and buckets
    "pair_accuracy": True, "same_bucket_accuracy": True,
    # ladders of growing distortion
    "ladder_accuracy": True, "monotone_ladders": True, "l_test_srcc": True, "l_test_krcc": True,
    "d_test": True, "d_test_auc": True, "p_test": True, "step_accuracy": True,
    # the training's own
    "loss": False,
}  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Some of the images of a split: those of one distortion, of one reference, of one level,
    which is written as text ("3"), or of a third of the scores ("lowest").
    """

    kind: Literal["distortion", "reference", "level", "scores"]
    name: str


@dataclass(frozen=True)
class Metric:
    """A metric of one model on one split, or on one group of its images.

    name: as in HIGHER_IS_BETTER. value: nan where the metric does not exist. low, high: ends of the
    95% interval, nan where there is none. scale: what kind of number it is, as
    utils/statistics/bootstrap.py names them ("correlation", "error", "share", ...). fit: the
    logistic through which predictions went first, "" for none, "4p" or "5p". group: None for all
    images. note: why the value or the interval is nan ("constant prediction"), else "".
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    scale: str = "error"
    fit: str = ""
    group: Group | None = None
    note: str = ""

    @property
    def key(self) -> str:
        """The name with its fit, as results.json spells it: "plcc_4p"."""
        return f"{self.name}_{self.fit}" if self.fit else self.name

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is a better one."""
        return HIGHER_IS_BETTER[self.name]

"""What every weights file says of its network, beside the tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from utils.images import ViewRule


def network_payload(
    config: dict[str, Any], model: nn.Module, rule: ViewRule, learned: Sequence[float] | None = None
) -> dict[str, Any]:
    """config: the run's stored configuration; num_classes; view: the evaluation's rule;
    mean_histogram: `learned`, of the training labels, where they are histograms.
    """
    facts = {"config": config, "num_classes": model.num_classes, "view": rule.to_dict()}
    return facts if learned is None else {**facts, "mean_histogram": list(learned)}

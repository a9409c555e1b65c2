"""What every weights file says of its network, beside the tensors."""

from __future__ import annotations

from typing import Any

from torch import nn

from utils.images import ViewRule


def network_payload(config: dict[str, Any], model: nn.Module, rule: ViewRule) -> dict[str, Any]:
    """config: the run's stored configuration; num_classes; view: the evaluation's rule."""
    return {"config": config, "num_classes": model.num_classes, "view": rule.to_dict()}

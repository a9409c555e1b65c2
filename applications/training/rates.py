"""Learning rates of the parts of a network: the backbone and the head may have their own."""

from __future__ import annotations

import torch

from config import Config
from models.quality_net import QualityNet
from optim.factory import make_optimizer
from optim.param_groups import present_rates

# Children of QualityNet, and the flag (and the figure in metrics.jsonl) of each one's rate.
PARTS = {"backbone": "lr_backbone", "heads": "lr_head"}


def optimizer_of(config: Config, model: QualityNet) -> torch.optim.Optimizer:
    """The optimizer that the flags ask for, over what is not frozen."""
    return make_optimizer(
        model, config.opt, config.lr, config.weight_decay, config.momentum, part_rates(config)
    )


def part_rates(config: Config) -> dict[str, float]:
    """Rate by child of the network; empty where all have the same, whatever flag says it."""
    rates = {part: getattr(config, name) or config.lr for part, name in PARTS.items()}
    return rates if set(rates.values()) != {config.lr} else {}


def rate_figures(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """What metrics.jsonl says of the present rates: `lr`, or `lr_backbone` and `lr_head`."""
    return {PARTS.get(name, name): rate for name, rate in present_rates(optimizer).items()}

"""What one training is made of, from its flags: the steps of its data, its network, and an
optimizer whose rates may differ between backbone and head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from applications.evaluation.scoring import Scorer
from applications.inputs.data import Data
from applications.inputs.runtime import Runtime
from applications.inputs.tables.held import Held
from applications.inputs.views import image_cache, network_size, train_transform, view_rule
from applications.tasks import branches, monitored
from applications.training.beginning import FOLDER, offline
from config import Config
from dataloader.batch import Targets
from dataloader.loader import BatchPlan, StepDataset
from models.freezing import check_freeze, freeze
from models.quality_net import QualityNet, build_model, check_training_batch
from models.sizes import check_architecture
from optim.factory import make_optimizer
from optim.param_groups import present_rates

# Children of QualityNet, and the flag (and the name in metrics.jsonl) of each one's rate.
RATES = {"backbone": "lr_backbone", "heads": "lr_head"}


@dataclass(frozen=True)
class Parts:
    """What a trainer works with: a network and how it scores, its loss, what moves it, the steps to
    learn from, and the targets to validate on, if any. held: which images are held out, where that
    was drawn.
    """

    scorer: Scorer
    criterion: nn.Module
    optimizer: torch.optim.Optimizer
    dataset: StepDataset
    val: Targets | None
    held: Held | None = None


def check_names(config: Config) -> None:
    """A name that leads nowhere is answered before any label or image is read."""
    monitored(config)
    size = network_size(config)
    check_architecture(config.arch, size, config.advprop, view_rule(config).own_size)
    check_freeze(config.arch, size, config.freeze, config.advprop)
    make_optimizer(nn.Linear(1, 1), config.opt, config.lr, config.weight_decay, config.momentum)


def training_set(config: Config, data: Data, runtime: Runtime) -> StepDataset:
    """The training split's steps for this process."""
    targets, world = data.splits["train"].targets, runtime.world
    plan = BatchPlan(len(targets), config.batch_size, world.size, config.seed, targets.groups())
    return StepDataset(
        targets, train_transform(config), plan, world.rank, config.max_pixels, image_cache(config)
    )


def fewest_images(dataset: StepDataset) -> int:
    """Distinct images in this process's share of the shortest step of the first epoch."""
    step = int(np.diff(dataset.plan.bounds()).argmin())
    return len(dataset.share(0, step).indices)


def network(
    config: Config, data: Data, dataset: StepDataset, *, pretrained: bool, advprop: bool
) -> QualityNet:
    """The network that the flags ask for, frozen as they say; ValueError where a batch of the
    dataset is too small for it.
    """
    classes = branches(config, data.splits["train"].labels.bins)
    model = build_model(
        config.arch, classes, network_size(config), config.dropout, pretrained, FOLDER,
        advprop, config.pretrained_sha256, offline(config),
    )  # fmt: skip
    freeze(model, config.freeze)
    check_training_batch(model, fewest_images(dataset))
    return model


def optimizer_of(config: Config, model: QualityNet) -> torch.optim.Optimizer:
    """The optimizer that the flags ask for, over what is not frozen."""
    rates = {part: getattr(config, name) or config.lr for part, name in RATES.items()}
    own = rates if set(rates.values()) != {config.lr} else {}
    return make_optimizer(model, config.opt, config.lr, config.weight_decay, config.momentum, own)


def rates_of(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """What metrics.jsonl says of the present rates: `lr`, or `lr_backbone` and `lr_head`."""
    return {RATES.get(name, name): rate for name, rate in present_rates(optimizer).items()}

"""One training: data, network, loop, and a test of the best weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from applications.evaluation.judging import check_fit
from applications.evaluation.ladders import check_monitor
from applications.evaluation.scoring import Scorer
from applications.evaluation.validation import LAST_COUNT, never_known, no_metric
from applications.inputs import left_out
from applications.inputs.data import Data, read_data
from applications.inputs.runtime import Runtime
from applications.inputs.views import network_size, train_transform, view_rule
from applications.inputs.weights import start_from, with_resumed_variant
from applications.tasks import TASKS, branches, monitored
from applications.training import run_folder
from applications.training.features import keep_features
from applications.training.final_test import test_best
from applications.training.rates import optimizer_of, rate_figures
from applications.training.run_folder import RunFolder
from applications.training.run_lock import hold
from applications.training.run_state import has_begun
from applications.training.trainer import Trainer
from config import Config
from dataloader.batch import Targets
from dataloader.loader import BatchPlan, StepDataset
from models.freezing import check_freeze, freeze, frozen_part
from models.quality_net import QualityNet, build_model, check_training_batch
from models.sizes import check_architecture
from optim.factory import make_optimizer
from utils.files.writing import write_text
from utils.runtime import distributed, stopping
from utils.runtime.device import channels_last_helps, describe
from utils.runtime.logger import Logger
from utils.runtime.rng_state import seed_step

CALIBRATION = 256  # training images whose scores give a head its units


def train(
    config: Config,
    runtime: Runtime,
    data: Data | None = None,
    beside: Mapping[str, Any] | None = None,
) -> RunFolder:
    """Trains or continues a run, and returns its folder; raises Stopped when a signal stopped it
    (its state is saved).

    data: where the labels have been read. beside: more files for a new run's folder, name -> JSON.
    """
    task = TASKS[config.criterion]
    if config.continue_run:
        hold(Path(config.continue_run), runtime)
    _has_state(config)  # answers at once where there was one
    config = with_resumed_variant(config)
    check_names(config)
    rule = view_rule(config)
    data = data or read_data(config, task, runtime)
    check_monitor(monitored(config)[0], data.splits.get("val"))
    check_fit(config.fit, data, config.data)
    train = data.splits["train"]
    dataset = training_set(config, data, runtime)
    model = _model(config, runtime, branches(config, train.labels.bins), fewest_images(dataset))
    scorer = Scorer(
        model, runtime.device, rule, config.batch_size, config.workers, config.max_pixels,
        runtime.amp,
    )  # fmt: skip
    if not _has_state(config):
        sample = partial(_sample_scores, scorer, train.targets)
        if remark := task.fit_head(model, train.targets.all(), sample):
            runtime.info(remark)
    if config.sync_bn and runtime.world.size > 1:
        model = _synchronised(model, runtime)
        scorer = replace(scorer, model=model)
    optimizer = optimizer_of(config, model)
    folder = _open_folder(config, data, runtime, beside or {})
    logger = Logger(folder.path, runtime.world.rank)
    try:
        val = data.splits["val"].targets if "val" in data.splits else None
        criterion = task.criterion(config, train.targets.all())
        trainer = Trainer(
            config, runtime, scorer, criterion, optimizer, dataset, val, folder, logger
        )
        _introduce(config, runtime, data, trainer)
        _begin(trainer, folder, logger, data)
        stopping.advise(f"go on with --continue {folder.path}")
        with stopping.deferred():
            kept = keep_features(config, trainer, data) if trainer.cached else {}
            trainer.fit()
        test_best(config, runtime, trainer, data, logger, kept.get("test"))
    finally:
        logger.close()
    return folder


def check_names(config: Config) -> None:
    """A name that leads nowhere is answered before any label or image is read."""
    monitored(config)
    size = network_size(config)
    check_architecture(config.arch, size, config.advprop, view_rule(config).own_size)
    check_freeze(config.arch, size, config.freeze, config.advprop)
    make_optimizer(nn.Linear(1, 1), config.opt, config.lr, config.weight_decay, config.momentum)


def training_set(config: Config, data: Data, runtime: Runtime) -> StepDataset:
    """The training split's steps for this process."""
    targets = data.splits["train"].targets
    plan = BatchPlan(
        len(targets), config.batch_size, runtime.world.size, config.seed, targets.groups()
    )
    transform = train_transform(config)
    return StepDataset(targets, transform, plan, runtime.world.rank, config.max_pixels)


def _model(config: Config, runtime: Runtime, classes: int, smallest_batch: int) -> QualityNet:
    seed_step(config.seed, "weights")  # every process starts from the same weights
    # A saved state brings all weights; the files they once came from may be gone.
    fresh = not _has_state(config)
    imagenet = (config.pretrained or config.advprop) and not config.resume
    model = build_model(
        config.arch, classes, network_size(config), config.dropout,
        pretrained=imagenet and fresh, advprop=config.advprop,
    )  # fmt: skip
    freeze(model, config.freeze)
    check_training_batch(model, smallest_batch)
    if model.pretrained_report:
        for line in model.pretrained_report.lines():
            runtime.info(f"ImageNet weights: {line}")
    if config.resume and fresh:
        start_from(config, model, runtime)
    layout = torch.channels_last if channels_last_helps(runtime.device) else torch.preserve_format
    return model.to(runtime.device).to(memory_format=layout)


def _has_state(config: Config) -> bool:
    """Whether a run goes on from a saved state, rather than beginning."""
    return bool(config.continue_run) and has_begun(run_folder.opened(config.continue_run, config))


def _sample_scores(scorer: Scorer, targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    """(positions, scores) of up to CALIBRATION training images, evenly spread over the list."""
    count = min(CALIBRATION, len(targets.paths))
    positions = np.linspace(0, len(targets.paths) - 1, count).astype(np.int64)
    found = scorer.predict([targets.paths[i] for i in positions])
    return positions, found.scores


def fewest_images(dataset: StepDataset) -> int:
    """Distinct images in this process's share of the shortest step of the first epoch."""
    step = int(np.diff(dataset.plan.bounds()).argmin())
    return len(dataset.share(0, step).indices)


def _synchronised(model: QualityNet, runtime: Runtime) -> QualityNet:
    if runtime.device.type == "cpu":
        raise ValueError(
            "--sync_bn: torch synchronises batch norm on accelerators only: leave it out with "
            "--device cpu"
        )
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


def _open_folder(
    config: Config, data: Data, runtime: Runtime, beside: Mapping[str, Any]
) -> RunFolder:
    labels = data.digests()
    if not config.continue_run:
        if data.photographs:
            beside = {**beside, "photographs.json": data.photographs.to_dict()}
        beside = {left_out.FILE: left_out.record([(config, data.skipped)]), **beside}
        return run_folder.create(config, labels, runtime, beside)
    folder = run_folder.opened(config.continue_run, config)
    run_folder.check_labels(folder, labels, "photographs" if data.photographs else "labels")
    run_folder.check_processes(folder, runtime)
    if runtime.main:
        folder.sweep()
    return folder


def _introduce(config: Config, runtime: Runtime, data: Data, trainer: Trainer) -> None:
    logger = trainer.logger
    sizes = ", ".join(
        f"{name} {len(s.targets)} lines, {len(s.targets.paths)} images"
        for name, s in data.splits.items()
    )
    if config.stage_of:
        logger.file(f"stage {config.stage_of}")
    logger.info(f"run folder: {trainer.folder.path}")
    logger.info(
        f"device: {describe(runtime.device)}, amp {runtime.amp}, {runtime.world.size} process(es)"
    )
    logger.info(f"data: {sizes}; {trainer.steps} steps an epoch")
    for line in data.photographs.lines() if data.photographs else ():
        logger.info(line)
    if "val" not in data.splits:
        logger.info(f"no val/ split: {LAST_COUNT}")
    elif why := never_known(trainer.task, trainer.monitor, data.splits["val"].targets):
        logger.info(no_metric(trainer.monitor, "cannot be computed", why))
    _introduce_parts(config, trainer)
    if config.schedule == "step" and config.warmup >= config.epochs:
        logger.info(
            f"warm-up of {config.warmup} epochs covers all {config.epochs}: the rate stays at "
            "0.1 of --lr"
        )


def _introduce_parts(config: Config, trainer: Trainer) -> None:
    if frozen := frozen_part(trainer.model, config.freeze):
        trainer.logger.info(str(frozen))
        if not (config.pretrained or config.advprop or config.resume):
            trainer.logger.info(
                "the frozen part has random weights and keeps them: --pretrained or --resume FILE "
                "brings better ones"
            )
    rates = rate_figures(trainer.optimizer)
    if rates.keys() != {"lr"}:
        shown = ", ".join(f"--{name} {rate:g}" for name, rate in rates.items())
        trainer.logger.info(f"learning rates: {shown}")


def _begin(trainer: Trainer, folder: RunFolder, logger: Logger, data: Data) -> None:
    # The main process looks, before it writes: another one could find the file it has just saved.
    if distributed.broadcast_object(trainer.runtime.main and has_begun(folder)):
        trainer.restore()
        trainer.check_restored()
        return
    # A state from before the first step: continuing never needs the files that the weights came
    # from.
    trainer.save()
    if data.skipped and trainer.runtime.main:
        listed = "".join(f"{bad.path}: {bad.reason}\n" for bad in data.skipped)
        write_text(folder.path / "skipped_images.txt", listed, "surrogateescape")
    distributed.barrier()

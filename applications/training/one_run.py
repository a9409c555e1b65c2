"""One training: data, network, loop, and a test of the best weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from applications.evaluation.judging import check_fit
from applications.evaluation.ladders import check_monitor
from applications.evaluation.rules import SAMPLE
from applications.evaluation.scoring import Scorer
from applications.evaluation.validation import LAST_COUNT, never_known, no_metric, untrained
from applications.inputs.data import REPAIR, Data, describe_bad, read_data
from applications.inputs.run_record import alike_record, left_out
from applications.inputs.runtime import Runtime
from applications.inputs.tables.held import held_of, trained_before
from applications.inputs.tables.split_file import SPLIT_FILE, split_table
from applications.inputs.views import image_cache, network_size, train_transform, view_rule
from applications.inputs.weights import start_from, with_resumed_variant
from applications.tasks import TASKS, monitored
from applications.training import run_folder
from applications.training.beginning import began_from
from applications.training.features import keep_features
from applications.training.final_test import test_best
from applications.training.learning_curve import learning_curve
from applications.training.parts import (
    Parts,
    check_names,
    network,
    optimizer_of,
    rates_of,
    training_set,
)
from applications.training.probe import compile_network, with_precision
from applications.training.run_folder import RunFolder, hold
from applications.training.run_state import has_begun
from applications.training.trainer import Trainer
from config import Config
from dataloader.batch import Targets
from dataloader.loader import StepDataset
from models.freezing import frozen_part
from models.quality_net import QualityNet
from utils.files.row_store import Rows
from utils.files.writing import write_text
from utils.runtime import distributed, stopping
from utils.runtime.compiler import check_compiler
from utils.runtime.device import channels_last_helps, describe
from utils.runtime.logger import Logger
from utils.runtime.progress import CountBar
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
    continued = config.continue_run
    if continued is not None:
        hold(Path(continued), runtime)
    # Whether there is a saved state to go on from: every process looks before one of them writes.
    begun = continued is not None and has_begun(run_folder.opened(continued, config))
    config = with_resumed_variant(config)
    check_names(config)
    if config.compile:
        check_compiler(runtime.device)
    data = data or read_data(config, TASKS[config.criterion], runtime)
    check_monitor(monitored(config)[0], data.splits.get("val"))
    check_fit(config.fit, data, config.data)
    _keep_images(config, data, runtime)
    config, runtime = with_precision(config, runtime, data)
    parts = _parts(config, data, runtime, fresh=not begun)
    folder = _open_folder(config, data, runtime, beside or {}, parts.scorer.model)
    logger = Logger(folder.path, runtime.world.rank)
    try:
        trainer = Trainer(config, runtime, parts, folder, logger)
        _introduce(config, runtime, data, trainer)
        if begun:
            trainer.restore()
        else:
            _begin(config, trainer, data)
        stopping.advise(f"go on with --continue {folder.path}")
        _compile(config, runtime, trainer)
        with stopping.deferred():
            kept = keep_features(config, trainer, data) if trainer.cached else {}
            if kept and not trainer.position.updates and "untrained" not in trainer.learned:
                _judge_untrained(config, trainer, data, kept.get("test"))
                trainer.save()
            trainer.fit()
            curve = learning_curve(config, trainer, data, kept) if config.learning_curve else None
        test_best(config, runtime, trainer, data, kept, curve)
    finally:
        logger.close()
    return folder


def _keep_images(config: Config, data: Data, runtime: Runtime) -> None:
    """Into --cache, what the check has not: images of an evaluation that sees another size, and all
    of them with --no_check. ValueError names those that cannot be read.
    """
    cache, bad = image_cache(config), []
    for name, split in data.splits.items() if cache and runtime.main else ():
        rule = train_transform(config).sized if name == "train" else view_rule(config).sized
        bar = CountBar(f"images of {name}")
        bad += cache.keep(split.targets.paths, rule, config.workers, runtime.info, bar.update)
        bar.finish()
    if bad := distributed.broadcast_object(bad):
        raise ValueError(f"{describe_bad(tuple(bad))}\n{REPAIR}")


def _parts(config: Config, data: Data, runtime: Runtime, fresh: bool) -> Parts:
    """fresh: the run begins, so that its network starts from other weights than saved ones."""
    task, split = TASKS[config.criterion], data.splits["train"]
    dataset = training_set(config, data, runtime)
    model = _model(config, data, dataset, runtime, fresh)
    scorer = Scorer(
        model, runtime.device, view_rule(config), config.batch_size, config.workers,
        config.max_pixels, runtime.amp, cache=image_cache(config),
    )  # fmt: skip
    labels = split.targets.all()
    if fresh:
        remark = task.fit_head(model, labels, lambda: _sample_scores(scorer, split.targets))
        if remark:
            runtime.info(remark)
    if config.sync_bn and runtime.world.size > 1:
        model = _synchronised(model, runtime)
        scorer = replace(scorer, model=model)
    val = data.splits["val"].targets if "val" in data.splits else None
    criterion, optimizer = task.criterion(config, labels), optimizer_of(config, model)
    held = held_of(data.splits) if data.drawn else None
    return Parts(scorer, criterion, optimizer, dataset, val, held)


def _model(
    config: Config, data: Data, dataset: StepDataset, runtime: Runtime, fresh: bool
) -> QualityNet:
    seed_step(config.seed, "weights")  # every process starts from the same weights
    # A saved state brings all weights; the files they once came from may be gone.
    imagenet = fresh and (config.pretrained or config.advprop) and not config.resume
    # The main process may be the only one that has them on its disk.
    pretrained = imagenet and runtime.main
    model = network(config, data, dataset, pretrained=pretrained, advprop=config.advprop)
    if imagenet:
        distributed.broadcast_tensors(model.backbone.state_dict().values())
    for line in model.pretrained_report.lines() if model.pretrained_report else ():
        runtime.info(f"ImageNet weights: {line}")
    if config.resume and fresh:
        held = start_from(config, model, runtime).get("held")
        test = None if data.photographs else data.splits.get("test")
        if said := trained_before(held, test):
            runtime.info(said)
    layout = torch.channels_last if channels_last_helps(runtime.device) else torch.preserve_format
    return model.to(runtime.device).to(memory_format=layout)


def _sample_scores(scorer: Scorer, targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    """(positions, scores) of up to CALIBRATION training images, evenly spread over the list."""
    count = min(CALIBRATION, len(targets.paths))
    positions = np.linspace(0, len(targets.paths) - 1, count).astype(np.int64)
    return positions, scorer.predict([targets.paths[i] for i in positions]).scores


def _synchronised(model: QualityNet, runtime: Runtime) -> QualityNet:
    if runtime.device.type == "cpu":
        raise ValueError(
            "--sync_bn: torch synchronises batch norm on accelerators only: leave it out with "
            "--device cpu"
        )
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


def _open_folder(
    config: Config,
    data: Data,
    runtime: Runtime,
    beside: Mapping[str, Any],
    model: QualityNet,
) -> RunFolder:
    labels = data.digests()
    if not config.continue_run:
        if data.photographs:
            beside = {**beside, "photographs.json": data.photographs.to_dict()}
        if data.drawn:
            beside = {**alike_record(config, data.alike), SPLIT_FILE: split_table(data), **beside}
        beside = {**left_out([(config, data.skipped)]), **beside}
        images = {name: len(split.targets.paths) for name, split in data.splits.items()}
        more = {"began_from": began_from(config, model), "images": images}
        return run_folder.create(config, labels, runtime, beside, more)
    folder = run_folder.opened(config.continue_run, config)
    run_folder.check_labels(folder, labels, "photographs" if data.photographs else "labels")
    run_folder.check_processes(folder, runtime)
    if runtime.main:
        folder.sweep()
    return folder


def _begin(config: Config, trainer: Trainer, data: Data) -> None:
    """Saves a state from before the first step: continuing never needs the files that the weights
    came from.
    """
    if not trainer.cached:  # which has features to judge it by, later
        _judge_untrained(config, trainer, data, None)
    trainer.save()
    if data.skipped and trainer.runtime.main:
        listed = "".join(f"{bad.path}: {bad.reason}\n" for bad in data.skipped)
        write_text(trainer.folder.path / "skipped_images.txt", listed, "surrogateescape")
    distributed.barrier()


def _judge_untrained(config: Config, trainer: Trainer, data: Data, features: Rows | None) -> None:
    """How good the network is before its first step, for the verdict. features: of all images of
    the test, where they are kept.
    """
    if "test" not in data.splits:
        return
    labels = data.splits["test"].labels
    lines = np.linspace(0, len(labels) - 1, min(SAMPLE, len(labels))).astype(np.int64)
    some = trainer.task.targets(config, labels.select(lines))
    if features is not None:
        images = labels.images[lines].reshape(-1)
        features = features.take(images[np.sort(np.unique(images, return_index=True)[1])])
    exact = replace(trainer.scorer, amp="off", features=features)  # as the test is
    if before := untrained(exact, trainer.task, some, config.seed):
        trainer.learned["untrained"] = before


def _compile(config: Config, runtime: Runtime, trainer: Trainer) -> None:
    """What --compile asks for, before the first step: an error, or a signal, loses nothing."""
    if trainer.compiled is None:
        return
    shape = (len(trainer.dataset.share(0, 0).indices), *network_size(config))
    at = trainer.position
    ahead = trainer.steps * (config.epochs - at.epoch) - at.step
    said = compile_network(trainer.compiled, shape, runtime.device, runtime.amp, ahead)
    trainer.logger.info(said)


def _introduce(config: Config, runtime: Runtime, data: Data, trainer: Trainer) -> None:
    logger, say = trainer.logger, trainer.logger.info
    sizes = ", ".join(
        f"{name} {len(s.targets)} lines, {len(s.targets.paths)} images"
        for name, s in data.splits.items()
    )
    if config.stage_of:
        logger.file(f"stage {config.stage_of}")
    say(f"run folder: {trainer.folder.path}")
    say(f"device: {describe(runtime.device)}, amp {runtime.amp}, {runtime.world.size} process(es)")
    say(f"data: {sizes}; {trainer.steps} steps an epoch")
    for line in data.photographs.lines() if data.photographs else ():
        say(line)
    if "val" not in data.splits:
        say(f"no val/ split: {LAST_COUNT}")
    elif why := never_known(trainer.task, trainer.monitor, data.splits["val"].targets):
        say(no_metric(trainer.monitor, "cannot be computed", why))
    if frozen := frozen_part(trainer.model, config.freeze):
        say(str(frozen))
        if not (config.pretrained or config.advprop or config.resume):
            say(
                "the frozen part has random weights and keeps them: --pretrained or --resume FILE "
                "brings better ones"
            )
    rates = rates_of(trainer.optimizer)
    if rates.keys() != {"lr"}:
        say("learning rates: " + ", ".join(f"--{name} {rate:g}" for name, rate in rates.items()))
    if config.schedule == "step" and config.warmup >= config.epochs:
        say(
            f"warm-up of {config.warmup} epochs covers all {config.epochs}: the rate stays at "
            "0.1 of --lr"
        )

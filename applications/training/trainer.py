"""The loop: steps, epochs, validation, best weights, and a state that can be saved after any
update.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from applications.evaluation.histograms import mean_labels
from applications.evaluation.scoring import to_input, views_beside
from applications.evaluation.validation import no_metric, validate
from applications.inputs.payload import LEARNED, network_payload, trained_for
from applications.inputs.runtime import Runtime
from applications.tasks import TASKS, is_better, monitored
from applications.training.parts import Parts, rates_of
from applications.training.run_folder import RunFolder
from applications.training.run_state import last_state, settle
from applications.training.training_state import Position, TrainingState, Unread
from config import Config
from dataloader.batch import Batch
from dataloader.loader import LoadFault, StepSampler, batches, make_loader
from dataloader.views.kept_views import FeatureSteps
from models.quality_net import HeadOnly, Prediction
from optim.ema import WeightEMA
from optim.schedule import lr_factor
from utils.drawing.sheet import batch_sheet
from utils.files import checkpoint
from utils.files.reading import read_object
from utils.files.writing import write_bytes
from utils.imaging.images import ImageError
from utils.runtime import distributed, stopping
from utils.runtime.compiler import Compiled
from utils.runtime.device import autocast, grad_scaler
from utils.runtime.logger import Logger
from utils.runtime.progress import Progress, WaitTimer
from utils.runtime.rng_state import seed_step
from utils.statistics.predictions import Predictions

PICTURED = 32  # images of the first batch that are drawn


def gathered(prediction: Prediction) -> Prediction:
    """The predictions of all processes, in the order of ranks; gradients flow back."""
    columns = torch.cat([prediction.scores[:, None], prediction.logits], dim=1)  # (n, 1 + K)
    columns = distributed.gather_with_gradient(columns)
    return Prediction(columns[:, 0], columns[:, 1:])


class Trainer:
    """Trains the network of `parts`, validates it, and keeps `folder` complete after every save."""

    def __init__(
        self, config: Config, runtime: Runtime, parts: Parts, folder: RunFolder, logger: Logger
    ) -> None:
        self.config, self.runtime, self.folder, self.logger = config, runtime, folder, logger
        self.scorer, self.criterion = parts.scorer, parts.criterion
        self.dataset, self.val = parts.dataset, parts.val
        self.plan, self.steps = parts.dataset.plan, parts.dataset.plan.steps()
        self.task = TASKS[config.criterion]
        self.model, self.optimizer = parts.scorer.model, parts.optimizer
        ema = WeightEMA(self.model, config.ema) if config.ema else None
        scaler = grad_scaler(runtime.device, runtime.amp)
        self.state = TrainingState(self.model, ema, self.optimizer, scaler, runtime.device)
        self.cached = config.cache_features is not None  # features go straight into the head
        self.compiled = Compiled(self.model) if config.compile else None
        self.wrapped = self._wrap(
            HeadOnly(self.model) if self.cached else self.compiled or self.model
        )
        self.position = Position()
        self.monitor, self.higher = monitored(config)
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.stored_config = read_object(folder.config)
        self.learned, self.held = mean_labels(self.dataset.targets), parts.held
        alone = runtime.world.size == 1
        self.unread = Unread(self.state, config.print_freq, alone, self._lost)
        self.remarks = ""  # of the last validation: why metrics do not exist
        self._scored: Predictions | None = None  # of val/ by the last validation
        self.of_best: Predictions | None = None  # by the best weights, where they are of this call

    def _wrap(self, model: nn.Module) -> nn.Module:
        if self.runtime.world.size == 1:
            return model
        devices = None if self.runtime.device.type == "cpu" else [self.runtime.device]
        return DistributedDataParallel(model, device_ids=devices)

    # ---- the loop

    def fit(self) -> None:
        """From the present position to the last epoch; raises Stopped after saving when a signal
        asked for it.
        """
        c, at = self.config, self.position
        sampler = StepSampler(self.steps, c.epochs, at.epoch, at.step)
        workers = 0 if self.cached else c.workers
        loader = make_loader(self.dataset, sampler, workers, self.runtime.device)
        wait = WaitTimer()
        shown = Progress(c.epochs, c.print_freq, log=self.logger.file)
        progress = shown if self.runtime.main else None
        with contextlib.closing(batches(loader)) as loaded:
            items = wait.watch(loaded)
            while at.epoch < c.epochs:
                wait.restart()
                if progress:
                    progress.begin(at.epoch, self.steps, at.step)
                try:
                    self._epoch(items, wait, progress)
                    self._end_epoch(wait.share)
                except stopping.GaveUp:  # alone and between updates, all of it can be saved
                    if self.runtime.world.size == 1 and self._updates_at(at.step - 1):
                        self._save_between(learned=False)
                    raise
                finally:
                    if progress:
                        progress.finish()
        if self.val is not None and at.best != at.best:
            said = no_metric(self.monitor, "is nan at every validation", self.remarks)
            self.logger.info(said)

    def _epoch(self, items: Any, wait: WaitTimer, progress: Progress | None) -> None:
        at = self.position
        self.wrapped.train()
        while at.step < self.steps:
            batch = next(items)
            if isinstance(batch, LoadFault):
                raise ImageError(batch.message)
            before, first = at.updates, at.epoch == 0 and at.step == 0
            try:
                rate = self._step(batch)
                updated = self._updates_at(at.step)
                at.step += 1
                seen = progress is not None and progress.looked_at()
                if self.unread.due(at, at.step == self.steps, seen):
                    self.unread.take_in(at)
                if progress:
                    images = len(batch.indices) * self.runtime.world.size
                    progress.update(at.loss_sum / at.lines, rate, images, wait.share)
            finally:  # drawing must not hold up the start, and is wanted where the step fails
                if first and self.runtime.main:
                    self._picture(batch)
            if updated and at.step < self.steps:  # the end of an epoch saves by itself
                self._save_between(at.updates > before)

    def _picture(self, batch: Batch) -> None:
        """first_batch.png: images as the network sees them, with their labels; read again where the
        batch holds features.
        """
        if isinstance(self.dataset, FeatureSteps):
            batch = self.dataset.seen(0, 0)
        images = batch.images[:PICTURED].numpy()
        targets = {name: value.numpy() for name, value in batch.targets.items()}
        captions = self.dataset.targets.captions(targets, len(images))
        write_bytes(self.folder.path / "first_batch.png", batch_sheet(images, captions))

    def _save_between(self, learned: bool) -> None:
        stop = self.runtime.stop_requested()
        every = self.config.save_every
        if stop or (learned and every and self.position.updates % every == 0):
            self.save()
        if stop:
            self.stop()

    def stop(self) -> None:
        """Raises Stopped, when the state is saved."""
        raise self.runtime.stopped(f", state saved{stopping.advice()}")

    def _updates_at(self, step: int) -> bool:
        return (step + 1) % self.config.accumulate == 0 or step + 1 == self.steps

    def _group_lines(self, step: int) -> int:
        """Label lines, over all processes, whose gradients make one update together with those of
        `step`.
        """
        first = step - step % self.config.accumulate
        last = min(first + self.config.accumulate, self.steps)
        return sum(self.plan.step_lines(s) for s in range(first, last))

    def _step(self, batch: Batch) -> float:
        """Learns from a batch, and returns the learning rate; what came of it is left unread."""
        c, at, device = self.config, self.position, self.runtime.device
        seed_step(c.seed, "step", at.epoch, at.step, self.runtime.world.rank)
        rate = self._set_rate(at.epoch + at.step / self.steps)
        targets = {
            name: value.to(device, non_blocking=True) for name, value in batch.targets.items()
        }
        update = self._updates_at(at.step)
        with (
            contextlib.nullcontext()
            if update or not isinstance(self.wrapped, DistributedDataParallel)
            else self.wrapped.no_sync()
        ):
            with autocast(device, self.runtime.amp):
                prediction = self.wrapped(self._input(batch))  # no name keeps it for the way back
            if self.dataset.targets.relational:
                prediction = gathered(prediction)
            loss = self.criterion(prediction, targets)
            # Processes and steps with fewer lines weigh less: the gradient is that of the mean over
            # all lines. A relational loss is that of all lines on every process already, with the
            # gradient of this process's images; the sum of those is wanted, not their mean.
            share = batch.lines * self.runtime.world.size / self._group_lines(at.step)
            scaled = self.state.scaler.scale(loss * share)
            # No gradient of a loss that is not finite is: every process hears of it.
            (scaled * (1 + 0 * loss.detach())).backward()
        gradients = self.state.gradients(c.clip_grad) if update else ([], None)
        self.unread.add(at.step + 1, batch.lines, loss.detach(), *gradients)
        # fp16's scaler may leave an update out: whether it is made has to be known first.
        if update and self.state.scaler.is_enabled() and not self.unread.take_in(at):
            self.state.learn(finite=False)
        elif update:
            self._update()
        return rate

    def _input(self, batch: Batch) -> torch.Tensor:
        device = self.runtime.device
        if self.cached:
            return batch.images.to(device, non_blocking=True)
        return to_input(batch.images, device)

    def _update(self) -> None:
        self.state.learn(finite=True)
        self.position.updates += 1

    def _set_rate(self, epoch: float) -> float:
        c = self.config
        factor = lr_factor(c.schedule, epoch, c.epochs, c.warmup, (c.decay, c.decay_every))
        for group, base in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = base * factor
        return self.optimizer.param_groups[-1]["lr"]  # the head's, where parts have their own

    # ---- the end of an epoch

    def _end_epoch(self, data_wait: float) -> None:
        at = self.position
        self._check_state()
        sums = distributed.reduce_sum(torch.tensor([at.loss_sum, at.lines], dtype=torch.float64))
        rates = rates_of(self.optimizer)
        train = {"loss": float(sums[0] / sums[1]), **rates, "data_wait": data_wait}
        ended = at.epoch + 1
        validated = ended % self.config.eval_every == 0 or ended == self.config.epochs
        val = self._validate() if validated else {}
        at.epoch, at.step, at.loss_sum, at.lines = at.epoch + 1, 0, 0.0, 0
        if validated:
            self._keep_best(val)
        self._log(train, val)
        self._save()
        if self.runtime.stop_requested():
            self.stop()

    def _validate(self) -> dict[str, float]:
        if self.val is None:
            return {}
        try:
            views = views_beside(self.config.batch_size, self.runtime.device)
            scorer = replace(self.scorer, model=self.state.evaluated, batch_size=views)
            values, remarks, self.remarks, self._scored = validate(
                scorer, self.task, self.criterion, self.val, self.logger.once
            )
        except ImageError as error:
            stays = f"the state before it stays in {self.folder.checkpoint}"
            where = f"validation after {self.position.place()}"
            raise ImageError(f"{where}: {error}; {stays}") from None
        for remark in remarks:
            self.logger.info(f"validation: {remark}")
        return values

    def _keep_best(self, val: dict[str, float]) -> None:
        at = self.position
        value = val[self.monitor] if val else float("nan")
        # Without a metric the last weights are the best there are.
        if not is_better(value, at.best, self.higher):
            return
        at.best, at.best_epoch, self.of_best = value, at.epoch, self._scored
        if self.runtime.main:
            weights = {
                "model": self.state.evaluated.state_dict(),
                "metrics": val,
                "epoch": at.epoch,
            }
            checkpoint.save(self.folder.best, {**self._network(), **weights})

    def _log(self, train: dict[str, float], val: dict[str, float]) -> None:
        at = self.position
        self.logger.metrics({"step": at.updates, "epoch": at.epoch, "split": "train", **train})
        if val:
            self.logger.metrics({"step": at.updates, "epoch": at.epoch, "split": "val", **val})
            told = {*self.task.metrics, self.monitor}
            shown = "  ".join(f"{name} {val[name]:.4f}" for name in val if name in told)
            mark = "  best so far" if at.best_epoch == at.epoch and at.best == at.best else ""
            self.logger.info(f"epoch {at.epoch}/{self.config.epochs}  val  {shown}{mark}")

    # ---- state

    def _network(self) -> dict[str, Any]:
        if self.position.updates:
            self.model.heads["quality"].record(self.task.name)
        return network_payload(
            self.stored_config, self.model, self.scorer.view, self.learned, self.held
        )

    def _check_state(self) -> None:
        if fault := self.state.fault():
            raise self._lost(fault, f"the state after {self.position.place()}")

    def _lost(self, what: str, place: str) -> ValueError:
        """What is not finite, where training stood, what is left and what helps."""
        return ValueError(
            f"{what} in {place}: lower --lr, or pass --amp off; the state before it stays in "
            f"{self.folder.checkpoint}"
        )

    def save(self) -> None:
        """The whole state of training, atomically; then the copies that other commands look for.
        ValueError where it is not finite: the state before it stays.
        """
        self.unread.take_in(self.position)
        self._check_state()
        self._save()

    def _save(self) -> None:
        at = self.position
        mine = torch.tensor([[at.loss_sum, at.lines]], dtype=torch.float64)
        sums = distributed.all_gather_rows(mine)  # (processes, 2): each goes on from its own
        if not self.runtime.main:
            return
        payload = {**self._network(), **self.state.to_dict(at, sums)}
        checkpoint.save(self.folder.checkpoint, payload, keep=self.folder.previous)
        if at.updates:
            self.folder.publish()

    def restore(self) -> None:
        """Continues from the folder's checkpoint, on every process; ValueError for one that an
        older version saved after the training had diverged.
        """
        file, payload, damage = last_state(self.folder)
        at = self.position = self.state.restore(payload, file, self.runtime.world.rank)
        self.learned |= {name: payload[name] for name in LEARNED if name in payload}
        self.model.heads["quality"].trained_for = trained_for(payload)
        settle(self.folder, payload, at, self.monitor, self.runtime, self.logger, damage)
        if fault := self.state.fault():
            raise ValueError(
                f"{self.folder.checkpoint}: {fault}: this training had diverged: start a new run, "
                "with a lower --lr, or --amp off"
            )

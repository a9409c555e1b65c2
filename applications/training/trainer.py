"""The loop: steps, epochs, validation, best weights, and a state that can be saved after any
update.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from applications.evaluation.histograms import mean_histogram
from applications.evaluation.scoring import Scorer, to_input
from applications.evaluation.validation import no_metric, validate
from applications.inputs.payload import network_payload, trained_for
from applications.inputs.runtime import Runtime, Stopped
from applications.tasks import TASKS, is_better, monitored
from applications.training.finite import fault_of_state, fault_of_step, lost
from applications.training.first_batch import picture
from applications.training.position import Position
from applications.training.rates import rate_figures
from applications.training.run_folder import RunFolder
from applications.training.run_state import last_state, settle
from applications.training.training_state import restore_state
from config import Config
from dataloader.batch import Batch, Targets
from dataloader.loader import LoadFault, StepDataset, StepSampler, batches, make_loader
from models.quality_net import HeadOnly, Prediction
from optim.ema import WeightEMA
from optim.finite import total
from optim.schedule import lr_factor
from utils.files import checkpoint
from utils.imaging.images import ImageError
from utils.runtime import distributed, stopping
from utils.runtime.device import autocast, grad_scaler, pin_memory
from utils.runtime.logger import Logger
from utils.runtime.progress import Progress, WaitTimer
from utils.runtime.rng_state import rng_state, seed_step


def gathered(prediction: Prediction) -> Prediction:
    """The predictions of all processes, in the order of ranks; gradients flow back."""
    columns = torch.cat([prediction.scores[:, None], prediction.logits], dim=1)  # (n, 1 + K)
    columns = distributed.gather_with_gradient(columns)
    return Prediction(columns[:, 0], columns[:, 1:])


class Trainer:
    """Trains the scorer's network on `dataset`, validates on `val` (or not at all), and keeps
    `folder` complete after every save.
    """

    def __init__(
        self,
        config: Config,
        runtime: Runtime,
        scorer: Scorer,
        criterion: nn.Module,
        optimizer: torch.optim.Optimizer,
        dataset: StepDataset,
        val: Targets | None,
        folder: RunFolder,
        logger: Logger,
    ) -> None:
        self.config, self.runtime, self.folder, self.logger = config, runtime, folder, logger
        self.task = TASKS[config.criterion]
        self.model, self.criterion, self.optimizer = scorer.model, criterion, optimizer
        self.dataset, self.plan, self.steps = dataset, dataset.plan, dataset.plan.steps()
        self.val, self.scorer = val, scorer
        self.ema = WeightEMA(self.model, config.ema) if config.ema else None
        self.scaler = grad_scaler(runtime.device, runtime.amp)
        self.cached = config.cache_features is not None  # features go straight into the head
        self.wrapped = self._wrap(HeadOnly(self.model) if self.cached else self.model)
        self.position = Position()
        self.monitor, self.higher = monitored(config)
        self.base_rates = [group["lr"] for group in optimizer.param_groups]
        self.stored_config = folder.stored_config()
        self.learned = mean_histogram(dataset.targets)
        self.remarks = ""  # of the last validation: why figures do not exist

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
        loader = make_loader(self.dataset, sampler, workers, pin_memory(self.runtime.device))
        wait = WaitTimer()
        progress = Progress(c.epochs, c.print_freq, log=self.logger.file)
        progress = progress if self.runtime.main else None
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
            if at.epoch == 0 and at.step == 0 and self.runtime.main:
                picture(self.dataset, batch, self.folder.path / "first_batch.png")
            before = at.updates
            loss, rate = self._step(batch)
            at.loss_sum += loss * batch.lines
            at.lines += batch.lines
            updated = self._updates_at(at.step)
            at.step += 1
            if progress:
                images = len(batch.indices) * self.runtime.world.size
                progress.update(at.loss_sum / at.lines, rate, images, wait.share)
            if updated and at.step < self.steps:  # the end of an epoch saves by itself
                self._save_between(at.updates > before)

    def _save_between(self, learned: bool) -> None:
        stop = self.runtime.stop_requested()
        every = self.config.save_every
        if stop or (learned and every and self.position.updates % every == 0):
            self.save()
        if stop:
            self.stop()

    def stop(self) -> None:
        """Raises Stopped, when the state is saved."""
        number = self.runtime.stop_signal or 15
        raise Stopped(number, f"stopped by signal {number}, state saved{stopping.advice()}")

    def _updates_at(self, step: int) -> bool:
        return (step + 1) % self.config.accumulate == 0 or step + 1 == self.steps

    def _group_lines(self, step: int) -> int:
        """Label lines, over all processes, whose gradients make one update together with those of
        `step`.
        """
        first = step - step % self.config.accumulate
        last = min(first + self.config.accumulate, self.steps)
        return sum(self.plan.step_lines(s) for s in range(first, last))

    def _step(self, batch: Batch) -> tuple[float, float]:
        c, at, device = self.config, self.position, self.runtime.device
        seed_step(c.seed, "step", at.epoch, at.step, self.runtime.world.rank)
        rate = self._set_rate(at.epoch + at.step / self.steps)
        targets = {
            name: value.to(device, non_blocking=True) for name, value in batch.targets.items()
        }
        inputs = batch.images.to(device) if self.cached else to_input(batch.images, device)
        update = self._updates_at(at.step)
        with (
            contextlib.nullcontext()
            if update or not isinstance(self.wrapped, DistributedDataParallel)
            else self.wrapped.no_sync()
        ):
            with autocast(device, self.runtime.amp):
                prediction = self.wrapped(inputs)
            if self.dataset.targets.relational:
                prediction = gathered(prediction)
            loss = self.criterion(prediction, targets)
            # Processes and steps with fewer lines weigh less: the gradient is that of the mean over
            # all lines. A relational loss is that of all lines on every process already, with the
            # gradient of this process's images; the sum of those is wanted, not their mean.
            share = batch.lines * self.runtime.world.size / self._group_lines(at.step)
            scaled = self.scaler.scale(loss * share)
            # No gradient of a loss that is not finite is: every process hears of it.
            scaled.backward(torch.ones_like(scaled) + 0 * loss.detach())
        read = [loss.detach().float(), *([self._gradients()] if update else [])]
        value, *size = torch.stack(read).cpu().tolist()  # the device is waited for once
        if fault := fault_of_step(
            self.model, at.loss_sum + value, size, self.scaler, self.runtime.world.size == 1
        ):
            raise lost(fault, at.place(at.step + 1), self.folder.checkpoint)
        if update:
            (self._update if math.isfinite(size[0]) else self._leave_out)()
        return value, rate

    def _gradients(self) -> torch.Tensor:
        """Clips them; (), finite only where all of them are."""
        self.scaler.unscale_(self.optimizer)
        learning = [p for p in self.model.parameters() if p.grad is not None]
        if self.config.clip_grad:
            return nn.utils.clip_grad_norm_(learning, self.config.clip_grad)
        return total([p.grad for p in learning])

    def _leave_out(self) -> None:
        """No update of gradients that float16 could not hold: the next ones are scaled less."""
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def _update(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema:
            self.ema.update(self.model)
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
        rates = rate_figures(self.optimizer)
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
            scorer = replace(self.scorer, model=self.evaluated)
            values, remarks, self.remarks = validate(
                scorer, self.task, self.criterion, self.val, self.logger.once
            )
        except ImageError as error:
            stays = f"the state before it stays in {self.folder.checkpoint}"
            where = f"validation after {self.position.place()}"
            raise ImageError(f"{where}: {error}; {stays}") from None
        for remark in remarks:
            self.logger.info(f"validation: {remark}")
        return values

    @property
    def evaluated(self) -> nn.Module:
        """The network that counts: the averaged one where an average is kept."""
        return self.ema.module if self.ema else self.model

    def _keep_best(self, val: dict[str, float]) -> None:
        at = self.position
        value = val[self.monitor] if val else float("nan")
        # Without a figure the last weights are the best there are.
        if not is_better(value, at.best, self.higher):
            return
        at.best, at.best_epoch = value, at.epoch
        if self.runtime.main:
            weights = {"model": self.evaluated.state_dict(), "metrics": val, "epoch": at.epoch}
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
        return network_payload(self.stored_config, self.model, self.scorer.view, self.learned)

    def _check_state(self) -> None:
        if fault := fault_of_state(self.model, self.ema, self.optimizer):
            raise lost(fault, f"the state after {self.position.place()}", self.folder.checkpoint)

    def save(self) -> None:
        """The whole state of training, atomically; then the copies that other commands look for.
        ValueError where it is not finite: the state before it stays.
        """
        self._check_state()
        self._save()

    def _save(self) -> None:
        at = self.position
        mine = torch.tensor([[at.loss_sum, at.lines]], dtype=torch.float64)
        sums = distributed.all_gather_rows(mine)  # (processes, 2): each goes on from its own
        if not self.runtime.main:
            return
        payload = {
            **self._network(),
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict() if self.ema else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "rng": rng_state(self.runtime.device),
            "position": asdict(at),
            "sums": sums,
        }
        checkpoint.save(self.folder.checkpoint, payload, keep=self.folder.previous)
        if at.updates:
            self.folder.publish()

    def restore(self) -> None:
        """Continues from the folder's checkpoint, on every process."""
        file, payload, damage = last_state(self.folder)
        at = self.position = restore_state(
            payload, file, self.model, self.optimizer, ema=self.ema,
            scaler=self.scaler, device=self.runtime.device, rank=self.runtime.world.rank,
        )  # fmt: skip
        self.model.heads["quality"].trained_for = trained_for(payload)
        settle(self.folder, payload, at, self.monitor, self.runtime, self.logger, damage)

    def check_restored(self) -> None:
        """ValueError for a state that an older version saved after the training had diverged."""
        if fault := fault_of_state(self.model, self.ema, self.optimizer):
            raise ValueError(
                f"{self.folder.checkpoint}: {fault}: this training had diverged: start a new run, "
                "with a lower --lr, or --amp off"
            )

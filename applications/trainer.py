"""The loop: steps, epochs, validation, best weights, and a state that can be saved after any
update.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from applications.histograms import mean_histogram
from applications.payload import network_payload
from applications.rates import rate_figures
from applications.run_folder import RunFolder
from applications.runtime import Runtime, Stopped
from applications.scoring import ScoringOptions, score_images, to_input
from applications.tasks import TASKS, is_better, monitored
from applications.validation import judge, no_figure
from config import Config
from dataloader.batch import Batch, Targets
from dataloader.kept_views import FeatureSteps
from dataloader.loader import LoadFault, StepDataset, StepSampler, make_loader
from models.quality_net import HeadOnly, Prediction
from optim.ema import WeightEMA
from optim.schedule import lr_factor
from utils import checkpoint, distributed
from utils.device import autocast, grad_scaler, pin_memory
from utils.images import ImageError
from utils.logger import Logger
from utils.meters import Progress, WaitTimer
from utils.report import batch_sheet
from utils.seed import rng_state, seed_step, set_rng_state

PICTURED = 32  # images of the first batch that are drawn


@dataclass
class Position:
    """Where training stands: the next step of an epoch, updates made, the sums of the epoch so far,
    the best figure.
    """

    epoch: int = 0
    step: int = 0
    updates: int = 0
    loss_sum: float = 0.0
    lines: int = 0
    best: float | None = None
    best_epoch: int | None = None


def gathered(prediction: Prediction) -> Prediction:
    """The predictions of all processes, in the order of ranks; gradients flow back."""
    columns = torch.cat([prediction.scores[:, None], prediction.logits], dim=1)  # (n, 1 + K)
    columns = distributed.gather_with_gradient(columns)
    return Prediction(columns[:, 0], columns[:, 1:])


class Trainer:
    """Trains `model` on `train`, validates on `val` (or not at all), and keeps `folder` complete
    after every save.
    """

    def __init__(
        self,
        config: Config,
        runtime: Runtime,
        model: nn.Module,
        criterion: nn.Module,
        optimizer: torch.optim.Optimizer,
        dataset: StepDataset,
        val: Targets | None,
        options: ScoringOptions,
        folder: RunFolder,
        logger: Logger,
    ) -> None:
        self.config, self.runtime, self.folder, self.logger = config, runtime, folder, logger
        self.task = TASKS[config.criterion]
        self.model, self.criterion, self.optimizer = model, criterion, optimizer
        self.dataset, self.plan, self.steps = dataset, dataset.plan, dataset.plan.steps()
        self.val, self.options = val, options
        self.ema = WeightEMA(model, config.ema) if config.ema else None
        self.scaler = grad_scaler(runtime.device, runtime.amp)
        self.cached = config.cache_features is not None  # features go straight into the head
        self.wrapped = self._wrap(HeadOnly(model) if self.cached else model)
        self.position = Position()
        self.figure, self.direction = monitored(config)
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
        batches = wait.watch(loader)
        progress = (
            Progress(c.epochs, c.print_freq, log=self.logger.file) if self.runtime.main else None
        )
        with contextlib.closing(batches):
            while at.epoch < c.epochs:
                wait.restart()
                if progress:
                    progress.begin(at.epoch, self.steps, at.step)
                self._epoch(batches, wait, progress)
                self._end_epoch(wait.share)
        if self.val is not None and at.best != at.best:
            said = no_figure(self.figure, "is nan at every validation", self.remarks)
            self.logger.info(said)

    def _epoch(self, batches: Any, wait: WaitTimer, progress: Progress | None) -> None:
        at = self.position
        self.wrapped.train()
        while at.step < self.steps:
            batch = next(batches)
            if isinstance(batch, LoadFault):
                raise ImageError(batch.message)
            if at.epoch == 0 and at.step == 0 and self.runtime.main:
                self._picture(batch)
            loss, rate = self._step(batch)
            at.loss_sum += loss * batch.lines
            at.lines += batch.lines
            updated = self._updates_at(at.step)
            at.step += 1
            if progress:
                images = len(batch.indices) * self.runtime.world.size
                progress.update(at.loss_sum / at.lines, rate, images, wait.share)
            if updated and at.step < self.steps:  # the end of an epoch saves by itself
                self._save_between(progress)

    def _save_between(self, progress: Progress | None) -> None:
        stop = self.runtime.stop_requested()
        every = self.config.save_every
        if stop or (every and self.position.updates % every == 0):
            self.save()
        if stop:
            if progress:
                progress.finish()
            self.stop()

    def stop(self) -> None:
        """Raises Stopped, when the state is saved."""
        number = self.runtime.stop_signal or 15
        raise Stopped(
            number,
            f"stopped by signal {number}, state saved: go on with --continue {self.folder.path}",
        )

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
            self.scaler.scale(loss * share).backward()
        value = float(loss.detach())
        if value != value or abs(value) == float("inf"):
            raise ValueError(
                f"the loss is {value} in epoch {at.epoch + 1}, step {at.step + 1}: lower --lr, "
                "or pass --amp off"
            )
        if update:
            self._update()
        return value, rate

    def _update(self) -> None:
        if self.config.clip_grad:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_grad)
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
        sums = distributed.reduce_sum(torch.tensor([at.loss_sum, at.lines], dtype=torch.float64))
        rates = rate_figures(self.optimizer)
        train = {"loss": float(sums[0] / sums[1]), **rates, "data_wait": data_wait}
        validated = (
            at.epoch + 1
        ) % self.config.eval_every == 0 or at.epoch + 1 == self.config.epochs
        val = self._validate() if validated else {}
        at.epoch, at.step, at.loss_sum, at.lines = at.epoch + 1, 0, 0.0, 0
        if validated:
            self._keep_best(val)
        self._log(train, val)
        self.save()
        if self.runtime.stop_requested() and at.epoch < self.config.epochs:
            self.stop()

    def _validate(self) -> dict[str, float]:
        if self.val is None:
            return {}
        # Each process has its own running statistics since the last step; only the main one's are
        # saved, so only those are judged.
        distributed.broadcast_tensors(self.evaluated.buffers())
        found = score_images(self.evaluated, self.val.paths, self.options, self.runtime)
        values, remarks, of_ladders = judge(self.task, self.criterion, self.val, found)
        for remark in remarks:
            self.logger.info(f"validation: {remark}")
        self.remarks = "; ".join((*remarks, *of_ladders))
        return values

    @property
    def evaluated(self) -> nn.Module:
        """The network that counts: the averaged one where an average is kept."""
        return self.ema.module if self.ema else self.model

    def _keep_best(self, val: dict[str, float]) -> None:
        at = self.position
        value = val[self.figure] if val else float("nan")
        # Without a figure the last weights are the best there are.
        if not is_better(value, at.best, self.direction):
            return
        at.best, at.best_epoch = value, at.epoch
        if self.runtime.main:
            payload = {
                **self._network(),
                "model": self.evaluated.state_dict(),
                "metrics": val,
                "epoch": at.epoch,
            }
            checkpoint.save(self.folder.best, payload)

    def _log(self, train: dict[str, float], val: dict[str, float]) -> None:
        at = self.position
        self.logger.metrics({"step": at.updates, "epoch": at.epoch, "split": "train", **train})
        if val:
            self.logger.metrics({"step": at.updates, "epoch": at.epoch, "split": "val", **val})
            told = {*self.task.figures, self.figure}
            shown = "  ".join(f"{name} {val[name]:.4f}" for name in val if name in told)
            mark = "  best so far" if at.best_epoch == at.epoch and at.best == at.best else ""
            self.logger.info(f"epoch {at.epoch}/{self.config.epochs}  val  {shown}{mark}")

    def _picture(self, batch: Batch) -> None:
        if isinstance(self.dataset, FeatureSteps):
            batch = self.dataset.seen(0, 0)
        targets = {name: value.numpy() for name, value in batch.targets.items()}
        count = min(PICTURED, len(batch.images))
        captions = self.dataset.targets.captions(targets, count)
        batch_sheet(batch.images[:count].numpy(), captions, self.folder.path / "first_batch.png")

    # ---- state

    def _network(self) -> dict[str, Any]:
        return network_payload(self.stored_config, self.model, self.options.rule, self.learned)

    def save(self) -> None:
        """The whole state of training, atomically; then the copies that other commands look for."""
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
        checkpoint.save(self.folder.checkpoint, payload)
        if at.updates:
            self.folder.publish()

    def restore(self) -> None:
        """Continues from the folder's checkpoint, on every process."""
        payload = checkpoint.load(self.folder.checkpoint)
        self.model.load_state_dict(payload["model"])
        if self.ema:
            self.ema.load_state_dict(payload["ema"])
        self.optimizer.load_state_dict(payload["optimizer"])
        self.scaler.load_state_dict(payload["scaler"])
        set_rng_state(payload["rng"], self.runtime.device)
        at = self.position = Position(**payload["position"])
        loss_sum, lines = payload["sums"][self.runtime.world.rank].tolist()
        at.loss_sum, at.lines = loss_sum, int(lines)
        self.logger.truncate_after(at.updates)
        self.logger.info(
            f"continuing {self.folder.path} at epoch {at.epoch + 1}, step {at.step + 1}"
        )

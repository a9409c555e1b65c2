"""--learning_curve: would more images help? The same head on kept features of the frozen backbone,
learned from 1/8, 1/4, half and all of the training images, and tested.

Parts of one draw are nested (a draw is an order of the images, or of what pairs and references
link), and there are DRAWS of each but the last. Every head starts alike, takes as many steps as the
run itself, at its rates, and keeps the weights of its best validation. What says whether more would
help is the last doubling: the metric of all images less the mean of the halves', with an interval
from the test images and the draws, both resampled.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from applications.evaluation.evaluation import image_clusters
from applications.evaluation.rules import main_name
from applications.inputs.splits import Data, Split
from applications.reports.parts import Section
from applications.tasks import is_better
from applications.training.parts import optimizer_of
from applications.training.trainer import Trainer
from config import Config
from dataloader.loader import BatchPlan, StepDataset
from dataloader.views.kept_views import FeatureSteps
from models.heads import ScoreHead
from models.quality_net import HeadOnly, QualityNet
from optim.schedule import lr_factor
from utils.drawing.chart import Chart, Line, Points
from utils.files.row_store import Rows
from utils.files.writing import write_text
from utils.runtime.rng_state import seed_step
from utils.runtime.seed import numpy_generator
from utils.statistics.bootstrap import bootstrap, heard
from utils.statistics.metric import HIGHER_IS_BETTER
from utils.statistics.resampled import Floats, Resampled
from utils.text import csv_of

SHARES, DRAWS = (0.125, 0.25, 0.5, 1.0), 3
FEWEST_LINES = 4  # of a part that is learned from
SMALL = 0.02  # a doubling that surely brings less than this hardly helps
FILE = "learning_curve.csv"


@dataclass(frozen=True)
class Curve:
    """rows: (training images, draw from 1, value of `metric`, share) of every head; gain: of the
    last doubling, (value, low, high), nan where there is none; text: what that means.
    """

    metric: str
    rows: Sequence[tuple[int, int, float, float]]
    gain: tuple[float, float, float]
    text: str

    def as_json(self) -> dict[str, Any]:
        """For results.json."""
        gain = dict(zip(("value", "low", "high"), self.gain, strict=True))
        return {"metric": self.metric, "last_doubling": gain, "text": self.text}

    def csv(self) -> str:
        """A row per head."""
        rows = ([count, draw, f"{value:.9g}", of] for count, draw, value, of in self.rows)
        return csv_of([["images", "draw", self.metric, "share"], *rows])

    def section(self) -> Section:
        """For the report."""
        counts, _, values, shares = map(np.array, zip(*self.rows, strict=True))
        known = np.unique(shares)
        steps, means = (np.array([x[shares == s].mean() for s in known]) for x in (counts, values))
        marks = (
            Points(counts.astype(np.float64), values, "one draw"),
            Line(steps, means, "mean of the draws", 1, dots=True),
        )
        chart = Chart("Learning curve", "training images", f"{self.metric}, test", marks)
        return Section("learning_curve", "Would more images help?", self.text, (chart,))


def learning_curve(
    config: Config, trainer: Trainer, data: Data, kept: dict[str, Rows]
) -> Curve | None:
    """Trains the heads, writes learning_curve.csv, and says what follows; None without a test/
    split. All processes call this, and each trains every head. Raises Stopped between two heads.
    """
    if "test" not in data.splits or not isinstance(trainer.dataset, FeatureSteps):
        trainer.logger.info("no test/ split: no learning curve")
        return None
    train, test = data.splits["train"], data.splits["test"]
    labels = test.targets.all()
    clusters, _ = image_clusters(test.targets.versions, test.targets.paths, labels)
    name, found, rows = main_name(labels), {}, []
    for share in SHARES:
        for draw in range(1, 1 + (DRAWS if share < 1 else 1)):
            if trainer.runtime.stop_requested():
                trainer.stop()
            part = _part(config, train, share, draw)
            if len(part) < FEWEST_LINES:
                continue
            net = _learned(config, trainer, data, kept, part)
            scorer = replace(trainer.scorer, model=net, amp="off", features=kept["test"])
            measured = trainer.task.measure(
                labels, scorer.predict(test.targets.paths), clusters
            ).metrics()[name]
            images = len(np.unique(train.labels.images[part]))
            rows.append((images, draw, measured.value, share))
            found.setdefault(share, []).append(measured)
            trainer.logger.info(
                f"learning curve: {images} images, draw {draw}: {name} {measured.value:.4f}"
            )
    gain = _last_doubling(found, clusters, config)
    # Groups of very different sizes make halves that are not: what counts is their mean.
    half, whole = (np.mean([r[0] for r in rows if r[3] == s] or [0]) for s in (0.5, 1.0))
    curve = Curve(name, rows, gain, _words(name, (half, whole), gain, config.bootstrap))
    if trainer.runtime.main:
        write_text(trainer.folder.path / FILE, curve.csv())
    trainer.logger.info(curve.text)
    return curve


def _part(config: Config, split: Split, share: float, draw: int) -> np.ndarray:
    """Lines int64 (n,) of a share of the images, or of what belongs together; those of a larger
    share hold those of a smaller one of the same draw.
    """
    owner, _ = image_clusters(split.targets.versions, split.targets.paths, split.targets.all())
    groups = int(owner.max(initial=-1)) + 1
    order = numpy_generator(config.seed, "learning curve", draw).permutation(groups)
    chosen = np.zeros(groups, dtype=bool)
    chosen[order[: max(1, round(share * groups))]] = True
    ends = split.labels.images.reshape(len(split.labels), -1)
    return np.flatnonzero(chosen[owner[ends]].all(axis=1))


def _learned(
    config: Config, trainer: Trainer, data: Data, kept: dict[str, Rows], part: np.ndarray
) -> QualityNet:
    """The network with a head that has learned from some of the training lines."""
    split, task, runtime = data.splits["train"], trainer.task, trainer.runtime
    labels = split.labels.select(part)
    targets = task.targets(config, labels)
    place = {source: i for i, source in enumerate(split.targets.paths)}
    images = np.array([place[source] for source in targets.paths], dtype=np.int64)
    rows = kept["train"]
    own = Rows(rows.parts, rows.part[images], rows.place[images])
    net = copy.copy(trainer.model)  # with the same backbone, and a head of its own
    net._modules = dict(net._modules)
    seed_step(config.seed, "learning curve")
    before = trainer.model.heads["quality"]
    head = ScoreHead(before.fc.in_features, before.num_classes, config.dropout)
    net.heads = torch.nn.ModuleDict({"quality": head.to(runtime.device)})
    task.fit_head(net, targets.all(), lambda: (np.empty(0, np.int64), np.empty(0)))
    seen = trainer.dataset
    assert isinstance(seen, FeatureSteps)
    plan = BatchPlan(len(targets), config.batch_size, 1, config.seed, targets.groups())
    steps = StepDataset(targets, seen.transform, plan, 0, config.max_pixels)
    _fit(config, trainer, net, FeatureSteps(steps, seen.kept, own), kept.get("val"))
    return net


def _fit(
    config: Config, trainer: Trainer, net: QualityNet, dataset: FeatureSteps, val: Rows | None
) -> None:
    """As many steps as the run has, with a validation where each of its epochs ends."""
    c, device, whole, steps = config, trainer.runtime.device, trainer.steps, dataset.plan.steps()
    criterion = trainer.task.criterion(config, dataset.targets.all()).to(device)
    optimizer, head = optimizer_of(config, net), HeadOnly(net).train()
    rates = [group["lr"] for group in optimizer.param_groups]
    best, kept = float("nan"), None
    for number in range(c.epochs * whole):
        batch = dataset[divmod(number, steps)]
        seed_step(c.seed, "learning curve", number)
        factor = lr_factor(c.schedule, number / whole, c.epochs, c.warmup, (c.decay, c.decay_every))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        targets = {name: value.to(device) for name, value in batch.targets.items()}
        optimizer.zero_grad()
        criterion(head(batch.images.to(device)), targets).backward()
        if c.clip_grad:
            torch.nn.utils.clip_grad_norm_(head.parameters(), c.clip_grad)
        optimizer.step()
        if val is not None and trainer.val is not None and (number + 1) % whole == 0:
            scorer = replace(trainer.scorer, model=net, features=val)
            found = scorer.predict(trainer.val.paths)
            value = trainer.task.measure(trainer.val.all(), found).values()[_monitored(trainer)]
            if kept is None or is_better(value, best, HIGHER_IS_BETTER[_monitored(trainer)]):
                best, kept = value, copy.deepcopy(head.state_dict())
    if kept is not None:
        head.load_state_dict(kept)


def _monitored(trainer: Trainer) -> str:
    """What decides which weights are best, of what a task measures without ladders or a loss."""
    known = trainer.monitor in HIGHER_IS_BETTER and trainer.monitor in trainer.task.metrics
    return trainer.monitor if known and trainer.monitor != "loss" else trainer.task.metrics[0]


# ---- the last doubling


class _Doubling(Resampled):
    """The metric of all images less the mean of the halves', of which as many are drawn."""

    scale = "difference"

    def __init__(self, whole: Resampled, halves: Sequence[Resampled], rng: np.random.Generator):
        self._whole, self._halves, self._rng = whole, halves, rng
        self.images = whole.images

    @property
    def value(self) -> float:
        return self._whole.value - float(np.mean([half.value for half in self._halves]))

    def __call__(self, counts: Floats) -> Floats:
        values = np.stack([half(counts) for half in self._halves], axis=1)  # (B, D)
        if (counts == 1).all():
            return self._whole(counts) - values.mean(axis=1)
        drawn = self._rng.integers(0, values.shape[1], values.shape)
        return self._whole(counts) - np.take_along_axis(values, drawn, axis=1).mean(axis=1)


def _last_doubling(
    found: dict[float, list[Resampled]], clusters: np.ndarray, config: Config
) -> tuple[float, float, float]:
    nothing = (float("nan"),) * 3
    if not {0.5, 1.0} <= found.keys():
        return nothing
    rng = numpy_generator(config.seed, "learning curve")
    doubling = _Doubling(found[1.0][0], found[0.5], rng)
    with heard([]):  # without an interval the sentence says so
        got = bootstrap({"gain": doubling}, clusters, max(config.bootstrap, 1), rng)["gain"]
    return got.value, got.low, got.high


def _words(
    name: str, counts: tuple[float, float], gain: tuple[float, float, float], samples: int
) -> str:
    """counts: training images before the last doubling, and after it."""
    value, low, high = gain
    if not samples:
        return "Learning curve: --bootstrap 0 leaves out the interval that would say what it means."
    if not np.isfinite(gain).all():
        return "Learning curve: too few images for an interval: it does not say whether more help."
    said = (
        f"Learning curve: from {counts[0]:,.0f} to {counts[1]:,.0f} training images {name} changed "
    )
    said += f"by {value:+.3f} [{low:+.3f}, {high:+.3f}] (heads of its own, all trained alike: the "
    said += "last point need not be the result of the run): "
    if low > 0:
        return said + "more images would help; expect less from the next doubling than this."
    if high < SMALL:
        return said + "more images like these would hardly help this frozen backbone."
    return said + "whether more images would help cannot be told from so few test images."

"""What kept features save: epochs of a head on cached features and through the frozen backbone.

    python tests/benchmarks/bench_features.py --arch efficientnet_b0 --size 224

Makes its own photographs and votes, or takes --data DIR (with train/ and val/). The two ways take
turns epoch by epoch, so that other work on the machine hits both alike; each epoch is a whole one
of the training itself, with its validation and its saved state. An epoch without the saving, which
is the same for both, is shown as well.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from applications.evaluation.scoring import Scorer, to_input  # noqa: E402
from applications.inputs.data import Data, read_data  # noqa: E402
from applications.inputs.runtime import Runtime, open_runtime  # noqa: E402
from applications.inputs.views import network_size, view_rule  # noqa: E402
from applications.tasks import TASKS, branches  # noqa: E402
from applications.training import run_folder  # noqa: E402
from applications.training.features import keep_features  # noqa: E402
from applications.training.parts import Parts, optimizer_of, training_set  # noqa: E402
from applications.training.trainer import Trainer  # noqa: E402
from config import Config, parse  # noqa: E402
from models.freezing import freeze  # noqa: E402
from models.quality_net import QualityNet, build_model  # noqa: E402
from utils.runtime.logger import Logger  # noqa: E402
from utils.runtime.rng_state import seed_step  # noqa: E402

BINS = 10


@dataclass
class Way:
    """begun: the head before training; seconds: of each epoch; saving: of these, for its state."""

    trainer: Trainer
    begun: dict[str, torch.Tensor]
    seconds: list[float] = field(default_factory=list)
    saving: list[float] = field(default_factory=list)

    def epoch(self, number: int) -> None:
        """One more epoch."""
        self.trainer.config = replace(self.trainer.config, epochs=number + 1)
        saved = time.perf_counter()
        save = type(self.trainer).save

        def timed() -> None:
            nonlocal saved
            begun = time.perf_counter()
            save(self.trainer)
            saved = time.perf_counter() - begun

        self.trainer.save = timed
        begun = time.perf_counter()
        self.trainer.fit()
        self.seconds.append(time.perf_counter() - begun)
        self.saving.append(saved)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="efficientnet_b0")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--opt", default="adamw")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pretrained", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = flags.data or write_photographs(Path(scratch, "data"), flags.images)
        words = (
            f"--train --criterion emd --data {data} --arch {flags.arch} --image_size {flags.size} "
            f"-b {flags.batch} -j {flags.workers} --opt {flags.opt} --freeze backbone --amp off "
            f"--schedule constant --warmup 0 --no_check --threads 1 --device {flags.device} "
            f"--logdir {scratch}/runs --checkpoints {scratch}/checkpoints"
        ).split() + ["--pretrained"] * flags.pretrained
        compare(parse(words), parse([*words, "--cache_features", f"{scratch}/features"]), flags)


def compare(through: Config, cached: Config, flags: argparse.Namespace) -> None:
    with open_runtime(through) as runtime:
        data = read_data(through, TASKS["emd"], runtime)
        trainers = [training(config, runtime, data) for config in (through, cached)]
        ways = [Way(t, copy.deepcopy(t.model.heads.state_dict())) for t in trainers]
        begun = time.perf_counter()
        keep_features(cached, ways[1].trainer, data)
        print(f"computing the features: {time.perf_counter() - begun:.1f} s")
        for number in range(flags.epochs + 1):
            for way in ways:
                way.epoch(number)
        for way in ways:
            way.trainer.logger.close()
    report(*ways)


def training(config: Config, runtime: Runtime, data: Data) -> Trainer:
    task, targets = TASKS["emd"], data.splits["train"].targets
    seed_step(0)
    classes, size = branches(config, data.splits["train"].labels.bins), network_size(config)
    model = build_model(config.arch, classes, size, config.dropout, config.pretrained)
    dataset = training_set(config, data, runtime)
    if not config.pretrained:
        settle(model, to_input(dataset[0, 0].images, torch.device("cpu")))
    freeze(model, "backbone")
    task.fit_head(model, targets.all(), lambda: None)
    model = model.to(runtime.device)
    folder = run_folder.create(config, data.digests(), runtime, {})
    scorer = Scorer(
        model, runtime.device, view_rule(config), config.batch_size, config.workers,
        config.max_pixels,
    )  # fmt: skip
    val = data.splits["val"].targets if "val" in data.splits else None
    criterion, optimizer = task.criterion(config, targets.all()), optimizer_of(config, model)
    parts = Parts(scorer, criterion, optimizer, dataset, val)
    return Trainer(config, runtime, parts, folder, Logger(folder.path, tensorboard=False))


@torch.no_grad()
def settle(model: QualityNet, images: torch.Tensor) -> None:
    """Gives batch norm the statistics of some images: features of random weights would vanish."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    model.train()(images)


def report(through: Way, cached: Way) -> None:
    """The first epoch warms up."""
    whole = [way.seconds[1:] for way in (through, cached)]
    bare = [
        [s - saved for s, saved in zip(way.seconds[1:], way.saving[1:], strict=True)]
        for way in (through, cached)
    ]
    for title, (slow, quick) in (("whole epochs", whole), ("without saving", bare)):
        ratio = statistics.median(a / b for a, b in zip(slow, quick, strict=True))
        print(
            f"{title}: {statistics.median(slow):.2f} s through the backbone, "
            f"{statistics.median(quick):.3f} s on features, median of {len(slow)} pairs: "
            f"{ratio:.0f} times"
        )
    heads = [way.trainer.model.heads.state_dict() for way in (through, cached)]
    apart, moved = (
        float(torch.stack([(head[n] - heads[1][n]).abs().max() for n in head]).max())
        for head in (heads[0], cached.begun)
    )
    print(f"the two heads differ by {apart:.1e} at most; training moved them by up to {moved:.1e}")


def write_photographs(folder: Path, count: int) -> Path:
    """JPEG files of 480x360 with cloudy colours and grain, and random votes."""
    rng = np.random.default_rng(0)
    for split, images in (("train", count), ("val", count // 5)):
        lines = []
        (folder / split).mkdir(parents=True)
        for number in range(images):
            colours = Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8))
            smooth = np.asarray(colours.resize((480, 360), Image.Resampling.BICUBIC))
            grain = rng.normal(0, rng.uniform(0, 30), smooth.shape)
            pixels = np.clip(smooth + grain, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / split / f"{number}.jpg", quality=90)
            votes = rng.multinomial(200, rng.dirichlet(np.ones(BINS)))
            lines.append(f"{number}.jpg," + ",".join(map(str, votes)))
        (folder / split / "label.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()

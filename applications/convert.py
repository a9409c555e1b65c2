"""--jit and --export: files that other programs run, kept only when they compute what the network
computes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from applications.evaluate import read_judged
from applications.export.base import PROBS, SCORES, About, Deployed, Subject, need
from applications.export.formats import FORMATS
from applications.export.keeping import BATCHES, keep, parts_of
from applications.export.table import Table, Trial
from applications.inputs.data import SPLITS, label_file, stop_or_skip
from applications.inputs.outputs import file_arch
from applications.inputs.run_record import PACKAGES, versions
from applications.inputs.runtime import Runtime
from applications.inputs.splits import Split
from applications.inputs.views import network_size
from applications.inputs.vote_files import vote_file
from applications.inputs.weights import Loaded, load_model
from applications.scorer import scorer_of
from applications.tasks import TASKS
from config import Config
from models.quality_net import QualityNet
from utils.check_images import BadImage, why_unreadable
from utils.data_generate.photos import find_photos
from utils.files.checkpoint import digest
from utils.files.weight_names import files_of
from utils.files.writing import check_apart, check_output
from utils.imaging.image_folders import list_images
from utils.imaging.images import ImageError, ViewRule, read_image, view
from utils.statistics.predictions import Predictions
from utils.text import visible

JIT = "torchscript"


def run(config: Config, runtime: Runtime) -> int:
    """Writes checkpoints/<format>_<arch>.<suffix> of each format (--jit: jit_<arch>.pt, or -o
    FILE), which holds its own description, and the same beside it as .json; ValueError when an
    export computes something else. --export ends with a table of them all, which -o keeps.
    """
    names = config.export.split(",") if config.export else [JIT]
    for name in names:
        kind = FORMATS[name]
        need(f"--export {name}", (*kind.makes, *kind.runs), kind.requirements)
    if runtime.device.type != "cpu":
        runtime.info(
            "the export is traced and compared on the CPU; the file can be loaded on any device"
        )
        runtime = replace(runtime, device=torch.device("cpu"))
    begin = time.perf_counter()
    loaded = load_model(config, runtime)
    startup = time.perf_counter() - begin
    config, model, rule, payload = loaded
    targets = {name: _target(config, name) for name in names}
    for name, target in targets.items():
        for written in parts_of(FORMATS[name], target):
            check_apart(written, files_of(Path(config.resume or "")))
            check_output(written)
    split = _labelled(config, loaded, runtime) if config.export else None
    listed = split.targets.paths if split else _candidates(config)
    images, origin = sample_images(config, rule, runtime, listed)
    outputs = (SCORES, PROBS) if model.num_classes > 1 else (SCORES,)
    subject = Subject(Deployed(model).eval(), images, outputs, rule.own_size)
    about = describe(config, model, payload, rule)
    table, refused = None, []
    for name, target in targets.items():
        described = _described(about, name, subject)
        try:
            worst = keep(FORMATS[name], subject, described, target)
        except ValueError as error:
            refused.append(str(error))
            continue
        runtime.info(
            f"largest difference between the export and the network on {origin}, batches of 1 and "
            f"7: {worst:.2e} (of the largest score, where that is above 1)"
        )
        runtime.info(f"{target} and {target.with_suffix('.json').name}")
        if not config.export:
            continue
        if table is None:
            trial = _trial(config, loaded, runtime, split, images)
            table = Table(trial, Path(config.resume or ""), startup)
        table.add(
            name,
            "fp32",
            parts_of(FORMATS[name], target)[:-1],
            worst,
            partial(FORMATS[name].open, target, torch.get_num_threads()),
        )
    if table:
        print(visible("\n".join(table.lines())))
        if config.output:
            table.write(Path(config.output))
    if refused:
        raise ValueError("\n".join(refused))
    return 0


def _labelled(config: Config, loaded: Loaded, runtime: Runtime) -> Split | None:
    """The split whose labels say what an export is worth; None where there is none."""
    if config.photos or not (vote_file(config) or label_file(config, config.split).exists()):
        return None
    return read_judged(config, runtime, loaded).splits[config.split]


def _trial(
    config: Config, loaded: Loaded, runtime: Runtime, split: Split | None, images: torch.Tensor
) -> Trial:
    """The user's images, with the metric of their labels where there are any."""
    scorer, pixels = scorer_of(config, loaded, runtime.device), images.numpy()
    skip = config.bad_images == "skip"
    if split is None:
        sources = list(_candidates(config, (config.split,)))
        return Trial(scorer, sources, pixels, None, skip)
    task, targets = TASKS[config.criterion], split.targets
    named = ("srcc", *task.metrics)

    def measure(found: Predictions) -> tuple[str, float]:
        values = task.measure(targets.all(), found).values()
        name = next(name for name in named if name in values)
        return name, values[name]

    return Trial(scorer, targets.paths, pixels, measure, skip)


def _target(config: Config, name: str) -> Path:
    if config.jit and config.output:
        return Path(config.output)
    title = "jit" if name == JIT else name
    return Path(config.checkpoints) / f"{title}_{file_arch(config.arch)}{FORMATS[name].suffix}"


def _described(about: About, name: str, subject: Subject) -> About:
    """With what kind of export the file is; that of TorchScript is as older clients know it."""
    if name == JIT:
        return about
    outputs = [f"{SCORES} (N,)", f"{PROBS} (N,K)"][: len(subject.names)]
    return {**about, "export": name, "outputs": outputs}


def sample_images(
    config: Config, rule: ViewRule, runtime: Runtime, listed: Iterable[Path]
) -> tuple[torch.Tensor, str]:
    """(float (7,3,H,W) in [0,1], what they are): the first of the listed images, or drawn ones
    where there are none.
    """
    count = max(BATCHES)
    size = tuple(rule.crop_size or network_size(config))
    fixed = replace(rule, resize="squash", image_size=size) if rule.own_size else rule
    source = config.labels or config.photos or config.data
    images = _first_readable(config, listed, count, runtime)
    if not images:
        return _drawn(count, size), f"{count} drawn images ({source} has none)"
    views = [view(image, fixed)[0] for image in images]
    pixels = torch.from_numpy(np.stack(views)).float() / 255
    # Of fewer files than `count` the same ones, mirrored in turn.
    repeated = torch.cat([pixels.flip(3) if i % 2 else pixels for i in range(count)])[:count]
    return repeated, f"{len(images)} images of {source}"


def _candidates(config: Config, splits: Iterable[str] = SPLITS[::-1]) -> Iterator[Path]:
    if config.photos:
        yield from find_photos(Path(config.photos))
        return
    folders = (Path(config.data) / split for split in splits)
    for folder in folders:
        yield from list_images(folder, None) if folder.is_dir() else ()


def _first_readable(
    config: Config, paths: Iterable[Path], count: int, runtime: Runtime
) -> list[Image.Image]:
    """`count` images at most; those that cannot be read are named, and others take their place with
    --bad_images skip.
    """
    images, bad = [], []
    for path in paths:
        try:
            images.append(read_image(path, config.max_pixels))
        except (ImageError, MemoryError) as error:
            bad.append(BadImage(path, why_unreadable(error)))
        if len(images) + (len(bad) if config.bad_images == "stop" else 0) == count:
            break
    stop_or_skip(config, tuple(bad), runtime)
    return images


def _drawn(count: int, size: tuple[int, ...]) -> torch.Tensor:
    """Soft gradients with edges and grain: closer to a photograph than white noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : size[0], 0 : size[1]] / max(size)
    images = []
    for i in range(count):
        base = np.stack([np.sin((i + 2) * x + c) * np.cos((c + 2) * y + i) for c in range(3)])
        edges = (np.sin(20 * x + i) > 0.3) * 0.4
        images.append(np.clip(0.5 + 0.3 * base + edges + rng.normal(0, 0.05, base.shape), 0, 1))
    return torch.from_numpy(np.stack(images)).float()


def describe(
    config: Config, model: QualityNet, payload: dict[str, Any], rule: ViewRule
) -> dict[str, Any]:
    """Everything a client needs to use the file, in built-in types."""
    head, bins = model.heads["quality"], model.num_classes
    return {
        "format": 1,
        "task": config.criterion,
        "arch": config.arch,
        "num_classes": bins,
        "input": "float32 (N,3,H,W), RGB in [0,1], any batch size",
        "input_size": list(rule.crop_size or network_size(config)),
        "outputs": ["scores (N,)"] + (["histogram (N,K)"] if bins > 1 else []),
        "view": rule.to_dict(),
        "max_pixels": config.max_pixels,
        "score_range": [1.0, float(bins)] if bins > 1 else [None, None],
        "score_units": TASKS[config.criterion].units,
        "head": {} if bins > 1 else {"offset": float(head.offset), "scale": float(head.scale)},
        "metrics": {k: v for k, v in (payload.get("metrics") or {}).items() if v == v},
        "versions": versions(PACKAGES),
        "weights_sha256": digest(model.state_dict()),
    }

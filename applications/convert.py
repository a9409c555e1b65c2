"""--jit and --export: files that other programs run, kept only when they compute what the network
computes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter

from applications.evaluate import read_judged
from applications.export.base import (
    PROBS,
    SCORES,
    TOLERANCE,
    About,
    Deployed,
    Subject,
    need,
    need_programs,
)
from applications.export.formats import FORMATS
from applications.export.keeping import BATCHES, keep, parts_of
from applications.export.table import Table, Trial
from applications.export.whole import WholeImage, can_be_whole
from applications.export.whole_scorer import TOLERANCE as WHOLE_TOLERANCE
from applications.export.whole_scorer import (
    decoded_in_full,
    odd_images,
    tried_images,
    whole_difference,
)
from applications.inputs.data import SPLITS, label_file, stop_or_skip
from applications.inputs.outputs import file_arch
from applications.inputs.run_record import PACKAGES, versions
from applications.inputs.runtime import Runtime
from applications.inputs.splits import Split
from applications.inputs.views import network_size
from applications.inputs.vote_files import vote_file
from applications.inputs.weights import Loaded, load_model
from applications.scorer import scorer_of
from applications.scoring.rows import number_columns
from applications.tasks import TASKS
from config import Config
from dataloader.sources import Source, open_source
from models.quality_net import QualityNet
from utils.check_images import BadImage, why_unreadable
from utils.data_generate.photos import find_photos
from utils.files.checkpoint import digest
from utils.files.weight_names import files_of
from utils.files.writing import check_apart, check_output
from utils.imaging.image_folders import HEIC_EXTENSIONS, READABLE_EXTENSIONS, list_images
from utils.imaging.images import ImageError, ViewRule, read_image, view
from utils.statistics.predictions import Predictions
from utils.text import visible

JIT = "torchscript"
CALIBRATION = 64  # images that numbers of 8 bits are chosen by
DRAWN = (480, 640)


def run(config: Config, runtime: Runtime) -> int:
    """Writes checkpoints/<format>_<arch>.<suffix> of each format (--jit: jit_<arch>.pt, or -o
    FILE), which holds its own description, and the same beside it as .json; ValueError when an
    export computes something else. --export ends with a table of them all, which -o keeps.
    """
    jobs = _jobs(config)
    if runtime.device.type != "cpu":
        runtime.info(
            "the export is traced and compared on the CPU; the file can be loaded on any device"
        )
        runtime = replace(runtime, device=torch.device("cpu"))
    loaded = load_model(config, runtime)
    config, model, rule, payload = loaded
    targets = [_target(config, name, precision) for name, precision in jobs]
    for (name, _), target in zip(jobs, targets, strict=True):
        for written in parts_of(FORMATS[name], target):
            check_apart(written, files_of(Path(config.resume or "")))
            check_output(written, folder=written.is_dir())
    split = _labelled(config, loaded, runtime) if config.export else None
    pictures, origin = sample_pictures(config, runtime, split)
    table = None
    if config.export:  # before anything is written: all images are looked at
        trial = _trial(config, loaded, runtime, split, pictures)
        table = Table(trial, Path(config.resume or ""))
    sources = table.trial.sources if table else ()
    subject = _subject(config, loaded, pictures, sources)
    about = describe(config, model, payload, rule)
    odd, ours = [], None
    if config.whole and table:
        odd = odd_images(pictures)
        ours = table.trial.scorer.predict_readable(odd, False)[0]
    if rule.decode == "fast":
        runtime.info(decoded_in_full(table.trial.scorer if table else None, sources))
    refused = []
    for (name, precision), target in zip(jobs, targets, strict=True):
        kind, differ, tolerance = FORMATS[name], None, TOLERANCE
        if ours:
            differ = partial(whole_difference, images=odd, ours=ours)
            tolerance = WHOLE_TOLERANCE
        elif precision != "fp32":
            tolerance = math.inf  # the table says what it costs
        try:
            worst = keep(
                kind, subject, _described(about, name, precision, config), target, precision,
                differ, tolerance,
            )  # fmt: skip
        except ValueError as error:
            refused.append(str(error))
            continue
        on = f"{origin}, batches of 1 and 7"
        if config.whole:
            on = f"{len(odd)} images of odd sizes made of {origin}"
        runtime.info(
            f"{target}: not compared with the network: needs {kind.elsewhere}"
            if kind.elsewhere
            else f"largest difference between the export and the network on {on}: {worst:.2e} "
            "(of the largest score, where that is above 1)"
        )
        runtime.info(f"{target} and {target.with_suffix('.json').name}")
        if table is None:
            continue
        files, threads = parts_of(kind, target)[:-1], torch.get_num_threads()
        opened = partial(kind.open, target, threads)
        row = table.add(name, precision, files, worst, opened, kind.elsewhere)
        if lost := row.lost():
            runtime.info(f"{target}: {lost}")
    if table and len(table.rows) > 1:  # beside the network's
        print(visible("\n".join(table.lines())))
        if config.output:
            table.write(Path(config.output))
    if refused:
        raise ValueError("\n".join(refused))
    return 0


def _jobs(config: Config) -> list[tuple[str, str]]:
    """(format, precision) of each file; ValueError for one that cannot be made, or not here."""
    if not config.export:
        return [(JIT, "fp32")]
    jobs = list(product(config.export.split(","), config.precision.split(",")))
    for name, precision in jobs:
        kind = FORMATS[name]
        for flag, able in (
            (
                f"--precision {precision}",
                [n for n, f in FORMATS.items() if precision in f.precisions],
            ),
            ("--whole", [n for n, f in FORMATS.items() if f.whole or not config.whole]),
        ):
            if name not in able:
                raise ValueError(f"--export {name}: {flag}: only with {', '.join(able)}")
        packages = (*kind.makes, *kind.runs, *(kind.quantises if precision == "int8" else ()))
        need(f"--export {name}", packages, kind.requirements)
        need_programs(f"--export {name}", kind.programs)
    return jobs


def _subject(
    config: Config, loaded: Loaded, pictures: list[Image.Image], sources: Sequence[Source]
) -> Subject:
    """sources: those of the user's images that can be read."""
    model, rule = loaded.model, loaded.view
    outputs = (SCORES, PROBS) if model.num_classes > 1 else (SCORES,)
    network = Deployed(model).eval()
    if config.whole:
        image = torch.from_numpy(np.array(pictures[0]))
        return Subject(WholeImage(network, rule).eval(), image, outputs, whole=True)

    if "int8" in config.precision.split(",") and not sources:
        raise ValueError(
            "--precision int8 is chosen on images: pass --data, --labels or --photos with some"
        )

    def calibration() -> torch.Tensor:
        chosen = sources[:: max(1, len(sources) // CALIBRATION)][:CALIBRATION]
        images = [open_source(source, config.max_pixels, rule) for source in chosen]
        return as_pixels(config, rule, images, len(images))

    pixels = as_pixels(config, rule, pictures, max(BATCHES))
    decoded = None
    if can_be_whole(rule):
        tried = tried_images(pictures[0], tuple(rule.crop_size or network_size(config)))
        decoded = WholeImage(network, rule).eval(), tried
    return Subject(
        network, pixels, outputs, rule.own_size, decoded=decoded, calibration=calibration
    )


def _labelled(config: Config, loaded: Loaded, runtime: Runtime) -> Split | None:
    """The split whose labels say what an export is worth; None where there is none."""
    if config.photos or not (vote_file(config) or label_file(config, config.split).exists()):
        return None
    return read_judged(config, runtime, loaded).splits[config.split]


def _trial(
    config: Config,
    loaded: Loaded,
    runtime: Runtime,
    split: Split | None,
    pictures: list[Image.Image],
) -> Trial:
    """The user's images, with the metric of their labels where there are any."""
    scorer, image = scorer_of(config, loaded, runtime.device), np.array(pictures[0])
    pixels = as_pixels(config, loaded.view, pictures, max(BATCHES)).numpy()
    skip = config.bad_images == "skip"
    if split is None:
        sources = list(_candidates(config, (config.split,)))
        return Trial(scorer, sources, pixels, image, None, skip)
    task, targets = TASKS[config.criterion], split.targets
    named = ("srcc", *task.metrics)

    def measure(found: Predictions) -> tuple[str, float]:
        values = task.measure(targets.all(), found).values()
        name = next(name for name in named if name in values)
        return name, values[name]

    return Trial(scorer, targets.paths, pixels, image, measure, skip)


def _target(config: Config, name: str, precision: str) -> Path:
    if config.jit and config.output:
        return Path(config.output)
    title = "jit" if name == JIT else name
    how = ("_whole" if config.whole else "") + ("" if precision == "fp32" else f"_{precision}")
    file = f"{title}_{file_arch(config.arch)}{how}{FORMATS[name].suffix}"
    return Path(config.checkpoints) / file


def _described(about: About, name: str, precision: str, config: Config) -> About:
    """With what kind of export the file is; that of TorchScript is as older clients know it."""
    if name == JIT:
        return about
    outputs = [f"{SCORES} (N,)", f"{PROBS} (N,K)"][: 1 + (about["num_classes"] > 1)]
    more = {"export": name, "precision": precision, "whole": config.whole, "outputs": outputs}
    if config.whole:
        more["input"] = "uint8 (H,W,3), RGB, upright, any size"
    return {**about, **more}


def sample_pictures(
    config: Config, runtime: Runtime, split: Split | None
) -> tuple[list[Image.Image], str]:
    """(at most 7 images, what they are): the first that can be read of the split, of --photos, or
    of the data root; or drawn ones where there are none.
    """
    listed = split.targets.paths if split else _candidates(config)
    source, count = config.labels or config.photos or config.data, max(BATCHES)
    images = _first_readable(config, listed, count, runtime)
    if images:
        return images, f"{len(images)} images of {source}"
    return _drawn(count), f"{count} drawn images ({source} has none)"


def as_pixels(
    config: Config, rule: ViewRule, images: list[Image.Image], count: int
) -> torch.Tensor:
    """Float (count,3,H,W) in [0,1]: the first view of each image; of fewer images than `count` the
    same ones, mirrored in turn.
    """
    size = tuple(rule.crop_size or network_size(config))
    fixed = replace(rule, resize="squash", image_size=size) if rule.own_size else rule
    pixels = torch.from_numpy(np.stack([view(image, fixed)[0] for image in images])).float() / 255
    return torch.cat([pixels.flip(3) if i % 2 else pixels for i in range(count)])[:count]


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


def drawn_pixels(config: Config, rule: ViewRule) -> torch.Tensor:
    """Float (7,3,H,W) in [0,1] of drawn images."""
    return as_pixels(config, rule, _drawn(max(BATCHES)), max(BATCHES))


def _drawn(count: int) -> list[Image.Image]:
    """Soft gradients with edges, of falling contrast, noisy or blurred: judges tell them apart."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : DRAWN[0], 0 : DRAWN[1]] / max(DRAWN)
    images = []
    for i in range(count):
        base = np.stack([np.sin((i + 2) * x + c) * np.cos((c + 2) * y + i) for c in range(3)], 2)
        edges = (np.sin(20 * x + i) > 0.3)[..., None]
        grain, blur = ((0.02, 0), (0.05, 2), (0.25, 0), (0.05, 5))[i % 4]
        light = 0.5 + (1 - i / count) * (0.3 * base + 0.4 * edges)
        light = (light + rng.normal(0, grain, base.shape)).clip(0, 1)
        drawn = Image.fromarray((255 * light).astype(np.uint8))
        images.append(drawn.filter(ImageFilter.GaussianBlur(blur)))
    return images


def describe(
    config: Config, model: QualityNet, payload: dict[str, Any], rule: ViewRule
) -> dict[str, Any]:
    """Everything a client needs to use the file, in built-in types."""
    head, bins = model.heads["quality"], model.num_classes
    meaning = {"score_meaning": payload["about"]} if payload.get("about") else {}
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
        "suffixes": sorted(READABLE_EXTENSIONS - HEIC_EXTENSIONS),
        "columns": ["path", *number_columns(bins), "error"],
        "score_range": [1.0, float(bins)] if bins > 1 else [None, None],
        "score_units": TASKS[config.criterion].units,
        **meaning,
        "head": {} if bins > 1 else {"offset": float(head.offset), "scale": float(head.scale)},
        "metrics": {k: v for k, v in (payload.get("metrics") or {}).items() if v == v},
        "versions": versions(PACKAGES),
        "weights_sha256": digest(model.state_dict()),
    }

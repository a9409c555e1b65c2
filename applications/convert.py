"""--jit and --export: files that other programs run, kept only when they compute what the network
computes.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from applications.export.base import PROBS, SCORES, About, Artefact, Deployed, Format, Subject, need
from applications.export.formats import FORMATS
from applications.inputs.data import SPLITS, stop_or_skip
from applications.inputs.outputs import file_arch
from applications.inputs.run_record import PACKAGES, versions
from applications.inputs.runtime import Runtime
from applications.inputs.views import network_size
from applications.inputs.weights import load_model
from applications.tasks import TASKS
from config import Config
from models.quality_net import QualityNet
from utils.check_images import BadImage, why_unreadable
from utils.data_generate.photos import find_photos
from utils.files.checkpoint import digest
from utils.files.weight_names import files_of
from utils.files.writing import check_apart, check_output, write_atomic, write_json
from utils.imaging.image_folders import list_images
from utils.imaging.images import ImageError, ViewRule, read_image, view

BATCHES = (1, 7)
JIT = "torchscript"


def run(config: Config, runtime: Runtime) -> int:
    """Writes checkpoints/<format>_<arch>.<suffix> of each format (--jit: jit_<arch>.pt, or -o
    FILE), which holds its own description, and the same beside it as .json; ValueError when an
    export computes something else.
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
    config, model, rule, payload = load_model(config, runtime)
    targets = [_target(config, name) for name in names]
    for target in targets:
        for written in (target, target.with_suffix(".json")):
            check_apart(written, files_of(Path(config.resume or "")))
            check_output(written)
    images, origin = sample_images(config, rule, runtime)
    outputs = (SCORES, PROBS) if model.num_classes > 1 else (SCORES,)
    subject = Subject(Deployed(model).eval(), images, outputs, rule.own_size)
    about = describe(config, model, payload, rule)
    refused = []
    for name, target in zip(names, targets, strict=True):
        try:
            worst = keep(FORMATS[name], subject, _described(about, name, subject), target)
        except ValueError as error:
            refused.append(str(error))
            continue
        runtime.info(
            f"largest difference between the export and the network on {origin}, batches of 1 and "
            f"7: {worst:.2e} (of the largest score, where that is above 1)"
        )
        runtime.info(f"{target} and {target.with_suffix('.json').name}")
    if refused:
        raise ValueError("\n".join(refused))
    return 0


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


def keep(kind: Format, subject: Subject, about: About, target: Path) -> float:
    """Makes the file, runs it from the disk, and puts it in its place with a .json beside it where
    it computes what the network computes; the largest difference. ValueError otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="export_") as folder:
        made = Path(folder) / target.name
        kind.make(subject, about, made)
        worst = compare(subject, kind.open(made, None))
        if not worst <= kind.tolerance:
            raise ValueError(
                f"{target}: not kept: it differs from the network by {worst:.2e}, more than "
                f"{kind.tolerance:g}"
            )
        for suffix in (*kind.beside, kind.suffix):
            with open(made.with_suffix(suffix), "rb") as source:
                write_atomic(
                    target.with_suffix(suffix), lambda file: shutil.copyfileobj(source, file)
                )
        sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
    # Last: a call that is killed here leaves a .json of an older export, but the file itself says
    # all that a client needs.
    write_json(target.with_suffix(".json"), {**about, "file_sha256": sha256})
    return worst


@torch.inference_mode()
def compare(subject: Subject, export: Artefact) -> float:
    """Largest difference of any output between the export and the network, as a share of the
    largest value of that output where it is above 1; nan where either answers with one.
    """
    found = []
    for size in BATCHES:
        pixels = subject.images[:size]
        ours, theirs = subject.network(pixels), export.run(pixels.numpy())
        ours = ours if isinstance(ours, tuple) else (ours,)
        for name, value in zip(subject.names, ours, strict=True):
            other = torch.from_numpy(np.asarray(theirs[name]))
            found.append((value - other).abs().max() / value.abs().max().clamp(min=1))
    return float(torch.stack(found).max())  # nan where any is: max(0.0, nan) would be 0


def sample_images(config: Config, rule: ViewRule, runtime: Runtime) -> tuple[torch.Tensor, str]:
    """(float (7,3,H,W) in [0,1], what they are): images of --photos, else of the data root, or
    drawn ones where it has none.
    """
    count = max(BATCHES)
    size = tuple(rule.crop_size or network_size(config))
    fixed = replace(rule, resize="squash", image_size=size) if rule.own_size else rule
    source = config.photos or config.data
    images = _first_readable(config, _candidates(config), count, runtime)
    if not images:
        return _drawn(count, size), f"{count} drawn images ({source} has none)"
    views = [view(image, fixed)[0] for image in images]
    pixels = torch.from_numpy(np.stack(views)).float() / 255
    # Of fewer files than `count` the same ones, mirrored in turn.
    repeated = torch.cat([pixels.flip(3) if i % 2 else pixels for i in range(count)])[:count]
    return repeated, f"{len(images)} images of {source}"


def _candidates(config: Config) -> Iterator[Path]:
    if config.photos:
        yield from find_photos(Path(config.photos))
        return
    folders = (Path(config.data) / split for split in reversed(SPLITS))
    for folder in folders:
        yield from list_images(folder, None) if folder.is_dir() else ()


def _first_readable(
    config: Config, paths: Iterator[Path], count: int, runtime: Runtime
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

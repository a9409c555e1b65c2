"""--jit: TorchScript of the weights, kept only when it computes what the network computes."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

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

TOLERANCE = 1e-5  # times the largest score, where that is above 1: float32 has no more digits
BATCHES = (1, 7)
ABOUT = "about.json"  # among torch.jit's extra files


class Deployed(nn.Module):
    """pixels (N,3,H,W) in [0,1] -> scores (N,), and the histograms (N,K) where the head has K > 1
    branches.
    """

    def __init__(self, model: QualityNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> Any:
        prediction = self.model(pixels)
        if self.model.num_classes == 1:
            return prediction.scores
        return prediction.scores, torch.softmax(prediction.logits, dim=1)


def run(config: Config, runtime: Runtime) -> int:
    """Writes checkpoints/jit_<arch>.pt (or -o FILE), which holds its own description, and the same
    beside it as .json; ValueError when the artefact computes something else.
    """
    if runtime.device.type != "cpu":
        runtime.info(
            "the export is traced and compared on the CPU; the file can be loaded on any device"
        )
        runtime = replace(runtime, device=torch.device("cpu"))
    config, model, rule, payload = load_model(config, runtime)
    target = Path(config.output or Path(config.checkpoints) / f"jit_{file_arch(config.arch)}.pt")
    for written in (target, target.with_suffix(".json")):
        check_apart(written, files_of(Path(config.resume or "")))
        check_output(written)
    images, origin = sample_images(config, rule, runtime)
    network = Deployed(model).eval()
    facts = describe(config, model, payload, rule)
    data = trace(network, images, facts)
    worst = compare(network, data, images)
    runtime.info(
        f"largest difference between the export and the network on {origin}, batches of 1 and 7: "
        f"{worst:.2e} (of the largest score, where that is above 1)"
    )
    if not worst <= TOLERANCE:
        raise ValueError(
            f"{target}: not kept: it differs from the network by {worst:.2e}, more than "
            f"{TOLERANCE:g}"
        )
    write_atomic(target, lambda file: file.write(data))
    # Last: a call that is killed here leaves a .json of an older export, but the file itself says
    # all that a client needs.
    facts["file_sha256"] = hashlib.sha256(data).hexdigest()
    write_json(target.with_suffix(".json"), facts)
    runtime.info(f"{target} and {target.with_suffix('.json').name}")
    return 0


def trace(network: nn.Module, images: torch.Tensor, facts: dict[str, Any] | None = None) -> bytes:
    """TorchScript: a frozen trace of the network, with `facts` as JSON inside; torch's notices that
    it is deprecated are known and kept quiet.
    """
    inside = {ABOUT: json.dumps(facts, indent=2, ensure_ascii=False)}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        script = torch.jit.trace(network, images[:2], check_trace=False)
        made = io.BytesIO()  # written by torch itself, a full disk ends in frames of C++
        torch.jit.save(torch.jit.freeze(script), made, _extra_files=inside)
    return made.getvalue()


@torch.inference_mode()
def compare(network: nn.Module, export: bytes, images: torch.Tensor) -> float:
    """Largest difference of any output between the export and the network, as a share of the
    largest value of that output where it is above 1; nan where either answers with one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.load(io.BytesIO(export), map_location="cpu")
        found = []
        for size in BATCHES:
            ours, theirs = _outputs(network(images[:size])), _outputs(script(images[:size]))
            found += [
                (a - b).abs().max() / a.abs().max().clamp(min=1)
                for a, b in zip(ours, theirs, strict=True)
            ]
    return float(torch.stack(found).max())  # nan where any is: max(0.0, nan) would be 0


def _outputs(value: Any) -> tuple[torch.Tensor, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


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

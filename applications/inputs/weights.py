"""Weights of a file into a network, and the settings they were trained with into the
configuration.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from applications.inputs.payload import check_payload, trained_for
from applications.inputs.runtime import Runtime
from applications.inputs.views import loaded_view, network_size
from applications.tasks import TASKS
from config import Config, make_config
from models.quality_net import QualityNet, build_model
from models.registry import canonical_name, resolve
from models.sizes import check_native
from models.trained_weights import load_weights
from models.weight_files import named_tensors
from utils.files.checkpoint import is_checkpoint, verified
from utils.files.model_folder import read_folder
from utils.files.tensor_files import CheckpointError, load_tensors
from utils.files.weight_names import find_weights, is_model_folder
from utils.imaging.view_rule import ViewRule

# What a network needs to be used as it was trained; a flag that was given wins.
ADOPTED = (
    "arch", "num_classes", "criterion", "image_size", "resize", "interpolation", "crop",
    "crop_size", "crop_from", "test_crops", "crop_pool", "crop_seed", "margin", "bucket_width",
    "loss", "advprop", "decode",
    # Which images were held out: another draw would test on those of the training.
    "seed", "split_seed", "val_photos", "test_photos", "val_size", "train_size", "test_list",
)  # fmt: skip

LARGE = ("model", "ema", "optimizer")


def open_weights(path: str) -> tuple[Path, dict[str, Any]]:
    """(file or model folder, payload) of --resume; a plain state dict of other origin becomes
    {"model": ...}.
    """
    file = find_weights(path)
    if is_model_folder(file):
        payload = read_folder(file)
    else:
        content = load_tensors(file)
        if not is_checkpoint(content):
            return file, {"model": named_tensors(content, file)}
        payload = verified(content, file)
    try:
        check_payload(payload, ADOPTED)
    except ValueError as error:
        raise CheckpointError(f"{file}: {error}") from None
    return file, payload


def weights_of(payload: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The weights that were evaluated: the average where one was kept."""
    return payload["ema"]["module"] if payload.get("ema") else payload["model"]


def adopt(config: Config, payload: dict[str, Any]) -> Config:
    """The configuration with the weights' own settings wherever no flag was given."""
    stored = payload.get("config")
    if not stored:
        return config
    if "arch" in config.given and canonical_name(config.arch) != canonical_name(stored["arch"]):
        raise ValueError(
            f"--arch {config.arch}: the weights are of {stored['arch']}: leave --arch out or "
            "use other weights"
        )
    taken = {name: stored[name] for name in ADOPTED if name not in config.given and name in stored}
    if {"image_size", "resize", "crop", "crop_from"} & config.given:
        # A size that was asked for replaces the whole training view, not half of it.
        for name in ("crop", "crop_size", "crop_from", "test_crops", "crop_seed"):
            taken.pop(name, None)
        if taken.get("resize") == "native":
            taken.pop("resize")
    if config.test_crops == 0 and "test_crops" in config.given:
        taken.pop("crop_seed", None)  # there is no crop left to place
    if "num_classes" in taken and taken["num_classes"] is None:
        taken["num_classes"] = payload.get("num_classes")
    taken = {name: value for name, value in taken.items() if value is not None}
    stored = make_config(taken)
    values = {name: getattr(stored, name) for name in taken}
    return dataclasses.replace(config, **values, adopted=frozenset(taken))


class Loaded(NamedTuple):
    """A network as it is used: with the settings and the view of its weights, wherever no flag says
    otherwise. payload: what the file holds beside the tensors.
    """

    config: Config
    model: QualityNet
    view: ViewRule
    payload: dict[str, Any]


def load_model(config: Config, runtime: Runtime) -> Loaded:
    """The network of --resume for -e, --predict and --jit; see `load_network`."""
    return load_network(config, runtime.device, runtime.info)


def load_network(config: Config, device: torch.device, say: Callable[[str], None]) -> Loaded:
    """The network of --resume on the device, in evaluation mode: every tensor must come from the
    file. `say` hears what became of them, and of a view that flags change.
    """
    file, payload = open_weights(config.resume)
    given = config.given
    config = adopt(config, payload)
    view, changes = loaded_view(config, given, payload.get("view"))
    classes = config.num_classes or payload.get("num_classes") or 1
    try:
        model = build_model(
            config.arch, classes, network_size(config), config.dropout, advprop=config.advprop
        )
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if view.own_size:
        check_native(model.backbone, config.arch, model.image_size)
    _load(model, payload, file, say, strict_head=True)
    if changes:
        say(f"{file}: flags change how the weights see images: {changes}")
    # The file's own tensors would stay in memory beside the network's.
    facts = {name: value for name, value in payload.items() if name not in LARGE}
    return Loaded(config, model.to(device).eval(), view, facts)


def with_resumed_variant(config: Config) -> Config:
    """The configuration with the backbone of --resume where no flag names one, with its AdvProp
    variant, and with its bins where the task has none in its labels.
    """
    if not config.resume or config.continue_run:
        return config
    unknown_bins = config.num_classes is None and TASKS[config.criterion].bins is not None
    _, payload = open_weights(config.resume)
    stored = payload.get("config") or {}
    advprop = config.advprop or bool(stored.get("advprop"))
    if "arch" not in config.given and stored.get("arch"):
        config = dataclasses.replace(config, arch=stored["arch"], given=config.given | {"arch"})
    bins = payload.get("num_classes") or 1
    classes = bins if unknown_bins and bins > 1 else config.num_classes
    return dataclasses.replace(config, advprop=advprop, num_classes=classes)


def start_from(config: Config, model: QualityNet, runtime: Runtime) -> dict[str, Any]:
    """--resume in training: the backbone carries over, a head of another shape starts anew, and
    what happened is said; returns all that the file holds.
    """
    file, payload = open_weights(config.resume)
    _check_padding(config, payload, file)
    _load(model, payload, file, runtime.info)
    return payload


def load_best(best: Path, model: QualityNet) -> dict[str, Any]:
    """The best weights of a run into its own network; what the file says beside them."""
    file, payload = open_weights(str(best))
    _load(model, payload, file, lambda line: None, strict_head=True)
    return payload


def _check_padding(config: Config, payload: dict[str, Any], file: Path) -> None:
    """Networks of models/backbones/keras_networks.py have tensors that fit timm's, or each other,
    and compute something else: loaded into each other they would run, and be wrong.
    """
    stored = (payload.get("config") or {}).get("arch")
    networks = {resolve(stored), resolve(config.arch)} if stored else set()
    if len(networks) > 1 and "keras" in [library for library, _ in networks]:
        raise ValueError(
            f"{file}: the weights are of {stored}, which computes something else than "
            f"{config.arch}: pass --arch {stored}"
        )


def _load(
    model: QualityNet,
    payload: dict[str, Any],
    file: Path,
    say: Callable[[str], None],
    strict_head: bool = False,
) -> None:
    try:
        report = load_weights(model, weights_of(payload), strict_head)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if any(name.startswith("heads.quality.") for name in report.taken):
        model.heads["quality"].trained_for = trained_for(payload)
    for line in report.lines():
        say(f"{file}: {line}")

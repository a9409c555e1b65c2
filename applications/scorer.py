"""Scores from Python, without a command line: `load_scorer(weights).score(images)`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from applications.combinations import check
from applications.evaluation import scoring
from applications.inputs.named_images import expand
from applications.inputs.weights import ADOPTED, Loaded, load_network, open_weights, weights_of
from applications.model_card import model_card
from applications.scoring.rows import result_rows
from config import Config, checked_config
from dataloader.sources import GivenImage, Source
from models.quality_net import QualityNet
from utils.check_images import BadImage, describe_bad
from utils.files.model_folder import write_folder
from utils.files.weight_names import is_model_folder
from utils.flag_types import did_you_mean
from utils.imaging.images import ImageError, check_array
from utils.runtime.device import choose_device, prepared
from utils.runtime.rng_state import rng_state, set_rng_state
from utils.statistics.predictions import Predictions

# What load_scorer takes beside the weights: how they are used, and what plain ones cannot say. It
# refuses the rest of what weights carry, which no score depends on.
_OF_TRAINING = ("margin", "loss", "seed", "split_seed", "val_photos", "test_photos")
SETTINGS = (
    *(name for name in ADOPTED if name not in _OF_TRAINING), "batch_size", "max_pixels", "amp",
    "bad_images",
)  # fmt: skip
COLUMNS = ("source", "mean", "std", "scores")
TABLES = ("auto", "pandas", "rows")
Given = str | os.PathLike[str] | np.ndarray | Image.Image | bytes | torch.Tensor


class Scorer:
    """network: how images are scored; skip: leave out images that cannot be read. left_out: those
    of the latest call.
    """

    def __init__(self, network: scoring.Scorer, skip: bool = False) -> None:
        self.network, self.skip = network, skip
        self.left_out: tuple[BadImage, ...] = ()

    @property
    def model(self) -> QualityNet:
        """The network itself."""
        return self.network.model

    def score(self, images: Given | Iterable[Given], table: str = "auto") -> Any:
        """A row of source, mean, std and scores for each image, in the order given.

        images: paths (files, folders, patterns, .txt lists, .tar files, as --predict takes them),
        arrays (uint8 (H, W, 3), RGB, or (H, W), grey), Pillow images, the content of image files as
        bytes, and torch tensors ((3, H, W), RGB, (1, H, W) or (H, W), grey, uint8 or float from 0
        to 1, which is rounded to 256 steps), in any mixture; or one of them, or one tensor
        (N, 3, H, W).
        table: "pandas" for a DataFrame, "rows" for a list of dicts; "auto": pandas where it is
        installed.

        source: the path as --predict writes it; of an image in memory "#3", its place in `images`,
        from 0. mean: the quality score. std and scores: of the histogram over 1..K, which is a list
        of K shares; for a model without one they are None (in a DataFrame, std is nan).

        Images that cannot be read have no row with load_scorer(bad_images="skip"): a warning and
        `left_out` name them. Another warning counts images that have no room for the crops of the
        view, and were scored once.

        Raises:
            ValueError: names the images that cannot be used, all of those that cannot be read, and
                what to do.
        """
        if table not in TABLES:
            raise ValueError(f"table {table!r}: choose from {', '.join(TABLES)}")
        frame = _data_frame(table)
        sources = find_sources(images)
        with prepared(self.network.device):
            found, kept, self.left_out = self.network.predict_readable(sources, self.skip)
        if self.left_out:
            warnings.warn(f"left out: {describe_bad(self.left_out)}", stacklevel=2)
        if once := scoring.one_place(found, self.network.view):
            warnings.warn(once, stacklevel=2)
        rows = score_rows([sources[i] for i in kept], found)
        if frame is None:
            return rows
        if found.probs is None:
            rows = [{**row, "std": float("nan")} for row in rows]
        return frame(rows, columns=list(COLUMNS))


def load_scorer(
    weights: str | os.PathLike[str], device: str = "auto", workers: int = 0, **flags: Any
) -> Scorer:
    """The scorer of a weights file, or of the best weights of a run folder.

    device: auto, cpu, or as --device. workers: how many read images at once. flags: SETTINGS, named
    and meant as those of --predict: batch_size, resize, test_crops, ...; plain weights that this
    toolkit did not save need arch, num_classes and image_size.

    The caller's random numbers, threads and settings stay as they are. ValueError: one line that
    says what is wrong with the file or a flag.
    """
    for name in flags:
        if name not in SETTINGS:
            hint = did_you_mean(name, SETTINGS)
            raise ValueError(f"load_scorer: {name}: not one of {', '.join(SETTINGS)}{hint}")
    asked = {"resume": os.fspath(weights), "device": device, "workers": workers}
    config = checked_config({"predict": ["."], **flags, **asked})
    check(config)
    place, _ = choose_device(config.device, config.gpus)
    before = rng_state(place)  # a network is born with random weights
    try:
        with prepared(place):
            loaded = load_network(config, place, lambda line: None)
    finally:
        set_rng_state(before, place)
    network = scorer_of(loaded.config, loaded, place)
    return Scorer(network, loaded.config.bad_images == "skip")


from_pretrained = load_scorer  # by the name that goes with `save_pretrained`


def save_pretrained(
    weights: str | os.PathLike[str], folder: str | os.PathLike[str], half: bool = False,
    about: str = "",
) -> None:  # fmt: skip
    """The network of a weights file, or of a run folder, as a folder that can be given away:
    model.safetensors, config.json and README.md, a model card: what it learned from, notices that
    lie beside the data, the test's metrics with their intervals, as far as a run folder says them.
    `from_pretrained` and --resume read it.

    half: store its numbers in 16 bits, half the size. about: what a score means, in a line. Without
    paths of this machine, and without what only a training needs. ValueError where the folder holds
    another model, and WriteError where it cannot be written.
    """
    file, payload = open_weights(os.fspath(weights))
    if "config" not in payload:
        raise ValueError(f"{file}: plain weights: train with them first, or evaluate them with -e")
    target = Path(folder)
    if is_model_folder(target):
        raise ValueError(f"{target}: holds a model already: name another folder")
    known = ("num_classes", "view", "trained_for", "mean_histogram", "metrics", "epoch")
    facts = {name: payload[name] for name in known if name in payload}
    stored = payload["config"]
    settings = {n: stored[n] for n in ADOPTED if n in stored and n != "test_list"}
    facts |= {"about": about} if about else {}
    card, held = partial(model_card, facts, settings, file), payload.get("held") or {}
    write_folder(target, weights_of(payload), held, {"config": settings, **facts}, card, half)


def scorer_of(config: Config, loaded: Loaded, device: torch.device) -> scoring.Scorer:
    """The network of --resume as the flags ask for it to be used."""
    return scoring.Scorer(
        loaded.model, device, loaded.view, config.batch_size, config.workers,
        config.max_pixels, config.amp or "off",
    )  # fmt: skip


def find_sources(images: Given | Iterable[Given]) -> list[Source]:
    """What is to be scored, one entry an image; ImageError for what is none."""
    alone = (str, os.PathLike, np.ndarray, Image.Image, bytes)
    if isinstance(images, alone) or (isinstance(images, torch.Tensor) and images.ndim < 4):
        images = [images]
    sources: list[Source] = []
    for place, given in enumerate(images):
        name = f"#{place}"
        if isinstance(given, (str, os.PathLike)):
            sources += expand(os.fspath(given))
        elif isinstance(given, (Image.Image, bytes)):
            sources.append(GivenImage(given, name))
        elif isinstance(given, torch.Tensor):
            sources.append(GivenImage(_pixels_of(given, name), name))
        elif isinstance(given, np.ndarray):
            check_array(given, name)
            sources.append(GivenImage(given, name))
        else:
            kind = f"an object of type {type(given).__name__}"
            expected = "a path, a uint8 array, a Pillow image, bytes or a tensor"
            raise ImageError(name, f"{kind}: expected {expected}")
    return sources


def _pixels_of(tensor: torch.Tensor, name: str) -> np.ndarray:
    """uint8 (H, W, 3) or (H, W); ImageError for a tensor that is no image."""
    pixels = tensor.detach().cpu()
    what = f"a tensor of {tensor.dtype} {tuple(tensor.shape)}"
    if pixels.is_floating_point():
        if not ((pixels >= 0) & (pixels <= 1)).all():
            raise ImageError(name, f"{what}: numbers from 0 to 1 are wanted, or uint8")
        pixels = (pixels.float() * 255).round().to(torch.uint8)
    channels = pixels.shape[0] if pixels.ndim == 3 else 1
    if pixels.dtype != torch.uint8 or pixels.ndim not in (2, 3) or channels not in (1, 3):
        raise ImageError(name, f"{what}: expected uint8, or float from 0 to 1, (3, H, W) or (H, W)")
    array = (
        pixels.permute(1, 2, 0) if channels == 3 else pixels.reshape(pixels.shape[-2:])
    ).numpy()
    check_array(array, name)
    return array


def score_rows(sources: list[Source], found: Predictions) -> list[dict[str, Any]]:
    """source, mean, std and scores of each image, in built-in types: what --predict writes."""
    bins = 0 if found.probs is None else found.probs.shape[1]
    return [
        {
            "source": row["path"],
            "mean": row["score"],
            "std": row.get("std"),
            "scores": [row[f"p{k + 1}"] for k in range(bins)] or None,
        }
        for row in result_rows(sources, found)
    ]


def _data_frame(table: str) -> Any:
    """pandas.DataFrame, or None for a list of rows."""
    if table == "rows":
        return None
    try:
        from pandas import DataFrame
    except ImportError:
        if table == "auto":
            return None
        raise ValueError('table "pandas": pandas is not installed: pass table="rows"') from None
    return DataFrame

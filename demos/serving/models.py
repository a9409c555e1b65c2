"""Exports as the service uses them: from the bytes of a file to a row, without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from utils.files.reading import read_object
from utils.imaging.images import TooManyPixels, image_in_memory, view
from utils.imaging.pooling import pool_histograms, pool_scores
from utils.imaging.view_rule import ViewRule
from utils.statistics.predictions import distribution_std
from utils.text import cut, printable

# score, None of an image that cannot be scored; of a histogram std, p1, ..., pK; error, why it
# cannot be scored, else None.
Row = dict[str, Any]
SUFFIXES = {".onnx": "onnxruntime", ".xml": "openvino"}


@dataclass(frozen=True)
class Model:
    """An export that is open. name: what a request calls it; about: its own description; runtime:
    the package that runs it, and its version; sha256: of its file; run: pixels, float32 (V,3,H,W)
    in [0,1], or of --whole one image, uint8 (H,W,3), -> [scores (V,)] and, of histograms,
    [..., shares (V,K)]. `run` is for one thread at a time.
    """

    name: str
    about: dict[str, Any]
    runtime: str
    sha256: str
    run: Callable[[np.ndarray], Sequence[np.ndarray]]

    @property
    def rule(self) -> ViewRule:
        """How an image becomes pixels, and how its crops are pooled."""
        return ViewRule.from_dict(self.about["view"])

    @property
    def bins(self) -> int:
        """K of its histograms; 1 where it has none."""
        return self.about["num_classes"]

    @property
    def views(self) -> int:
        """How many views of an image a pass has at most."""
        return 1 if self.about["whole"] else self.rule.views

    def facts(self) -> dict[str, Any]:
        """What GET /models says of it."""
        about = self.about
        return {
            "name": self.name,
            "criterion": about["task"],
            "bins": self.bins,
            "range": about["score_range"],
            "units": about["score_units"],
            "meaning": about.get("score_meaning"),
            "arch": about["arch"],
            "precision": about.get("precision", "fp32"),
            "view": about["view"],
            "runtime": self.runtime,
            "sha256": self.sha256,
        }

    def pixels(self, content: bytes, name: str, max_pixels: int) -> np.ndarray:
        """The content of an image file as `scores` takes it: uint8 (V,3,H,W), or (H,W,3) of
        --whole. ImageError as --predict says it, without a path.
        """
        most = min(max_pixels, self.about["max_pixels"])
        if self.about["whole"]:
            return np.asarray(image_in_memory(content, name, most))
        image = image_in_memory(content, name, most, self.rule)
        if (needed := resized_pixels(image.size, self.rule)) > most:
            what = f"{image.width}x{image.height} pixels, resized for the model, are {needed:.0f}"
            raise TooManyPixels(name, f"{what}, more than the cap of {most}: send a squarer image")
        return view(image, self.rule)

    def scores(self, images: Sequence[np.ndarray]) -> list[Row]:
        """A row of each image, those of one size in one pass. An image on which the runtime fails
        has its reason, and the others their scores.
        """
        groups: dict[Any, list[int]] = {}
        for place, pixels in enumerate(images):
            key = place if self.about["whole"] else pixels.shape[1:]
            groups.setdefault(key, []).append(place)
        rows: dict[int, Row] = {}
        for places in groups.values():
            group = [images[place] for place in places]
            rows |= zip(places, self._group(group), strict=True)
        return [rows[place] for place in range(len(images))]

    def _group(self, images: list[np.ndarray]) -> list[Row]:
        try:
            return self._pass(images)
        except Exception as error:  # each runtime has its own, and a size may be one it cannot take
            if len(images) > 1:
                return [row for image in images for row in self._group([image])]
            said = cut(printable(str(error).strip().split("\n")[0]), 200)
            return [bad_row(self.bins, f"cannot be scored ({said}): take it out")]

    def _pass(self, images: list[np.ndarray]) -> list[Row]:
        if self.about["whole"]:
            outputs, counts = self.run(images[0]), [1]
        else:
            outputs = self.run(np.concatenate(images).astype(np.float32) / 255)
            counts = [len(views) for views in images]
        ends = np.cumsum(counts)[:-1]
        split = [np.split(output, ends) for output in outputs]
        return [self._row(*found) for found in zip(*split, strict=True)]

    def _row(self, scores: np.ndarray, probs: np.ndarray | None = None) -> Row:
        """The row of an image; scores: (V,) and probs: (V,K) of its views."""
        score = float(pool_scores(scores[None], self.rule)[0])
        if not np.isfinite(score):
            return bad_row(self.bins, f"its score is {score}, not a finite number: another model")
        row: Row = {"score": score}
        if probs is not None:
            shares = pool_histograms(probs[None], scores[None], self.rule)
            row["std"] = float(distribution_std(shares)[0])
            row |= {f"p{k}": float(p) for k, p in enumerate(shares[0], 1)}
        return {**row, "error": None}


def resized_pixels(size: tuple[int, int], rule: ViewRule) -> float:
    """How many pixels resizing an image of (width, height) takes on its way at most: a strip, small
    as it is, may become a very large image.
    """
    width, height = size
    if rule.own_size:
        return width * height
    if rule.resize == "native":
        tall, wide = rule.crop_size or (height, width)
        return width * height * max(1, tall / height, wide / width) ** 2
    return max(width * rule.image_size[0], height * rule.image_size[1])


def bad_row(bins: int, reason: str) -> Row:
    """The row of an image that has no score."""
    more = ["std", *(f"p{k + 1}" for k in range(bins))] if bins > 1 else []
    return {**dict.fromkeys(["score", *more]), "error": reason}


def open_models(files: Sequence[Path], threads: int = 0) -> list[Model]:
    """Each export, tried once. threads: of a runtime, 0: as many as it chooses. ValueError, one
    line, for a file that is no export, is damaged or cannot be run here, and for two of one name.
    """
    models = [open_model(file, threads) for file in files]
    for place, model in enumerate(models):
        if model.name in [other.name for other in models[:place]]:
            raise ValueError(f"{files[place]}: another model is called {model.name}: rename one")
    return models


def open_model(file: Path, threads: int = 0) -> Model:
    """One of `open_models`."""
    if file.suffix not in SUFFIXES:
        weights = (
            file if file.suffix in ("", ".pth") else "WEIGHTS"
        )  # others are exports themselves
        how = f"python main.py --export onnx --resume {weights} makes one"
        raise ValueError(f"{file}: is no .onnx and no .xml, which the service runs: {how}")
    beside = [file, file.with_suffix(".bin")] if file.suffix == ".xml" else [file]
    if missing := [part for part in beside if not part.is_file()]:
        raise ValueError(f"{missing[0]}: no such file: python main.py --export makes one")
    package = SUFFIXES[file.suffix]
    try:
        if file.suffix == ".onnx":
            from demos.onnx_assessment import open_model as opened
        else:
            from demos.openvino_assessment import open_model as opened
    except ImportError as error:
        raise ValueError(f"{file}: needs {package}: pip install {package} ({error})") from None
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    described = file.with_suffix(".json")
    if described.exists() and read_object(described).get("file_sha256") not in (None, sha256):
        raise ValueError(f"{file}: not the file that {described.name} describes: export again")
    try:
        about, run = opened(file, threads)
        model = Model(file.stem, about, f"{package} {version(package)}", sha256, run)
        rule, size = model.rule, about["input_size"]
        first = np.zeros((*size, 3) if about["whole"] else (rule.views, 3, *size), np.uint8)
        reason = model.scores([first])[0]["error"]
    except KeyError as error:
        what = "is no export of this toolkit: make one with python main.py --export"
        raise ValueError(f"{file}: {what} ({error} is missing)") from None
    except Exception as error:  # each runtime has its own
        said = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ValueError(f"{file}: {cut(said.strip(), 200)}: export again") from error
    if reason:
        raise ValueError(f"{file}: tried on a black image: {reason}")
    return model

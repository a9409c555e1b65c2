"""What every export format is made of: what is exported, the format itself, the file opened again.

A new format is a file with two functions and a row of `FORMATS` (applications/export/formats.py).
"""

from __future__ import annotations

import importlib.util
import json
import platform
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from models.quality_net import QualityNet
from utils.text import cut

INPUT, IMAGE, SCORES, PROBS = "pixels", "image", "scores", "probs"
ABOUT = "about"  # where the file holds its description, as JSON
MOST_AT_ONCE = 64  # images, of formats whose memory is planned beforehand
About = dict[str, Any]
_SYSTEMS = {"Darwin": "macOS"}
_TELLING = re.compile("no conversion rule|unsupported|not (yet )?(supported|implemented)", re.I)


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


@dataclass(frozen=True)
class Subject:
    """What is exported: a network in evaluation mode, called with pixels (N,3,H,W) in [0,1]; images
    of that kind, two or more, that it is tried on; names of its outputs in their order; any_size:
    whether pixels may have any height and width; whole: whether it is called with one decoded
    image, uint8 (H,W,3), of any size, in place of pixels, and `images` is one; decoded: the network
    as it is called with such an image, where a format has room for both, and images that it is
    tried on; calibration: makes more pixels (N,3,H,W) of the user's images, by which numbers of 8
    bits are chosen; converted: what formats keep for their other precisions.
    """

    network: nn.Module
    images: torch.Tensor
    names: tuple[str, ...] = (SCORES,)
    any_size: bool = False
    whole: bool = False
    decoded: tuple[nn.Module, Sequence[torch.Tensor]] | None = None
    calibration: Callable[[], torch.Tensor] | None = None
    converted: dict[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> str:
        """What the input is called."""
        return IMAGE if self.whole else INPUT

    @property
    def shape(self) -> list[int]:
        """Of the input, -1 where any size will do."""
        if self.whole:
            return [-1, -1, 3]
        return [-1, 3, *([-1, -1] if self.any_size else self.images.shape[2:])]

    @cached_property
    def program(self) -> torch.export.ExportedProgram:
        """`exported` with any batch size; made once for all formats."""
        return self.exported()

    def exported(self, most: int | None = None) -> torch.export.ExportedProgram:
        """The network as torch.export sees it, for batches of at most `most`."""
        free: dict[int, Any] = {0: torch.export.Dim("batch", min=1, max=most)}
        if self.any_size:
            free |= dict.fromkeys((2, 3), torch.export.Dim.DYNAMIC)
        # Cloned: what was made in inference mode cannot be exported.
        example = self.images[:2].clone()
        if self.whole:
            example, free = self.images.clone(), dict.fromkeys((0, 1), torch.export.Dim.DYNAMIC)
        with quiet(), torch.no_grad():
            return torch.export.export(self.network, (example,), dynamic_shapes=(free,))


@dataclass(frozen=True)
class Artefact:
    """An export that has been opened: `run` takes pixels, float32 (N,3,H,W) in [0,1] of
    about["input_size"] and any N, and gives {"scores": (N,)} and, where the model has histograms,
    {"probs": (N,K)}. about: all that is known of it, as the file says. run_decoded: the same of one
    decoded image, uint8 (H,W,3), of files that take both.
    """

    about: About
    run: Callable[[np.ndarray], dict[str, np.ndarray]]
    run_decoded: Callable[[np.ndarray], dict[str, np.ndarray]] | None = None


# Of an export from the network: a share of the largest score, where that is above 1.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Format:
    """A kind of export. suffix: of its file; beside: suffixes of what lies beside the file and
    belongs to it. makes, runs, quantises: packages that making and opening it, and 8 bits,
    need beyond torch; requirements: the file that names them; programs: what making it runs.
    one_size: whether it cannot take images at their own sizes. system: as platform.system() calls
    the only one that runs it, "" where any does. precisions: of "fp32", "fp16" and "int8" those
    that it can be made in; amps: as --amp has them, those that its runtime computes in; whole:
    whether it can take decoded images. make: writes a subject and its description to a path, in a
    precision where it has several; open: opens that, threads None being the runtime's own choice,
    and in bf16 where it has that.
    """

    suffix: str
    make: Callable[..., None]
    open: Callable[..., Artefact]
    beside: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    quantises: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    one_size: bool = False
    system: str = ""
    precisions: tuple[str, ...] = ("fp32",)
    amps: tuple[str, ...] = ("off",)
    whole: bool = False
    requirements: str = "requirements-export.txt"

    @property
    def elsewhere(self) -> str:
        """The system that runs it, where that is not this one; "" where it runs here."""
        here = self.system in ("", platform.system())
        return "" if here else _SYSTEMS.get(self.system, self.system)


def need(who: str, packages: tuple[str, ...], requirements: str) -> None:
    """ValueError, one line, for packages that are not installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"{who} needs {', '.join(missing)}: pip install -r {requirements}")


def need_programs(who: str, programs: tuple[str, ...]) -> None:
    """ValueError, one line, for programs that are not installed."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise ValueError(f"{who} needs {', '.join(missing)}: install it, or take another format")


@contextmanager
def quiet() -> Iterator[None]:
    """Without the notices of exporters about their own insides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def named(path: Path) -> Iterator[None]:
    """What a runtime raises at a file that it cannot read, as a ValueError of one line: each
    runtime has exceptions of its own, few of them public.
    """
    try:
        yield
    except Exception as error:
        raise ValueError(f"{path}: {said(error)}: export again") from error


def said(error: BaseException) -> str:
    """The line that tells most of what a converter or a runtime raised: of the error that the
    others came from, the line about what it cannot do, or else the first one.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    lines = [line for line in lines if not line.endswith(":")] or lines  # places in its source
    telling = [line for line in lines if _TELLING.search(line)]
    return cut(next(iter(telling or lines), repr(error)), 200)


def as_text(about: About | None) -> str:
    """The description as JSON."""
    return json.dumps(about, indent=2, ensure_ascii=False)


def read_about(text: str | None, path: Path) -> About:
    """The description inside a file; ValueError where it is no export of this toolkit."""
    try:
        about = json.loads(text or "")
    except json.JSONDecodeError:
        about = None
    if not isinstance(about, dict) or "view" not in about:
        raise ValueError(f"{path}: is no export of this toolkit: make one with --export")
    return about

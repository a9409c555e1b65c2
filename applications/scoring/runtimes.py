"""--runtime: the network of --predict as an export in ONNX Runtime or OpenVINO, which is made once
and kept in a cache, or the fastest of these and torch itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from applications.export.base import PROBS, SCORES, About, Deployed, Subject, need
from applications.export.formats import FORMATS, open_artefact
from applications.export.keeping import keep
from applications.inputs.runtime import Runtime
from models.quality_net import Prediction, QualityNet
from utils.files.disk_full import named_place
from utils.files.reading import read_object
from utils.files.writing import write_json
from utils.flag_words import AUTO, EAGER, RUNTIMES
from utils.runtime import distributed

EXPORTS = tuple(name for name in RUNTIMES if name not in (EAGER, AUTO))
FEW = 500  # images for which `auto` makes no export
_ROUNDS = 3


class ExportedNet(nn.Module):
    """An export in the place of the network it was made of, on the CPU."""

    def __init__(self, file: Path, network: QualityNet) -> None:
        super().__init__()
        self.run = open_artefact(file, torch.get_num_threads()).run
        self.num_classes, self.arch = network.num_classes, network.arch
        self.backbone = network.backbone  # says which sizes it takes

    def forward(self, pixels: torch.Tensor) -> Prediction:
        found = self.run(np.ascontiguousarray(pixels.numpy()))
        scores = torch.from_numpy(found[SCORES])
        if self.num_classes == 1:
            return Prediction(scores, scores[:, None])
        probs = torch.from_numpy(found[PROBS])
        return Prediction(scores, probs.clamp_min(torch.finfo(probs.dtype).tiny).log())


class Runtimes:
    """The runtimes of one network. about: what an export says of itself; images: gives float
    (N, 3, H, W) in [0, 1] that an export is compared on, and `auto` measures with.
    """

    def __init__(
        self,
        network: QualityNet,
        about: About,
        images: Callable[[], torch.Tensor],
        runtime: Runtime,
    ) -> None:
        self.network, self.about, self.images, self.runtime = network, about, images, runtime
        self._opened: dict[str, ExportedNet] = {}  # loading one takes as long as many images

    def choose(
        self, name: str, batch_size: int, count: int | None, precision: str
    ) -> tuple[str, nn.Module]:
        """(name, network) of a runtime. count: of the images to be scored, None where nobody knows.
        ValueError where it cannot be used.
        """
        why = self._not_here(precision)
        if name == EAGER or (name == AUTO and why):
            if name == AUTO:
                self.runtime.info(f"--runtime auto: eager: {why}")
            return EAGER, self.network
        if name != AUTO:
            if why:
                raise ValueError(f"--runtime {name}: {why}")
            return name, self.exported(name)
        known = [name for name in EXPORTS if self._file(name).exists()]
        if count is not None and count < FEW and not known:
            self.runtime.info(f"--runtime auto: eager: {count} images are too few for an export")
            return EAGER, self.network
        found, line = distributed.broadcast_object(
            self._fastest(batch_size) if self.runtime.main else ("", "")
        )
        self.runtime.info(line)
        return found, self.network if found == EAGER else self.exported(found)

    def _not_here(self, precision: str) -> str:
        """Why only torch can do it; "" where others can."""
        if self.runtime.device.type != "cpu":
            return f"exports run on the CPU, not on {self.runtime.device.type}: pass --device cpu"
        return (
            "" if precision == "off" else f"exports compute in float32: leave out --amp {precision}"
        )

    def exported(self, name: str) -> ExportedNet:
        """From the cache, or made for it; by the first process of each machine."""
        network = self._made(name) if self.runtime.world.local_rank == 0 else None
        distributed.barrier()
        return network or ExportedNet(self._file(name), self.network)

    def _make(self, name: str, file: Path) -> None:
        outputs = (SCORES, PROBS) if self.network.num_classes > 1 else (SCORES,)
        whole = self.about["view"]["resize"] == "native" and not self.about["view"]["crops"]
        subject = Subject(Deployed(self.network).eval(), self.images(), outputs, whole)
        try:
            with named_place(file.parent):
                file.parent.mkdir(parents=True, exist_ok=True)
            keep(FORMATS[name], subject, {**self.about, "export": name}, file)
        except OSError as error:
            raise ValueError(
                f"--runtime {name}: {error} (XDG_CACHE_HOME=DIR names another cache)"
            ) from error

    def _file(self, name: str) -> Path:
        """Named by all that the export depends on: weights, size, and who makes it."""
        kind = FORMATS[name]
        made_by = [
            f"{package} {_version(package)}" for package in ("torch", *kind.makes, *kind.runs)
        ]
        facts = [self.about[key] for key in ("weights_sha256", "arch", "input_size", "view")]
        return _kept(name, [*facts, *made_by], kind.suffix)

    def _fastest(self, batch_size: int) -> tuple[str, str]:
        """(name, a line that says why): a few batches in each, or what an earlier call measured on
        this machine, as measuring takes as long as hundreds of images.
        """
        here = [batch_size, torch.get_num_threads(), os.cpu_count(), platform.node()]
        files = [self._file(name).name for name in EXPORTS]
        kept = _kept(AUTO, [*files, *here], ".json")
        if seconds := _remembered(kept):
            more = [f"measured before: remove {kept} to measure anew"]
        else:
            seconds, more = self._measured(batch_size)
            if len(seconds) > 1:
                try:
                    write_json(kept, seconds)
                except OSError as error:  # the next call measures again
                    more.append(str(error))
        best = min(seconds, key=seconds.__getitem__)
        others = [f"{1000 * s:.0f} ms {name}" for name, s in seconds.items() if name != best]
        line = f"--runtime auto: {best}: {1000 * seconds[best]:.0f} ms a batch of {batch_size}"
        line += f" ({', '.join(others)})" if others else ""
        return best, "; ".join([line, *more])

    def _measured(self, batch_size: int) -> tuple[dict[str, float], list[str]]:
        """(seconds of a batch in each, why others are missing)."""
        seconds, missing = {}, []
        images = self.images()
        repeat = -(-batch_size // len(images))
        batch = images.repeat(repeat, 1, 1, 1)[:batch_size]
        for name in (EAGER, *EXPORTS):
            try:
                network = self.network if name == EAGER else self._made(name)
            except ValueError as error:
                missing.append(str(error))
                continue
            seconds[name] = measure(lambda pixels, network=network: network(pixels), batch)
        return seconds, missing

    def _made(self, name: str) -> ExportedNet:
        """As `exported`, by one process while the others wait."""
        if name not in self._opened:
            self._opened[name] = self._opened_or_made(name)
        return self._opened[name]

    def _opened_or_made(self, name: str) -> ExportedNet:
        kind, file = FORMATS[name], self._file(name)
        need(f"--runtime {name}", (*kind.makes, *kind.runs), kind.requirements)
        why = ""
        if file.exists():
            try:
                return ExportedNet(file, self.network)
            except ValueError as error:
                why = f" anew: {error}"
        self.runtime.info(f"--runtime {name}: making {file}{why}")
        self._make(name, file)
        return ExportedNet(file, self.network)


@torch.inference_mode()
def measure(network: Callable[[torch.Tensor], object], batch: torch.Tensor) -> float:
    """Median seconds of a batch, after one that does not count."""
    taken = []
    for _ in range(1 + _ROUNDS):
        begun = time.perf_counter()
        network(batch)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[1:])


def cache_folder() -> Path:
    """Where exports are kept; it may be removed at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "iqa_toolkit" / "exports"


def _kept(name: str, facts: list[Any], suffix: str) -> Path:
    """The file of that cache that belongs to these facts."""
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return cache_folder() / f"{name}_{key[:32]}{suffix}"


def _remembered(kept: Path) -> dict[str, float] | None:
    """Seconds of a batch in each runtime; None where they have to be measured."""
    try:
        found = read_object(kept)
    except (OSError, ValueError):  # it is not there, or was damaged
        return None
    known = found.keys() <= {EAGER, *EXPORTS} and EAGER in found
    return found if known and all(isinstance(s, float) for s in found.values()) else None


def _version(package: str) -> str:
    try:
        return version(package)
    except ImportError:  # PackageNotFoundError is one
        return "none"

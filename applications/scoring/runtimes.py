"""--runtime: the network of --predict as an export in ONNX Runtime or OpenVINO, which is made once
and kept in a cache, or the fastest of these and torch itself, in float32 or bf16.
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
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from applications.evaluation.scoring import CPU_VIEWS
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
from utils.runtime.device import autocast, default_amp

EXPORTS = tuple(name for name in RUNTIMES if name not in (EAGER, AUTO))
FEW = 500  # images for which `auto` makes no export
GAIN = 1.2  # bf16 costs digits: float32 where it is hardly faster
NOISE = 0.05  # what bf16 may do to scores, as a share of their spread
_ROUNDS = 3


class Way(NamedTuple):
    """What computes, and how precisely: amp as --amp has it."""

    runtime: str
    amp: str = "off"

    def __str__(self) -> str:
        return self.runtime if self.amp == "off" else f"{self.runtime} in {self.amp}"


class ExportedNet(nn.Module):
    """An export in the place of the network it was made of, on the CPU."""

    takes_planes = True  # (N, 3, H, W) as it stands in memory

    def __init__(self, file: Path, network: QualityNet, amp: str) -> None:
        super().__init__()
        self.run = open_artefact(file, torch.get_num_threads(), amp == "bf16").run
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
        self._opened: dict[Way, ExportedNet] = {}  # loading one takes as long as many images

    def choose(
        self, name: str, batch_size: int, count: int | None, amp: str | None
    ) -> tuple[Way, nn.Module]:
        """The way of a runtime, and its network. count: of the images to be scored, None where
        nobody knows; amp: None leaves it to `auto`, and is float32 elsewhere. ValueError where it
        cannot be used.
        """
        if name not in (EAGER, AUTO):
            way = Way(name, amp or "off")
            if why := self._not_here(way):
                raise ValueError(f"--runtime {name}: {why}")
            return way, self.exported(way)
        chosen = Way(EAGER, amp or "off")
        if name == EAGER:
            return chosen, self.network
        native = default_amp(self.runtime.device)
        amps = (amp,) if amp else ("off", *(["bf16"] if native == "bf16" else []))
        ways = [Way(kind, one) for kind in EXPORTS for one in amps]
        reasons = [self._not_here(way) for way in ways]
        known = any(self._file(kind).exists() for kind in EXPORTS)
        if all(reasons):
            line = f"eager: {reasons[-1]}"
        elif count is not None and count < FEW and not known:
            line = f"eager: {count} images are too few for an export"
        else:
            here = [way for way, why in zip(ways, reasons, strict=True) if not why]
            tried = [*(Way(EAGER, one) for one in amps), *here]
            chosen, line = distributed.broadcast_object(
                self._fastest(tried, min(batch_size, CPU_VIEWS)) if self.runtime.main else None
            )
        self.runtime.info(f"--runtime auto: {line}")
        return chosen, self.network if chosen.runtime == EAGER else self.exported(chosen)

    def _not_here(self, way: Way) -> str:
        """Why an export cannot compute so; "" where it can."""
        device, kind = self.runtime.device, FORMATS[way.runtime]
        if device.type != "cpu":
            return f"exports run on the CPU, not on {device.type}: pass --device cpu"
        if way.amp not in kind.amps:
            return f"{way.runtime} computes in float32: leave out --amp {way.amp}"
        if way.amp == "bf16" and default_amp(device) != "bf16":
            return "this processor has no bf16: leave out --amp bf16"
        return ""

    def exported(self, way: Way) -> ExportedNet:
        """From the cache, or made for it; by the first process of each machine."""
        network = self._made(way) if self.runtime.world.local_rank == 0 else None
        self._opened.clear()
        distributed.barrier()
        return network or ExportedNet(self._file(way.runtime), self.network, way.amp)

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

    def _fastest(self, ways: list[Way], batch_size: int) -> tuple[Way, str]:
        """(way, a line that says why): a few batches in each, or what an earlier call measured on
        this machine, as measuring takes as long as hundreds of images.
        """
        here = [batch_size, torch.get_num_threads(), os.cpu_count(), platform.node()]
        names = [str(way) for way in ways]
        files = [self._file(name).name for name in EXPORTS]
        kept = _kept(AUTO, [*files, *names, *here], ".json")
        if found := _remembered(kept, names):
            more = [f"measured before: remove {kept} to measure anew"]
        else:
            found, more = self._measured(ways, batch_size)
            if any(way.runtime != EAGER and str(way) in found for way in ways):
                try:
                    write_json(kept, found)
                except OSError as error:  # the next call measures again
                    more.append(str(error))
        noise = {way: found[str(way)][1] for way in ways if str(way) in found}
        speed = {way: found[str(way)][0] * (1 if way.amp == "off" else GAIN) for way in noise}
        most = NOISE + noise[ways[0]]  # whoever asks for bf16 takes what torch's own changes
        best = min((way for way in noise if noise[way] <= most), key=speed.__getitem__)
        said = {name: f"{1000 * seconds:.0f} ms" for name, (seconds, _) in found.items()}
        took = said.pop(str(best))
        others = [f"{time} {name}" for name, time in said.items()]
        line = f"{best}: {took} a batch of {batch_size}"
        line += f" ({', '.join(others)})" if others else ""
        of = "of the spread of drawn images' scores"
        for way in noise:
            if noise[way] > most and speed[way] < speed[best]:
                more.insert(0, f"{way} is left out: its rounding is {100 * noise[way]:.2g}% {of}")
        if best.amp != "off" and len({way.amp for way in ways}) > 1:
            more.insert(0, f"its rounding is {100 * noise[best]:.2g}% {of}; --amp off is float32")
        return best, "; ".join([line, *more])

    def _measured(
        self, ways: list[Way], batch_size: int
    ) -> tuple[dict[str, list[float]], list[str]]:
        """(seconds of a batch in each, and by how much its scores differ from those of torch in
        float32, as a share of their spread; why others are missing).
        """
        found, missing = {}, {}
        images = self.images()
        repeat = -(-batch_size // len(images))
        batch = images.repeat(repeat, 1, 1, 1)[:batch_size]
        with torch.inference_mode():
            wanted = self.network(images).scores.double()
        for way in ways:
            try:
                network = self.network if way.runtime == EAGER else self._made(way)
            except ValueError as error:
                missing[str(error)] = None
                continue
            with torch.inference_mode(), autocast(self.runtime.device, way.amp):
                scores = network(images).scores.double()
                noise = (scores - wanted).square().mean().sqrt() / wanted.std().clamp_min(1e-30)
                found[str(way)] = [
                    measure(lambda pixels, network=network: network(pixels), batch),
                    float(noise.nan_to_num(nan=1e30)),  # the scorer says which images have none
                ]
        return found, list(missing)

    def _made(self, way: Way) -> ExportedNet:
        """As `exported`, by one process while the others wait."""
        if way not in self._opened:
            self._opened[way] = self._opened_or_made(way)
        return self._opened[way]

    def _opened_or_made(self, way: Way) -> ExportedNet:
        name, file = way.runtime, self._file(way.runtime)
        kind = FORMATS[name]
        need(f"--runtime {name}", (*kind.makes, *kind.runs), kind.requirements)
        why = ""
        if file.exists():
            try:
                return ExportedNet(file, self.network, way.amp)
            except ValueError as error:
                why = f" anew: {error}"
        self.runtime.info(f"--runtime {name}: making {file}{why}")
        self._make(name, file)
        return ExportedNet(file, self.network, way.amp)


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


def _remembered(kept: Path, names: list[str]) -> dict[str, list[float]] | None:
    """What `_measured` found of these ways; None where they have to be measured."""
    try:
        found = read_object(kept)
    except (OSError, ValueError):  # it is not there, or was damaged
        return None
    known = found.keys() <= set(names) and names[0] in found
    pairs = [of if isinstance(of, list) else [] for of in found.values()]
    return found if known and all([*map(type, of)] == [float, float] for of in pairs) else None


def _version(package: str) -> str:
    try:
        return version(package)
    except ImportError:  # PackageNotFoundError is one
        return "none"

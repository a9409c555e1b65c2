"""What torch itself reads again: TorchScript, and programs of torch.export."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from applications.export.base import (
    ABOUT,
    PROBS,
    SCORES,
    About,
    Artefact,
    Subject,
    as_text,
    named,
    quiet,
    read_about,
)

INSIDE = "about.json"  # among the extra files of torch's archives
SCORE_IMAGE = "score_image"  # the method that takes a decoded image


class BothWays(nn.Module):
    """A network of pixels (N,3,H,W) in [0,1], and the same behind all that makes such pixels of a
    decoded image: two methods, and one set of weights in the file.
    """

    def __init__(self, network: nn.Module, decoded: nn.Module) -> None:
        super().__init__()
        self.network, self.decoded = network, decoded

    def forward(self, pixels: torch.Tensor) -> Any:
        return self.network(pixels)

    def score_image(self, image: torch.Tensor) -> Any:
        """One image, uint8 (H,W,3), RGB, upright, of any size -> scores (1,), probs (1,K)."""
        return self.decoded(image)


def make_script(subject: Subject, about: About, path: Path) -> None:
    """TorchScript (--jit): a frozen trace of the network, and of `decoded` as SCORE_IMAGE, with
    about.json inside; torch's notices that it is deprecated are known and kept quiet.
    """
    network, tried, kept = subject.network, {"forward": subject.images[:2]}, []
    if subject.decoded:
        decoded, images = subject.decoded
        network, kept = BothWays(network, decoded).eval(), [SCORE_IMAGE]
        tried[SCORE_IMAGE] = images[0]
    with quiet(), torch.inference_mode():
        script = torch.jit.trace_module(network, tried, check_trace=False)
        made = io.BytesIO()  # written by torch itself, a full disk ends in frames of C++
        frozen = torch.jit.freeze(script, preserved_attrs=kept)
        torch.jit.save(frozen, made, _extra_files={INSIDE: as_text(about)})
    path.write_bytes(made.getvalue())


def open_script(path: Path, threads: int | None = None) -> Artefact:
    """TorchScript, on the CPU; threads are those of torch."""
    held: dict[str, Any] = {INSIDE: ""}
    with quiet(), named(path):
        script = torch.jit.load(str(path), map_location="cpu", _extra_files=held)
    decoded = runner(script.score_image) if hasattr(script, SCORE_IMAGE) else None
    return Artefact(read_about(held[INSIDE], path), runner(script), decoded)


def make_program(subject: Subject, about: About, path: Path) -> None:
    """A program of torch.export with about.json inside."""
    with quiet():
        torch.export.save(subject.program, path, extra_files={INSIDE: as_text(about)})


def open_program(path: Path, threads: int | None = None) -> Artefact:
    """A program of torch.export, on the CPU; threads are those of torch."""
    held = {INSIDE: ""}
    with quiet(), named(path):
        network = torch.export.load(path, extra_files=held).module()
    return Artefact(read_about(_text(held[INSIDE]), path), runner(network))


def make_compiled(subject: Subject, about: About, path: Path) -> None:
    """A package of AOTInductor: the network compiled, by g++, for processors like this one."""
    from torch._inductor import aoti_compile_and_package

    settings = {"aot_inductor.metadata": {ABOUT: as_text(about)}}
    with quiet(), torch.no_grad():
        aoti_compile_and_package(
            subject.program, package_path=str(path), inductor_configs=settings
        )  # fmt: skip


def open_compiled(path: Path, threads: int | None = None) -> Artefact:
    """A package of AOTInductor, on the CPU; threads are those of torch."""
    with quiet(), named(path):
        network = torch._inductor.aoti_load_package(str(path))
    return Artefact(read_about(network.get_metadata().get(ABOUT), path), runner(network))


def is_compiled(path: Path) -> bool:
    """Whether a .pt2 is a package of AOTInductor rather than a program of torch.export."""
    with named(path), zipfile.ZipFile(path) as archive:
        return any("/aotinductor/" in name for name in archive.namelist())


def _text(stored: Any) -> str:
    return stored.decode("utf-8") if isinstance(stored, bytes) else stored


def runner(network: Any) -> Any:
    """A network of tensors as `Artefact.run`."""

    @torch.inference_mode()
    def run(pixels: np.ndarray) -> dict[str, np.ndarray]:
        with quiet():
            found = network(torch.from_numpy(pixels))
        found = found if isinstance(found, (tuple, list)) else (found,)
        return {name: value.numpy() for name, value in zip((SCORES, PROBS), found, strict=False)}

    return run

"""What torch itself reads again: TorchScript, and programs of torch.export."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from applications.export.base import (
    About,
    Artefact,
    Subject,
    as_text,
    named,
    quiet,
    read_about,
)

INSIDE = "about.json"  # among the extra files of torch's archives


def make_script(subject: Subject, about: About, path: Path) -> None:
    """TorchScript (--jit) with about.json inside."""
    path.write_bytes(trace(subject.network, subject.images, about))


def trace(network: nn.Module, images: torch.Tensor, about: About | None = None) -> bytes:
    """TorchScript: a frozen trace of the network, with `about` as JSON inside; torch's notices that
    it is deprecated are known and kept quiet.
    """
    inside = {INSIDE: as_text(about)}
    with quiet(), torch.inference_mode():
        script = torch.jit.trace(network, images[:2], check_trace=False)
        made = io.BytesIO()  # written by torch itself, a full disk ends in frames of C++
        torch.jit.save(torch.jit.freeze(script), made, _extra_files=inside)
    return made.getvalue()


def open_script(path: Path, threads: int | None = None) -> Artefact:
    """TorchScript, on the CPU; threads are those of torch."""
    held: dict[str, Any] = {INSIDE: ""}
    with quiet(), named(path):
        script = torch.jit.load(str(path), map_location="cpu", _extra_files=held)
    return Artefact(read_about(held[INSIDE], path), runner(script))


def runner(network: Any) -> Any:
    """A network of tensors as `Artefact.run`."""

    @torch.inference_mode()
    def run(pixels: np.ndarray) -> dict[str, np.ndarray]:
        with quiet():
            found = network(torch.from_numpy(pixels))
        found = found if isinstance(found, (tuple, list)) else (found,)
        return {
            name: value.numpy() for name, value in zip(("scores", "probs"), found, strict=False)
        }

    return run

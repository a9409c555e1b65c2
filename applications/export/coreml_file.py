"""Core ML: model.mlpackage, a folder, for iPhones, iPads and Macs. Converted on any system, run by
macOS alone.
"""

from __future__ import annotations

import io
import logging
import platform
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import torch

from applications.export.base import (
    ABOUT,
    INPUT,
    MOST_AT_ONCE,
    About,
    Artefact,
    Subject,
    as_text,
    named,
    quiet,
    read_about,
)


def make(subject: Subject, about: About, path: Path, precision: str = "fp32") -> None:
    """An ML program (iOS 16, macOS 13 and later) with the description in its metadata; fp16:
    weights and arithmetic in 16 bits, as the Neural Engine has them.
    """
    with redirect_stderr(io.StringIO()):  # bars, and versions that Apple has not tried
        import coremltools
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    bits = {"fp32": coremltools.precision.FLOAT32, "fp16": coremltools.precision.FLOAT16}
    with quiet(), torch.no_grad(), redirect_stderr(io.StringIO()):
        model = coremltools.convert(
            subject.exported(MOST_AT_ONCE).run_decompositions({}),
            outputs=[coremltools.TensorType(name=name) for name in subject.names],
            minimum_deployment_target=coremltools.target.iOS16,
            compute_precision=bits[precision],
            skip_model_load=True,
        )
    model.user_defined_metadata[ABOUT] = as_text(about)
    model.save(str(path))


def open_file(path: Path, threads: int | None = None) -> Artefact:
    """The package on the CPU of a Mac; elsewhere its description alone, and `run` says so."""
    with redirect_stderr(io.StringIO()):
        import coremltools
    here = platform.system() == "Darwin"
    with named(path), redirect_stderr(io.StringIO()):
        model: Any = coremltools.models.MLModel(
            str(path), skip_model_load=not here, compute_units=coremltools.ComputeUnit.CPU_ONLY
        )
    about = read_about(model.user_defined_metadata.get(ABOUT), path)

    def run(pixels: np.ndarray) -> dict[str, np.ndarray]:
        if not here:
            raise ValueError(f"{path}: Core ML runs on macOS alone")
        found = model.predict({INPUT: np.ascontiguousarray(pixels, np.float32)})
        return {name: np.asarray(value) for name, value in found.items()}

    return Artefact(about, run)

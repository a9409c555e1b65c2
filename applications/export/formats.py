"""All export formats, and any of their files opened again."""

from __future__ import annotations

import os
from pathlib import Path

from applications.export import onnx_file, openvino_file, torch_files
from applications.export.base import Artefact, Format, need

FORMATS = {
    "torchscript": Format(
        ".pt", torch_files.make_script, torch_files.open_script, tolerance=1e-5
    ),
    "onnx": Format(
        ".onnx", onnx_file.make, onnx_file.open_file,
        makes=("onnx", "onnxscript"), runs=("onnxruntime",),
    ),
    "openvino": Format(
        ".xml", openvino_file.make, openvino_file.open_file,
        beside=(".bin",), runs=("openvino",),
    ),
}  # fmt: skip


def open_artefact(path: str | os.PathLike[str], threads: int | None = None) -> Artefact:
    """A file of --export or --jit, ready to be run: `.about`, and `.run(pixels)`; see `Artefact`.

    threads: of its runtime on the CPU; None: as the runtime chooses. ValueError, one line, for a
    file that is none, and where the package that runs it is not installed.
    """
    file = Path(path)
    known = {kind.suffix: (name, kind) for name, kind in FORMATS.items()}
    if file.suffix not in known:
        raise ValueError(f"{file}: is no export: expected one of {', '.join(known)}")
    name, kind = known[file.suffix]
    for part in (file, *(file.with_suffix(suffix) for suffix in kind.beside)):
        if not part.exists():
            raise ValueError(f"{part}: no such file: export again, or name another file")
    need(f"{file}: {name}", kind.runs, kind.requirements)
    return kind.open(file, threads)

"""All export formats, and any of their files opened again."""

from __future__ import annotations

import os
from pathlib import Path

from applications.export import (
    ascend_files,
    coreml_file,
    executorch_file,
    onnx_file,
    openvino_file,
    torch_files,
)
from applications.export.base import Artefact, Format, need

FORMATS = {
    "torchscript": Format(".pt", torch_files.make_script, torch_files.open_script),
    "onnx": Format(
        ".onnx", onnx_file.make, onnx_file.open_file,
        makes=("onnx", "onnxscript"), runs=("onnxruntime",),
        precisions=("fp32", "fp16", "int8"), whole=True,
    ),
    "openvino": Format(
        ".xml", openvino_file.make, openvino_file.open_file,
        beside=(".bin",), runs=("openvino",), quantises=("nncf",),
        precisions=("fp32", "fp16", "int8"), amps=("off", "bf16"), whole=True,
    ),
    "pt2": Format(".pt2", torch_files.make_program, torch_files.open_program),
    "aoti": Format(
        ".pt2", torch_files.make_compiled, torch_files.open_compiled, programs=("g++",)
    ),
    "executorch": Format(
        ".pte", executorch_file.make, executorch_file.open_file,
        runs=("executorch",), requirements="requirements-executorch.txt", one_size=True,
    ),
    "coreml": Format(
        ".mlpackage", coreml_file.make, coreml_file.open_file,
        runs=("coremltools",), requirements="requirements-coreml.txt", one_size=True,
        precisions=("fp32", "fp16"), system="Darwin",
    ),
    "ascend": Format(
        ".onnx", ascend_files.make, onnx_file.open_file, beside=(".cfg", ".sh"),
        makes=("onnx", "onnxscript"), runs=("onnxruntime",), one_size=True,
    ),
}  # fmt: skip


def open_artefact(
    path: str | os.PathLike[str], threads: int | None = None, bf16: bool = False
) -> Artefact:
    """A file of --export or --jit, ready to be run: `.about`, and `.run(pixels)`; see `Artefact`.

    threads: of its runtime on the CPU; None: as the runtime chooses. bf16: to compute in bfloat16,
    with fewer digits, which OpenVINO can on processors that have it. ValueError, one line, for a
    file that is none, and where the package that runs it is not installed.
    """
    file = Path(path)
    name = next((n for n, kind in FORMATS.items() if kind.suffix == file.suffix), None)
    if name is None:
        known = dict.fromkeys(kind.suffix for kind in FORMATS.values())
        raise ValueError(f"{file}: is no export: expected one of {', '.join(known)}")
    if name == "pt2" and file.exists() and torch_files.is_compiled(file):
        name = "aoti"
    kind = FORMATS[name]
    for part in (file, *(file.with_suffix(suffix) for suffix in kind.beside)):
        if not part.exists():
            raise ValueError(f"{part}: no such file: export again, or name another file")
    need(f"{file}: {name}", kind.runs, kind.requirements)
    if not bf16:
        return kind.open(file, threads)
    if "bf16" not in kind.amps:
        raise ValueError(f"{file}: {name} computes in float32: leave out bf16")
    return kind.open(file, threads, bf16)

"""ONNX: one file that ONNX Runtime, OpenVINO, TensorRT, a browser and others read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from applications.export.base import (
    ABOUT,
    INPUT,
    About,
    Artefact,
    Subject,
    as_text,
    named,
    quiet,
    read_about,
)

OPSET = (
    18  # the first one with antialiased Resize; ATC, ONNX Runtime since 1.14 and browsers read it
)


def make(subject: Subject, about: About, path: Path) -> None:
    """The network as ONNX, its weights inside, metadata_props["about"] its description."""
    with quiet(), torch.no_grad():
        made = torch.onnx.export(
            subject.program, dynamo=True, opset_version=OPSET, external_data=False, verbose=False,
            input_names=[INPUT], output_names=list(subject.names),
        )  # fmt: skip
    model = made.model_proto
    model.metadata_props.add(key=ABOUT, value=as_text(about))
    path.write_bytes(model.SerializeToString())


def open_file(path: Path, threads: int | None = None) -> Artefact:
    """The file in ONNX Runtime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads:
        options.intra_op_num_threads = threads
    providers = ["CPUExecutionProvider"]
    with named(path):
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    names = [output.name for output in session.get_outputs()]
    about = read_about(session.get_modelmeta().custom_metadata_map.get(ABOUT), path)
    (given,) = session.get_inputs()

    def run(pixels: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, {given.name: pixels}), strict=True))

    return Artefact(about, run)

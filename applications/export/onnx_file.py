"""ONNX: one file that ONNX Runtime, OpenVINO, TensorRT, a browser and others read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from applications.export.base import (
    ABOUT,
    About,
    Artefact,
    Subject,
    as_text,
    named,
    quiet,
    read_about,
)

# Releases from 1.32 on report their use to their makers over the network.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

LINEAR = ("MatMul", "Gemm")
# With Clip and Relu the 8 bits are those of what these let through, not of all that a convolution
# gives, which costs most of the order where a Clip cuts much off (MobileNet's kind of networks).
EIGHT_BITS = ("Conv", "Clip", "Relu", "Add", "Mul", "GlobalAveragePool")
OPSET = (
    18  # the first one with antialiased Resize; ATC, ONNX Runtime since 1.14 and browsers read it
)


def make(subject: Subject, about: About, path: Path, precision: str = "fp32") -> None:
    """The network as ONNX, its weights inside, metadata_props["about"] its description."""
    if "onnx" not in subject.converted:
        with quiet(), torch.no_grad():
            made = torch.onnx.export(
                subject.program, dynamo=True, opset_version=OPSET, external_data=False,
                verbose=False, input_names=[subject.given], output_names=list(subject.names),
            )  # fmt: skip
        subject.converted["onnx"] = made.model_proto
    model = IN_PRECISION[precision](deepcopy(subject.converted["onnx"]), subject)
    model.metadata_props.add(key=ABOUT, value=as_text(about))
    path.write_bytes(model.SerializeToString())


def _half(model: Any, subject: Subject) -> Any:
    """Weights and arithmetic in 16 bits; what goes in and comes out stays in 32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with quiet():
        return convert_float_to_float16(model, keep_io_types=True)


def _quantised(model: Any, subject: Subject) -> Any:
    """Convolutions and matrix products in 8 bits, by static quantisation on the user's images; the
    head, which is small and gives the scores, stays in 32.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    assert subject.calibration is not None
    batches = iter([{subject.given: image[None].numpy()} for image in subject.calibration()])

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(batches, None)

    with tempfile.TemporaryDirectory(prefix="export_") as folder, quiet():
        plain, ready, made = (Path(folder) / f"{name}.onnx" for name in ("plain", "ready", "int8"))
        onnx.save(model, plain)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        nodes = onnx.load(ready).graph.node
        head = max(
            (i for i, node in enumerate(nodes) if node.op_type in LINEAR), default=len(nodes)
        )
        quantization.quantize_static(
            ready, made, Reader(), per_channel=True, op_types_to_quantize=[*EIGHT_BITS, *LINEAR],
            nodes_to_exclude=[node.name for node in nodes[head:]],
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
        )  # fmt: skip
        return onnx.load(made)


IN_PRECISION: dict[str, Callable[[Any, Subject], Any]] = {
    "fp32": lambda model, subject: model,
    "fp16": _half,
    "int8": _quantised,
}


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

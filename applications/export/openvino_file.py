"""OpenVINO: model.xml and model.bin, for Intel's and other CPUs, GPUs and NPUs."""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

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

WEIGHTS = (
    "about_weights"  # SHA-256 of the .bin, which a killed export may leave beside another .xml
)


def make(subject: Subject, about: About, path: Path, precision: str = "fp32") -> None:
    """The network as .xml, its description in rt_info, and .bin beside it; fp16: weights are stored
    in 16 bits; int8: convolutions and matrix products in 8 bits, chosen by NNCF on the user's
    images.
    """
    import openvino

    if "openvino" not in subject.converted:
        with quiet(), _unreported():
            subject.converted["openvino"] = openvino.convert_model(
                subject.program, extension=_missing_rules()
            )
    model = subject.converted["openvino"].clone()
    (given,) = model.inputs
    given.get_tensor().set_names({subject.given})
    for output, name in zip(model.outputs, subject.names, strict=True):
        output.get_tensor().set_names({name})
    model.reshape({subject.given: openvino.PartialShape(subject.shape)})
    if precision == "int8":
        model = _quantised(model, subject)
    model.set_rt_info(as_text(about), [ABOUT])
    # Written first to learn what the .bin holds, which does not depend on the .xml.
    for _ in range(2):
        openvino.save_model(model, path, compress_to_fp16=precision == "fp16")
        model.set_rt_info(_digest(_weights(path)), [WEIGHTS])


@contextmanager
def _unreported() -> Iterator[None]:
    """OpenVINO's converter and NNCF tell their makers that they are used, unless in CI."""
    here = {"CI": "true", "NNCF_CI": "1"}
    before = {name: os.environ[name] for name in here if name in os.environ}
    os.environ.update(here)
    try:
        yield
    finally:
        for name in here:
            os.environ.pop(name, None)
        os.environ.update(before)


def _missing_rules() -> list[Any]:
    """What OpenVINO's reader of torch programs lacks: a transformer's table of positions resized to
    the image (`bicubic_pillow` is the antialiased filter that torch took from Pillow).
    """
    from openvino import opset11
    from openvino.frontend.pytorch import ConversionExtension

    def resized(node: Any) -> Any:
        table, size = node.get_input(0), node.get_input(1)
        how = {"mode": "bicubic_pillow", "shape_calculation_mode": "sizes", "cube_coeff": -0.5}
        return opset11.interpolate(table, size, axes=np.array([2, 3]), **how).outputs()

    return [ConversionExtension("aten._upsample_bicubic2d_aa.default", resized)]


def _quantised(model: Any, subject: Subject) -> Any:
    """Ranges hold what any of the images has in them: NNCF's own, a mean over images, cut off so
    much of rarer ones that single scores of the quality model moved by half of their range.
    """
    assert subject.calibration is not None
    images = [image[None].numpy() for image in subject.calibration()]
    with quiet(), _unreported():
        import nncf
        from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        nncf.set_log_level(logging.ERROR)
        return nncf.quantize(
            model, nncf.Dataset(images), subset_size=len(images),
            advanced_parameters=AdvancedQuantizationParameters(
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
            ),
        )  # fmt: skip


def open_file(path: Path, threads: int | None = None, bf16: bool = False) -> Artefact:
    """The files in OpenVINO on the CPU, in the precision that they are stored in: by itself it
    computes in bfloat16 where the processor can, which is not what the network computes. With
    `bf16` it does so. The weights are its own mapping of the .bin, whose pages leave the memory
    after the first call: by then it has them in the layout that it computes with.
    """
    import openvino
    from openvino import properties

    core = openvino.Core()
    with named(path):
        weights = _weights(path)
        shared = openvino.Tensor(np.frombuffer(weights, np.uint8), shared_memory=True)
        model = core.read_model(path.read_bytes(), shared)
    about = read_about(_stored(model, ABOUT), path)
    if _stored(model, WEIGHTS) != _digest(weights):
        raise ValueError(f"{path}: {path.stem}.bin beside it is of another export: export again")
    kind = openvino.Type.bf16 if bf16 else openvino.Type.f32
    settings: dict[str, Any] = {properties.hint.inference_precision(): kind}
    if threads:
        settings[properties.inference_num_threads()] = threads
    compiled = core.compile_model(model, "CPU", settings)
    names = [output.get_any_name() for output in compiled.outputs]
    called = False

    def run(pixels: np.ndarray) -> dict[str, np.ndarray]:
        nonlocal called
        found = dict(zip(names, compiled(pixels, share_inputs=True).values(), strict=True))
        if not called and hasattr(mmap, "MADV_DONTNEED"):  # Windows has none
            weights.madvise(mmap.MADV_DONTNEED)
        called = True
        return found

    return Artefact(about, run)


def _weights(path: Path) -> mmap.mmap:
    """What the .bin beside an .xml holds. OpenVINO takes no memory that cannot be written, so it is
    a copy as far as somebody writes.
    """
    with open(path.with_suffix(".bin"), "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _digest(content: mmap.mmap) -> str:
    return hashlib.sha256(content).hexdigest()


def _stored(model: Any, name: str) -> str | None:
    return model.get_rt_info([name]).astype(str) if model.has_rt_info([name]) else None

"""Which of Keras's layers holds which of our tensors, for the networks of the public NIMA projects,
and which variant of a network computes what a file was trained as.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import nn

from models.backbones.keras_networks import MOBILENET, MOBILENETS, NASNET, NASNETS
from models.backbones.nasnet_mobile import HalveAndProject, ReductionCell
from models.keras.files import KerasFile, KerasFileError

INCEPTION_RESNET = "inception_resnet_v2"


@dataclass(frozen=True)
class Part:
    """One of our tensors. kinds: what Keras calls it, in one version or another; axes: the order
    in which its axes become ours.
    """

    kinds: tuple[str, ...]
    ours: str
    axes: tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One of Keras's layers. names: what it is called, in one version or another. ones: scales of
    ours that Keras's batch norm has not got.
    """

    names: tuple[str, ...]
    parts: tuple[Part, ...]
    ones: tuple[str, ...] = ()


# ---- Keras's kinds of layers


def _conv(name: str, ours: str, bias: bool = False) -> Layer:
    parts = [Part(("kernel",), f"{ours}.weight", (3, 2, 0, 1))]
    parts += [Part(("bias",), f"{ours}.bias", (0,))] if bias else []
    return Layer((name,), tuple(parts))


def _depthwise(name: str, ours: str) -> Layer:
    kinds = ("depthwise_kernel", "kernel")  # Keras 2, Keras 3
    return Layer((name,), (Part(kinds, f"{ours}.weight", (2, 3, 0, 1)),))


def _separable(names: tuple[str, ...], depthwise: str, pointwise: str) -> Layer:
    first = Part(("depthwise_kernel",), f"{depthwise}.weight", (2, 3, 0, 1))
    return Layer(names, (first, Part(("pointwise_kernel",), f"{pointwise}.weight", (3, 2, 0, 1))))


def _norm(names: str | tuple[str, ...], ours: str, scale: bool = True) -> Layer:
    kinds = {"gamma": "weight", "beta": "bias"}
    kinds |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
    ones = () if scale else (f"{ours}.{kinds.pop('gamma')}",)
    parts = tuple(Part((theirs,), f"{ours}.{name}", (0,)) for theirs, name in kinds.items())
    return Layer((names,) if isinstance(names, str) else names, parts, ones)


# ---- networks


def _mobilenet(module: nn.Module, file: KerasFile) -> Iterator[Layer]:
    yield _conv("conv1", "conv_stem")
    yield _norm("conv1_bn", "bn1")
    blocks = [f"blocks.{i}.{j}" for i, group in enumerate(module.blocks) for j in range(len(group))]
    for number, ours in enumerate(blocks, start=1):
        yield _depthwise(f"conv_dw_{number}", f"{ours}.conv_dw")
        yield _norm(f"conv_dw_{number}_bn", f"{ours}.bn1")
        yield _conv(f"conv_pw_{number}", f"{ours}.conv_pw")
        yield _norm(f"conv_pw_{number}_bn", f"{ours}.bn2")


def _inception_resnet(module: nn.Module, file: KerasFile) -> Iterator[Layer]:
    """Most layers have no name but a number, which counts on from whatever was built before in that
    session; their order is that of definition, as timm's.
    """
    units = [name for name, part in module.named_modules() if name and hasattr(part, "bn")]
    units.remove("conv2d_7b")
    convs, norms = (_numbered(file, kind) for kind in ("conv2d", "batch_normalization"))
    for kind, found in (("conv2d_N", convs), ("batch_normalization_N", norms)):
        if len(found) != len(units):
            raise KerasFileError(
                f"{len(found)} layers {kind}, where InceptionResNetV2 has {len(units)}"
            )
    for ours, conv, norm in zip(units, convs, norms, strict=True):
        yield _conv(conv, f"{ours}.conv")
        yield _norm(norm, f"{ours}.bn", scale=False)
    for container, name in (("repeat", "block35"), ("repeat_1", "block17"), ("repeat_2", "block8")):
        for i in range(len(module.get_submodule(container))):
            yield _conv(f"{name}_{i + 1}_conv", f"{container}.{i}.conv2d", bias=True)
    yield _conv(f"block8_{len(module.repeat_2) + 1}_conv", "block8.conv2d", bias=True)
    yield _conv("conv_7b", "conv2d_7b.conv")
    yield _norm("conv_7b_bn", "conv2d_7b.bn", scale=False)


def _numbered(file: KerasFile, kind: str) -> list[str]:
    """Layers `kind`, `kind_1`, `kind_2`, ... by their numbers."""
    found = {name: re.fullmatch(rf"{kind}(?:_(\d+))?", name) for name in file.layers}
    numbers = {name: int(match[1] or 0) for name, match in found.items() if match}
    return sorted(numbers, key=numbers.__getitem__)


def _nasnet(module: nn.Module, file: KerasFile) -> Iterator[Layer]:
    yield _conv("stem_conv1", "stem_conv")
    yield _norm("stem_bn1", "stem_bn")
    for i, (cell, name) in enumerate(zip(module.cells, module.cell_names, strict=True)):
        yield from _nasnet_cell(cell, name, f"cells.{i}")


def _nasnet_cell(cell: nn.Module, name: str, ours: str) -> Iterator[Layer]:
    kind = "reduction" if isinstance(cell, ReductionCell) else "normal"
    if isinstance(cell.adjust, HalveAndProject):
        yield _conv(f"adjust_conv_1_{name}", f"{ours}.adjust.conv_1")
        yield _conv(f"adjust_conv_2_{name}", f"{ours}.adjust.conv_2")
        yield _norm(f"adjust_bn_{name}", f"{ours}.adjust.bn")
    elif isinstance(cell.adjust, nn.Sequential):
        yield _conv(f"adjust_conv_projection_{name}", f"{ours}.adjust.1")
        yield _norm(f"adjust_bn_{name}", f"{ours}.adjust.2")
    yield _conv(f"{kind}_conv_1_{name}", f"{ours}.squeeze.1")
    yield _norm(f"{kind}_bn_1_{name}", f"{ours}.squeeze.2")
    for block in [block for block, _ in cell.named_children() if block[-1].isdecimal()]:
        blocks = [f"{kind}_{block}_{name}"]
        if (kind, block) == ("reduction", "right1"):
            blocks.append(f"reduction_1_{name}")  # titu1994's and the first ones of Keras
        for k in (1, 2):
            yield _separable(
                tuple(f"separable_conv_{k}_{b}" for b in blocks),
                f"{ours}.{block}.depthwise_{k}",
                f"{ours}.{block}.pointwise_{k}",
            )
            names = tuple(f"separable_conv_{k}_bn_{b}" for b in blocks)
            yield _norm(names, f"{ours}.{block}.bn_{k}")


def _mobilenet_variant(file: KerasFile) -> tuple[str, str]:
    listed = file.listed
    if listed is None:
        return MOBILENET, "the file does not say how it pads: taken as by Keras 3"
    if "conv_pad_1" in listed:
        return f"{MOBILENET}_both", "padded by one pixel all round, as in Keras 2.1"
    if "conv1_pad" in listed:
        return f"{MOBILENET}_end", "padded right and below, as in Keras 2.2"
    if "conv_pad_2" in listed:
        return MOBILENET, "padded as in Keras 3"
    return f"{MOBILENET}_same", "TensorFlow's same padding, as in Keras 2.0"


def _nasnet_variant(file: KerasFile) -> tuple[str, str]:
    if file.listed is None:
        return NASNET, "the file does not say how it pads: taken as by Keras 3"
    if "reduction_pad_1_stem_1" in file.listed:
        return NASNET, "pooling over a border of zeros, as in Keras 3"
    return f"{NASNET}_same", "pooling without a border, as in titu1994's and the first of Keras"


@dataclass(frozen=True)
class Network:
    """archs: its variants, by full names. sign: a layer that no other network has. variant: (file)
    -> (name of the variant that computes the same, why).
    """

    archs: tuple[str, ...]
    sign: str
    layers: Callable[[nn.Module, KerasFile], Iterator[Layer]]
    variant: Callable[[KerasFile], tuple[str, str]]


NETWORKS = {
    MOBILENET: Network(
        tuple(f"keras:{name}" for name in MOBILENETS), "conv_dw_1", _mobilenet, _mobilenet_variant
    ),
    INCEPTION_RESNET: Network(
        (f"timm:{INCEPTION_RESNET}",),
        "conv_7b",
        _inception_resnet,
        lambda file: (INCEPTION_RESNET, "timm's computes what Keras's does"),
    ),
    NASNET: Network(
        tuple(f"keras:{name}" for name in NASNETS), "stem_conv1", _nasnet, _nasnet_variant
    ),
}

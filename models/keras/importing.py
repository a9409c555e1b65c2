"""Weights of Keras into a network of ours, with every tensor accounted for.

Every array of the file goes to one tensor of the network, and every tensor of the network comes
from one array. Only a scale that Keras's batch norm has not got (`scale=False`) is filled with the
ones that it stands for.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.backbone import COUNTER, Backbone
from models.keras.files import KerasFile, KerasFileError, KerasTensor, open_keras
from models.keras.layers import NETWORKS, Layer, Network, Part
from models.registry import canonical_name, resolve
from models.sizes import build_backbone
from utils.text import some_of

MOST_BINS = 100  # a head of more is a classifier's
# The head's Dense layer: (F, K) -> (K, F).
HEAD = (
    Part(("kernel",), "heads.quality.fc.weight", (1, 0)),
    Part(("bias",), "heads.quality.fc.bias", (0,)),
)


@dataclass(frozen=True)
class Imported:
    """arch: the network that computes what Keras's did; note: how it was chosen. state: tensors by
    the names of a QualityNet, all but its normalisation. sources: our name -> the file's. ones:
    scales that Keras has not got.
    """

    arch: str
    note: str
    num_classes: int
    state: dict[str, Tensor]
    sources: dict[str, str]
    ones: tuple[str, ...]

    def lines(self) -> list[str]:
        """For a person: the network, and what became of every tensor."""
        extra = f"; {len(self.ones)} scales that Keras has not got are 1" if self.ones else ""
        count = len(self.sources)
        return [
            f"network {self.arch}: {self.note}",
            f"{count} tensors of the file -> {count} of the network, none left{extra}",
        ]


def read_keras(path: Path, arch: str | None, image_size: tuple[int, int]) -> Imported:
    """The weights of a file of Keras.

    arch: a name of `NETWORKS`, whose variant the file decides; one of their variants; or None, and
        the file decides all.

    Raises ValueError (one line) for a file that is damaged, of another network, or that holds
    anything which has no place in it.
    """
    with open_keras(path) as file:
        name, network = _network(file, arch)
        variants = [full.rpartition(":")[2] for full in network.archs]
        variant, note = network.variant(file)
        if name in network.archs:
            asked = name.rpartition(":")[2]
            doubt = "" if asked == variant else f", though the file looks like {variant} ({note})"
            variant, note = asked, f"as --arch says{doubt}"
        full = network.archs[variants.index(variant)]
        backbone = build_backbone(full, image_size, without_data=True)
        layers = list(network.layers(backbone.module, file))
        taken = _match(layers, file, full)
        bins = _match_head(taken, file, backbone)
        _check_shapes(taken, backbone, bins)
        state = {ours: _read(tensor, part) for ours, (tensor, part) in taken.items()}
    ones = tuple(f"backbone.{name}" for layer in layers for name in layer.ones)
    own = {f"backbone.{n}": tensor for n, tensor in backbone.module.state_dict().items()}
    state |= {name: torch.ones(own[name].shape) for name in ones}
    state |= {name: torch.tensor(0) for name in own if name.endswith(COUNTER)}
    assert state.keys() == own.keys() | {part.ours for part in HEAD}
    sources = {ours: tensor.name for ours, (tensor, _) in taken.items()}
    return Imported(full.removeprefix("timm:"), note, bins, state, sources, ones)


Taken = dict[str, tuple[KerasTensor, Part]]  # by our name in a QualityNet


def _network(file: KerasFile, arch: str | None) -> tuple[str, Network]:
    """(name as asked for or found, network); KerasFileError when the file is not of it."""
    found = [name for name, network in NETWORKS.items() if network.sign in file.layers]
    known = ", ".join(NETWORKS)
    if arch is None:
        if not found:
            shown = ", ".join(sorted(file.layers)[:3])
            raise KerasFileError(f"none of {known}: it has the layers {shown}, ...")
        return found[0], NETWORKS[found[0]]
    name = canonical_name(arch)
    base = name
    if name not in NETWORKS:
        name = ":".join(resolve(arch))
        owners = [key for key, network in NETWORKS.items() if name in network.archs]
        if not owners:
            raise ValueError(f"--import_keras: --arch {arch} is not among {known}")
        base = owners[0]
    sign = NETWORKS[base].sign
    if sign not in file.layers:
        near = difflib.get_close_matches(sign, file.layers, n=3, cutoff=0.4)
        hint = (
            f"it is of {found[0]}: pass --arch {found[0]}"
            if found
            else f"it has {some_of(near, 3)}"
        )
        raise KerasFileError(f"not of {base}: no layer {sign} in it: {hint}")
    return name, NETWORKS[base]


def _match(layers: list[Layer], file: KerasFile, arch: str) -> Taken:
    """Every part of every layer with its array; layers of `file` are taken out of it."""
    taken: Taken = {}
    lacking = []
    for layer in layers:
        name = next((name for name in layer.names if name in file.layers), None)
        if name is None:
            lacking.append(layer.names[0])
            continue
        for part, tensor in _pair(layer.parts, file.layers.pop(name)):
            taken[f"backbone.{part.ours}"] = tensor, part
    if lacking:
        near = difflib.get_close_matches(lacking[0], file.layers, n=3)
        hint = f" (it has {some_of(near, 3)})" if near else ""
        raise KerasFileError(f"lacks {len(lacking)} layers of {arch}: {some_of(lacking, 3)}{hint}")
    return taken


def _pair(parts: tuple[Part, ...], tensors: list[KerasTensor]) -> list[tuple[Part, KerasTensor]]:
    """The parts of one layer with its arrays: by what they are called, or else in Keras's order."""
    by_kind = {tensor.kind: tensor for tensor in tensors}
    if None in by_kind:
        found = list(zip(parts, tensors, strict=False))
    else:
        kinds = [(part, next((k for k in part.kinds if k in by_kind), None)) for part in parts]
        found = [(part, by_kind[kind]) for part, kind in kinds if kind is not None]
    if len(found) != len(parts) or len(found) != len(tensors):
        wanted = ", ".join(part.kinds[0] for part in parts)
        have = ", ".join(tensor.kind or str(tensor.shape) for tensor in tensors)
        raise KerasFileError(f"layer {tensors[0].layer} holds {have}, not {wanted}")
    return found


def _match_head(taken: Taken, file: KerasFile, backbone: Backbone) -> int:
    """Takes the Dense layer on top, and returns K; nothing else may be left in the file."""
    flat = {name: any(len(t.shape) == 2 for t in found) for name, found in file.layers.items()}
    dense = [name for name in flat if flat[name]]
    if len(dense) == 1:
        for part, tensor in _pair(HEAD, file.layers.pop(dense[0])):
            taken[part.ours] = tensor, part
    left = [tensor.name for tensors in file.layers.values() for tensor in tensors]
    if left:
        raise KerasFileError(
            f"{len(left)} tensors have no place in the network: {some_of(left, 3)}"
        )
    if len(dense) != 1:
        raise KerasFileError(
            "no Dense layer on top, which makes the histogram: import a whole network"
        )
    tensor, _ = taken[HEAD[0].ours]
    if tensor.shape[0] != backbone.features or not 2 <= tensor.shape[1] <= MOST_BINS:
        raise KerasFileError(
            f"{tensor.name} {tensor.shape}: must be ({backbone.features}, K) for K bins, 2 to "
            f"{MOST_BINS}"
        )
    return tensor.shape[1]


def _check_shapes(taken: Taken, backbone: Backbone, bins: int) -> None:
    """Before any array is read: a hostile shape would ask for all memory."""
    own = {
        f"backbone.{name}": tensor.shape for name, tensor in backbone.module.state_dict().items()
    }
    own |= {HEAD[0].ours: torch.Size([bins, backbone.features]), HEAD[1].ours: torch.Size([bins])}
    wrong = []
    for ours, (tensor, part) in taken.items():
        wanted = tuple(own[ours][part.axes.index(axis)] for axis in range(len(part.axes)))
        if tensor.shape != wanted:
            wrong.append(f"{tensor.name} {tensor.shape} instead of {wanted}")
    if wrong:
        raise KerasFileError(f"{len(wrong)} tensors of another shape: {some_of(wrong, 3)}")


def _read(tensor: KerasTensor, part: Part) -> Tensor:
    values = tensor.read()
    if not np.isfinite(values).all():
        raise KerasFileError(f"{tensor.name} holds values that are not finite")
    return torch.from_numpy(np.ascontiguousarray(values.transpose(part.axes)))

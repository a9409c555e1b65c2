"""Weights from files: ImageNet weights for a backbone, and another stage's weights for a whole network."""

from __future__ import annotations

import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.backbone import Backbone

SUFFIXES = (".safetensors", ".pth")
HUB = "https://huggingface.co/"
CONNECT_SECONDS = 15
SHOWN = 6  # tensor names printed before "and N more"


@dataclass(frozen=True)
class LoadReport:
    """What became of every tensor: names of the network's, but for `unexpected`, which are the file's.

    taken: loaded. reinitialised: of a head of another shape, kept as freshly made. unexpected: in the file, not
    used. missing: in the network, not in the file, kept as freshly made.
    """

    taken: tuple[str, ...]
    reinitialised: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """One to three lines for a person: what was taken, left in the file, and is new."""
        new = self.reinitialised + self.missing
        lines = [
            f"{len(self.taken)} tensors taken, {len(self.unexpected)} left in the file, {len(new)} new"
        ]
        if self.unexpected:
            lines.append(f"left in the file: {_list(self.unexpected)}")
        if new:
            lines.append(f"new (freshly initialised): {_list(new)}")
        return lines


def _list(names: tuple[str, ...]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a .safetensors or .pth file, on the CPU; ValueError when it is not one. Never unpickles objects."""
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both readers raise many kinds for a damaged file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{path}: cannot be read as a weight file: {reason}") from None
    for key in ("state_dict_ema", "model_ema", "state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not any(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise ValueError(f"{path}: holds no named tensors: save the network's state_dict in it")
    return strip_module(
        {name: value for name, value in content.items() if isinstance(value, Tensor)}
    )


def strip_module(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names without the `module.` that a distributed wrapper puts before them."""
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def find_local(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first file of `folder` named after one of `names`, in any case, with - or _, and with or without the hash
    that the libraries put at the end of theirs (`resnet18-f37072fd.pth`)."""
    if not folder.is_dir():
        return None
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    files.sort(key=lambda path: SUFFIXES.index(path.suffix.lower()))
    for name in names:
        pattern = re.compile(re.escape(_plain(name)) + r"(_[0-9a-f]{8})?")
        for path in files:
            if pattern.fullmatch(_plain(path.stem)):
                return path
    return None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(":", "_")


def download(source: str) -> dict[str, Tensor]:
    """Tensors of a file at a URL, from the library's cache if it is there; OSError when it cannot be had."""
    if source.startswith(HUB):
        return read_state(_from_hub(*source.removeprefix(HUB).split("/resolve/main/")))
    return torch.hub.load_state_dict_from_url(
        source, map_location="cpu", weights_only=True, check_hash=True
    )


def _from_hub(repository: str, file: str) -> Path:
    import huggingface_hub

    cached = huggingface_hub.try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    # The hub's client tries for most of a minute, with ten lines of warnings, where there is no network.
    url = huggingface_hub.hf_hub_url(repository, file)
    with urllib.request.urlopen(
        urllib.request.Request(url, method="HEAD"), timeout=CONNECT_SECONDS
    ):
        pass
    return Path(huggingface_hub.hf_hub_download(repository, file))


def load_imagenet(backbone: Backbone, state: dict[str, Tensor], source: str) -> LoadReport:
    """Copy a library's weights into its backbone; the classifier's tensors are left.

    Raises ValueError when a tensor of the backbone is not there, or has another shape: the file is of another one.
    """
    own = backbone.module.state_dict()
    kept = {
        name: tensor for name, tensor in state.items() if not name.startswith(backbone.classifier)
    }
    adapted = backbone.adapt(backbone.module, kept)
    _check_complete(own, adapted, f"{source}: is not of {backbone.name}")
    taken = tuple(name for name in own if name in adapted)
    backbone.module.load_state_dict({name: adapted[name] for name in taken}, strict=False)
    left = [name for name in state if name not in kept] + [
        name for name in adapted if name not in own
    ]
    return LoadReport(
        taken, unexpected=tuple(left), missing=tuple(name for name in own if name not in adapted)
    )


def _check_complete(own: dict[str, Tensor], state: dict[str, Tensor], what: str) -> None:
    absent = [
        name for name in own if name not in state and not name.endswith("num_batches_tracked")
    ]
    other = [name for name in own if name in state and state[name].shape != own[name].shape]
    if absent:
        raise ValueError(
            f"{what}: {len(absent)} tensors are not in it, first {_list(tuple(absent[:3]))}"
        )
    if other:
        shapes = [
            f"{n} {tuple(state[n].shape)} instead of {tuple(own[n].shape)}" for n in other[:3]
        ]
        raise ValueError(
            f"{what}: {len(other)} tensors have other shapes, first {', '.join(shapes)}"
        )


def load_weights(
    model: nn.Module, state_dict: dict[str, Tensor], strict_head: bool = False
) -> LoadReport:
    """Start a QualityNet from another one's tensors, of the same stage or of another (rank -> regress -> emd).

    The backbone has to match completely. A head of another shape keeps its fresh initialisation, as a whole, unless
    strict_head. Pixels are normalised as the file says.

    Raises ValueError, naming the first tensors, when the file is of another backbone, or its head is of another
    shape and strict_head is set.
    """
    own = model.state_dict()
    state = strip_module(state_dict)
    trunk = {name: tensor for name, tensor in own.items() if not name.startswith("heads.")}
    _check_complete(trunk, state, f"the weights are of another backbone than {model.arch}")
    _check_normalisation(model, state)
    heads = {f"heads.{name}." for name in model.heads}
    fresh = {prefix for prefix in heads if not _same(own, state, prefix)}
    if strict_head and fresh:
        raise ValueError(
            f"the weights have another head than num_classes {model.num_classes}: {_head_shapes(state)}: "
            "give the --num_classes that they were trained with"
        )
    skipped = tuple(name for name in own if name.startswith(tuple(fresh)))
    taken = tuple(name for name in own if name in state and name not in skipped)
    model.load_state_dict({name: state[name] for name in taken}, strict=False)
    return LoadReport(
        taken=taken,
        reinitialised=tuple(name for name in skipped if name in state),
        unexpected=tuple(name for name in state if name not in own),
        missing=tuple(name for name in own if name not in state),
    )


def _same(own: dict[str, Tensor], state: dict[str, Tensor], prefix: str) -> bool:
    names = {name for name in own if name.startswith(prefix)}
    return names == {name for name in state if name.startswith(prefix)} and all(
        own[name].shape == state[name].shape for name in names
    )


def _head_shapes(state: dict[str, Tensor]) -> str:
    found = [
        f"{name} {tuple(tensor.shape)}"
        for name, tensor in state.items()
        if name.startswith("heads.")
    ]
    return ", ".join(found) or "no head"


def _check_normalisation(model: nn.Module, state: dict[str, Tensor]) -> None:
    """AdvProp EfficientNets have the plain ones' tensor names and shapes, but other padding and pixel range: loaded
    into each other they would run and be wrong."""
    if model.advprop is None:  # no such variant exists of this backbone
        return
    if not torch.allclose(state["std"].cpu().float(), model.std.cpu().float(), atol=1e-4):
        raise ValueError(
            "the weights differ in --advprop from this network: give it, or not, as in their training"
        )

"""A library's ImageNet weights in a backbone, with every tensor accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from models.backbone import COUNTER, Backbone
from models.weight_files import download, find_local, first_line, plain, read_state
from utils.text import some_of


@dataclass(frozen=True)
class LoadReport:
    """What became of every tensor, by name.

    taken: loaded into the network.
    reinitialised: the network's, of a head of another shape; as freshly made.
    unexpected: the file's, not used.
    missing: the network's, not in the file; as freshly made.
    source: the file or URL, if it was read here. note: what else a person has to know.
    """

    taken: tuple[str, ...]
    reinitialised: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    source: str = ""
    note: str = ""

    def lines(self) -> list[str]:
        """One to four lines for a person: what was taken, what was left, what is new."""
        new = self.reinitialised + self.missing
        place = f"{self.source}: " if self.source else ""
        counts = f"{len(self.taken)} tensors taken, {len(self.unexpected)} left, {len(new)} new"
        lines = [f"{place}{counts}"]
        if self.unexpected:
            lines.append(f"left in the file: {some_of(self.unexpected)}")
        if new:
            lines.append(f"new, freshly initialised: {some_of(new)}")
        if self.note:
            lines.append(self.note)
        return lines


def load_pretrained(backbone: Backbone, arch: str, folder: Path) -> LoadReport:
    """ImageNet weights from a file in `folder`, else from the library's own source.

    Raises ValueError when there are none; without a network it says what file to put where.
    """
    # An AdvProp network must not take the plain weights that stand under the bare name.
    names = backbone.file_names if backbone.advprop else (arch, *backbone.file_names)
    file = find_local(folder, names)
    if file is not None:
        return load_imagenet(backbone, read_state(file), str(file))
    if backbone.source is None:
        raise ValueError(
            f"--pretrained: no file for {arch} in {folder}/, and its library has no weights for "
            f"{backbone.name}: {backbone.other_weights}"
        )
    try:
        return load_imagenet(backbone, download(backbone.source), backbone.source)
    except OSError as error:
        kept = folder / f"{plain(names[0])}{Path(backbone.source).suffix}"
        raise ValueError(
            f"--pretrained: no file for {arch} in {folder}/, and the download failed "
            f"({first_line(error)}): save {backbone.source} as {kept}"
        ) from None


def load_imagenet(backbone: Backbone, state: dict[str, Tensor], source: str) -> LoadReport:
    """Copy a library's tensors into its backbone; the classifier's are left.

    Raises ValueError when they are of another backbone.
    """
    own = backbone.module.state_dict()
    adapted = backbone.adapt(backbone.module, state)
    extra = [name for name in adapted if name not in own]
    body = [name for name in extra if not name.startswith(backbone.classifier or ("",))]
    what = f"{source}: is not of {backbone.name}"
    check_complete(own, adapted, what)
    # Some files carry a buffer or two that newer code computes. A deeper network carries more.
    if len(body) > len(own) // 10:
        raise ValueError(f"{what}: it has {len(body)} tensors more, first {some_of(body, 3)}")
    taken = [name for name in own if name in adapted]
    check_finite(own, {name: adapted[name] for name in taken}, f"{source}: ")
    fill(backbone.module, own, {name: adapted[name] for name in taken})
    return LoadReport(tuple(taken), unexpected=tuple(extra), source=source)


def check_complete(own: dict[str, Tensor], state: dict[str, Tensor], what: str) -> None:
    """ValueError that begins with `what`, where tensors of `own` lack or have other shapes."""
    absent = [name for name in own if name not in state and not name.endswith(COUNTER)]
    if absent:
        raise ValueError(f"{what}: it lacks {len(absent)} tensors, first {some_of(absent, 3)}")
    other = [name for name in own if name in state and state[name].shape != own[name].shape]
    if other:
        first = ", ".join(
            f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
            for name in other[:3]
        )
        raise ValueError(f"{what}: {len(other)} tensors have other shapes, first {first}")


def check_finite(own: dict[str, Tensor], state: dict[str, Tensor], where: str = "") -> None:
    """ValueError that names the first tensor which is nan or infinite as the network keeps it."""
    bad = [name for name, tensor in state.items() if not _is_finite(tensor, own[name].dtype)]
    if bad:
        raise ValueError(
            f"{where}{len(bad)} tensors hold nan or inf, first {some_of(bad, 3)}: the training "
            "that wrote them had diverged: use weights of an earlier epoch"
        )


def _is_finite(tensor: Tensor, kept_as: torch.dtype) -> bool:
    if not tensor.is_floating_point():
        return True
    kept = tensor.to(kept_as) if kept_as.is_floating_point else tensor
    return bool(torch.isfinite(kept).all())


def fill(module: nn.Module, own: dict[str, Tensor], taken: dict[str, Tensor]) -> None:
    """`taken` into the module whose state is `own`, which keeps what torch notes beside the names:
    MNASNet loads no tensors without its version there.
    """
    own.update(taken)
    module.load_state_dict(own)

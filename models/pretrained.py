"""Weights from elsewhere, with every tensor accounted for.

`load_imagenet` fills a backbone with a library's weights, `load_weights` a whole network with those
of the same stage or another one (rank -> regress -> emd).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.backbone import Backbone
from models.elsewhere import COUNTER, as_ours, find_backbone, propose_arch
from models.weight_files import download, find_local, first_line, plain, read_state

if TYPE_CHECKING:
    from models.quality_net import QualityNet

SHOWN = 6  # names printed before "and N more"


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
            lines.append(f"left in the file: {_list(self.unexpected)}")
        if new:
            lines.append(f"new, freshly initialised: {_list(new)}")
        if self.note:
            lines.append(self.note)
        return lines


def _list(names: tuple[str, ...] | list[str], shown: int = SHOWN) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest


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
    _check_complete(own, adapted, what)
    # Some files carry a buffer or two that newer code computes. A deeper network carries more.
    if len(body) > len(own) // 10:
        raise ValueError(f"{what}: it has {len(body)} tensors more, first {_list(body, 3)}")
    taken = [name for name in own if name in adapted]
    _check_finite(own, {name: adapted[name] for name in taken}, f"{source}: ")
    _fill(backbone.module, own, {name: adapted[name] for name in taken})
    return LoadReport(tuple(taken), unexpected=tuple(extra), source=source)


def _check_complete(own: dict[str, Tensor], state: dict[str, Tensor], what: str) -> None:
    absent = [name for name in own if name not in state and not name.endswith(COUNTER)]
    if absent:
        raise ValueError(f"{what}: it lacks {len(absent)} tensors, first {_list(absent, 3)}")
    other = [name for name in own if name in state and state[name].shape != own[name].shape]
    if other:
        first = ", ".join(
            f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
            for name in other[:3]
        )
        raise ValueError(f"{what}: {len(other)} tensors have other shapes, first {first}")


def _check_finite(own: dict[str, Tensor], state: dict[str, Tensor], where: str = "") -> None:
    """ValueError that names the first tensor which is nan or infinite as the network keeps it."""
    bad = [name for name, tensor in state.items() if not _is_finite(tensor, own[name].dtype)]
    if bad:
        raise ValueError(
            f"{where}{len(bad)} tensors hold nan or inf, first {_list(bad, 3)}: the training that "
            "wrote them had diverged: use weights of an earlier epoch"
        )


def _is_finite(tensor: Tensor, kept_as: torch.dtype) -> bool:
    if not tensor.is_floating_point():
        return True
    kept = tensor.to(kept_as) if kept_as.is_floating_point else tensor
    return bool(torch.isfinite(kept).all())


def _fill(module: nn.Module, own: dict[str, Tensor], taken: dict[str, Tensor]) -> None:
    """`taken` into the module whose state is `own`, which keeps what torch notes beside the names:
    MNASNet loads no tensors without its version there.
    """
    own.update(taken)
    module.load_state_dict(own)


def load_weights(
    model: QualityNet, state_dict: dict[str, Tensor], strict_head: bool = False
) -> LoadReport:
    """Start a network from another one's tensors.

    The backbone has to match completely; another program's (models/elsewhere.py) may have other
    names, and its head is never taken. A head of another shape keeps its fresh initialisation,
    as a whole, unless strict_head. Pixels will be normalised as the file says.

    Raises ValueError, naming the first tensors, when the file is of another backbone, when its head
    is of another shape and strict_head is set, and when a tensor holds nan or inf.
    """
    own = model.state_dict()
    state = as_ours(state_dict)
    if state is None:
        return _load_elsewhere(model, own, state_dict, strict_head)
    try:
        _check_backbone(model, own, state)
    except ValueError as error:
        raise ValueError(f"{error}{propose_arch(state)}") from None
    heads = [f"heads.{name}." for name in model.heads]
    fresh = tuple(prefix for prefix in heads if _differ(own, state, prefix))
    if strict_head and fresh:
        found = [f"{n} {tuple(t.shape)}" for n, t in state.items() if n.startswith("heads.")]
        raise ValueError(
            f"the weights have another head than num_classes {model.num_classes}: "
            f"{', '.join(found) or 'none'}: give the --num_classes that they were trained with"
        )
    taken = [name for name in own if name in state and not (fresh and name.startswith(fresh))]
    _check_finite(own, {name: state[name] for name in taken})
    _fill(model, own, {name: state[name] for name in taken})
    return LoadReport(
        taken=tuple(taken),
        reinitialised=tuple(name for name in own if name in state and name not in set(taken)),
        unexpected=tuple(name for name in state if name not in own),
        missing=tuple(name for name in own if name not in state),
    )


def _load_elsewhere(
    model: QualityNet, own: dict[str, Tensor], given: dict[str, Tensor], strict_head: bool
) -> LoadReport:
    """The backbone of another program's network; its head is not one of ours."""
    found = find_backbone(model.arch, bool(model.advprop), model.backbone, given)
    if found is None:
        raise ValueError(
            f"the weights are of another backbone than {model.arch}, first tensors "
            f"{_list(list(given), 3)}{propose_arch(given)}"
        )
    if strict_head:
        raise ValueError(
            f"the backbone is {model.arch}, the head is another program's, which gives no score "
            "here: train one on it first, with --train --resume"
        )
    state = {f"backbone.{name}": tensor for name, tensor in found.items()}
    _check_finite(own, state)
    _fill(model, own, state)
    used = {tensor.data_ptr() for tensor in found.values()}
    return LoadReport(
        taken=tuple(state),
        unexpected=tuple(name for name, tensor in given.items() if tensor.data_ptr() not in used),
        missing=tuple(name for name in own if name not in state and name not in ("mean", "std")),
        note=f"of another program: pixels are normalised as {model.backbone_name} wants them",
    )


def _differ(own: dict[str, Tensor], state: dict[str, Tensor], prefix: str) -> bool:
    """Whether names or shapes under this prefix are not the same."""
    ours, theirs = (
        {name: tensor.shape for name, tensor in tensors.items() if name.startswith(prefix)}
        for tensors in (own, state)
    )
    return ours != theirs


def _check_backbone(model: QualityNet, own: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    what = f"the weights are of another backbone than {model.arch}"
    trunk = {name: tensor for name, tensor in own.items() if not name.startswith("heads.")}
    _check_complete(trunk, state, what)
    more = [name for name in state if name.startswith("backbone.") and name not in own]
    if more:
        raise ValueError(f"{what}: they have {len(more)} tensors more, first {_list(more, 3)}")
    # AdvProp EfficientNets have the plain ones' tensor names and shapes, but other padding and
    # another pixel range: loaded into each other they would run, and be wrong.
    same = torch.allclose(state["std"].float().cpu(), model.std.float().cpu(), atol=1e-4)
    if model.advprop is not None and not same:
        raise ValueError("the weights differ in --advprop: give it, or not, as in their training")

"""A whole network from the tensors of another one, with every tensor accounted for: of the same
task or another (rank -> regress -> emd), or the backbone of another program's network.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.elsewhere import as_ours, find_backbone, propose_arch
from models.pretrained import LoadReport, check_complete, check_finite, fill
from models.quality_net import QualityNet
from utils.text import some_of


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
    check_finite(own, {name: state[name] for name in taken})
    fill(model, own, {name: state[name] for name in taken})
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
            f"{some_of(list(given), 3)}{propose_arch(given)}"
        )
    if strict_head:
        raise ValueError(
            f"the backbone is {model.arch}, the head is another program's, which gives no score "
            "here: train one on it first, with --train --resume"
        )
    state = {f"backbone.{name}": tensor for name, tensor in found.items()}
    check_finite(own, state)
    fill(model, own, state)
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
    check_complete(trunk, state, what)
    more = [name for name in state if name.startswith("backbone.") and name not in own]
    if more:
        raise ValueError(f"{what}: they have {len(more)} tensors more, first {some_of(more, 3)}")
    # AdvProp EfficientNets have the plain ones' tensor names and shapes, but other padding and
    # another pixel range: loaded into each other they would run, and be wrong.
    same = torch.allclose(state["std"].float().cpu(), model.std.float().cpu(), atol=1e-4)
    if model.advprop is not None and not same:
        raise ValueError("the weights differ in --advprop: give it, or not, as in their training")

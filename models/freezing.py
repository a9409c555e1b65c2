"""Parts of a backbone that training leaves as they are.

A frozen part is a fixed function of its input: its parameters take no gradient, and all of it stays
in evaluation mode (`QualityNet.train`), so that running statistics do not move, either, and nothing
is dropped. Where everything below a block is frozen autograd keeps nothing of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

from torch import nn

from models.quality_net import QualityNet
from models.sizes import build_backbone
from models.summary import blocks_of
from utils.flag_types import did_you_mean, is_number

NOTHING, BACKBONE = "none", "backbone"
_RANGE = re.compile(r"(.+\.)\d+-(\d+)")  # as the summary shows equal neighbours: blocks.0-11


@dataclass(frozen=True)
class Frozen:
    """parameters: how many are frozen, of `total` in the network; last: the last frozen block, or
    "backbone".
    """

    parameters: int
    total: int
    last: str

    def __str__(self) -> str:
        part = "the whole backbone" if self.last == BACKBONE else f"the backbone up to {self.last}"
        return f"frozen: {self.parameters:,} of {self.total:,} parameters, {part}"


def freeze(model: QualityNet, what: str) -> None:
    """Freezes a part of the model's backbone in place.

    what: "none"; "backbone"; the name of a block as `models.summary` prints it, or of any module of
        the backbone (everything up to and including it in the order of definition, which is that
        of the summary); or a share of the backbone's parameters, as text: the first blocks that
        together hold no more than it. Parameters outside all blocks (class tokens, position
        tables) come first.

    Siamese NIMA's bottom, the first 618 of the 780 layers of Keras's InceptionResNetV2, is
    everything up to `mixed_7a`: 18 layers of stem, 23 of mixed_5b, 10 x 22 of block35, 14 of
    mixed_6a, 20 x 16 of block17 and 23 of mixed_7a.

    Call it before an optimizer, an average or a distributed wrapper is made. Raises ValueError for
    an unknown block, with the near names and the list, and for a share that no block fits into.
    """
    modules = list(model.backbone.named_modules())
    last, _ = _last_frozen(model.backbone, what, model.arch)
    for _, module in modules[: last + 1]:
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)
    # In this order only what contains the first trained module is frozen in part.
    after = modules[last + 1][0] if last + 1 < len(modules) else None
    model.frozen = tuple(n for n, _ in modules[: last + 1] if after is None or not _holds(n, after))
    model.train(model.training)


def frozen_part(model: QualityNet, what: str) -> Frozen | None:
    """What `freeze` has frozen; None where that is nothing."""
    last, shown = _last_frozen(model.backbone, what, model.arch)
    if last < 0:
        return None
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    parameters = sum(size for size, trained in sizes if not trained)
    return Frozen(parameters, sum(size for size, _ in sizes), shown)


def check_freeze(arch: str, image_size: tuple[int, int], what: str, advprop: bool = False) -> None:
    """ValueError, as by `freeze`, before any file is read; costs a construction without data."""
    if what in (NOTHING, BACKBONE):
        return
    backbone = build_backbone(arch, image_size, advprop, without_data=True)
    _last_frozen(backbone.module, what, arch)


def _last_frozen(backbone: nn.Module, what: str, arch: str) -> tuple[int, str]:
    """(position of the last frozen module among `named_modules()`, its name for a person); -1 where
    nothing is frozen.
    """
    names = [name for name, _ in backbone.named_modules()]
    if what in (NOTHING, BACKBONE):
        return (-1 if what == NOTHING else len(names) - 1), what
    if is_number(what):
        return _last_of_share(backbone, names, what)
    written = _RANGE.fullmatch(what)
    name = "".join(written.groups()) if written else what
    if name and name in names:
        return _end(names, name), name
    blocks = [
        block for block, part in blocks_of(backbone).items() if any(True for _ in part.parameters())
    ]
    containers = {block.rpartition(".")[0] for block in blocks} - {""}
    hint = did_you_mean(what, [*blocks, *sorted(containers)])
    raise ValueError(
        f"--freeze {what}: {arch} has no such block{hint} "
        f"(none, backbone, a share such as 0.5, or one of {', '.join(_folded(blocks))})"
    )


def _last_of_share(backbone: nn.Module, names: list[str], what: str) -> tuple[int, str]:
    held, seen = [0], set[int]()  # parameters in the modules up to each position, from 1
    for _, module in backbone.named_modules():
        own = {id(p): p.numel() for p in module.parameters(recurse=False)}
        held.append(held[-1] + sum(size for key, size in own.items() if key not in seen))
        seen |= own.keys()
    ends = ((name, _end(names, name)) for name in blocks_of(backbone))
    blocks = [(name, end, held[end + 1]) for name, end in ends if held[end + 1] > 0]
    fitting = [block for block in blocks if block[2] <= float(what) * held[-1] * (1 + 1e-9)]
    if not fitting:
        first, _, size = blocks[0]
        raise ValueError(
            f"--freeze {what}: the first block, {first}, holds {size / held[-1]:.2g} of the "
            "backbone's parameters: pass a larger share"
        )
    # Blocks that add no parameters (activations, pooling) go with the one before, unnamed.
    _, last, most = fitting[-1]
    return last, next(name for name, _, size in fitting if size == most)


def _end(names: list[str], name: str) -> int:
    """Position of the last module inside `name`, itself included."""
    return max(i for i, inner in enumerate(names) if _holds(name, inner))


def _holds(name: str, inner: str) -> bool:
    """Whether a module is `name` itself or inside it; "" is the root."""
    return not name or inner == name or inner.startswith(f"{name}.")


def _folded(blocks: list[str]) -> list[str]:
    """`a.0`, `a.1`, `a.2` as `a.0-2`."""

    def family(block: str) -> str:
        container, _, block = block.rpartition(".")
        return f"{container}." if container and block.isdecimal() else block

    groups = [list(group) for _, group in groupby(blocks, family)]
    return [g[0] if len(g) == 1 else f"{g[0]}-{g[-1].rpartition('.')[2]}" for g in groups]

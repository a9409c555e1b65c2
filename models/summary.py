"""The model's summary: parameters, multiply-adds and output shape, per stage and in all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.heads import ScoreHead
from models.quality_net import build_backbone
from models.registry import adapter, canonical_name, resolve

CONTAINERS = (nn.Sequential, nn.ModuleList)


@dataclass(frozen=True)
class Stage:
    """Of one part: number of parameters, multiply-adds for one image, shape of its output."""

    name: str
    parameters: int
    multiply_adds: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Summary:
    """Of a network: the totals include what belongs to no stage (class tokens, position tables).

    Multiply-adds are those of convolutions, linear layers and attention, half of what
    `torch.utils.flop_counter` counts; normalisation, activations and pooling are not in it.
    """

    title: str
    parameters: int
    multiply_adds: int
    stages: tuple[Stage, ...]

    def __str__(self) -> str:
        rows = [("stage", "parameters", "multiply-adds", "output shape")]
        rows += [_row(s.name, s.parameters, s.multiply_adds, s.shape) for s in self.stages]
        total = _row("total", self.parameters, self.multiply_adds, self.stages[-1].shape)
        widths = [max(len(row[i]) for row in (*rows, total)) for i in range(4)]
        lines = [_line(row, widths) for row in rows]
        rule = "-" * max(len(line) for line in lines)
        return "\n".join([self.title, rule, lines[0], rule, *lines[1:], rule, _line(total, widths)])


def _row(name: str, parameters: int, macs: int, shape: tuple[int, ...]) -> tuple[str, ...]:
    amount = f"{macs / 1e9:.3f} G" if macs >= 1e6 else f"{macs / 1e6:.3f} M"
    return name, f"{parameters:,}", amount, " x ".join(map(str, shape))


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    name, parameters, macs, shape = row
    return f"{name:<{widths[0]}}  {parameters:>{widths[1]}}  {macs:>{widths[2]}}  {shape}"


def summarize(
    arch: str,
    num_classes: int = 1,
    image_size: tuple[int, int] = (224, 224),
    advprop: bool = False,
) -> Summary:
    """The summary of `build_model` with the same arguments, for one image; `str()` is a table.

    Nothing is computed and no memory is taken (meta device). Raises ValueError as build_model does.
    """
    library, name = resolve(arch)
    size = (int(image_size[0]), int(image_size[1]))
    backbone = build_backbone(adapter(library), name, size, advprop, without_data=True)
    stages = measure_stages(backbone.module.eval(), size)
    with torch.device("meta"):
        head = ScoreHead(backbone.features, num_classes)
    rows = _fold([s for s in stages[1:] if s.parameters or s.multiply_adds])
    rows.append(Stage("head", _parameters(head), backbone.features * num_classes, (1, num_classes)))
    source = f"{library}'s {backbone.name}"
    return Summary(
        title=f"{canonical_name(arch)} ({source}), input 1 x 3 x {size[0]} x {size[1]}",
        parameters=stages[0].parameters + rows[-1].parameters,
        multiply_adds=stages[0].multiply_adds + rows[-1].multiply_adds,
        stages=tuple(rows),
    )


def measure_stages(module: nn.Module, image_size: tuple[int, int]) -> list[Stage]:
    """The whole module (on the meta device), then its stages in the order of definition."""
    shapes: dict[str, tuple[int, ...]] = {}
    stages = {"": module, **stages_of(module)}

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            first = output if isinstance(output, Tensor) else next(iter(output))
            shapes[name] = tuple(first.shape)

        return hook

    handles = [stage.register_forward_hook(note(name)) for name, stage in stages.items()]
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), counter, torch.device("meta"):
            module(torch.empty(1, 3, *image_size, device="meta"))
    finally:
        for handle in handles:
            handle.remove()
    counts = counter.get_flop_counts()
    root = type(module).__name__
    return [
        Stage(
            name=name,
            parameters=_parameters(stage),
            multiply_adds=sum(counts.get(f"{root}.{name}".rstrip("."), {}).values()) // 2,
            shape=shapes[name],
        )
        for name, stage in stages.items()
        if name in shapes
    ]


def _fold(stages: list[Stage]) -> list[Stage]:
    """Equal neighbours (`blocks.0` to `blocks.11`) as one stage, `blocks.0-11`, with their sums."""

    def alike(stage: Stage) -> tuple[Any, ...]:
        return stage.name.rpartition(".")[0], stage.parameters, stage.multiply_adds, stage.shape

    folded = []
    for _, group in groupby(stages, alike):
        first, *rest = group
        if rest and "." in first.name:
            last = rest[-1].name.rpartition(".")[2]
            times = 1 + len(rest)
            sums = first.parameters * times, first.multiply_adds * times
            folded.append(Stage(f"{first.name}-{last}", *sums, first.shape))
        else:
            folded += [first, *rest]
    return folded


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def stages_of(module: nn.Module) -> dict[str, nn.Module]:
    """Parts of a backbone by name: its children, and in place of a container of blocks, these."""
    stages: dict[str, nn.Module] = {}
    for name, child in module.named_children():
        blocks = isinstance(child, CONTAINERS) and any(any(b.children()) for b in child)
        if isinstance(child, nn.ModuleList) or blocks:
            stages |= {f"{name}.{block}": part for block, part in child.named_children()}
        else:
            stages[name] = child
    return stages

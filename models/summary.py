"""The model's summary: parameters, multiply-adds and output shape, per block and in all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from models.heads import ScoreHead
from models.registry import canonical_name, resolve
from models.sizes import build_backbone


@dataclass(frozen=True)
class Block:
    """One part of a network: its parameters, multiply-adds for one image, and output's shape."""

    name: str
    parameters: int
    multiply_adds: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Summary:
    """A network in numbers; totals include what is in no block (class tokens, position tables).

    Multiply-adds are those of convolutions, linear layers and attention, half of what
    `torch.utils.flop_counter` counts; normalisation, activations and pooling are not in it.
    """

    title: str
    parameters: int
    multiply_adds: int
    blocks: tuple[Block, ...]

    def __str__(self) -> str:
        rows = [("block", "parameters", "multiply-adds", "output shape")]
        rows += [_row(b.name, b.parameters, b.multiply_adds, b.shape) for b in self.blocks]
        total = _row("total", self.parameters, self.multiply_adds, self.blocks[-1].shape)
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
    size = (int(image_size[0]), int(image_size[1]))
    backbone = build_backbone(arch, size, advprop, without_data=True)
    blocks = measure_blocks(backbone.module.eval(), size)
    with torch.device("meta"):
        head = ScoreHead(backbone.features, num_classes)
    rows = _fold([b for b in blocks[1:] if b.parameters or b.multiply_adds])
    rows.append(Block("head", _parameters(head), backbone.features * num_classes, (1, num_classes)))
    source = f"{resolve(arch)[0]}'s {backbone.name}"
    return Summary(
        title=f"{canonical_name(arch)} ({source}), input 1 x 3 x {size[0]} x {size[1]}",
        parameters=blocks[0].parameters + rows[-1].parameters,
        multiply_adds=blocks[0].multiply_adds + rows[-1].multiply_adds,
        blocks=tuple(rows),
    )


def measure_blocks(module: nn.Module, image_size: tuple[int, int]) -> list[Block]:
    """The whole module (on the meta device), then its blocks in the order of definition."""
    shapes: dict[str, tuple[int, ...]] = {}
    blocks = {"": module, **blocks_of(module)}

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            first = output if isinstance(output, Tensor) else next(iter(output))
            shapes[name] = tuple(first.shape)

        return hook

    from torch.utils.flop_counter import FlopCounterMode  # here: training needs the blocks alone

    handles = [block.register_forward_hook(note(name)) for name, block in blocks.items()]
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
        Block(
            name=name,
            parameters=_parameters(block),
            multiply_adds=sum(counts.get(f"{root}.{name}".rstrip("."), {}).values()) // 2,
            shape=shapes[name],
        )
        for name, block in blocks.items()
        if name in shapes
    ]


def _fold(blocks: list[Block]) -> list[Block]:
    """Equal neighbours (`blocks.0` to `blocks.11`) as one block, `blocks.0-11`, with their sums."""

    def alike(block: Block) -> tuple[Any, ...]:
        return block.name.rpartition(".")[0], block.parameters, block.multiply_adds, block.shape

    folded = []
    for _, group in groupby(blocks, alike):
        first, *rest = group
        if rest and "." in first.name:
            last = rest[-1].name.rpartition(".")[2]
            times = 1 + len(rest)
            sums = first.parameters * times, first.multiply_adds * times
            folded.append(Block(f"{first.name}-{last}", *sums, first.shape))
        else:
            folded += [first, *rest]
    return folded


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def blocks_of(module: nn.Module) -> dict[str, nn.Module]:
    """Parts of a backbone by name: its children, and in place of a container of blocks, these."""
    blocks: dict[str, nn.Module] = {}
    for name, child in module.named_children():
        nested = isinstance(child, nn.Sequential) and any(any(b.children()) for b in child)
        if nested or isinstance(child, nn.ModuleList):
            blocks |= {f"{name}.{inner}": part for inner, part in child.named_children()}
        else:
            blocks[name] = child
    return blocks

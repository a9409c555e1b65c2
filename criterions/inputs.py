"""What every criterion takes, and the checks made before any arithmetic."""

from __future__ import annotations

from typing import Protocol

import torch


class Prediction(Protocol):
    """What a network answers: `scores` (N,), higher is better, and `logits` (N, K)."""

    @property
    def scores(self) -> torch.Tensor:
        """float (N,)."""

    @property
    def logits(self) -> torch.Tensor:
        """float (N, K)."""


def require_vector(name: str, tensor: torch.Tensor) -> None:
    """ValueError unless `tensor` is (N,): (N, 1) against (N,) would broadcast to (N, N)."""
    if tensor.ndim != 1:
        raise ValueError(
            f"{name}: shape {tuple(tensor.shape)} where one dimension is wanted: "
            "squeeze the last dimension in the head, not in the loss"
        )


def require_same_shape(
    name: str, tensor: torch.Tensor, other_name: str, other: torch.Tensor
) -> None:
    """ValueError unless both shapes are equal, so that nothing broadcasts."""
    if tensor.shape != other.shape:
        raise ValueError(
            f"{name} {tuple(tensor.shape)} and {other_name} {tuple(other.shape)} "
            "differ in shape: they must be equal"
        )


def require_margin(margin: float) -> None:
    """ValueError unless the margin is finite and above 0."""
    if not 0 < margin < float("inf"):
        raise ValueError(
            f"margin {margin}: must be finite and above 0, because with a margin of 0 "
            "the same score for every image is already optimal"
        )


def require_positions(pairs: dict[str, torch.Tensor]) -> None:
    """ValueError unless the two tensors are int64 (P,) of one length, with at least one pair."""
    for name, positions in pairs.items():
        require_vector(name, positions)
        if positions.dtype != torch.int64:
            raise ValueError(f"{name}: {positions.dtype} where int64 positions are wanted")
    (name, a), (other_name, b) = pairs.items()
    require_same_shape(name, a, other_name, b)
    if a.numel() == 0:
        raise ValueError("no pairs: the mean over nothing is undefined, so skip this batch")


def require_target(targets: dict[str, torch.Tensor], name: str, criterion: str) -> torch.Tensor:
    """The tensor `name` of a batch's targets, or a ValueError that says what is there."""
    if name not in targets:
        raise ValueError(
            f"{criterion}: the targets hold {sorted(targets)}, not {name!r}: "
            "read label lines of the kind this criterion learns from"
        )
    return targets[name]


def at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    """Half precision is widened: sums over bins and small differences drown in its rounding."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor

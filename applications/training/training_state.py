"""The saved state of a training back into its parts. A file whose digest is right may still hold
odd values: whoever writes one can write both.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from applications.training.position import Position
from optim.ema import WeightEMA
from utils.files.tensor_files import CheckpointError
from utils.runtime.rng_state import set_rng_state
from utils.text import cut, printable

# What optimizers keep in the shape of the parameter; others are theirs to judge.
OF_ONE_SHAPE = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer")
ERRORS = (
    AttributeError, IndexError, KeyError, OverflowError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


def restore_state(
    payload: dict[str, Any],
    file: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    ema: WeightEMA | None,
    scaler: Any,
    device: torch.device,
    rank: int,
) -> Position:
    """Puts what `Trainer.save` wrote into the parts, and returns where training stands.

    Raises CheckpointError, one line that names the file and the part, for a state that does not
    fit them.
    """
    part = "model"
    try:
        model.load_state_dict(payload["model"])
        part = "ema"
        if ema:
            ema.load_state_dict(payload["ema"])
        part = "optimizer"
        _check_optimizer(payload["optimizer"], optimizer)
        optimizer.load_state_dict(payload["optimizer"])
        part = "scaler"
        _check_alike(payload["scaler"], scaler.state_dict(), "")
        scaler.load_state_dict(payload["scaler"])
        part = "position"
        position = _position(payload["position"])
        part = "sums"
        loss_sum, lines = payload["sums"][rank].tolist()
        position.loss_sum, position.lines = _number(loss_sum), int(_number(lines))
        part = "rng"
        set_rng_state(payload["rng"], device)
    except ERRORS as error:
        missing = isinstance(error, KeyError) and error.args == (part,)
        reason = "it is missing" if missing else (str(error).strip() or type(error).__name__)
        raise CheckpointError(
            f"{file}: holds no state of this run: {part}: "
            f"{cut(printable(reason.splitlines()[0]), 200)}: use another copy"
        ) from None
    return position


def _position(stored: dict[str, Any]) -> Position:
    position = Position(**stored)
    for field in dataclasses.fields(Position):
        value = getattr(position, field.name)
        if value is None and field.default is None:
            continue
        if field.name in ("loss_sum", "best"):
            _number(value, may_be_nan=field.name == "best")
        elif type(value) is not int or value < 0:
            raise ValueError(f"{field.name} is {cut(repr(value))}, not a count")
    return position


def _number(value: Any, may_be_nan: bool = False) -> float:
    if type(value) not in (int, float) or not (may_be_nan or math.isfinite(value)):
        raise ValueError(f"{cut(repr(value))} is not a finite number")
    return value


def _check_optimizer(stored: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
    """ValueError for values of other kinds, which torch would take and fail on in the next step."""
    own = optimizer.state_dict()
    _check_alike(stored["param_groups"], own["param_groups"], "param_groups")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for number, values in stored["state"].items():
        if type(number) is not int or not 0 <= number < len(parameters):
            raise ValueError(f"state {cut(repr(number))} is of no parameter")
        for name, value in values.items():
            if not isinstance(value, (Tensor, int, float, list, type(None))):
                raise ValueError(f"{cut(repr(name))} is of type {type(value).__name__}")
            if name in OF_ONE_SHAPE and value is not None:
                if value.shape != parameters[number].shape:
                    raise ValueError(f"{name} has the shape {tuple(value.shape)}")


def _check_alike(stored: Any, own: Any, name: str) -> None:
    """ValueError where `stored` is of another kind than the value that a new run has there."""
    kinds = [kind for kind in (dict, (list, tuple), str, bool, (int, float)) if _is(own, kind)]
    if own is None or not kinds:
        return
    absent = stored is None and kinds[0] in (str, bool, (int, float))
    if not absent and not _is(stored, kinds[0]) and not isinstance(stored, Tensor):
        raise ValueError(f"{name} is of type {type(stored).__name__}")
    if isinstance(own, dict):
        for key, value in own.items():
            _check_alike(stored[key], value, f"{name} {key}".strip())
    elif isinstance(own, (list, tuple)):
        for old, new in zip(stored, own, strict=True):
            _check_alike(old, new, name)
    elif isinstance(own, float) and stored is not None:
        _number(float(stored))


def _is(value: Any, kind: Any) -> bool:
    """isinstance, but True and False are no numbers."""
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))

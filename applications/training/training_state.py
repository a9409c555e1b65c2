"""What a training changes, where it stands, and its saved state back into its parts.

Values that are not finite are found before they are learned from, or saved: the good state stays. A
file whose digest is right may still hold odd values: whoever writes one can write both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optim.ema import WeightEMA
from optim.factory import MOMENTS
from optim.finite import first_not_finite, total
from utils.files.tensor_files import CheckpointError
from utils.runtime import distributed
from utils.runtime.rng_state import rng_state, set_rng_state
from utils.text import cut, printable

LEAST_SCALE = 2.0**-14  # of fp16's gradients: 30 updates in a row were left out by then
ERRORS = (
    AttributeError, IndexError, KeyError, OverflowError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


@dataclass
class Position:
    """Where training stands: the next step of an epoch, updates made, the sums of the epoch so far,
    the best value of the monitored metric.
    """

    epoch: int = 0
    step: int = 0
    updates: int = 0
    loss_sum: float = 0.0
    lines: int = 0
    best: float | None = None
    best_epoch: int | None = None

    def place(self, step: int | None = None) -> str:
        """In words, counted from 1: the given step, or the last one that was made."""
        return f"epoch {self.epoch + 1}, step {self.step if step is None else step}"


@dataclass(frozen=True)
class TrainingState:
    """What training changes: a network, its average if one is kept, what moves it, and the scale of
    fp16's gradients.
    """

    model: nn.Module
    ema: WeightEMA | None
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    device: torch.device

    @property
    def evaluated(self) -> nn.Module:
        """The network that counts: the averaged one where an average is kept."""
        return self.ema.module if self.ema else self.model

    def gradients(self, clip: float | None) -> Tensor:
        """Clips them to a norm of `clip`, if any; (), finite only where all of them are."""
        self.scaler.unscale_(self.optimizer)
        learning = [p for p in self.model.parameters() if p.grad is not None]
        if clip:
            return nn.utils.clip_grad_norm_(learning, clip)
        return total([p.grad for p in learning])

    def learn(self, finite: bool) -> None:
        """One update; none of gradients that float16 could not hold: the next are scaled less."""
        if finite:
            self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if finite and self.ema:
            self.ema.update(self.model)

    def fault_of_step(self, loss: float, gradients: Sequence[float], alone: bool) -> str | None:
        """What is wrong with a step, on every process or on none; None for nothing and for what
        fp16's scaler makes up for, which leaves the update out and scales less.

        loss: of the steps of the epoch so far; gradients: their total, or nothing where the step
        makes no update. Processes share gradients, and where a loss is not finite, no gradient is:
        all of them see that at the next update.
        """
        bad_loss, learned = not math.isfinite(loss), all(map(math.isfinite, gradients))
        scaled = self.scaler.is_enabled()
        if bad_loss and (alone or not (learned or scaled)):
            return f"the loss is {loss}"
        if learned:
            return None
        if scaled:
            if distributed.any_rank(bad_loss):
                return "the loss is not finite"
            return "no gradient is finite" if self.scaler.get_scale() < LEAST_SCALE else None
        named = ((name, p.grad) for name, p in self.model.named_parameters() if p.grad is not None)
        return f"the gradient of {first_not_finite(named)} is not finite"

    def fault(self) -> str | None:
        """What is wrong with a state that is to be saved or judged; every process gets an answer
        where one of them has found something.
        """
        name = first_not_finite(self._tensors())
        if not distributed.any_rank(name is not None):
            return None
        return f"{name} is not finite" if name else "another process has a value that is not finite"

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield from self.model.state_dict().items()
        if self.ema:
            for name, tensor in self.ema.module.state_dict().items():
                yield f"the average of {name}", tensor
        for parameter in self.optimizer.state.values():
            for name, value in parameter.items():
                if isinstance(value, Tensor):
                    yield f"the optimizer's {name}", value

    def to_dict(self, position: Position, sums: Tensor) -> dict[str, Any]:
        """What `restore` takes; sums (processes, 2): of loss and lines, each process its own."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict() if self.ema else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "rng": rng_state(self.device),
            "position": asdict(position),
            "sums": sums,
        }

    def restore(self, payload: dict[str, Any], file: Path, rank: int) -> Position:
        """Puts what was saved in the file into the parts, and returns where training stands.

        Raises CheckpointError, one line that names the file and the part, for a state that does not
        fit them.
        """
        part = "model"
        try:
            self.model.load_state_dict(payload["model"])
            part = "ema"
            if self.ema:
                self.ema.load_state_dict(payload["ema"])
            part = "optimizer"
            _check_optimizer(payload["optimizer"], self.optimizer)
            self.optimizer.load_state_dict(payload["optimizer"])
            part = "scaler"
            _check_alike(payload["scaler"], self.scaler.state_dict(), "")
            self.scaler.load_state_dict(payload["scaler"])
            part = "position"
            position = _position(payload["position"])
            part = "sums"
            loss_sum, lines = payload["sums"][rank].tolist()
            position.loss_sum, position.lines = _number(loss_sum), int(_number(lines))
            part = "rng"
            set_rng_state(payload["rng"], self.device)
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
    for field in fields(Position):
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
            if name in MOMENTS and value is not None:
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

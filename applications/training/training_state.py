"""What a training changes, where it stands, and its saved state back into its parts.

Values that are not finite are found before they are learned from, or saved: the good state stays. A
file whose digest is right may still hold odd values: whoever writes one can write both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from optim.ema import WeightEMA
from optim.factory import MOMENTS
from optim.finite import first_not_finite, norms, sizes
from utils.files.tensor_files import CheckpointError
from utils.runtime import distributed
from utils.runtime.rng_state import rng_state, set_rng_state
from utils.text import cut, printable

LEAST_SCALE = 2.0**-14  # of fp16's gradients: 30 updates in a row were left out by then
MOST_UNREAD = 100  # steps after which a loss that is not finite is noticed
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

    def gradients(self, clip: float | None) -> tuple[list[str], Tensor]:
        """Clips them to a norm of `clip`, if any. Returns the names (P,) of the parameters that
        have one, and (P,), each finite only where the gradient is; with `clip` both have one more,
        of all of them.
        """
        self.scaler.unscale_(self.optimizer)
        found = [(name, p) for name, p in self.model.named_parameters() if p.grad is not None]
        names, learning = [name for name, _ in found], [p for _, p in found]
        gradients = [p.grad for p in learning]
        if not (clip and gradients):
            return names, sizes(gradients)
        each = norms(gradients)
        whole = torch.linalg.vector_norm(each)
        nn.utils.clip_grads_with_norm_(learning, clip, whole)
        return [*names, "all parameters"], torch.cat([each, whole[None]])

    def learn(self, finite: bool) -> None:
        """One update; none of gradients that float16 could not hold: the next are scaled less."""
        if finite:
            self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if finite and self.ema:
            self.ema.update(self.model)

    def fault_of_step(self, loss: float, spoiled: str | None, alone: bool) -> str | None:
        """What is wrong with a step, on every process or on none; None for nothing and for what
        fp16's scaler makes up for, which leaves the update out and scales less.

        loss: of the steps of the epoch so far; spoiled: the parameter whose gradient is not finite.
        Processes share gradients, and where a loss is not finite, no gradient is: all of them see
        that at the next update.
        """
        bad_loss, scaled = not math.isfinite(loss), self.scaler.is_enabled()
        if bad_loss and (alone or (spoiled and not scaled)):
            return f"the loss is {loss}"
        if not spoiled:
            return None
        if scaled:
            if distributed.any_rank(bad_loss):
                return "the loss is not finite"
            return "no gradient is finite" if self.scaler.get_scale() < LEAST_SCALE else None
        return f"the gradient of {spoiled} is not finite"

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


# ---- what steps have found out and nobody has asked for: it stays on the device, which works on
# while the next steps are sent to it


class Step(NamedTuple):
    """Its number in the epoch, from 1; its label lines in this process; its loss (); and names (P,)
    and sizes (P,) as of `TrainingState.gradients`.
    """

    number: int
    lines: int
    loss: Tensor
    names: list[str]
    sizes: Tensor | None  # None: the step makes no update


class Unread:
    """The latest steps, whose losses nobody has waited for.

    state: what learns. every: steps between two lines that show the loss. alone: whether there are
    no other processes. lost: from what is not finite and where, the error to raise.
    """

    def __init__(
        self, state: TrainingState, every: int, alone: bool, lost: Callable[[str, str], ValueError]
    ) -> None:
        self.state, self.every, self.alone, self.lost = state, every, alone, lost
        self.steps: list[Step] = []

    def add(
        self, number: int, lines: int, loss: Tensor, names: list[str], sizes: Tensor | None
    ) -> None:
        """One more: what a Step is made of."""
        self.steps.append(Step(number, lines, loss, names, sizes))

    def due(self, at: Position, last: bool, looked_at: bool) -> bool:
        """Whether they are to be read now: at the same steps by all processes, which end together.
        last: the epoch ends. looked_at: somebody sees every step.
        """
        shown = last or at.step % self.every == 0 or not at.lines
        return shown or len(self.steps) >= MOST_UNREAD or (self.alone and looked_at)

    def take_in(self, at: Position) -> bool:
        """Adds their losses to the epoch's, for which the device is waited for once; whether all
        gradients of the last of them are finite. Raises what is `lost` by the first that was no
        step to learn from.
        """
        steps, self.steps, spoiled = self.steps, [], None
        for step, loss, spoiled in _values(steps):
            at.loss_sum += loss * step.lines
            at.lines += step.lines
            if fault := self.state.fault_of_step(at.loss_sum, spoiled, self.alone):
                raise self.lost(fault, at.place(step.number))
        return spoiled is None


def _values(steps: Sequence[Step]) -> list[tuple[Step, float, str | None]]:
    """(step, its loss, the first name whose gradient is not finite) of each."""
    parts = [p for s in steps for p in (s.loss.float().reshape(1), s.sizes) if p is not None]
    numbers = iter(torch.cat(parts).cpu().tolist() if parts else ())
    found = []
    for step in steps:
        loss, sizes = next(numbers), [next(numbers) for _ in step.names]
        bad = (n for n, size in zip(step.names, sizes, strict=True) if not math.isfinite(size))
        found.append((step, loss, next(bad, None)))
    return found

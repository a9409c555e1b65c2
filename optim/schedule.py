"""The learning rate as a pure function of progress, counted in epochs."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable

RAMP_START = 0.01
Decay = tuple[float, int]  # factor, and the epochs after which it is applied


def _ramp(epoch: float, warmup: float) -> float:
    return RAMP_START + (1 - RAMP_START) * epoch / warmup


def _step(epoch: float, epochs: int, warmup: float, decay: Decay) -> float:
    if epoch < warmup:
        return 0.1
    quarter = (epochs - warmup) / 4
    for share, factor in ((1.5, 1.0), (2.5, 0.1), (3.5, 0.01)):
        if epoch < warmup + int(share * quarter):
            return factor
    return 0.001


def _cosine(epoch: float, epochs: int, warmup: float, decay: Decay) -> float:
    if epoch < warmup:
        return _ramp(epoch, warmup)
    if epoch >= epochs:
        return 0.0
    return 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup)))


def _constant(epoch: float, epochs: int, warmup: float, decay: Decay) -> float:
    return _ramp(epoch, warmup) if epoch < warmup else 1.0


def _exp(epoch: float, epochs: int, warmup: float, decay: Decay) -> float:
    if epoch < warmup:
        return _ramp(epoch, warmup)
    factor, every = decay
    return factor ** int((epoch - warmup) // every)


SCHEDULES: dict[str, Callable[[float, int, float, Decay], float]] = {
    "step": _step,
    "cosine": _cosine,
    "constant": _constant,
    "exp": _exp,
}


def lr_factor(
    schedule: str, epoch: float, epochs: int, warmup: float, decay: Decay = (0.95, 10)
) -> float:
    """What to multiply the base learning rate with at a point of the run.

    All numbers are epochs, never steps; `epoch` may be a fraction (2.5 is half-way through the
    third epoch). A run shorter than its warm-up ends within the warm-up.

    - "step": with e = (epochs - warmup) / 4, 0.1 until `warmup`; 1 until warmup + int(1.5 e);
      0.1 until warmup + int(2.5 e); 0.01 until warmup + int(3.5 e); 0.001 until `epochs`.
    - "cosine": straight from 0.01 up to 1 at `warmup`, then half a cosine down to 0 at `epochs`.
    - "constant": the same warm-up, then 1.
    - "exp": the same warm-up, then times decay[0] after every decay[1] epochs (NIMA: 0.95, 10).

    Raises ValueError for an unknown schedule, epochs below 1, a negative epoch or warm-up, or a
    decay outside (0, 1] or of no epochs.
    """
    if schedule not in SCHEDULES:
        near = difflib.get_close_matches(schedule, SCHEDULES, n=1) or list(SCHEDULES)
        raise ValueError(f"schedule {schedule!r}: unknown: did you mean {' or '.join(near)}?")
    if epochs < 1:
        raise ValueError(f"epochs {epochs}: must be at least 1")
    if not warmup >= 0:
        raise ValueError(f"warmup {warmup}: must not be negative, in epochs")
    if not epoch >= 0:
        raise ValueError(f"epoch {epoch}: must not be negative")
    if not (0 < decay[0] <= 1 and decay[1] >= 1):
        raise ValueError(f"decay {decay}: must be above 0 and at most 1, after 1 epoch or more")
    return SCHEDULES[schedule](epoch, epochs, warmup, decay)

"""Several processes: who am I, gather what they have.

Every function is an identity in a run of one process, so callers never ask how many there are.
Whether a run is distributed is read from the environment that torch's elastic launcher sets
(`-g N` here, or plain `torchrun`); utils/runtime/launcher.py starts the processes.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from utils.runtime.device import LOST_PEER_MESSAGES, group_backend

T = TypeVar("T")

_PARENT_CHECK_SECONDS = 1.0
_PATIENCE = timedelta(days=30)


class PeerLostError(ValueError):
    """Another process of this run ended while this one was waiting for it."""


@dataclass(frozen=True)
class World:
    """This process among all of them: `rank` in 0..size-1 over all machines, `local_rank` here."""

    rank: int
    size: int
    local_rank: int


def launched() -> bool:
    """Whether a launcher started this process as one of a group (a group of one counts)."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def world() -> World:
    """Place of this process, from RANK, WORLD_SIZE and LOCAL_RANK; one process without them.

    Raises ValueError when one of them is not a number or the rank is outside the world.
    """
    if not launched():
        return World(rank=0, size=1, local_rank=0)
    rank, size = _number("RANK"), _number("WORLD_SIZE")
    if not 0 <= rank < size:
        raise ValueError(f"RANK={rank}: outside WORLD_SIZE={size}: start with -g N or torchrun")
    return World(rank, size, local_rank=_number("LOCAL_RANK", default="0"))


def _number(name: str, default: str | None = None) -> int:
    text = os.environ.get(name, default)
    try:
        return int(text or "")
    except ValueError:
        raise ValueError(f"{name}={text}: not a number: start with -g N or torchrun") from None


def setup(device: torch.device) -> World:
    """Join the process group, for tensors of `device` and of the CPU; nothing to join alone. Its
    address stands in the environment, where every launcher puts it.
    """
    place = world()
    if place.size > 1:
        _die_with_launcher()
        bound = None if device.type == "cpu" else device
        with lost_peer_explained():
            dist.init_process_group(
                group_backend(device),
                init_method="env://",
                world_size=place.size,
                rank=place.rank,
                device_id=bound,
            )
            barrier()  # nobody may fail and leave while others are still connecting
    return place


def _die_with_launcher() -> None:
    """End this process when the launcher is killed, as one process alone would have been.

    A launcher that gets SIGKILL cannot pass it on, and orphans would go on writing to the folder of
    a run that somebody has meanwhile continued.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(_PARENT_CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="launcher-watch", daemon=True).start()


def teardown() -> None:
    """Leave the process group; safe to call twice, or without one."""
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def lost_peer_explained() -> Iterator[None]:
    """Turn the collective library's error about a peer that ended into a PeerLostError.

    The peer has said why it ended; pages of traceback from those who waited would hide its line.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(message in str(error) for message in LOST_PEER_MESSAGES):
            raise
        place = world()
        raise PeerLostError(
            f"process {place.rank} of {place.size}: another process ended: see its own message"
        ) from error


def shard(n: int, rank: int, size: int) -> range:
    """The part of 0..n-1 that belongs to `rank`: consecutive, sizes differ by one at most."""
    return range(rank * n // size, (rank + 1) * n // size)


def barrier(group: dist.ProcessGroup | None = None) -> None:
    """Wait until every process has come here. group: of `patient_group`, to wait for long."""
    if dist.is_initialized():
        # dist.barrier would pick a device and synchronise it; a number on the CPU does neither.
        dist.all_reduce(torch.zeros(1), group=group)


def patient_group() -> dist.ProcessGroup | None:
    """For `barrier`: all processes, which in it may come weeks apart, where the default gives up
    after half an hour. To be made while they are together. One that dies still ends the wait.
    """
    if not dist.is_initialized():
        return None
    return dist.new_group(backend="gloo", timeout=_PATIENCE)


def any_rank(flag: bool) -> bool:
    """Whether `flag` is true on any process: how all of them stop at the same step."""
    if not dist.is_initialized():
        return flag
    return bool(reduce_sum(torch.tensor([int(flag)], dtype=torch.int64)).item())


def reduce_sum(tensor: torch.Tensor) -> torch.Tensor:
    """Sum over processes, same shape, dtype and device; the argument is left as it was."""
    if not dist.is_initialized():
        return tensor
    total = tensor.clone()
    dist.all_reduce(total)
    return total


def broadcast_tensors(tensors: Iterable[torch.Tensor]) -> None:
    """Give every process the values that process 0 has, in place."""
    if dist.is_initialized():
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


def broadcast_object(obj: T) -> T:
    """What process 0 passed, on every process."""
    if not dist.is_initialized():
        return obj
    box = [obj]
    dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]


def all_gather_rows(tensor: torch.Tensor) -> torch.Tensor:
    """Rows of every process in the order of ranks: (n_i, ...) on each -> (sum n_i, ...) on all.

    n_i may differ and may be 0; dtype and the other dimensions may not. No gradient flows back.
    """
    if not dist.is_initialized():
        return tensor
    return _gather(tensor, _row_counts(tensor))


def gather_with_gradient(tensor: torch.Tensor) -> torch.Tensor:
    """`all_gather_rows` that gradients flow back through, each row's to the process it came from.

    Every process has to compute the same loss from what it gets. Its gradient for a process's own
    rows is then complete there, and nothing is sent on the way back. Whoever averages the
    parameters' gradients over processes, as DistributedDataParallel does, multiplies that loss by
    their number: the parts that it averages are to be summed.
    """
    return _GatherRows.apply(tensor) if dist.is_initialized() else tensor


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tensor: torch.Tensor) -> torch.Tensor:
        counts = _row_counts(tensor)
        first = sum(counts[: dist.get_rank()])
        ctx.own = slice(first, first + tensor.shape[0])
        return _gather(tensor, counts)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> torch.Tensor:
        return gradient[ctx.own]


def _row_counts(tensor: torch.Tensor) -> list[int]:
    """Rows that each process has, in the order of ranks."""
    counts = [torch.zeros(1, dtype=torch.int64) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, torch.tensor([tensor.shape[0]]))
    return [int(count) for count in counts]


def _gather(tensor: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    if max(lengths) == 0:
        return tensor.detach().clone()
    # Collectives want one shape everywhere, and as bytes they take any dtype (gloo knows no bool).
    rows = tensor.new_zeros(max(lengths), math.prod(tensor.shape[1:]))
    rows[: tensor.shape[0]] = tensor.detach().reshape(tensor.shape[0], rows.shape[1])
    parts = [torch.empty_like(rows) for _ in lengths]
    dist.all_gather([part.view(torch.uint8) for part in parts], rows.view(torch.uint8))
    whole = torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])
    return whole.reshape(sum(lengths), *tensor.shape[1:])

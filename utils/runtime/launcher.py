"""Start the processes of a distributed run with torch's own elastic agent, and end them in order.

The agent does the rendezvous, sets RANK and its kin and watches its processes. Two things are done
differently from `torchrun`: a signal is passed on to the training processes alone (torchrun kills
their whole group after 30 seconds, in the middle of a save) and their exit code becomes ours
(torchrun answers 1 to everything, after a page of traceback).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from urllib.parse import urlsplit

from torch.distributed import DistError
from torch.distributed.elastic.agent.server.api import WorkerSpec
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.rendezvous import RendezvousError, RendezvousParameters
from torch.distributed.elastic.rendezvous.registry import get_rendezvous_handler

from utils.runtime.child_processes import usable_cores
from utils.runtime.stopping import SIGNALS, answered

_STOP_CODES = tuple(128 + number for number in SIGNALS)


def launch(
    entry_script: str,
    argv: list[str],
    gpus: int,
    nodes: int = 1,
    rank: int = 0,
    init_method: str | None = None,
) -> int:
    """Run `python entry_script *argv` in `gpus` processes here; returns the run's exit code.

    With `nodes` > 1 this machine is number `rank`, and `init_method` is tcp://host:port, an address
    on machine 0 that all of them reach. The code is 0 when every process ended with 0; 143, 130
    or 129 when they stopped for SIGTERM, SIGINT or SIGHUP, which are passed on to them; else that
    of the process that failed first. Raises ValueError for wrong flags and when the machines do not
    find together.
    """
    rendezvous = _rendezvous(nodes, rank, init_method)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // gpus)))
    _quieten_agent()
    try:
        handler = get_rendezvous_handler(rendezvous)
        spec = WorkerSpec(
            role="iqa",
            local_world_size=gpus,
            rdzv_handler=handler,
            entrypoint=sys.executable,
            args=(entry_script, *argv),
            max_restarts=0,
            local_addr="localhost" if nodes == 1 else None,
        )
        agent = LocalElasticAgent(spec, DefaultLogsSpecs(log_dir=os.devnull))
        with _signals_forwarded(agent):
            result = agent.run()
    except SignalException as stop:
        return 128 + stop.sigval
    except (DistError, RendezvousError) as error:
        reason = str(error).splitlines()[0]
        if nodes == 1:
            raise ValueError(
                f"--gpus {gpus}: processes cannot meet on localhost: {reason}"
            ) from error
        raise ValueError(
            f"--init_method {init_method}: the {nodes} machines did not find together ({reason}): "
            "pass every machine the host of machine --rank 0 and a port that is free there"
        ) from error
    return _exit_code([failure.exitcode for failure in result.failures.values()])


def _rendezvous(nodes: int, rank: int, init_method: str | None) -> RendezvousParameters:
    """Where the machines meet: a free local port for one of them, a fixed address for several."""
    if nodes == 1:
        # An own name per run, so that two runs on one machine never meet.
        return RendezvousParameters("c10d", "localhost:0", str(uuid.uuid4()), 1, 1)
    if not 0 <= rank < nodes:
        raise ValueError(f"--rank {rank}: outside --nodes {nodes}: pass 0 to {nodes - 1}")
    example = "pass tcp://HOST:PORT with the host of machine --rank 0"
    if init_method is None:
        raise ValueError(f"--init_method: needed with --nodes {nodes}: {example}")
    try:
        url = urlsplit(init_method)
        complete = url.scheme == "tcp" and url.hostname and url.port
    except ValueError:  # the port is not a number of 16 bits
        complete = False
    if not complete:
        raise ValueError(f"--init_method {init_method}: not an address: {example}")
    return RendezvousParameters("static", url.netloc, "iqa", nodes, nodes, rank=rank)


def _quieten_agent() -> None:
    """Keep the agent's own log off the terminal: the process that failed has said why.

    Its loggers set their own levels, so they are stopped above; LOGLEVEL, torch's variable for
    them, brings them back.
    """
    if "LOGLEVEL" not in os.environ:
        logger = logging.getLogger("torch.distributed.elastic")
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


@contextmanager
def _signals_forwarded(agent: LocalElasticAgent) -> Iterator[None]:
    """Pass a signal on to the training processes and go on waiting for them.

    The processes save and exit by themselves; a second signal ends them as they are. Before they
    run, as while waiting for other machines, the signal ends the agent.
    """
    first: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        pids = [worker.id for worker in agent.get_worker_group().workers if worker.id]
        if not pids:
            raise SignalException("stopped before the processes started", signal.Signals(number))
        first.append(number)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number if len(first) == 1 else signal.SIGINT)
        if len(first) > 1:
            os._exit(128 + number)

    # The agent installs handlers of its own for the signals named here, and would replace ours.
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = "SIGQUIT"
    with answered(forward):
        yield


def _exit_code(codes: list[int]) -> int:
    """One exit code for those of the processes that failed, in the order in which they failed.

    When one fails, the agent stops the others and the collective library may abort them, so the
    code of a stop or of an abort only counts when there is no other.
    """
    unsigned = [code if code >= 0 else 128 - code for code in codes]  # -9 is death by signal 9
    aborted = 128 + signal.SIGABRT
    unstopped = [code for code in unsigned if code not in _STOP_CODES]
    causes = [code for code in unstopped if code != aborted] or unstopped or unsigned
    if causes[:1] == [128 + signal.SIGKILL]:
        print("error: a process was killed (SIGKILL): is there enough memory?", file=sys.stderr)
    return next(iter(causes), 0)

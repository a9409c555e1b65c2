"""Two gloo processes on the CPU, through the launcher and torchrun: collectives, ends, signals."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from tests.cli import PATIENCE, ROOT, fork, until
from tests.faults.trial import all_ended
from utils.runtime import child_processes, distributed, launcher

WORKER = """
import os, signal, subprocess, sys, time

rank, stop, mode = int(os.environ["RANK"]), [], sys.argv[1]
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, frame: stop.append(number))
grouped = mode in ("collectives", "fail", "loop in a group")
if grouped:  # the others are spared two seconds of torch
    import torch
    from utils.runtime import distributed as d

    place = d.setup(torch.device("cpu"))


def say(*words):
    # One write, so that the lines of two processes do not mix.
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())


def collectives():
    assert place == d.world() and place.rank == rank and place.size == 2 and d.launched()
    counts = d.all_gather_rows(torch.arange(3 * (rank + 1)).reshape(-1, 3))
    assert counts.tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]], counts
    flags = d.all_gather_rows(torch.ones(rank, dtype=torch.bool))
    assert flags.dtype == torch.bool and flags.tolist() == [True], flags
    halves = d.all_gather_rows(torch.full((2 - rank, 1, 2), rank + 0.5, dtype=torch.bfloat16))
    assert halves.shape == (3, 1, 2) and halves[:, 0, 0].tolist() == [0.5, 0.5, 1.5], halves
    assert d.all_gather_rows(torch.ones(0, 4)).shape == (0, 4)
    assert d.all_gather_rows(torch.ones(rank, 0)).shape == (1, 0)
    rows = torch.arange(2.0 + rank).reshape(-1, 1).requires_grad_()
    found = d.gather_with_gradient(rows)
    assert found.tolist() == [[0], [1], [0], [1], [2]], found
    (found * torch.arange(5.0)[:, None]).sum().backward()
    assert rows.grad.flatten().tolist() == ([0, 1] if rank == 0 else [2, 3, 4]), rows.grad
    mine = torch.tensor([1.0, rank])
    assert d.reduce_sum(mine).tolist() == [2.0, 1.0] and mine.tolist() == [1.0, rank]
    assert d.any_rank(rank == 1) and not d.any_rank(False)
    assert d.broadcast_object({"from": rank}) == {"from": 0}
    d.barrier()


def fail():
    if rank == 1:
        sys.exit("error: label.txt:3: bad")
    try:
        with d.lost_peer_explained():
            d.barrier()
    except d.PeerLostError as error:
        sys.exit(f"lost: {error}")


def die():
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(600)


def loop():
    # Stands for a loader process: the same process group, and not prepared for signals. It ends
    # with its standard input.
    quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    helper = subprocess.Popen(["cat"], stdin=subprocess.PIPE, **quiet)
    say("ready", os.getpid())
    while not stop:
        time.sleep(0.02)
    time.sleep(0.3)
    state = "alive" if helper.poll() is None else "gone"
    helper.kill()
    helper.communicate()
    say("saved", state, os.environ["OMP_NUM_THREADS"])
    sys.exit(128 + stop[0])


try:
    globals()[mode.split()[0]]()
finally:
    if grouped:
        d.teardown()
"""


@pytest.fixture
def worker(tmp_path):
    path = tmp_path / "worker.py"
    path.write_text(textwrap.dedent(WORKER))
    return path


def environment() -> dict[str, str]:
    clean = {name: text for name, text in os.environ.items() if name != "OMP_NUM_THREADS"}
    return {**clean, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


class Launcher:
    """`launch(worker, [mode], *place)` in a process of its own, which has torch already."""

    def __init__(self, worker: Path, mode: str, *place: int | str) -> None:
        self.files = [worker.with_name(f"{name}{'_'.join(map(str, place[1:3]))}") for name in "oe"]
        self.process = fork(_launch, self.files, str(worker), [mode], *(place or (2,)))

    def said(self) -> list[str]:
        """What came on stdout and on stderr until now."""
        return [file.read_text() if file.exists() else "" for file in self.files]

    def end(self) -> tuple[int | None, str, str]:
        self.process.join(PATIENCE)
        return self.process.exitcode, *self.said()


def _launch(files: list[Path], *arguments: object) -> None:
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.environ.pop("OMP_NUM_THREADS", None)
    os.environ.update(environment())
    warnings.simplefilter("error")
    sys.exit(launcher.launch(*arguments))


@contextmanager
def running(worker, loop):
    """A launcher whose two processes are inside their loop, and the ids of the two."""
    started = Launcher(worker, loop)
    try:
        until(lambda: started.said()[0].count("\n") == 2 or not started.process.is_alive())
        assert started.process.is_alive(), started.said()
        lines = [line.split() for line in started.said()[0].splitlines()]
        assert [line[0] for line in lines] == ["ready", "ready"]
        yield started, [int(line[1]) for line in lines]
    finally:
        started.process.kill()
        started.process.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_collectives_under_torchrun(worker):
    options = ["--standalone", "--nproc-per-node", 2]
    words = ["-W", "default", "-m", "torch.distributed.run", *options, worker, "collectives"]
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        env=environment(), capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_two_machines_meet_at_the_init_method(worker):
    address = f"tcp://127.0.0.1:{free_port()}"
    both = [Launcher(worker, "collectives", 1, 2, rank, address) for rank in range(2)]
    ends = [started.end() for started in both]
    for code, out, err in ends:
        assert code == 0 and out == "" and _without_late_store(err) == "", ends


def _without_late_store(err: str) -> str:
    """On a busy machine the first one's store may close before the second has left it, which torch
    remarks on stderr, with a C++ trace.
    """
    first = err.partition("\n")[0]
    return "" if first.startswith("[W") and "TCPStore.cpp" in first else err


def test_an_ordinary_failure_is_exit_1_without_a_traceback(worker):
    code, _, err = Launcher(worker, "fail").end()
    assert code == 1
    assert "error: label.txt:3: bad" in err
    # The other process may be stopped by the agent before it notices; if not, it has one line too.
    lost = "lost: process 0 of 2: another process ended: see its own message"
    assert err.replace("error: label.txt:3: bad", "").replace(lost, "").strip() == ""


def test_a_killed_process_is_named(worker):
    code, _, err = Launcher(worker, "die").end()
    assert code == 137
    assert err == "error: a process was killed (SIGKILL): is there enough memory?\n"


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_lets_the_processes_save_and_sets_the_exit_code(worker, number, code):
    with running(worker, "loop") as (started, _):
        os.kill(started.process.pid, number)
        found, out, err = started.end()
    assert found == code
    threads = max(1, child_processes.usable_cores() // 2)
    assert out.splitlines()[2:] == [f"saved alive {threads}"] * 2
    assert err == ""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_no_process_outlives_a_killed_launcher(worker):
    with running(worker, "loop in a group") as (started, pids):
        started.process.kill()
        assert all_ended(pids)


@pytest.mark.parametrize(
    "nodes, rank, init, message",
    [
        (2, 0, None, r"--init_method: needed with --nodes 2: pass tcp://HOST:PORT"),
        (2, 2, "tcp://a:1", r"--rank 2: outside --nodes 2: pass 0 to 1"),
        (2, 0, "a:29500", r"--init_method a:29500: not an address"),
        (2, 0, "tcp://a", r"--init_method tcp://a: not an address"),
        (2, 0, "tcp://a:port", r"--init_method tcp://a:port: not an address"),
        (2, 0, "file:///a:1", r"--init_method file:///a:1: not an address"),
    ],
)
def test_wrong_addresses_name_the_flag(nodes, rank, init, message):
    with pytest.raises(ValueError, match=message):
        launcher.launch("main.py", [], 1, nodes, rank, init)


def test_a_port_in_use_is_one_line(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"--init_method {address}: .*free") as error:
            launcher.launch("main.py", [], 1, 2, 0, address)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "codes, expected",
    [
        ([], 0),
        ([1], 1),
        ([143, 143], 143),
        ([143, 1], 1),
        ([2, 143], 2),
        ([-15], 143),
        ([-6, 1], 1),
    ],
)
def test_exit_code_is_that_of_the_cause(codes, expected):
    assert launcher._exit_code(codes) == expected


@pytest.mark.parametrize("n, size", [(0, 3), (1, 3), (7, 3), (9, 3), (100, 7), (5, 1)])
def test_shards_cover_every_index_once(n, size):
    parts = [distributed.shard(n, rank, size) for rank in range(size)]
    assert [index for part in parts for index in part] == list(range(n))
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1


def test_one_process_needs_no_group(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert not distributed.launched()
    assert distributed.setup(torch.device("cpu")) == distributed.World(0, 1, 0)
    rows = torch.rand(3, 2)
    assert distributed.all_gather_rows(rows) is rows
    assert distributed.gather_with_gradient(rows) is rows
    assert distributed.reduce_sum(rows) is rows
    assert distributed.broadcast_object(rows) is rows
    assert distributed.any_rank(True) and not distributed.any_rank(False)
    distributed.barrier()
    distributed.teardown()


@pytest.mark.parametrize(
    "rank, size, message", [("x", "2", "RANK=x: not a number"), ("2", "2", "outside WORLD_SIZE=2")]
)
def test_a_broken_environment_is_named(monkeypatch, rank, size, message):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(ValueError, match=message):
        distributed.world()


def test_errors_of_our_own_are_not_taken_for_a_lost_peer():
    with pytest.raises(RuntimeError, match="shape"), distributed.lost_peer_explained():
        raise RuntimeError("shape mismatch")
    for said in (
        "Connection closed by peer [127.0.0.1]:1\nmore",
        "Timed out waiting 1800000ms for",
    ):
        with pytest.raises(distributed.PeerLostError, match="process 0 of 1"):
            with distributed.lost_peer_explained():
                raise RuntimeError(said)

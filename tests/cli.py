"""The command line as a function: `call(folder, "-e ...")` is `python main.py -e ...` there."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import main

ROOT = Path(__file__).resolve().parents[1]
# A network that trains in half a second, and what it leaves; a test adds what it is about.
WITH_REPORT = (
    "--arch test_resnet --image_size 40 56 --warmup 0 -b 4 -j 0 -g 0 --threads 1 --amp off "
    "--epochs 2 --report_maps 0"
)
TINY = f"{WITH_REPORT} --no_report"
_HELD: list[socket.socket] = []  # their ports are given to nobody before the processes meet there
PATIENCE = 300  # seconds after which what a test waits for counts as hanging, on a busy machine too
BEST, LAST = "model_best_test_resnet.pth", "checkpoint_test_resnet.pth"
# What a training imports, much of it late (a ViT's first weights or several processes even torch's
# compiler): two to five seconds that each process is spared.
PRELOADED = (
    "tests.cli applications.train applications.combinations models.backbones.timm_library timm "
    "torch._dynamo torch.nn.parallel torch.utils.tensorboard scipy.stats scipy.ndimage "
    "utils.drawing.render matplotlib.figure matplotlib.style matplotlib.ticker "
    "matplotlib.backends.backend_agg matplotlib.backends.backend_svg jinja2"
)


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def call(folder: Path, words: str, code: int | None = 0) -> Result:
    """Runs the words in this process; `code` is what they must return (None: anything)."""
    out, err = io.StringIO(), io.StringIO()
    with inside(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        found = main.main(shlex.split(words))
    result = Result(found, out.getvalue(), err.getvalue())
    assert code is None or found == code, result
    return result


def tables(out: str) -> str:
    """What -e prints below its verdict."""
    verdict, _, rest = out.partition("\n\n")
    assert verdict.startswith("Verdict: "), out
    return rest


def refused(folder: Path, words: str, said: str) -> None:
    """The command line itself is wrong: one line says so, and nothing is written."""
    before = sorted(folder.rglob("*"))
    err = call(folder, words, code=2).err
    assert said in err and err.count("\n") == 1, err
    assert sorted(folder.rglob("*")) == before


def as_started_by_hand() -> None:
    """A child of a fork server would start its own processes with another such server, which
    outlives it when it is killed; `python main.py` forks them.
    """
    multiprocessing.set_start_method("fork", force=True)


def until(event: Callable[[], object], what: Callable[[], object] = lambda: "waits") -> None:
    """Waits for an event; where it does not come, the test fails with `what`."""
    deadline = time.monotonic() + PATIENCE
    while not event():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


def _child(
    folder: Path, words: str, environment: dict[str, str], prepare: Callable[[], None] | None
) -> None:
    as_started_by_hand()
    os.environ.update(environment)
    os.chdir(folder)
    if prepare:
        prepare()
    with open("child.txt", "a", encoding="utf-8") as log, contextlib.redirect_stderr(log):
        sys.exit(main.main(shlex.split(words)))


def fork(function: Callable, *arguments: object) -> multiprocessing.process.BaseProcess:
    """The function in a process of its own, forked from a server that has imported PRELOADED."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED.split())
    process = context.Process(target=function, args=arguments)
    process.start()
    return process


def start_quickly(
    folder: Path, words: str, prepare: Callable[[], None] | None = None
) -> multiprocessing.process.BaseProcess:
    """Begins the words in a process of its own, which does `prepare` first; stderr to child.txt."""
    return fork(_child, folder, words, {}, prepare)


def places(size: int) -> list[dict[str, str]]:
    """What a launcher writes into the environment of each of `size` processes on this machine."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _HELD.append(held)
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(held.getsockname()[1])}
    return [
        {**meeting, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
        for rank in range(size)
    ]


def start_group(
    folder: Path, words: str, size: int, *prepare: Callable[[], None] | None
) -> list[multiprocessing.process.BaseProcess]:
    """`size` processes of one run, without a launcher above them; prepare: of the first ones."""
    pairs = zip_longest(places(size), prepare)
    return [fork(_child, folder, words, place, first) for place, first in pairs]


def run_folders(folder: Path) -> list[Path]:
    """Run folders below `folder`/runs, oldest first."""
    return sorted((folder / "runs").glob("[!.]*"), key=lambda p: (p.stat().st_ctime_ns, p.name))


def records(run: Path) -> list[dict]:
    """metrics.jsonl of a run, every line parsed."""
    text = (run / "metrics.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]

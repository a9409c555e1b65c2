"""Signals, dying and hanging loaders, and a small /dev/shm, at every part of the work: it ends with
the code of the signal or with 1, in one line, and no process is left.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from dataloader import reading_threads
from tests.cli import PATIENCE, WITH_REPORT, call, fork, places, run_folders, until
from tests.faults.trial import children_of
from tests.tiny_data import write_data
from utils.files import checkpoint
from utils.runtime import stopping

LINUX = sys.platform == "linux"
WORDS = f"--train --criterion regress {WITH_REPORT} --epochs 3 --no_check"
SKIPPED = 77


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    write_data(folder / "data", "regress", train=6)
    call(folder, f"{WORDS} --epochs 1 --no_report")
    return folder


@pytest.fixture
def folder(trained, tmp_path) -> Path:
    (tmp_path / "data").symlink_to(trained / "data")
    return tmp_path


@pytest.fixture(autouse=True)
def _hang_up_is_heard() -> Iterator[None]:
    """As outside of nohup, which is respected."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def signal_before(monkeypatch, place: str, number: int = signal.SIGTERM) -> None:
    """Lets the process send itself a signal where the function at `place` is called."""
    module, name = place.split(":")
    owner = import_module(module)
    *inside, name = name.split(".")
    for part in inside:
        owner = getattr(owner, part)
    ours = getattr(owner, name)

    def signalled(*args, **kwargs):
        os.kill(os.getpid(), number)
        return ours(*args, **kwargs)

    monkeypatch.setattr(owner, name, signalled)


# ---- signals


@pytest.mark.parametrize(
    ("place", "number", "said"),
    [
        ("applications.training.one_run:_sample_scores", signal.SIGINT, "stopped by signal 2\n"),
        (
            "applications.training.final_test:evaluate",
            signal.SIGTERM,
            ": go on with --continue runs/",
        ),
        (
            "applications.evaluation.judging:_finished",
            signal.SIGINT,
            ": go on with --continue runs/",
        ),
        (
            "applications.training.trainer:Trainer._validate",
            signal.SIGHUP,
            "state saved: go on with",
        ),
    ],
)
def test_in_calibration_test_and_validation(folder, trained, monkeypatch, place, number, said):
    words = f"{WORDS} --epochs 1 --no_report"
    if "_sample" in place:
        words += f" --resume {run_folders(trained)[0]}/model_best_test_resnet.pth"
    with monkeypatch.context() as patch:
        signal_before(patch, place, number)
        done = call(folder, words, 128 + number)
    assert said in done.err and "Traceback" not in done.err
    if "_sample" in place:
        assert not (folder / "runs").exists()
        return
    (run,) = run_folders(folder)
    assert not (run / "results.json").exists()
    call(folder, f"--continue {run}")
    assert (run / "results.json").exists()


def test_in_the_report_and_where_it_fails(folder, monkeypatch):
    """The metrics are there by then; --continue makes the report that is missing, or does without
    one.
    """

    def broken(*_):
        raise KeyError("a fault of ours")

    with monkeypatch.context() as patch:
        signal_before(patch, "applications.training.final_test:write_report")
        done = call(folder, f"{WORDS} --epochs 1 --bootstrap 0", 143)
    last = done.err.splitlines()[-1]
    assert last.startswith("stopped by signal 15: go on with --continue runs/")
    (run,) = run_folders(folder)
    figures = (run / "results.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("applications.training.final_test.write_report", broken)
        done = call(folder, f"--continue {run}", 1)
    assert f"no report: the metrics are in {run}/results.json; --continue {run} tr" in done.err
    assert done.err.splitlines()[-1].startswith("error: this is a fault of the toolkit")
    said = "this run is finished"
    assert said in call(folder, f"--continue {run} --no_report").err
    assert not (run / "report.html").exists()
    assert said not in call(folder, f"--continue {run}").err
    assert (run / "report.html").exists() and (run / "results.json").read_bytes() == figures
    assert said in call(folder, f"--continue {run}").err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--predict data -j 2 --resume {weights} -g 0 -b 2", "CountBar.update"),
        ("-e --resume {weights} -g 0 -j 1 --split train", "CountBar.update"),
        ("--check data --criterion regress -j 2 -g 0", "CountBar.update"),
        ("--generate basic --photos data/train --data out -j 2 -g 0", "CountBar.update"),
    ],
)
def test_other_modes_leave_no_process(folder, trained, monkeypatch, words, part):
    weights = run_folders(trained)[0] / "model_best_test_resnet.pth"
    before, threads = multiprocessing.active_children(), threading.active_count()
    signal_before(monkeypatch, f"utils.runtime.progress:{part}")
    done = call(folder, words.format(weights=weights), 143)
    assert done.err.endswith("stopped by signal 15\n") and "Traceback" not in done.err
    assert set(multiprocessing.active_children()) == set(before)
    assert threading.active_count() <= threads
    assert not list(folder.rglob(".*.tmp"))


# ---- other processes


def _quickly(folder: Path, words: list[str], environment: dict[str, str]) -> None:
    """Runs the command lines in this fork, one after the other."""
    import shlex

    import main

    os.environ.update(environment)
    os.chdir(folder)
    stopping.PATIENCE = 0.5
    reading_threads.MOST = 0  # processes, as beside an accelerator
    multiprocessing.set_start_method("fork", force=True)  # as in a process of a user
    with open("child.txt", "a", encoding="utf-8", buffering=1) as log:
        sys.stderr = log
        codes = [main.main(shlex.split(line)) for line in words]
        sys.exit(max(codes))


def training(folder: Path, epochs: str, size: int = 1) -> tuple[list, list[int]]:
    """(processes, loaders of the first of them) of a run that has a state; without val/, a loader
    is a child from the first step to the last.
    """
    write_data(folder / "own", "regress", train=6)
    for name in ("val", "test"):
        (folder / "own" / name / "label.txt").unlink()
    words = [f"{WORDS} -j 1 --data own --save_every 1 --epochs {epochs} --device cpu"]
    if size > 1:
        words = [words[0].replace("-g 0", "")]
    runs = [fork(_quickly, folder, words, place) for place in (places(size) if size > 1 else [{}])]
    until(lambda: list(folder.glob("runs/[!.]*/model_best*")) or not runs[0].is_alive())
    return runs, children_of(runs[0].pid)


def ended(folder: Path, runs: list, loaders: list[int]) -> str:
    """What was said at the end, when no process is left."""
    for run in runs:
        run.join(PATIENCE)
        assert run.exitcode is not None, "hangs"
    assert not [pid for pid in loaders if Path(f"/proc/{pid}").exists()]
    return (folder / "child.txt").read_text()


@pytest.mark.skipif(not LINUX, reason="reads /proc")
@pytest.mark.parametrize("size", [1, 2])
def test_a_killed_loader(tmp_path, size):
    runs, loaders = training(tmp_path, "300", size)
    os.kill(loaders[0], signal.SIGKILL)
    said = ended(tmp_path, runs, loaders)
    assert [run.exitcode for run in runs] == [1] * size and "Traceback" not in said
    assert "error: a process that reads images died (killed by signal: Killed)" in said
    assert "state as of the last save: go on with --continue runs/" in said
    assert checkpoint.load(next(tmp_path.glob("runs/[!.]*/checkpoint_*")))["position"]["updates"]


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_a_halted_loader(tmp_path):
    """A signal ends the run, and what was trained since the last save is saved."""
    (run,), loaders = training(tmp_path, "300")
    os.kill(loaders[0], signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(run.pid, signal.SIGTERM)
    said = ended(tmp_path, [run], loaders)
    assert run.exitcode == 143 and "stopped by signal 15, state saved: go on with" in said


def _with_small_memory(folder: Path, words: list[str]) -> None:
    """The command lines where /dev/shm has room for no batch; SKIPPED where that cannot be had."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x00020000):  # CLONE_NEWNS
        sys.exit(SKIPPED)
    quiet = {"check": False, "capture_output": True}
    subprocess.run(["mount", "--make-rprivate", "/"], **quiet)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/dev/shm"], **quiet)
    if done.returncode:
        sys.exit(SKIPPED)
    _quickly(folder, words, {})


@pytest.mark.skipif(not LINUX, reason="makes a small /dev/shm")
def test_a_small_shared_memory(folder, trained):
    """In training, scoring and cached features, where the workers were waited for for ever."""
    weights = run_folders(trained)[0] / "model_best_test_resnet.pth"
    words = [
        f"{WORDS} -j 1 --image_size 120 160",
        f"-e --resume {weights} -g 0 -j 1 -b 8 --image_size 120 160",
        f"{WORDS} -j 1 --image_size 120 160 --freeze backbone --cache_features kept",
    ]
    process = fork(_with_small_memory, folder, words)
    process.join(PATIENCE)
    if process.exitcode == SKIPPED:
        pytest.skip("no right to mount")
    said = (folder / "child.txt").read_text()
    assert process.exitcode == 1 and "Traceback" not in said, said
    assert said.count("error: processes that read images have no memory to share") == 3
    assert said.count("pass -j 0 or a smaller -b, or make /dev/shm larger (docker run") == 3

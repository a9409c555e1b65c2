"""--continue of runs that are not as they were left: states lost, damaged or doubled, files odd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from applications.training import final_test
from tests import outcomes
from tests.cli import ROOT, call, run_folders
from tests.tiny_data import write_data
from utils.files import checkpoint
from utils.files import writing as files
from utils.files.lock import try_lock

ARCH = "test_efficientnet"
LAST, PREVIOUS = f"checkpoint_{ARCH}.pth", f"previous_checkpoint_{ARCH}.pth"
BEST = f"model_best_{ARCH}.pth"
WORDS = (
    f"--train --criterion regress --arch {ARCH} --image_size 32 --epochs 3 --warmup 0 -b 6 -j 0 "
    "-g 0 --threads 1 --amp off --bootstrap 0 --no_check --no_report --monitor loss --lr 1e-2 "
    "--seed 3 --schedule constant"
)


def outcome(folder: Path) -> dict[str, object]:
    """What the folder's one run has learned and found."""
    (run,) = run_folders(folder)
    return outcomes.outcome(run, "[cm]*.pth", ())


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "data", "regress").parent


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(data, folder, dirs_exist_ok=True)
    call(folder, WORDS)
    return outcome(folder)


@pytest.fixture(scope="module")
def stopped(data, tmp_path_factory) -> Path:
    """Stopped in step 2 of epoch 3; the state before is that of the end of epoch 2."""
    folder = tmp_path_factory.mktemp("stopped")
    shutil.copytree(data, folder, dirs_exist_ok=True)
    with outcomes.stopped_after(7):
        call(folder, WORDS, 143)
    return folder


@pytest.fixture
def folder(stopped, tmp_path) -> Path:
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def run(folder) -> Path:
    return run_folders(folder)[0].relative_to(folder)


def contents(folder: Path) -> dict[Path, bytes]:
    return {
        p: p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in ("run.lock", "log.txt")
    }


def refused(folder: Path, run: Path, said: str) -> None:
    """One line, exit code 1, and no file is another one afterwards."""
    before = contents(folder)
    done = call(folder, f"--continue {run}", 1)
    assert said in done.err and done.err.splitlines()[-1].startswith("error: "), done.err
    assert done.err.count("error:") == 1 and contents(folder) == before


# ---- a state that is not there


def test_without_its_states_a_run_does_not_begin_again(folder, run):
    for name in (LAST, PREVIOUS):
        (folder / run / name).unlink()
    refused(folder, run, f"{run}/{LAST}: no such file, and the run has begun: put a copy back")
    (folder / run / BEST).unlink()
    refused(folder, run, "no such file, and the run has begun")  # metrics.jsonl says so
    (folder / run / BEST).write_bytes(b"")
    (folder / run / "metrics.jsonl").unlink()
    refused(folder, run, "no such file, and the run has begun")


def test_a_run_of_another_network_does_not_begin_again(folder, run):
    file = folder / run / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "arch": "test_vit"}))
    refused(folder, run, f"checkpoint_test_vit.pth: no such file ({LAST} is there: has arch")
    file.write_text(json.dumps({**config, "lr": 0.5}))
    refused(folder, run, f"lr is 0.5, and was 0.01 when {LAST} was saved: put it back")


def test_a_run_killed_before_its_first_state_begins(folder, run, whole):
    for name in (LAST, PREVIOUS, BEST):
        (folder / run / name).unlink()
    (folder / run / "metrics.jsonl").write_text("")
    call(folder, f"--continue {run}")
    assert outcome(folder) == whole


# ---- a state that is damaged


def halve(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 16
    file.write_bytes(content)


def test_a_lost_state_costs_what_came_after_the_one_before(folder, run, whole):
    for number, damage in enumerate((flip, halve, Path.unlink)):
        last = folder / run / LAST
        kept = last.read_bytes()
        damage(last)
        if number < 2:  # not even what is left of it goes on, so that the next one finds the same
            shutil.copy(folder / run / PREVIOUS, folder / "before.pth")
            halve(folder / run / PREVIOUS)
            refused(folder, run, "nor can the state before it be used: ")
            shutil.copy(folder / "before.pth", folder / run / PREVIOUS)
            last.write_bytes(kept)
    done = call(folder, f"--continue {run}")
    assert (
        f"{run}/{LAST}: no such file: going on from the state before it, of epoch 3, step 1: what "
        "came after is done again"
    ) in done.err
    assert outcome(folder) == whole
    assert (folder / run / PREVIOUS).exists()


def test_lost_epochs_are_done_again_and_their_records_written_once(folder, run, whole):
    """The state of epoch 1 only, with the best weights of epoch 2 beside it."""
    file = folder / run / PREVIOUS
    earlier = folder / "earlier"
    earlier.mkdir()
    shutil.copytree(folder / "data", earlier / "data")
    call(earlier, f"{WORDS} --epochs 1")
    state = checkpoint.load(run_folders(earlier)[0] / LAST)
    state["config"]["epochs"] = 3
    checkpoint.save(file, state)
    shutil.rmtree(earlier)
    halve(folder / run / LAST)
    kept = (folder / run / LAST).read_bytes()
    done = call(folder, f"--continue {run}")
    assert "going on from the state before it, of epoch 2, step 1" in done.err
    assert f"it stays in damaged_{LAST}" in done.err
    assert (folder / run / f"damaged_{LAST}").read_bytes() == kept
    assert "what came after is done again (3 updates at least)" in done.err
    assert outcome(folder) == whole


# ---- best weights that are not those of the state


def test_best_weights_come_back_from_their_copy(folder, run, whole):
    flip(folder / run / BEST)
    done = call(folder, f"--continue {run}")
    assert f"checkpoints/{BEST} is a copy of the right ones and takes their place" in done.err
    assert outcome(folder) == whole


def test_best_weights_that_nobody_has_are_missed_before_training(folder, run):
    flip(folder / "checkpoints" / BEST)
    best = folder / run / BEST
    shutil.copy(folder / "checkpoints" / BEST, best)
    refused(folder, run, f"{run}/{BEST}: ")
    best.unlink()
    refused(folder, run, f"{run}/{BEST}: no such file: put a copy of the best weights of epoch")


def test_best_weights_that_are_the_last_ones_are_written_anew(folder, run, whole):
    at = checkpoint.load(folder / run / PREVIOUS)["position"]
    assert at["best_epoch"] == at["epoch"] == 2  # of this data and seed
    shutil.rmtree(folder / "checkpoints")
    for name in (LAST, BEST):
        (folder / run / name).unlink()
    done = call(folder, f"--continue {run}")
    assert "written anew: the best weights are the last ones" in done.err
    assert outcome(folder) == whole


# ---- a run that is not finished


def test_a_run_killed_in_its_report_gets_one(folder, run, whole):
    """Killed between the test and the end of the report."""
    file = folder / run / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "no_report": False, "report_maps": 0}))
    for name in (LAST, PREVIOUS, BEST):
        state = checkpoint.load(folder / run / name)
        state["config"].update(no_report=False, report_maps=0)
        checkpoint.save(folder / run / name, state)

    def killed(*arguments):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(final_test, "write_report", killed)
        call(folder, f"--continue {run}", 130)
    call(folder, f"--continue {run}")
    page = (folder / run / "report.html").read_text()
    found = outcome(folder)
    assert f"the best is {found['results']['best_epoch']}." in page
    assert [found[n] for n in ("metrics", "results")] == [whole[n] for n in ("metrics", "results")]


# ---- two processes


HOLD = """
import os, sys
from utils.files.lock import try_lock
handle = os.open(sys.argv[1], os.O_RDWR)
assert try_lock(handle)
os.truncate(handle, 0)
os.write(handle, f"process {os.getpid()} on host\x1b[1m".encode())
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(folder, run):
    """A process that holds the lock of the run."""
    words = [sys.executable, "-c", HOLD, str(folder / run / "run.lock")]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, stdin=pipe, stdout=pipe) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_run_that_trains_is_not_continued(folder, run, whole, holder):
    refused(folder, run, f"{run}: process {holder.pid} on host\\x1b[1m trains in it: wait for it")
    holder.kill()
    holder.wait()
    call(folder, f"--continue {run}")  # the lock has died with its process
    assert outcome(folder) == whole


def test_what_killed_processes_left_is_swept(tmp_path, folder, run, holder):
    """And nothing of a living one: its lock stands for that of the file it writes."""
    runs, copies = tmp_path / "runs", tmp_path / "checkpoints"
    dead = [runs / ".new-dead", runs / ".new-older"]
    living = runs / ".new-living"
    for made in (*dead, living):
        made.mkdir()
        (made / "config.json").write_text("{}")
    (dead[0] / "run.lock").write_text("process 1 on host")
    os.link(folder / run / "run.lock", living / "run.lock")
    torn = [copies / f".{LAST}.abc.tmp", copies / ".model_best_resnet18.pth.x.tmp"]
    for file in torn:
        file.write_bytes(b"torn")
    others = [copies / ".jit_resnet18.pt.x.tmp", copies / f".{BEST}.living.tmp"]
    others[0].write_bytes(b"of another program")
    os.link(folder / run / "run.lock", others[1])
    call(folder, f"{WORDS} --epochs 1")
    assert not any(path.exists() for path in (*dead, *torn))
    assert all(path.exists() for path in (living, *others))
    assert [p.name for p in runs.glob(".*")] == [".new-living"]


def test_a_file_swept_before_its_lock_is_made_again(tmp_path, monkeypatch):
    swept = []

    def late(handle):
        if not swept:
            (file,) = tmp_path.glob(".*.tmp")
            swept.append(file.unlink())
        return try_lock(handle)

    monkeypatch.setattr(files, "try_lock", late)
    files.write_text(tmp_path / "a.txt", "whole")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"] and swept
    assert (tmp_path / "a.txt").read_text() == "whole"


# ---- threads


def test_another_number_of_threads_is_said(folder, run):
    file = folder / run / "environment.json"
    facts = json.loads(file.read_text())
    assert facts["threads"] == 1
    file.write_text(json.dumps({**facts, "threads": 3}))
    done = call(folder, f"--continue {run}")
    assert "began with 3 thread(s), now 1" in done.err and "(--threads 3 is)" in done.err

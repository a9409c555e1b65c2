"""A run that is killed, or asked to stop, and continued ends in the bits of one that was not.

A run of a small network with dropout and random crops; what is compared are the tensors and numbers
of the last state and of the best weights, and every line of metrics.jsonl but its timing.
"""

from __future__ import annotations

import random
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.cli import call, run_folders, start_group, start_quickly
from tests.faults.trial import attempt
from tests.outcomes import KILLED, end_at, outcome, updates
from tests.tiny_data import write_data

WORDS = (
    "--train --criterion rank --arch test_efficientnet --image_size 32 --crop random "
    "--crop_from 40 --dropout 0.5 --ema 0.8 --epochs 4 --warmup 1 -b 3 --save_every 1 "
    "--threads 1 --no_report -g 0 --amp off"
)
KILLS = 4


def state(folder: Path) -> dict[str, object]:
    """Of the folder's one run, in which nothing half-written is left."""
    (run,) = run_folders(folder)
    assert not list(run.rglob("*.tmp"))
    return outcome(run)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), "rank", train=4)


@pytest.fixture
def folder(data, tmp_path) -> Path:
    shutil.copytree(data, tmp_path / "data")
    return tmp_path


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(data, folder / "data")
    call(folder, f"{WORDS} -j 0")
    return state(folder)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(folder, uninterrupted, workers):
    call(folder, f"{WORDS} -j {workers}")
    assert state(folder) == uninterrupted


def test_killed_at_random_moments(folder, uninterrupted):
    """Kills spread over the run's 16 updates: during steps, validation and saving."""
    moments = random.Random(20)
    words = f"{WORDS} -j 0"
    for number, update in enumerate(sorted(moments.sample(range(2, 16), KILLS))):
        kill = partial(end_at, update, seconds=moments.uniform(0, 0.05))
        process = start_quickly(folder, words, kill)
        process.join()
        log = (folder / "child.txt").read_text()
        assert process.exitcode == KILLED, (number, log)
        words = f"--continue {run_folders(folder)[0]} -j {number % 3}"
    process = start_quickly(folder, words)
    process.join()
    log = (folder / "child.txt").read_text()
    assert process.exitcode == 0 and log.count("continuing") == KILLS, log
    assert state(folder) == uninterrupted


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop(folder, uninterrupted, number, code):
    """The step is finished, the state saved, the code documented, and going on ends equal."""
    words = f"{WORDS} -j 1".replace("--save_every 1", "").split()
    done = attempt(folder, words, partial(end_at, 11, number, 0.03))
    assert done.wrong(code) is None and "--continue" in done.err
    done = call(folder, f"--continue {run_folders(folder)[0]}")
    assert "continuing" in done.err
    found = state(folder)
    ours = {k: v for k, v in uninterrupted.items() if not k.endswith(".pth")}
    assert {k: found[k] for k in ours} == ours  # the stored save_every differs


@pytest.mark.parametrize("criterion", ["rank", "regress"])
def test_two_processes_killed_and_continued(folder, tmp_path_factory, criterion):
    """Sums of an epoch that each process keeps, and everything else, go on where they were."""
    words = WORDS.replace("--epochs 4", "--epochs 2").replace("rank", criterion)
    write_data(folder / "data", criterion, train=8)
    other = tmp_path_factory.mktemp("two")
    shutil.copytree(folder / "data", other / "data")
    for process in start_group(other, f"{words} -j 0", 2):
        process.join()
        assert process.exitcode == 0, (other / "child.txt").read_text()
    first, second = start_group(folder, f"{words} -j 0", 2, partial(end_at, 3))
    first.join()
    second.kill()
    second.join()
    assert first.exitcode == KILLED and second.exitcode in (-signal.SIGKILL, 1)
    assert 2 <= updates(folder) <= 3 < updates(other)
    both = start_group(folder, f"--continue {run_folders(folder)[0]}", 2)
    for process in both:
        process.join()
        assert process.exitcode == 0, (folder / "child.txt").read_text()
    assert state(folder) == state(other)


def test_a_finished_run_is_left_as_it_is(folder):
    call(folder, f"{WORDS} -j 0 --epochs 1")
    (run,) = run_folders(folder)
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    assert "finished" in call(folder, f"--continue {run}").err
    assert {p.name: p.read_bytes() for p in run.iterdir()} == before


def test_what_going_on_needs(folder):
    """The same labels, a whole state, and a run folder; each missing one is said in one line."""
    words = WORDS.replace("--epochs 4", "--epochs 1")
    call(folder, f"{words} -j 0")
    (run,) = run_folders(folder)
    (run / "results.json").unlink()
    labels = folder / "data/train/label.txt"
    text = labels.read_text()
    labels.write_text(text + "\n# another line\n")
    assert "labels of train/ have changed" in call(folder, f"--continue {run}", 1).err
    labels.write_text(text)
    levels = labels.with_name("levels.csv")
    images = sorted(labels.parent.rglob("*.png"))
    rows = [f"{image.resolve()},a,noise,1" for image in images]
    levels.write_text("\n".join(["path,reference_id,distortion,level", *rows]) + "\n")
    assert "labels of train/ have changed" in call(folder, f"--continue {run}", 1).err
    levels.unlink()
    file = run / "checkpoint_test_efficientnet.pth"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    file.with_name(f"previous_{file.name}").unlink()
    done = call(folder, f"--continue {run}", 1)
    assert str(file) in done.err and "Traceback" not in done.err
    assert "no config.json" in call(folder, "--continue nowhere", 1).err

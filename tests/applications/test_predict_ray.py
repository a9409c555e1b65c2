"""Scores by a local Ray cluster, of which a worker is killed: each image once, as by --predict."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import pytest

from applications import predict_ray
from tests.cli import ROOT, TINY, call
from tests.tiny_data import write_data

pytest.importorskip("ray.data")
from pyarrow import parquet  # noqa: E402


def scorers(above: int) -> list[int]:
    """Processes below another one that score images: Ray names them by what they do."""
    listed = subprocess.run(
        ["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True
    )
    lines = [line.split(maxsplit=2) for line in listed.stdout.splitlines()[1:]]
    parents = {int(pid): int(parent) for pid, parent, *_ in lines}

    def below(pid: int) -> bool:
        return pid == above or (pid in parents and below(parents[pid]))

    busy = "(MapBatches(ScoreImages)).submit"  # .__init__ before it has a network
    named = (int(pid) for pid, _, *words in lines if busy in " ".join(words))
    return [pid for pid in named if below(pid)]


def test_a_worker_that_is_killed_costs_nothing(tmp_path):
    write_data(tmp_path / "data", "emd", train=2, held_out=2)
    call(tmp_path, f"--train --criterion emd {TINY} --epochs 1 --no_check")
    images = sorted((tmp_path / "data/test/images").iterdir())
    (tmp_path / "photos").mkdir()
    for number in range(300):
        (tmp_path / f"photos/{number:03}.png").symlink_to(images[number % len(images)])
    (tmp_path / "photos/empty.png").write_bytes(b"")
    with tarfile.open(tmp_path / "more.tar", "w") as tar:
        for image in images:
            tar.add(image, image.name)
    best = "checkpoints/model_best_test_resnet.pth"
    words = f"photos more.tar --resume {best} -b 1"
    call(tmp_path, f"--predict {words} -o wanted.json -j 0 -g 0 --threads 1", code=3)
    program = [sys.executable, str(ROOT / "applications/predict_ray.py"), *words.split()]
    # Ray's workers give way to all other processes otherwise, and starve on a busy machine.
    quick = {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    environment = {**os.environ, **quick}
    with open(tmp_path / "log.txt", "w") as log:
        process = subprocess.Popen(
            [*program, "-o", "out", "--processes", "1", "--device", "cpu"],
            cwd=tmp_path, stderr=log, stdout=log, env=environment,
        )  # fmt: skip
        killed = False
        while process.poll() is None:
            if not killed and (found := scorers(process.pid)):
                time.sleep(0.1)
                os.kill(found[0], signal.SIGKILL)
                killed = True
            time.sleep(0.05)
    assert process.returncode == 3, (tmp_path / "log.txt").read_text()[-3000:]
    assert killed and "1 of 307 images" in (tmp_path / "log.txt").read_text()
    rows = parquet.read_table(tmp_path / "out").to_pylist()
    found = {row["path"]: row for row in rows}
    wanted = json.loads((tmp_path / "wanted.json").read_text())
    assert found.keys() == {row["path"] for row in wanted} and len(wanted) == len(rows) == 307
    for row in wanted:
        for name, value in row.items():
            same = pytest.approx(value, abs=1e-5) if isinstance(value, float) else value
            assert found[row["path"]][name] == same
    shutil.rmtree(tmp_path / "out")


def test_a_cluster_that_does_not_start_is_a_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def too_slow(*_, **__):
        raise Exception("The current node timed out during startup.\nMore.")  # as Ray does

    monkeypatch.setattr("ray.init", too_slow)
    assert predict_ray.main("photos -o out --device cpu".split()) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "error: a cluster on this machine: The current node timed out during startup."

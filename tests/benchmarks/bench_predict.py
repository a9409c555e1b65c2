"""--predict on many small images: peak memory at two counts, and what kills cost.

python -m tests.benchmarks.bench_predict memory [--few 1000] [--many 100000] [-j 1]
python -m tests.benchmarks.bench_predict kills [--images 20000] [--kills 2] [--kinds csv jsonl]
python -m tests.benchmarks.bench_predict torchrun [--images 20000] [--kills 2] [--seed 0]

Writes the images (32x32, each a file of its own) and a tiny network of random weights to a
temporary folder. memory: the peak of the process while a folder is scored, and while a call that
was killed after its last row goes on, by the ways in which images are named and rows are wanted.
kills: calls get SIGKILL at random numbers of rows, and while their file is put together; one that
nothing disturbs goes on, and its file is compared with that of a call that nothing disturbed from
the beginning, byte for byte. torchrun: the same with two processes, of which sometimes one is
killed, and sometimes all with their launcher.

All calls but those of torchrun are forked from a process that has imported what they need.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import main as program
from applications.scoring.rows import CsvLines, JsonLines
from models.quality_net import build_model
from tests.cli import ROOT, as_started_by_hand

FLAGS = "--resume w.pth --arch test_resnet --image_size 32 -b 256 --threads 1 --device cpu"
IMPORTED = ["tests.cli", "applications.predict", "models.backbones.timm_library", "timm"]


def write_images(folder: Path, count: int) -> None:
    """Of 50 contents, each file one of its own."""
    rng = np.random.default_rng(0)
    contents = []
    folder.mkdir()
    for _ in range(50):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / "x.jpg")
        contents.append((folder / "x.jpg").read_bytes())
    (folder / "x.jpg").unlink()
    for number in range(count):
        (folder / f"photograph-{number:07}.jpg").write_bytes(contents[number % 50])


def predict(words: str, workers: int) -> str:
    return f"--predict {words} {FLAGS} -j {workers} --continue"


def begin(place: Path, words: str) -> BaseProcess:
    """A call as a process of its own; stderr to stderr.txt, what it used to used.json."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    process = context.Process(target=_child, args=(place, words))
    process.start()
    return process


def _child(place: Path, words: str) -> None:
    as_started_by_hand()
    os.chdir(place)
    with open("stderr.txt", "a") as log:
        os.dup2(log.fileno(), 2)
    code = program.main(shlex.split(words))
    used = resource.getrusage(resource.RUSAGE_SELF)
    Path("used.json").write_text(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
    sys.exit(code)


def run(place: Path, words: str) -> list[float]:
    """[seconds of processors, peak MB] of a call."""
    process = begin(place, words)
    process.join()
    if process.exitcode:
        sys.exit(f"{words}: {(place / 'stderr.txt').read_text()[-2000:]}")
    return json.loads((place / "used.json").read_text())


def memory(place: Path, given: argparse.Namespace) -> None:
    ways = {
        "a folder": ("{0}", "-o {0}.csv", {}),
        "a list": ("{0}.txt", "-o {0}.csv", {}),
        "a pattern": ("{0}/*.jpg", "-o {0}.csv", {}),
        "--sort": ("{0}", "-o {0}.csv --sort", {"sort": True, "kind_of_rows": "jsonl"}),
        "--top 100": ("{0}", "-o {0}.csv --top 100", {"top": 100, "kind_of_rows": "jsonl"}),
        "Parquet": ("{0}", "-o {0}.parquet", {"kind_of_rows": "jsonl"}),
    }
    print("| | images | s of processors | MB |")
    print("|---|---|---|---|")
    counts = (given.few, given.many)
    for count in counts:
        write_images(place / f"{count}", count)
        names = (f"{count}/{name}\n" for name in sorted(os.listdir(place / f"{count}")))
        (place / f"{count}.txt").write_text("".join(names))
    line("scored", given.few, run(place, predict(f"{given.few} -o {given.few}.csv", given.workers)))
    of = json.loads((place / f"{given.few}.csv.run.json").read_text())["of"]
    for way, (images, output, changed) in ways.items():
        for count in counts:
            unfinish(place, count, output.format(count).split()[1], {**of, **changed})
            words = predict(f"{images} {output}".format(count), given.workers)
            line(f"all rows are there: {way}", count, run(place, words))
    (place / f"{given.many}.csv").unlink()
    words = predict(f"{given.many} -o {given.many}.csv", given.workers)
    line("scored", given.many, run(place, words))


def line(way: str, count: int, used: list[float]) -> None:
    print(f"| {way} | {count} |", *(f"{number:.1f} |" for number in used), flush=True)


def unfinish(place: Path, count: int, output: str, of: dict) -> None:
    """What a call on count.txt leaves that is killed when it has written its last row; the scores
    are made up. of: what another one's record says.
    """
    (place / output).unlink(missing_ok=True)
    text = (place / f"{count}.txt").read_text()
    scores = np.random.default_rng(0).random(count).tolist()
    rows = ({"path": path, "score": s} for path, s in zip(text.split(), scores, strict=True))
    lines = JsonLines() if of["kind_of_rows"] == "jsonl" else CsvLines(1, True)
    with open(place / f"{output}.part", "wb") as part:
        part.writelines([lines.head, *map(lines.line, rows)])
    digest = sha256(text.encode()).hexdigest()
    record = {"of": {**of, "number_of_images": count, "names_of_images": digest}}
    (place / f"{output}.run.json").write_text(json.dumps({**record, "finished": None}))


def kills(place: Path, given: argparse.Namespace) -> None:
    write_images(place / "images", given.images)
    draw = random.Random(given.seed)
    for name in (f"x.{kind}" for kind in given.kinds):
        run(place, predict(f"images -o whole_{name}", given.workers))
        words, output = predict(f"images -o {name}", given.workers), place / name
        for moment in sorted(draw.uniform(0, given.images) for _ in range(given.kills)):
            kill(begin(place, words), lambda at=moment, file=output: rows_of(file) >= at)
            print(f"-o {name}: killed at {rows_of(output)} rows", flush=True)
        if name == "x.parquet":
            kill(begin(place, words), lambda name=name: any(place.glob(f".{name}.*.tmp")))
            print(f"-o {name}: killed while it is written: {not output.exists()}", flush=True)
        seconds = run(place, words)[0]
        compare(place, name, f"-o {name}: went on ({seconds:.1f} s of processors)")


def kill(process: BaseProcess, when: Callable[[], bool]) -> None:
    until(lambda: not process.is_alive() or when(), 0.002)
    process.kill()
    process.join()


def compare(place: Path, name: str, said: str) -> None:
    same = (place / name).read_bytes() == (place / f"whole_{name}").read_bytes()
    left = [file.name for file in place.glob(f"{name}.part*")]
    print(f"{said}; equal to the undisturbed: {same}", *left, flush=True)
    if not same or left:
        sys.exit(1)


def torchrun(place: Path, given: argparse.Namespace) -> None:
    write_images(place / "images", given.images)
    run(place, predict("images -o whole_x.csv", 0))
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--log_dir"]
    words += ["logs", str(ROOT / "main.py"), *predict("images -o x.csv", 0).split()]
    draw = random.Random(given.seed)
    for number, moment in enumerate(sorted(draw.choices(range(given.images), k=given.kills))):
        with open(place / "stderr.txt", "ab") as log:
            process = subprocess.Popen(words, cwd=place, stderr=log)
        until(lambda at=moment: rows_of(place / "x.csv") >= at, 0.02)
        ranks = children(process.pid)
        all_of_them = number % 2 == 1
        for pid in [*ranks, process.pid] if all_of_them else [draw.choice(ranks)]:
            os.kill(pid, signal.SIGKILL)
        process.wait()
        until(lambda pids=ranks: not any(Path(f"/proc/{pid}").exists() for pid in pids), 0.1)
        who = "launcher and both" if all_of_them else "one of two"
        print(f"torchrun: {who} killed at {rows_of(place / 'x.csv')} rows", flush=True)
    with open(place / "stderr.txt", "ab") as log:
        subprocess.run(words, cwd=place, stderr=log, check=True)
    compare(place, "x.csv", "torchrun: went on")


def rows_of(output: Path) -> int:
    """Rows that an unfinished call has written."""
    parts = output.parent.glob(f"{output.name}.part*")
    return sum(part.read_bytes().count(b"\n") for part in parts)


def children(pid: int) -> list[int]:
    """Processes right below another one."""
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def until(true: Callable[[], bool], every: float) -> None:
    while not true():
        time.sleep(every)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = {"memory": memory, "kills": kills, "torchrun": torchrun}
    parser.add_argument("what", choices=what)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", default=["csv", "jsonl", "parquet"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-j", "--workers", type=int, default=1)
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        torch.manual_seed(0)
        torch.save(build_model("test_resnet", 1, (32, 32)).state_dict(), place / "w.pth")
        what[given.what](place, given)


if __name__ == "__main__":
    main()

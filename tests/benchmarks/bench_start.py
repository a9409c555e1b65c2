"""CPU seconds from a process's start to the first scores and to the end of a training of one step,
beside those of `import torch`, alternating; with OTHER, another checkout, its ones as well. Each
call is made once before: from then on Python has its bytecode, as torch's comes with it.

python -m tests.benchmarks.bench_start [RUNS] [OTHER]
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.cli import ROOT
from tests.tiny_data import write_data

NETWORKS = {"torchvision": "torchvision:resnet18", "timm": "resnet18"}
TRAIN = (
    "--train --criterion regress -b 6 -j 0 -g 0 --threads 1 --amp off --epochs 3 --no_pretrained "
    "--no_report --bootstrap 0 --no_check --warmup 0 --arch"
)
PREDICT = "--predict data/test/images -j 0 -g 0 --threads 1 --resume"
HELP = {
    "main.py --help": "main.py --help",
    "main.py --generate --help": "main.py --generate --help",
    "image_assessment.py --help": "demos/image_assessment.py --help",
    "predict_ray.py --help": "applications/predict_ray.py --help",
}
IMPORT = ["-c", "import torch"]


def started(words: list[str], folder: Path) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.Popen(
        [sys.executable, *words], cwd=folder, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, preexec_fn=partial(os.nice, 5),  # it is ended as soon as it speaks
    )  # fmt: skip


def seconds(words: list[str], folder: Path) -> float:
    """CPU seconds of one call, its children included; of a training up to its first line about
    steps.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = started(words, folder)
    text = b""
    while "--train" in words and b" step " not in text:
        more = process.stderr.read1()
        assert more, text.decode()
        text += more
        if b" step " in text:
            process.kill()
    process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    runs = int((*sys.argv, "5")[1])
    trees = [ROOT, *(Path(word).resolve() for word in sys.argv[2:])]
    print(
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}, Python ",
        end="",
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "timm"))
    print(
        f"{platform.python_version()}, {packages}; {runs} runs, alternating; CPU seconds, medians"
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_data(folder / "data", "regress", 2, 1)
        calls = {}
        for library, network in NETWORKS.items():
            words = f"main.py {TRAIN} {network}"
            started([str(ROOT / "main.py"), *words.split()[1:]], folder).communicate()
            saved = f"checkpoints/model_best_{network.replace(':', '_')}.pth"
            calls[f"--predict, {library}"] = f"main.py {PREDICT} {saved}"
            calls[f"--train, {library}"] = words
        for name, words in {**calls, **HELP}.items():
            file, *rest = words.split()
            commands = [IMPORT, *([str(tree / file), *rest] for tree in trees)]
            _, *rows = [[seconds(command, folder) for command in commands] for _ in range(1 + runs)]
            _tell(name, rows)


def _tell(name: str, rows: list[list[float]]) -> None:
    """rows: of a run, seconds of `import torch`, of this checkout, and of another if any."""
    bare, *ours = (statistics.median(column) for column in zip(*rows, strict=True))
    line = f"{name:28} import torch {bare:5.2f}"
    for place, (title, taken) in enumerate(zip(("here", "there"), ours, strict=False), 1):
        ratios = sorted(row[place] / row[0] for row in rows)
        spread = f"{ratios[0]:.2f}..{ratios[-1]:.2f}"
        line += f"  {title} {taken:5.2f}  ratio {statistics.median(ratios):.2f} ({spread})"
    print(line, flush=True)


if __name__ == "__main__":
    main()

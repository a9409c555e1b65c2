"""This toolkit beside IQA-PyTorch (package pyiqa), each by its own command line: training NIMA and
scoring a folder of JPEGs, one network (ResNet-18 of timm, random weights), one set of files.

python -m tests.benchmarks.bench_iqa_pytorch PYTHON [train] [score] [--runs 3] [--images 96]
    [--epochs 2] [-b 32] [--few 32] [--many 160] [--threads 1]

PYTHON is an interpreter that has pyiqa; nothing of it is imported here. Both sides see the same
640x480 JPEGs at 224x224 and run by turns. Training: an epoch is the difference of a call of 1 +
--epochs and a call of one, so that no start counts, nor the one validation that theirs fails
without; two processes read images, and both are told the same number of threads. Scoring: an image
is the difference of a folder of --many and one of --few; the rest of a call is its start. The
memory is that of all processes of a call together, at its peak.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
import yaml
from safetensors.torch import save_file

from models.quality_net import QualityNet, build_model
from tests.benchmarks.paired import machine
from tests.benchmarks.process_tree import Cost, cost
from tests.tiny_data import picture

ROOT = Path(__file__).resolve().parents[2]
ARCH = "resnet18"
BINS = 10
WHOLE = 2000  # images of a folder, of which the parts are measured
CONTENTS = 32  # different images among the files
# A metric of its own beside those of `pyiqa --list_models`, as none of them has this network.
THEIR_SCORING = """import sys
from pyiqa import default_model_configs, pyiqa_cmd
options = {"type": "NIMA", "num_classes": 10, "base_model_name": "resnet18",
           "pretrained_model_path": "theirs.pth"}
default_model_configs.DEFAULT_CONFIGS["nima-here"] = {"metric_opts": options, "metric_mode": "NR"}
sys.argv = ["pyiqa", "nima-here", "--verbose", "--device", "cpu", "-t", sys.argv[1]]
pyiqa_cmd.main()
"""


def write_files(folder: Path, count: int) -> list[Path]:
    """JPEGs of 640x480 pixels, about 1.5 bits a pixel as photographs have."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    files = [folder / f"{number:05}.jpg" for number in range(count)]
    for number, file in enumerate(files):
        if number < CONTENTS:
            picture(rng, 8, (480, 640)).save(file, quality=85)
        else:
            file.write_bytes(files[number % CONTENTS].read_bytes())
    return files


def write_labels(place: Path, files: list[Path]) -> None:
    """One histogram of votes an image: label.txt for us, a table as of AVA for them."""
    votes = np.random.default_rng(1).integers(1, 40, (len(files), BINS))
    means = (votes * np.arange(1, BINS + 1)).sum(axis=1) / votes.sum(axis=1)
    ours, theirs = [], [",".join(("image", "mos", *(f"c{k}" for k in range(1, BINS + 1))))]
    for file, row, mean in zip(files, votes.tolist(), means.tolist(), strict=True):
        ours.append(",".join(map(str, (f"images/{file.name}", *row))))
        theirs.append(",".join(map(str, (file.name, mean, *row))))
    (place / "data/train/label.txt").write_text("\n".join(ours) + "\n")
    (place / "theirs.csv").write_text("\n".join(theirs) + "\n")
    (place / "theirs_val.csv").write_text("\n".join(theirs[:9]) + "\n")


def their_training(place: Path, batch_size: int, epochs: int) -> str:
    """A file of options for their NIMA with this network and these files. The optimiser, rates and
    loss are those of their own file. Eight images validate once after the last epoch, as it fails
    without: both calls have that, so it does not count.
    """
    train = {
        "name": "ava", "type": "AVADataset", "dataroot_target": str(place / "data/train/images"),
        "meta_info_file": str(place / "theirs.csv"), "img_range": 1,
        "augment": {"resize": [224, 224], "hflip": True}, "use_shuffle": True,
        "num_worker_per_gpu": 2, "batch_size_per_gpu": batch_size, "dataset_enlarge_ratio": 1,
        "prefetch_mode": "cpu", "num_prefetch_queue": 8,
    }  # fmt: skip
    val = {**train, "meta_info_file": str(place / "theirs_val.csv")}
    val |= {"augment": {"resize": [224, 224]}, "num_worker_per_gpu": 1, "batch_size_per_gpu": 8}
    metrics = {name: {"type": f"calculate_{name}"} for name in ("srcc", "plcc", "krcc")}
    options = {
        "name": "beside", "model_type": "DistIQAModel", "num_gpu": 0, "manual_seed": 123,
        "datasets": {"train": train, "val": val},
        "network": {"type": "NIMA", "base_model_name": ARCH, "pretrained": False},
        "path": {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None},
        "train": {
            "optim": {"type": "Adam", "lr_base_model": 5e-5, "lr_classifier": 5e-4, "lr": 1e-4},
            "scheduler": {"type": "MultiStepLR", "milestones": [40000], "gamma": 0.1},
            "total_epoch": epochs, "warmup_iter": -1,
            "mos_loss_opt": {"type": "EMDLoss", "loss_weight": 1.0},
        },
        "val": {"val_freq": 1e9, "save_img": False, "pbar": False, "key_metric": "srcc",
                "metrics": metrics},
        "logger": {"print_freq": 100, "save_checkpoint_freq": 5e9, "save_latest_freq": 1e3,
                   "use_tb_logger": True, "wandb": {"project": None, "resume_id": None}},
        "dist_params": {"backend": "nccl", "port": 29500},
    }  # fmt: skip
    file = place / f"theirs_{epochs}.yml"
    file.write_text(yaml.safe_dump(options))
    return str(file)


def hub_of_random_weights(place: Path) -> None:
    """What timm would load from its hub, where there is no network: random weights."""
    name = timm.get_pretrained_cfg(ARCH).hf_hub_id
    kept = place / "hub" / f"models--{name.replace('/', '--')}"
    (kept / "snapshots/0").mkdir(parents=True)
    (kept / "refs").mkdir()
    (kept / "refs/main").write_text("0")
    save_file(timm.create_model(ARCH).state_dict(), kept / "snapshots/0/model.safetensors")


def write_weights(place: Path) -> None:
    """The same network for both: ours.pth and theirs.pth."""
    torch.manual_seed(0)
    model: QualityNet = build_model(f"timm:{ARCH}", BINS, (224, 224))
    torch.save(model.state_dict(), place / "ours.pth")
    found = {f"base_model.{name}": of for name, of in model.backbone.state_dict().items()}
    linear = next(m for m in model.heads.modules() if isinstance(m, torch.nn.Linear))
    found |= {f"classifier.2.{name}": of for name, of in linear.state_dict().items()}
    torch.save({"params": found}, place / "theirs.pth")


class Beside:
    """Both programs in one folder."""

    def __init__(self, place: Path, given: argparse.Namespace) -> None:
        self.place, self.given = place, given
        threads = str(given.threads)
        self.environment = {
            "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1",
            "HF_HUB_CACHE": str(place / "hub"), "XDG_CACHE_HOME": str(place / "cache"),
            "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": "",
        }  # fmt: skip

    def ours(self, words: str) -> Cost:
        command = [sys.executable, str(ROOT / "main.py"), *words.split()]
        return self._told([*command, "--device", "cpu", "--threads", str(self.given.threads)])

    def theirs(self, words: list[str]) -> Cost:
        return self._told([self.given.python, *words])

    def _told(self, command: list[str]) -> Cost:
        """Each call is told on stderr, as all of them take long."""
        found = cost(command, self.place, self.environment)
        what = " ".join(Path(word).name for word in command)
        print(f"{found.processor:.2f} s, {found.megabytes:.0f} MB: {what}", file=sys.stderr)
        return found


def train(beside: Beside) -> None:
    """Processor seconds an epoch, in bf16 and in their precision."""
    given, place = beside.given, beside.place
    write_labels(place, write_files(place / "data/train/images", given.images))
    images = given.images - given.images % given.batch_size

    def ours(more: str) -> Callable[[int], Cost]:
        words = (
            f"--train --criterion emd --data data --arch timm:{ARCH} --no_pretrained --no_check "
            f"--no_report --bootstrap 0 -b {given.batch_size} {more}"
        )
        return lambda epochs: beside.ours(f"{words} --epochs {epochs}")

    def theirs(epochs: int) -> Cost:
        return beside.theirs(
            ["-m", "pyiqa.train", "-opt", their_training(place, given.batch_size, epochs)]
        )

    print("| training, images of an epoch | s an epoch | images a s | peak MB | start, s |")
    print("|---|---|---|---|---|")
    # What a training that sees 1,000 images or more takes by itself, where it is the faster one.
    sides = {f"ours, --amp {amp}": ours(f"--amp {amp}") for amp in ("bf16", "off")}
    sides["IQA-PyTorch"] = theirs
    found: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in sides}
    for _ in range(given.runs):
        for name, call in sides.items():
            found[name].append((call(1), call(1 + given.epochs)))
    _report(found, given.epochs, images, given.runs)


def score(beside: Beside) -> None:
    """Processor seconds an image, and what a call of 2,000 costs with its start."""
    given, place = beside.given, beside.place
    write_weights(place)
    for name in ("few", "many"):
        write_files(place / name, getattr(given, name))
    words = f"--arch timm:{ARCH} --num_classes {BINS} --resume ours.pth --resize crop -o ours.csv"

    def ours(more: str) -> Callable[[str], Cost]:
        return lambda folder: beside.ours(f"--predict {folder} {words} {more}")

    (place / "theirs.py").write_text(THEIR_SCORING)
    sides = {
        "ours, --runtime auto": ours("--runtime auto"),
        "IQA-PyTorch": lambda folder: beside.theirs(["theirs.py", folder]),
    }
    # What the first call with auto of 500 images does by itself, and later ones need not.
    for first in ("onnx", "openvino", "auto"):
        made = ours(f"--runtime {first}")("few")
        print(
            f"first call, --runtime {first}, {given.few} images: {made.processor:.1f} s, ", end=""
        )
        print(f"{made.megabytes:.0f} MB", flush=True)
    print("\n| scoring | s an image | images a s | peak MB | start, s |\n|---|---|---|---|---|")
    found: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in sides}
    for _ in range(given.runs):
        for name, call in sides.items():
            found[name].append((call("few"), call("many")))
    more = given.many - given.few
    whole = _report(found, more, 1, given.runs, more=given.few)
    mine, theirs = whole.values()
    print(f"\n{WHOLE} images with the start: {mine:.0f} s and {theirs:.0f} s, {theirs / mine:.2f}x")
    calls = found["ours, --runtime auto"][-1], found["IQA-PyTorch"][-1]
    print(calls[0][1].output.strip())
    _compare(place, calls[1][1].output)


def _compare(place: Path, said: str) -> None:
    """Whether both programs scored with the same network: they resize differently."""
    theirs = {
        Path(name).name: float(score)
        for name, score in re.findall(r"'([^']+\.jpg)': ([-+.e\d]+)", said)
    }
    with open(place / "ours.csv", newline="") as file:
        ours = {Path(row["path"]).name: float(row["score"]) for row in csv.DictReader(file)}
    apart = max(abs(ours[name] - score) for name, score in theirs.items())
    spread = statistics.pstdev(theirs.values())
    print(f"{len(theirs)} scores of both: at most {apart:.2g} apart, which spread by {spread:.2g}")


def _report(
    found: dict[str, list[tuple[Cost, Cost]]], parts: int, images: int, runs: int, more: int = 1
) -> dict[str, float]:
    """A row for each side, and the ratios of medians with the extremes of each round. Returns the
    seconds of WHOLE parts with the start.
    """
    each: dict[str, list[float]] = {}
    peaks: dict[str, list[float]] = {}
    starts: dict[str, float] = {}
    for name, pairs in found.items():
        each[name] = [(b.processor - a.processor) / parts for a, b in pairs]
        peaks[name] = [b.megabytes for _, b in pairs]
        middle = statistics.median(each[name])
        starts[name] = statistics.median(a.processor for a, _ in pairs) - more * middle
        print(
            f"| {name} | {middle:.4g} | {images / middle:.1f} "
            f"| {statistics.median(peaks[name]):.0f} | {starts[name]:.1f} |"
        )
    *mine, theirs = found
    print(
        f"\n| {theirs} over | s (each round) | memory of ours over its | runs |\n|---|---|---|---|"
    )
    for name in mine:
        ratios = [b / a for a, b in zip(each[name], each[theirs], strict=True)]
        middle = statistics.median(each[theirs]) / statistics.median(each[name])
        memory = statistics.median(peaks[name]) / statistics.median(peaks[theirs])
        print(
            f"| {name} | {middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {memory:.2f} | {runs} |"
        )
    return {name: starts[name] + WHOLE * statistics.median(each[name]) for name in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", type=os.path.abspath)
    parser.add_argument("what", nargs="*", choices=("train", "score"), default=["train", "score"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("-b", "--batch_size", type=int, default=32)
    parser.add_argument("--few", type=int, default=32)
    parser.add_argument("--many", type=int, default=160)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        hub_of_random_weights(place)
        beside = Beside(place, given)
        said = "import importlib.metadata as m; print(*map(m.version, ('pyiqa', 'torch', 'timm')))"
        versions = beside.theirs(["-c", said]).output.split()
        print(f"{machine('torch', 'timm', 'torchvision')}; pyiqa, its torch, timm: {versions}")
        for what in given.what:
            print(flush=True)
            {"train": train, "score": score}[what](beside)


if __name__ == "__main__":
    main()

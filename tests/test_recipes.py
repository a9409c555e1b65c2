"""The documented commands of the toolkits this project succeeds, word for word.

Each runs on a tiny data set; the flags appended in `SHORT` keep it short, the last one wins.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from models.backbones import timm_library
from models.quality_net import build_model
from tests.cli import ROOT, call, run_folders
from tests.tiny_data import write_data

INFO = """
python main.py --arch efficientnet_b0 --num_classes 6 --image_size 244 224
"""
TRAIN = """
python main.py --data data/ --train --arch efficientnet_b0 --num_classes 1 --criterion=rank --margin 0.1 -- --use_margin --image_size 244 224 --pretrained --warmup 5 --epochs 65 -b 384 -j 16 --gpus 1 --nodes 1
python main.py --data data/ --train --arch efficientnet_b0 --num_classes 1 --criterion=rank --margin 0.1 --image_size 224 224 --warmup 5 --epochs 65 -b 1 -j 16 --gpus 1 --nodes 1
python main.py --data data/ --train --arch efficientnet_b4 --num_classes 1 --criterion=rank --margin 1.0 --image_size 540 540 --warmup 5 --epochs 5 -b 4 -j 16 --gpus 1 --nodes 1
python main.py --data data/ --train --arch ResNet18 --num_classes 1 --criterion=rank --margin 1.0 --image_size 540 540 --warmup 5 --epochs 1 -b 20 -j 16 --gpus 1 --nodes 1 --resume checkpoints/ResNet18_Margin1.0_Epoch4/checkpoint_ResNet18.pth
python main.py --data data/ --train --arch Vgg16 --num_classes 1 --criterion=rank --margin 1.0 --image_size 540 540 --warmup 5 --epochs 1 -b 20 -j 16 --gpus 1 --nodes 1 --resume checkpoints/VGG16_Margin1.0_Epoch4/checkpoint_Vgg16.pth
python main.py --data data/ --train --arch efficientnet_b0 --num_classes 1 --criterion=rank --margin 10 --image_size 224 224 --warmup 5 --epochs 65 -b 1 -j 16 --gpus 1 --nodes 1 --resume checkpoints/rank_sr_540_20210624/model_best_efficientnet_b0.pth
python main.py --data data/ --train --arch efficientnet_b0 --num_classes 1 --criterion=regress --margin 0.1 --image_size 244 224 --warmup 5 --epochs 65 -b 1 -j 16 --gpus 1 --nodes 1 --resume checkpoints/Rank/model_best_efficientnet_b0.pth
python main.py --data data/ --train --arch efficientnet_b2 --num_classes 1 --criterion=regress --margin 1.0 --image_size 540 540 --warmup 5 --epochs 200 -b 20 -j 16 --gpus 1 --nodes 1 --resume checkpoints/EfficientB2_Margin1.0_Epoch6/model_best_efficientnet_b2.pth
python main.py --data data/ --train --arch ResNet18 --num_classes 1 --criterion=regress --margin 1.0 --image_size 540 540 --warmup 5 --epochs 100 -b 20 -j 16 --gpus 1 --nodes 1 --resume checkpoints/ResNet18_regress_Epoch100/checkpoint_ResNet18.pth
"""  # noqa: E501
EVALUATE = """
python main.py --data data -e --arch efficientnet_b0 --num_classes 1 --criterion=rank --margin 0.1 --image_size 224 224 --batch_size 1 --workers 0 --resume checkpoints/model_best_efficientnet_b0.pth -g 1 -n 1
python main.py --data data -e --arch efficientnet_b0 --num_classes 1 --criterion=rank --margin 10 --image_size 540 540 --batch_size 12 --workers 0 --resume checkpoints/SR4K_540_Epoch65/checkpoint_efficientnet_b0.pth -g 1 -n 1
python main.py --data data -e --arch efficientnet_b0 --num_classes 1 --criterion=regress --margin 10 --image_size 540 540 --batch_size 16 --workers 0 --resume checkpoints/model_best_efficientnet_b0.pth -g 1 -n 1
"""  # noqa: E501
JIT = """
python main.py --jit --arch efficientnet_b0 --num_classes 1 --resume checkpoints/model_best_efficientnet-b0.pth -g 0
"""  # noqa: E501
DEMO = "cd demos && python image_assessment.py"

SMALL = "--image_size 64"
SHORT = (
    f"{SMALL} --epochs 1 -j 0 -b 2 --lr 1e-4 --opt sgd --momentum 0 --threads 1 --amp off "
    "--no_report"
)


def lines(block: str) -> list[str]:
    return [line.removeprefix("python main.py ") for line in block.strip().splitlines()]


def criterion_of(words: str) -> str:
    return "regress" if "--criterion=regress" in words else "rank"


@pytest.fixture(scope="module", autouse=True)
def _a_slimmer_vgg16() -> Iterator[None]:
    """Its two wide layers alone are half a gigabyte in each of five files."""
    whole = timm.create_model

    def slim(name: str, **options: object) -> torch.nn.Module:
        return whole(name, **options, **({"mlp_ratio": 1 / 64} if name == "vgg16" else {}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timm, "create_model", slim)
        timm_library._options_for.cache_clear()
        yield
    timm_library._options_for.cache_clear()


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A working directory per kind of labels, with the weights that the recipes name."""
    made = {}
    for criterion in ("rank", "regress"):
        folder = made[criterion] = tmp_path_factory.mktemp(criterion)
        write_data(folder / "data", criterion, train=2, held_out=1)
    trained = f"--train --arch efficientnet-b0 --criterion rank --num_classes 1 {SHORT} -g 0"
    call(made["rank"], trained)
    own = made["rank"] / "checkpoints"
    for block in (TRAIN, EVALUATE, JIT):
        for words in lines(block):
            for name in re.findall(r"--resume (\S+)", words):
                _provide(made[criterion_of(words)] / name, own)
    _pretrained(made["rank"] / "pretrained" / "efficientnet_b0.safetensors")
    return made


def _provide(file: Path, own: Path) -> None:
    """Weights at the name a recipe gives: of the short training, or fresh ones of the backbone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    kind, arch = re.fullmatch(r"(checkpoint|model_best)_(.+)\.pth", file.name).groups()
    source = own / f"{kind}_efficientnet-b0.pth"
    if file.parent == own or file.exists():
        return  # the training's own, in the other spelling
    if "b0" in arch:
        shutil.copy(source, file)
    else:
        torch.save(build_model(arch, 1, (64, 64)).state_dict(), file)


def _pretrained(file: Path) -> None:
    """Random weights under the names of the library's own."""
    file.parent.mkdir()
    save_file(timm.create_model("efficientnet_b0").state_dict(), file)


def test_the_summary(tmp_path):
    (words,) = lines(INFO)
    out = call(tmp_path, words).out
    assert "244" in out and "224" in out and "parameters" in out.lower()


@pytest.mark.parametrize("words", lines(TRAIN))
def test_train(folders, words):
    folder = folders[criterion_of(words)]
    before = set(run_folders(folder))
    kept = {p: p.read_bytes() for run in before for p in run.glob("results.json")}
    done = call(folder, f"{words} {SHORT}")
    (run,) = set(run_folders(folder)) - before
    arch = re.search(r"--arch (\S+)", words)[1]
    for name in (f"checkpoint_{arch}.pth", f"model_best_{arch}.pth"):
        assert (run / name).stat().st_size == (folder / "checkpoints" / name).stat().st_size
    assert json.loads((run / "results.json").read_text())["test"]
    assert all(path.read_bytes() == data for path, data in kept.items())  # none is overwritten
    assert "CPU" in done.err or "cpu" in done.err
    if "--resume" in words or "--pretrained" in words:
        assert "tensors taken" in done.err
    if " -- " in words:
        stored = json.loads((run / "config.json").read_text())
        assert stored["use_margin"] and stored["pretrained"]
    for file in run.glob("*.pth"):  # they add up
        file.unlink()


@pytest.mark.parametrize("words", lines(EVALUATE))
def test_evaluate(folders, words):
    folder = folders[criterion_of(words)]
    out = call(folder, f"{words} {SMALL}").out
    assert ("srcc" if "regress" in words else "pair_accuracy") in out


def test_export_and_demo(folders, tmp_path):
    """The demo stands beside the checkpoints and finds the newest export by itself."""
    folder = folders["rank"]
    (words,) = lines(JIT)
    done = call(folder, words)
    assert "largest difference" in done.err
    assert (folder / "checkpoints" / "jit_efficientnet_b0.pt").exists()
    for room in ("demos", "utils"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("checkpoints", "data"):
        (tmp_path / part).symlink_to(folder / part)
    command = DEMO.removeprefix("cd demos && python ")
    shown = subprocess.run(
        [sys.executable, "-W", "error", command],
        cwd=tmp_path / "demos", capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    rows = csv.DictReader(shown.splitlines())
    scores = {Path(row["path"]).name: float(row["score"]) for row in rows}
    best = "--resume checkpoints/model_best_efficientnet-b0.pth"
    call(folder, f"--predict data/test {best} -j 0 -g 0 -o p.json")
    wanted = json.loads((folder / "p.json").read_text())
    assert scores == pytest.approx({Path(r["path"]).name: r["score"] for r in wanted}, abs=1e-4)

"""Siamese NIMA through the command line: votes -> emd -> buckets -> siamese -> an emd model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from applications.training import trainer
from applications.training.trainer import Trainer
from config import parse
from models.freezing import freeze
from models.quality_net import QualityNet
from models.sizes import build_backbone
from tests.cli import call, records, run_folders, tables
from tests.outcomes import killed_in, outcome, tensors
from tests.tiny_data import write_data
from utils.files import checkpoint

TINY = (
    "--arch test_efficientnet --image_size 32 --warmup 0 -b 4 -j 0 -g 0 --threads 1 --amp off "
    "--epochs 2 --no_check --no_report"
)
NIMA = "nima/model_best_test_efficientnet.pth"
SIAMESE = f"--train --criterion siamese --label_name buckets.txt {TINY} --save_every 1"
LATEST = "--resume checkpoints/model_best_test_efficientnet.pth -g 0 -j 0"


@pytest.fixture(scope="module")
def nima(tmp_path_factory) -> Path:
    """Data with votes and buckets, and weights that have learned the votes."""
    folder = tmp_path_factory.mktemp("siamese")
    write_data(folder / "data", "emd", bins=7)
    call(folder, f"--train --criterion emd {TINY} --epochs 1 --checkpoints nima")
    for split in ("train", "val", "test"):
        source = f"data/{split}/label.txt -o data/{split}/buckets.txt --bucket_width 2"
        call(folder, f"--make_buckets {source}")
    return folder


@pytest.fixture
def folder(nima, tmp_path) -> Path:
    for name in ("data", "nima"):
        (tmp_path / name).symlink_to(nima / name)
    return tmp_path


def figures(text: str) -> dict[str, float]:
    lines = (line.split() for line in tables(text).splitlines()[1:] if not line.startswith("["))
    return {line[0]: float(line[1]) for line in lines}


def test_one_branch_is_saved_and_is_an_ordinary_emd_model(folder):
    done = call(folder, f"{SIAMESE} --resume {NIMA} --freeze blocks.2")
    assert "0 left, 0 new" in done.err and "never learned scores" not in done.err
    (run,) = run_folders(folder)
    before, after = tensors(folder / NIMA), tensors(run / "model_best_test_efficientnet.pth")
    assert before.keys() == after.keys() and len(after["heads.quality.fc.bias"]) == 7
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    frozen = ("backbone.conv_stem", "backbone.bn1", *(f"backbone.blocks.{i}." for i in range(3)))
    assert not [n for n in changed if n.startswith(frozen)]  # running statistics included
    assert {"backbone.bn2.running_mean", "heads.quality.fc.weight"} <= changed
    val = [r for r in records(run) if r["split"] == "val"][-1]
    assert {"loss", "same_bucket_accuracy", "n_pairs", "srcc", "krcc", "n"} <= val.keys()

    judged = call(folder, f"-e --criterion emd --label_name label.txt {LATEST}")
    assert figures(judged.out).keys() >= {"emd_r1", "emd_r2", "srcc", "std_srcc"}
    again = call(folder, f"-e --label_name buckets.txt {LATEST} -o siamese.csv --no_report")
    tested = json.loads((run / "results.json").read_text())["test"]
    single = {name: value for name, value in tested.items() if not isinstance(value, dict)}
    assert figures(again.out) == pytest.approx(single, abs=1e-4)
    with open(folder / "siamese.csv", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    assert [row["bucket"] for row in rows] == ["3", "2", "2"] * 2 and "p7" in rows[0]
    call(folder, f"--predict data/test {LATEST} -o predicted.csv")
    with open(folder / "predicted.csv", encoding="utf-8") as text:
        predicted = {Path(row["path"]).name: row for row in csv.DictReader(text)}
    for row in rows:
        found = predicted[Path(row["path"]).name]
        assert float(found["score"]) == pytest.approx(float(row["score"]), abs=1e-6)
        mean = sum(k * float(found[f"p{k}"]) for k in range(1, 8))
        assert float(found["score"]) == pytest.approx(mean, abs=1e-5)
    call(folder, f"--jit {LATEST}")
    sidecar = json.loads((folder / "checkpoints/jit_test_efficientnet.json").read_text())
    assert sidecar["outputs"] == ["scores (N,)", "histogram (N,K)"]
    assert sidecar["score_range"] == [1, 7]


def test_without_nima_weights_there_are_ten_bins_and_a_warning(folder):
    done = call(folder, f"{SIAMESE} --epochs 1")
    (line,) = [line for line in done.err.splitlines() if "never learned scores" in line]
    assert "--resume" in line
    assert "frozen:" not in done.err  # nothing, unless asked
    (run,) = run_folders(folder)
    payload = checkpoint.load(run / "model_best_test_efficientnet.pth")
    assert payload["num_classes"] == 10 and "criterion" in payload["config"]


def test_as_a_stage_it_keeps_the_bins_of_the_one_before(folder):
    labels = "--stage_label_name label.txt,buckets.txt"
    done = call(folder, f"--train --stages emd,siamese {labels} {TINY} --epochs 1")
    assert "never learned scores" not in done.err
    emd, siamese = run_folders(folder)
    best = checkpoint.load(siamese / "model_best_test_efficientnet.pth")
    assert (
        best["num_classes"]
        == 7
        == checkpoint.load(emd / "checkpoint_test_efficientnet.pth")["num_classes"]
    )


def test_each_image_of_a_step_is_forwarded_once(folder, monkeypatch):
    forwarded, forward = [], trainer.to_input
    monkeypatch.setattr(
        trainer,
        "to_input",
        lambda images, device: forwarded.append(images) or forward(images, device),
    )
    seen, step = [], Trainer._step
    monkeypatch.setattr(Trainer, "_step", lambda self, b: seen.append(b) or step(self, b))
    call(folder, f"{SIAMESE} --epochs 1 -b 9")
    assert len(seen) == 2 and [len(images) for images in forwarded] == [len(b.images) for b in seen]
    for batch in seen:
        assert len(set(batch.indices.tolist())) == len(batch.indices) < 2 * batch.lines
        assert len(batch.targets["same"]) == 2 * batch.lines


def test_a_run_that_was_interrupted_ends_in_the_same_bits(folder):
    """Pairs of an epoch do not depend on where the run stopped, nor on the workers."""
    words = f"{SIAMESE} --resume {NIMA} --dropout 0.5"
    call(folder, words)
    with killed_in(8):  # in the second of two epochs of 5 steps
        call(folder, f"{words} -j 1", code=130)
    (folder / "nima").unlink()  # what it started from is in its own state
    whole, stopped = run_folders(folder)
    call(folder, f"--continue {stopped} -j 2")
    assert outcome(whole, "[cm]*.pth") == outcome(stopped, "[cm]*.pth")


@pytest.mark.parametrize("criterion", ["emd+rank", "emd+siamese"])
def test_joint_losses_learn_histograms_and_their_order(folder, criterion):
    first, second = criterion.split("+")
    done = call(folder, f"--train --criterion {second}+{first} {TINY} --loss_weights 1,0.5")
    (run,) = run_folders(folder)
    results = json.loads((run / "results.json").read_text())
    assert results["test"].keys() >= {"emd_r1", "emd_r2", "srcc", "pair_accuracy", "n_pairs"}
    assert results["emd_r2"] == results["val"]["emd_r2"]  # what decided, as with emd
    assert "pair_accuracy" in done.err
    judged = figures(call(folder, f"-e --criterion emd --fit val {LATEST}").out)
    for name, value in judged.items():
        assert results["test"][name] == pytest.approx(value, abs=1e-4), name
    stored = checkpoint.load(run / "model_best_test_efficientnet.pth")["config"]
    assert stored["criterion"] == criterion and stored["loss_weights"] == "1,0.5"


def test_all_histograms_in_one_bucket_are_refused(folder):
    words = f"--train --criterion emd+siamese --bucket_width 20 {TINY}"
    done = call(folder, words, code=1)
    assert "in bucket 0: pass a smaller --bucket_width than 20" in done.err


def test_weights_of_0_are_the_loss_that_is_left(folder):
    """emd+rank with nothing of rank is emd, to the bit, and with a little of it is not."""
    for number, words in enumerate(("emd", *(f"emd+rank --loss_weights 1,{w}" for w in (0, 1)))):
        words += f" {TINY} --epochs 1 --checkpoints kept{number}"
        call(folder, f"--train --criterion {words}")
    kept = (folder / f"kept{n}/checkpoint_test_efficientnet.pth" for n in range(3))
    emd, alone, joint = map(tensors, kept)
    assert all(torch.equal(emd[name], alone[name]) for name in emd)
    assert not all(torch.equal(emd[name], joint[name]) for name in emd)


def test_the_bottom_of_the_recipe_is_618_layers_of_keras():
    """A conv of Keras's InceptionResNetV2 is 3 layers (conv, norm, activation); of a residual
    block the last conv has no norm, and is 3 with scaling and activation.
    """
    name = "inception_resnet_v2"
    backbone = build_backbone(name, (299, 299), without_data=True)
    model = QualityNet(backbone, name, 10, (299, 299))
    freeze(model, "mixed_7a")
    frozen = set(model.frozen)
    modules = {n: m for n, m in model.backbone.named_modules() if n in frozen}
    norms = [n for n, m in modules.items() if isinstance(m, torch.nn.BatchNorm2d)]
    residual = [n for n, m in modules.items() if hasattr(m, "conv2d") and hasattr(m, "scale")]
    plain = ["mixed_5b", "mixed_6a", "mixed_7a"]
    assert set(plain) <= frozen and len(norms) == 163 and len(residual) == 30
    # Beside the convs: the input and two poolings of the stem, a pooling and a concatenation in
    # each plain block, a concatenation and 3 in each residual one.
    assert 3 * len(norms) + 3 + 2 * len(plain) + 4 * len(residual) == 618
    free = [n for n, m in model.backbone.named_modules() if n not in frozen and n]
    assert free[0] == "repeat_2" and "conv2d_7b" in free
    model.train()
    assert not any(m.training for m in modules.values())
    assert model.backbone.get_submodule("conv2d_7b").training
    assert np.allclose(model.mean, 0.5) and np.allclose(model.std, 0.5)  # pixels to [-1, 1]
    assert "mixed_7a" in next(
        field.metadata["help"] for field in parse([]).__dataclass_fields__.values()
        if field.name == "freeze"
    )  # fmt: skip

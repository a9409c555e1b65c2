"""--import_keras from a file to a checkpoint that every other mode takes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.cli import call, run_folders

pytest.importorskip("h5py", reason="h5py is not installed (requirements-keras.txt)")

from tests.keras_files import mobilenet_layers, write_keras_2  # noqa: E402
from utils.files import checkpoint  # noqa: E402

BINS = 5
WEIGHTS = Path("checkpoints/model_best_keras_mobilenetv1_100_end.pth")
ARCH = "keras:mobilenetv1_100_end"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Keras's file, what was imported from it, and a few rated images."""
    folder = tmp_path_factory.mktemp("import_keras")
    write_keras_2(folder / "nima.h5", mobilenet_layers(bins=BINS))
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (folder / "data" / split).mkdir(parents=True)
        lines = []
        for i in range(4):
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "data" / split / f"{i}.png")
            lines.append(f"{i}.png," + ",".join(map(str, rng.integers(1, 9, BINS))))
        (folder / "data" / split / "label.txt").write_text("\n".join(lines) + "\n")
    said = call(folder, "--import_keras nima.h5 --arch mobilenetv1_100 --image_size 64").err
    assert f"network {ARCH}: padded right and below, as in Keras 2.2" in said
    assert "137 tensors of the file -> 137 of the network, none left" in said
    return folder


def test_the_checkpoint_says_everything(place):
    payload = checkpoint.load(place / WEIGHTS)
    config, arrays = payload["config"], dict(mobilenet_layers(bins=BINS))
    assert config["arch"] == ARCH and config["criterion"] == "emd"
    assert payload["num_classes"] == config["num_classes"] == BINS
    assert payload["view"]["image_size"] == [64, 64] and payload["view"]["resize"] == "squash"
    assert payload["model"]["mean"].unique().tolist() == [0.5]
    assert payload["model"]["std"].unique().tolist() == [0.5]
    kernel = payload["model"]["heads.quality.fc.weight"]
    np.testing.assert_array_equal(kernel.numpy(), arrays["dense_1"]["kernel"].T)
    assert payload["imported"]["file"] == "nima.h5"
    assert payload["trained_for"] == ["emd"]
    assert payload["imported"]["tensors"]["backbone.conv_stem.weight"] == "conv1/kernel"
    assert len(payload["imported"]["tensors"]) == 137


def test_every_mode_takes_it(place):
    resume = f"--resume {WEIGHTS} --device cpu -j 0"
    call(place, f"--predict data/test {resume} -o scores.csv")
    assert len((place / "scores.csv").read_text().splitlines()) == 5
    assert "emd_r2" in call(place, f"-e --data data {resume}").out
    call(place, f"--jit --data data {resume}")
    sidecar = json.loads((place / "checkpoints/jit_keras_mobilenetv1_100_end.json").read_text())
    assert sidecar["input_size"] == [64, 64] and sidecar["task"] == "emd"


def test_training_starts_from_it_with_a_frozen_bottom(place):
    words = (
        f"--train --criterion emd --data data --arch {ARCH} --resume {WEIGHTS} --image_size 64 "
        "--epochs 1 --warmup 0 -b 4 -j 0 --device cpu --amp off --freeze blocks.4 "
        "--checkpoints elsewhere"
    )
    assert "166 tensors taken, 0 left, 0 new" in (said := call(place, words).err)
    assert "the backbone up to blocks.4" in said
    run = run_folders(place)[-1]
    after = checkpoint.load(run / "model_best_keras_mobilenetv1_100_end.pth")["model"]
    before = checkpoint.load(place / WEIGHTS)["model"]
    same = {name for name, tensor in before.items() if torch.equal(after[name], tensor)}
    assert set(before) - same == {"heads.quality.fc.weight", "heads.quality.fc.bias"}


@pytest.mark.parametrize("arch", ["mobilenetv1_100", "keras:mobilenetv1_100_both"])
def test_a_network_of_other_padding_is_refused(place, arch):
    """The tensors would fit."""
    words = f"--arch {arch} --resume {WEIGHTS} --data data --image_size 64 --device cpu -j 0"
    said = call(place, f"--train --criterion emd {words}", code=1).err.splitlines()[-1]
    assert said.startswith(f"error: {WEIGHTS}: the weights are of {ARCH}, which computes something")
    assert said.endswith(f": pass --arch {ARCH}")
    assert f"the weights are of {ARCH}" in call(place, f"-e {words}", code=1).err


def test_nothing_is_overwritten_or_half_written(place, tmp_path):
    before = (place / WEIGHTS).read_bytes()
    said = call(place, "--import_keras nima.h5 --image_size 64", code=1).err
    assert said.splitlines()[-1].startswith(f"error: {WEIGHTS}: exists and is not overwritten")
    assert (place / WEIGHTS).read_bytes() == before
    (tmp_path / "broken.h5").write_bytes((place / "nima.h5").read_bytes()[:100_000])
    (tmp_path / "kept.pth").write_bytes(b"kept")
    for words in (
        "--import_keras broken.h5 -o new/out.pth",
        f"--import_keras {place / 'nima.h5'} --arch nasnet_mobile -o new/out.pth",
        f"--import_keras {place / 'nima.h5'} -o kept.pth",
    ):
        said = call(tmp_path, words, code=1).err
        assert said.startswith("error: ") and said.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.h5", "kept.pth"]
    assert (tmp_path / "kept.pth").read_bytes() == b"kept"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-o out.pt", "--output out.pt: must end in .pth"),
        ("--criterion regress", "leave out --criterion: the file decides"),
        ("--num_classes 10 --pretrained", "leave out --num_classes, --pretrained: the file"),
        ("--train", "--train and --import_keras cannot go together"),
    ],
)
def test_flags_that_cannot_be_meant(tmp_path, words, said):
    assert said in call(tmp_path, f"--import_keras a.h5 {words}", code=2).err

"""OpenVINO, as --runtime and as --export, says what --predict says: 1e-4 of the scores' span."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from applications.export.formats import open_artefact
from models.quality_net import build_model
from tests.cli import call
from utils.runtime.device import default_amp

pytest.importorskip("openvino")
MODEL = "--resume w.pth --arch test_vit --image_size 32 --interpolation bicubic -j 0 -g 0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """images/, and weights of a transformer whose table of positions is of other images."""
    folder = tmp_path_factory.mktemp("openvino")
    torch.manual_seed(5)
    model = build_model("test_vit", 1, (32, 32))
    model.heads["quality"].set_scale(50.0, 20.0)
    torch.save(model.state_dict(), folder / "w.pth")
    (folder / "images").mkdir()
    rng = np.random.default_rng(5)
    for i, spread in enumerate((0, 4, 20, 60, 120, 255)):
        pixels = rng.normal(40 * i, spread, (40 + i, 51, 3)).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"images/{i}.png")
    call(folder, f"--predict images {MODEL} -o eager.json")
    return folder


def scores(file: Path) -> np.ndarray:
    return np.array([row["score"] for row in json.loads(file.read_text())])


def same(found: np.ndarray, folder: Path) -> None:
    expected = scores(folder / "eager.json")
    span = np.ptp(expected)
    assert len(found) == 6 and span > 0.1
    assert np.abs(found - expected).max() <= 1e-4 * span


def test_as_a_runtime(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = call(folder, f"--predict images {MODEL} --runtime openvino -o runtime.json")
    assert "--runtime openvino: making" in done.err
    same(scores(folder / "runtime.json"), folder)
    if default_amp(torch.device("cpu")) != "bf16":
        pytest.skip("this processor has no bf16")
    call(folder, f"--predict images {MODEL} --runtime openvino --amp bf16 --continue -o half.json")
    apart = np.abs(scores(folder / "half.json") - scores(folder / "runtime.json")).max()
    assert 0 < apart / np.ptp(scores(folder / "eager.json")) < 0.1
    assert json.loads((folder / "half.json.run.json").read_text())["of"]["amp"] == "bf16"


def test_as_a_file(folder, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    call(folder, f"--export openvino {MODEL} --photos images")
    # The converter was told to tell its makers nothing.
    assert not pytest.importorskip("openvino_telemetry").Telemetry().consent
    assert "CI" not in os.environ
    export = open_artefact(folder / "checkpoints/openvino_test_vit.xml")
    images = [Image.open(file) for file in sorted((folder / "images").iterdir())]
    pixels = np.stack([np.asarray(image.resize((32, 32), Image.BICUBIC)) for image in images])
    pixels = pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255
    same(export.run(pixels)["scores"], folder)
    same(np.concatenate([export.run(one[None])["scores"] for one in pixels]), folder)

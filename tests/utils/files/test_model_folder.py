"""Models as folders, and the names that --resume knows weights under."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from utils.files.model_folder import read_folder, write_folder
from utils.files.tensor_files import CheckpointError
from utils.files.weight_names import PUBLISHED, files_of, find_spelling, find_weights

STATE = {"a.weight": torch.linspace(-2, 2, 7), "a.count": torch.tensor(3)}
HELD = {
    "images": torch.tensor([5, -9]), "names": torch.tensor([4, 4]),
    "splits": torch.tensor([0, 2], dtype=torch.uint8),
}  # fmt: skip


@pytest.fixture
def model(tmp_path) -> Path:
    write_folder(tmp_path / "m", STATE, HELD, {"num_classes": 1}, "# {}\n".format, half=True)
    return tmp_path / "m"


def test_a_folder_is_read_as_it_was_written(model):
    found = read_folder(model)
    assert found.keys() == {"num_classes", "model", "held"} and found["num_classes"] == 1
    assert found["model"]["a.weight"].dtype == torch.float32
    assert torch.equal(found["model"]["a.weight"], STATE["a.weight"].half().float())
    assert torch.equal(found["model"]["a.count"], STATE["a.count"])
    assert all(torch.equal(found["held"][name], HELD[name]) for name in HELD)
    assert load_file(model / "model.safetensors")["a.weight"].dtype == torch.half
    sha256 = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    assert (model / "README.md").read_text() == f"# {sha256}\n"


def test_full_numbers_stay_to_the_bit(tmp_path):
    write_folder(tmp_path, STATE, {}, {}, str, half=False)
    assert torch.equal(read_folder(tmp_path)["model"]["a.weight"], STATE["a.weight"])
    assert "held" not in read_folder(tmp_path)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (
            "model.safetensors",
            lambda b: b[:-1] + bytes([b[-1] ^ 1]),
            "damaged, or of another model",
        ),
        ("model.safetensors", lambda b: b[: len(b) // 2], "damaged, or of another model"),
        ("config.json", lambda b: b[:-3], "config.json"),
        ("config.json", lambda b: b.replace(b'"format": 1', b'"format": 9'), "format 1"),
        ("config.json", lambda b: b"[]", "an object is wanted"),
    ],
)
def test_what_is_damaged_is_said_in_a_line(model, file, change, said):
    (model / file).write_bytes(change((model / file).read_bytes()))
    with pytest.raises(CheckpointError) as caught:
        read_folder(model)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_weights_that_begin_as_packed_files_do_are_no_packed_files(model):
    """The first bytes of safetensors are the length of its header, any number."""
    (model / "model.safetensors").write_bytes(b"\x1f\x8b" + bytes(20))
    with pytest.raises(CheckpointError, match="its SHA-256 is not the one"):
        read_folder(model)


def test_names_of_weights(model, tmp_path, monkeypatch):
    assert find_weights(model) == model
    assert files_of(model) == [model / "model.safetensors", model / "config.json"]
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(ValueError, match=r"no model_best_\*.pth in this folder"):
        find_weights(run)
    best = run / "model_best_a.pth"
    best.touch()
    assert find_weights(run) == best and files_of(run) == [best]
    shutil.copy(best, run / "model_best_b.pth")
    with pytest.raises(ValueError, match="holds model_best_a.pth, model_best_b.pth: name one"):
        find_weights(run)
    monkeypatch.chdir(tmp_path)
    assert find_weights("quality") == PUBLISHED["quality"]
    Path("quality").touch()
    assert find_weights("quality") == Path("quality")


def test_other_spellings_of_a_file_are_found(tmp_path):
    stored = tmp_path / "model_best_efficientnet-b0.pth"
    stored.touch()
    assert find_spelling(tmp_path / "model_best_efficientnet_b0.pth") == stored
    assert find_spelling(tmp_path / "Model_Best_EfficientNet_B0.pth") == stored
    newer = tmp_path / "Model_best_efficientnet-B0.pth"
    newer.touch()
    os.utime(newer, (2e9, 2e9))
    assert find_spelling(tmp_path / "model_best_efficientnet_b0.pth") == newer
    missing = tmp_path / "other.pth"
    assert find_spelling(missing) == missing


def test_the_config_names_the_digest_of_the_weights(model):
    from hashlib import sha256

    digest = sha256((model / "model.safetensors").read_bytes()).hexdigest()
    assert json.loads((model / "config.json").read_text())["sha256"] == digest

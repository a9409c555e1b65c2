"""Hostile and damaged weights: one line each, bounded in time and memory, and nothing is executed.
The files are those of hostile_weights.py.
"""

from __future__ import annotations

import os
import resource

import pytest
import torch

from applications.inputs.weights import adopt, open_weights
from config import Config
from models.weight_files import read_state
from tests.cli import call
from tests.faults.hostile_weights import damaged, hand_made, stored, tiny
from utils.files.tensor_files import load_tensors

DAMAGED = 200
MOST_MEMORY = 400 << 20  # bytes beyond what the process had; 60 MB of them are the largest file


def one_line(error: BaseException, path) -> None:
    text = str(error)
    assert str(path) in text and text.isprintable() and len(text) < 1000, text


def opened(path) -> None:
    """What every mode does before it builds a network."""
    _, payload = open_weights(str(path))
    adopt(Config(resume=str(path)), payload)


def test_what_was_made_to_do_harm_is_one_line(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    count = 0
    for name, data in hand_made():
        path = tmp_path / ("w.safetensors" if "safetensors" in name else "w.pth")
        path.write_bytes(data)
        with pytest.raises(ValueError) as caught:
            opened(path)
        one_line(caught.value, path)
        count += 1
    assert count > 80
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert grown < MOST_MEMORY, grown


def test_random_damage_is_found_or_harmless(tmp_path):
    refused, path = 0, tmp_path / "w.pth"
    for name, data in damaged(DAMAGED, seed=0):
        path.write_bytes(data)
        try:
            opened(path)
        except ValueError as error:
            one_line(error, path)
            refused += 1
        except Exception as error:
            raise AssertionError(name) from error
    assert refused > 0.8 * DAMAGED


def test_the_file_they_are_made_of_is_whole(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(stored(tiny()))
    opened(path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("weights.h5", "weights of Keras: make a checkpoint of them first: python main.py --imp"),
        ("weights.keras", "weights of Keras"),
        ("graph.pt", "is an export of --jit, a program: name the weights that it was made from"),
    ],
)
def test_what_is_no_weight_file_of_torch_is_told_what_it_is(tmp_path, name, said):
    data = dict(hand_made())["export"] if name == "graph.pt" else b""
    (tmp_path / name).write_bytes(data)
    done = call(tmp_path, f"--jit --resume {name} -g 0", 1)
    assert f"{name}: {said}" in done.err


def test_old_files_are_read(tmp_path):
    """Those that torch wrote before 1.6, as torchvision's first weights are."""
    state = {"w": torch.arange(4.0), "n": torch.tensor(3)}
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    found = read_state(tmp_path / "w.pth")
    assert found.keys() == state.keys() and torch.equal(found["w"], state["w"])


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop", "nowhere"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".h5"])
def test_what_is_no_file_is_never_opened(tmp_path, kind, suffix):
    path = tmp_path / f"w{suffix}"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "loop": path.name, "nowhere": "other"}[kind])
    says = {
        "pipe": "is a pipe", "device": "is a device", "folder": "is a folder",
        "loop": "cannot be opened", "nowhere": "no such file",
    }[kind]  # fmt: skip
    with pytest.raises(ValueError, match=says) as caught:
        open_weights(str(path))
    one_line(caught.value, path)
    with pytest.raises(ValueError, match=says):
        load_tensors(path)
    words = f"--import_keras {path.name}" if suffix == ".h5" else f"--resume {path.name} --jit"
    done = call(tmp_path, f"{words} -g 0", 1)
    assert path.name in done.err and done.err.count("\n") == 1

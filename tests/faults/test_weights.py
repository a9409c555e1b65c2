"""Hostile and damaged weights: one line each, bounded in time and memory, and nothing is executed.
The files are those of hostile_weights.py.
"""

from __future__ import annotations

import os
import resource

import pytest
import torch

from applications.inputs.weights import open_weights
from models.weight_files import read_state
from tests.cli import call
from tests.faults.hostile_weights import damaged, hand_made, stored, tiny
from tests.faults.weights import opened
from utils.files.tensor_files import load_tensors

DAMAGED = 200
MOST_MEMORY = 400 << 20  # bytes beyond what the process had; 60 MB of them are the largest file


def test_what_was_made_to_do_harm_is_one_line(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    harmful = dict(hand_made())
    wrong = {name: opened(tmp_path, name, data, True) for name, data in harmful.items()}
    assert set(wrong.values()) == {None} and len(wrong) > 80, wrong
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert grown < MOST_MEMORY, grown


def test_random_damage_is_found_or_harmless(tmp_path):
    files = list(damaged(DAMAGED, seed=0))
    found = {name: opened(tmp_path, name, data, True) for name, data in files}
    harmless = [name for name, said in found.items() if said == "was not refused"]
    assert set(found.values()) <= {None, "was not refused"}, found
    assert len(harmless) < 0.2 * DAMAGED


def test_the_file_they_are_made_of_is_whole(tmp_path):
    assert opened(tmp_path, "whole", stored(tiny()), True) == "was not refused"


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
    assert str(path) in str(caught.value) and str(caught.value).isprintable()
    with pytest.raises(ValueError, match=says):
        load_tensors(path)
    words = f"--import_keras {path.name}" if suffix == ".h5" else f"--resume {path.name} --jit"
    done = call(tmp_path, f"{words} -g 0", 1)
    assert path.name in done.err and done.err.count("\n") == 1

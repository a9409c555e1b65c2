"""Checkpoints: whole or not there, never unpickled, every damage found."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.cli import call
from tests.faults.hostile_weights import plain
from utils.files.checkpoint import CheckpointError, digest, load, publish, save

PAYLOAD = {
    "model": {"w": torch.arange(12.0).reshape(3, 4), "n": torch.tensor(3)},
    "position": {"epoch": 3, "best": 0.5, "none": None, "flag": True},
    "rng": [torch.zeros(4, dtype=torch.uint8), ("text", 1.5)],
}


@pytest.fixture
def file(tmp_path) -> Path:
    save(tmp_path / "a.pth", PAYLOAD)
    return tmp_path / "a.pth"


def test_what_is_saved_comes_back(file):
    found = load(file)
    assert torch.equal(found["model"]["w"], PAYLOAD["model"]["w"])
    assert found["position"] == PAYLOAD["position"]
    assert found["format"] == 2


def test_nothing_but_the_file_is_left(file):
    assert [p.name for p in file.parent.iterdir()] == ["a.pth"]


def test_the_file_before_is_kept(file, tmp_path):
    whole, kept = file.read_bytes(), tmp_path / "b.pth"
    save(file, {"model": {"w": torch.zeros(2)}}, keep=kept)
    assert kept.read_bytes() == whole and load(file)["model"]["w"].tolist() == [0, 0]


def test_equal_contents_are_equal_files(file, tmp_path):
    save(tmp_path / "other_name.pth", PAYLOAD)
    assert (tmp_path / "other_name.pth").read_bytes() == file.read_bytes()


def test_a_view_does_not_drag_its_storage_along(tmp_path):
    save(tmp_path / "v.pth", {"model": {"w": torch.zeros(10**6)[:3]}})
    assert (tmp_path / "v.pth").stat().st_size < 10**4


@pytest.mark.parametrize("links", [True, False])
def test_what_is_published_stays_when_the_source_is_replaced(file, tmp_path, monkeypatch, links):
    target, whole = tmp_path / "latest" / "a.pth", file.read_bytes()
    if not links:  # another disk, or one without hard links
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(18, "other disk")))
    for _ in range(2):
        publish(file, target)
    assert target.samefile(file) == links and [*target.parent.iterdir()] == [target]
    save(file, {"model": {"w": torch.zeros(2)}})
    assert target.read_bytes() == whole and load(target)
    publish(file, target)
    assert target.read_bytes() == file.read_bytes() != whole


def test_checkpoints_of_the_first_format_are_read(tmp_path):
    """Their digest is an entry, over all that is beside it."""
    old = {**PAYLOAD, "format": 1}
    torch.save({**old, "digest": digest(old)}, tmp_path / "old.pth")
    assert load(tmp_path / "old.pth")["position"] == PAYLOAD["position"]
    torch.save({**old, "position": {}, "digest": digest(old)}, tmp_path / "old.pth")
    with pytest.raises(CheckpointError, match="old.pth: damaged"):
        load(tmp_path / "old.pth")


# ---- damage


def test_a_flipped_bit_in_a_weight_is_found(file):
    """torch.load alone takes it silently."""
    data = bytearray(file.read_bytes())
    value = PAYLOAD["model"]["w"].numpy().tobytes()
    data[data.index(value) + 6] ^= 4
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match="a.pth: "):
        load(file)


def test_any_flipped_byte_is_found_or_harmless(file):
    """Zip headers hold bytes without a meaning; what loads is what was saved."""
    whole = file.read_bytes()
    wanted = digest(load(file))
    for at in np.random.default_rng(0).integers(0, len(whole), 60):
        data = bytearray(whole)
        data[at] ^= 0x10
        file.write_bytes(data)
        try:
            assert digest(load(file)) == wanted
        except CheckpointError as error:
            assert str(file) in str(error) and "\n" not in str(error)


def test_a_pickle_that_would_run_something_does_not(tmp_path):
    marker = tmp_path / "ran"
    text = f"cos\nsystem\n(S'touch {marker}'\ntR."  # protocol 0 of os.system("touch ...")
    (tmp_path / "evil.pth").write_bytes(text.encode())
    with pytest.raises(CheckpointError):
        load(tmp_path / "evil.pth")
    assert not marker.exists()


NONE, OURS = "not a weight file, .*use another copy", "not a checkpoint of this toolkit"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", NONE),
        (b"PK\x03\x04 torn", NONE),
        (b"\x89PNG\r\n\x1a\n", NONE),
        (plain([1, 2]), OURS),
        (plain({"w": torch.zeros(2)}), OURS),
        (plain({"format": 99, "digest": "x"}), "format 99, this version reads 1 to 2"),
        (plain({"digest": "x", "model": Path("x")}), r"other than tensors.*save\(network\.state_"),
    ],
)
def test_what_is_no_checkpoint_is_told_apart(tmp_path, content, said):
    (tmp_path / "n.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"n\.pth: .*{said}"):
        load(tmp_path / "n.pth")


def test_objects_are_refused_when_saving(tmp_path):
    with pytest.raises(TypeError, match="ndarray"):
        save(tmp_path / "a.pth", {"x": np.zeros(3)})
    assert not list(tmp_path.iterdir())


# ---- digest and names


def test_digest_tells_structure_types_and_shapes_apart():
    zeros = torch.zeros(4)
    values = [
        {"a": 1}, {"a": True}, {"a": 1.0}, {"a": "1"}, {"b": 1}, {"a": [1]}, {"a": None},
        {"a": zeros}, {"a": zeros.reshape(2, 2)}, {"a": zeros.double()}, {"a": {"a": 1}},
        {"a": zeros.int()}, {"a": -0.0}, {"a": 0.0}, {"a": ["1", "2"]}, {"a": ["12"]},
    ]  # fmt: skip
    assert len({digest(v) for v in values}) == len(values)
    assert digest({"a": 1, "digest": "x"}) == digest({"a": 1})


# ---- weights of other origin


@pytest.fixture(scope="module")
def weights():
    from models.quality_net import build_model

    torch.manual_seed(0)
    return build_model("test_vit", 1, (32, 32)).state_dict()


@pytest.mark.parametrize("form", ["plain", "state_dict", "model", "module.", "safetensors"])
def test_weights_of_other_origin_are_taken(tmp_path, weights, form):
    from safetensors.torch import save_file

    from tests.tiny_data import write_data

    write_data(tmp_path / "data", "regress", 1, 1)
    torch.save(weights, tmp_path / "reference.pth")
    name = "w.safetensors" if form == "safetensors" else "w.pth"
    if form == "safetensors":
        save_file({k: v.contiguous() for k, v in weights.items()}, tmp_path / name)
    elif form == "module.":
        torch.save({f"module.{k}": v for k, v in weights.items()}, tmp_path / name)
    else:
        torch.save(weights if form == "plain" else {form: weights, "epoch": 3}, tmp_path / name)
    words = "--predict data/test --arch test_vit --image_size 32 -j 0 -g 0"
    wanted = call(tmp_path, f"{words} --resume reference.pth")
    done = call(tmp_path, f"{words} --resume {name}")
    assert done.out == wanted.out
    assert f"{len(weights)} tensors taken, 0 left, 0 new" in done.err


def test_weights_of_another_network_are_refused(tmp_path, weights):
    torch.save(weights, tmp_path / "w.pth")
    (tmp_path / "a.png").write_bytes(b"")
    words = "--predict a.png --arch test_resnet --image_size 32 -j 0 -g 0 --resume w.pth"
    done = call(tmp_path, words, 1)
    assert done.err.count("\n") <= 2 and "w.pth" in done.err
    torch.save({"notes": "none"}, tmp_path / "n.pth")
    assert "holds no" in call(tmp_path, words.replace("w.pth", "n.pth"), 1).err

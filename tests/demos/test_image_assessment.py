"""The demo with an export made by hand: what it reads it never writes to, and odd sidecars are
one line each.
"""

import hashlib
import json
import os
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from demos import image_assessment as demo
from utils.imaging.images import ViewRule


class Mean(torch.nn.Module):
    def forward(self, pixels):
        return pixels.mean((1, 2, 3))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """checkpoints/jit_new.pt, an older jit_old.pt, data/test/photo.png below the demo's root."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "data" / "test").mkdir(parents=True)
    pixels = np.full((30, 40, 3), 51, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "data" / "test" / "photo.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces the end of TorchScript
        script = torch.jit.trace(Mean().eval(), torch.zeros(1, 3, 8, 8))
        for age, name in enumerate(("new", "old")):
            file = tmp_path / "checkpoints" / f"jit_{name}.pt"
            torch.jit.save(script, str(file))
            os.utime(file, (10**9 - age, 10**9 - age))
            facts = {
                "file_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "view": ViewRule((8, 8)).to_dict(),
                "max_pixels": 10**6,
            }
            file.with_suffix(".json").write_text(json.dumps(facts))
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def program(model) -> str:
    return (
        f"{model}: an export is a program, which now runs with your rights: use only one that you "
        "trust (SECURITY.md)\n"
    )


def refused(capsys, *words):
    assert demo.main([str(word) for word in words]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and said.err.count("\n") == 1, said
    return said.err[len("error: ") : -1]


def test_the_newest_export_is_named(folder, capsys):
    assert demo.main([]) == 0
    said = capsys.readouterr()
    assert said.out.split() == ["0.2000", (folder / "data/test/photo.png").as_posix()]
    model = folder / "checkpoints/jit_new.pt"
    named = f"model: {model} (the newest of 2 exports, --model FILE names another)\n"
    assert said.err == named + program(model)
    (folder / "checkpoints/jit_old.pt").unlink()
    assert demo.main(["data/test", "-o", "scores.csv"]) == 0
    named = f"model: {model} (--model FILE names another)\n"
    assert capsys.readouterr().err == named + program(model)
    head, row = (folder / "scores.csv").read_text().splitlines()
    path, score = row.split(",")
    assert (head, path) == ("path,score", "data/test/photo.png")
    assert float(score) == pytest.approx(0.2)
    assert demo.main(["--model", str(model)]) == 0
    assert capsys.readouterr().err == program(model)


def test_no_output_replaces_an_input(folder, capsys):
    model = "checkpoints/jit_new.pt"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    os.link("data/test/photo.png", "same.jpg")
    for output in ("data/test/photo.png", "same.jpg", model, "checkpoints/jit_new.json"):
        words = ("data/test/photo.png", "--model", model, "-o", output)
        assert "which is only read: name another file" in refused(capsys, *words)
    words = ("data/test", "--model", model, "-o", "data/test/label.txt")
    assert "lies in data/test, which is only read" in refused(capsys, *words)
    words = ("data/test", "--model", model, "-o", "data")
    assert refused(capsys, *words) == "data: is a folder: name a file"
    (folder / "same.jpg").unlink()
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("file_sha256", 5, "file_sha256: 5: expected str"),
        ("view", [8, 8], "view: [8, 8]: expected dict"),
        ("view", {"image_size": "8x8"}, "view rule: image_size must be two whole numbers above 0"),
        ("view", {"image_size": [8, 8], "resize": ["squash"]}, "view rule: resize must be one of"),
        ("view", {}, "view rule: image_size is missing"),
        ("max_pixels", "many", "max_pixels: 'many': expected int"),
        ("max_pixels", None, "max_pixels: None: expected int"),
        ("max_pixels", True, "max_pixels: True: expected int"),
    ],
)
def test_odd_types_in_the_sidecar(folder, capsys, name, value, said):
    sidecar = folder / "checkpoints/jit_new.json"
    facts = json.loads(sidecar.read_text()) | {name: value}
    sidecar.write_text(json.dumps(facts))
    found = refused(capsys, "--model", "checkpoints/jit_new.pt")
    assert found.startswith(f"checkpoints/jit_new.json: {said}")
    assert found.endswith(": export again")


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b"null", b"[" * 100_000, b"\xff\xfe{}", b"", b'{"view": ' + b"9" * 5000],
)
def test_sidecars_that_are_none(folder, capsys, content):
    (folder / "checkpoints/jit_new.json").write_bytes(content)
    assert refused(capsys, "--model", "checkpoints/jit_new.pt").startswith("checkpoints/jit_new.")


def test_weights_for_an_export_and_no_file(folder, capsys):
    (folder / "checkpoints/model_best.pth").write_bytes(b"PK weights")
    found = refused(capsys, "--model", "checkpoints/model_best.pth")
    assert found.startswith("checkpoints/model_best.pth: is no export (python main.py --jit")
    assert "missing.pt: no such file" in refused(capsys, "--model", "checkpoints/missing.pt")


def test_an_export_that_is_none(folder, capsys):
    model = folder / "checkpoints/jit_new.pt"
    model.write_bytes(b"no archive")
    facts = json.loads(model.with_suffix(".json").read_text())
    facts["file_sha256"] = hashlib.sha256(b"no archive").hexdigest()
    model.with_suffix(".json").write_text(json.dumps(facts))
    found = refused(capsys, "--model", model)
    assert found.startswith(f"{model}: ") and found.endswith(": export again")
    model.unlink()
    os.mkfifo(model)
    assert refused(capsys, "--model", model) == f"{model}: is a pipe (FIFO): name a file"


def test_names_that_a_terminal_obeys(folder, capsys):
    assert demo.main(["a\x1b[31m.png", "--model", "checkpoints/jit_new.pt"]) == 1
    said = capsys.readouterr().err
    assert said.endswith("\nerror: a\\x1b[31m.png: no such file: check the path\n"), said

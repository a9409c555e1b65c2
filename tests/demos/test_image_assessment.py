"""The demo with an export made by hand: what it reads it never writes to, a csv is whole or not
there, and what it chooses or leaves out it says.
"""

import csv
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
            about = {
                "file_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "view": ViewRule((8, 8)).to_dict(),
                "max_pixels": 10**6,
                "num_classes": 1,
            }
            file.with_suffix(".json").write_text(json.dumps(about))
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():  # the demo turns them off for its process
        yield tmp_path


def trust(model) -> str:
    return f"{model}: is a program: run only one that you trust (SECURITY.md)\n"


def refused(capsys, *words):
    with pytest.raises(SystemExit) as left:
        demo.main([str(word) for word in words])
    assert str(left.value).startswith("error: ") and "\n" not in str(left.value)
    assert capsys.readouterr().out == ""
    return str(left.value)[len("error: ") :]


def test_the_newest_export_is_named(folder, capsys):
    photo, model = folder / "data/test/photo.png", folder / "checkpoints/jit_new.pt"
    assert demo.main([str(photo)]) == 0
    said = capsys.readouterr()
    assert said.out.split() == ["0.2000", str(photo)]
    assert said.err == f"model: {model}, the newest of 2 (or --model FILE)\n" + trust(model)
    assert demo.main([str(photo), "--model", str(model)]) == 0
    assert capsys.readouterr().err == trust(model)


def test_files_that_are_no_images_are_counted(folder, capsys):
    for name in ("label.txt", "photo.heic", ".hidden"):
        (folder / "data/test" / name).write_text("")
    assert demo.main(["data/test", "--model", "checkpoints/jit_new.pt"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith(trust("checkpoints/jit_new.pt"))
    assert said.err.endswith("\ndata/test: left out 2 of 3 files: no images\n")
    assert said.out.split() == ["0.2000", "data/test/photo.png"]


def test_no_output_replaces_an_input(folder, capsys):
    words = ("data/test", "--model", "checkpoints/jit_new.pt", "-o")
    (folder / "photo.csv").write_bytes((folder / "data/test/photo.png").read_bytes())
    os.link("photo.csv", "same.csv")
    (folder / "link").symlink_to("data/test")
    (folder / "folder.csv").mkdir()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for output in ("data/test/new.csv", "link/new.csv", "data/test/../test/below/new.csv"):
        assert "lies in data/test, which is only read" in refused(capsys, *words, output)
    for output in ("photo.csv", "same.csv"):
        said = refused(capsys, "photo.csv", *words[1:], output)
        assert said == f"{output}: is photo.csv, which is only read: name another file"
    for output in ("folder.csv", "missing/new.csv"):
        assert "is a folder, or in none" in refused(capsys, *words, output)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before


def test_a_csv_is_whole_or_the_old_one(folder, capsys, monkeypatch):
    words = ["data/test", "--model", "checkpoints/jit_new.pt", "-o", "scores.csv"]
    (folder / "scores.csv").write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(demo.csv, "writer", full)
        assert "No space left" in refused(capsys, *words)
    assert (folder / "scores.csv").read_text() == "old"
    assert demo.main(words) == 0
    head, row = (folder / "scores.csv").read_text().splitlines()
    path, score, error = row.split(",")
    assert (head, path, error) == ("path,score,error", "data/test/photo.png", "")
    assert float(score) == pytest.approx(0.2)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["checkpoints", "data", "scores.csv"]


def full(*_, **__):
    raise OSError(28, "No space left on device")


def test_names_that_a_spreadsheet_or_a_terminal_obeys(folder, capsys):
    photo = (folder / "data/test/photo.png").read_bytes()
    names = ["=1.png", "+1.png", "@1.png", "\t1.png", "\uff1d1.png", "a=1.png"]
    for name in names:
        (folder / name).write_bytes(photo)
    words = ["--model", "checkpoints/jit_new.pt"]
    assert demo.main([*names, *words, "-o", "scores.csv"]) == 0
    lines = (folder / "scores.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == [*(f"./{n}" for n in names[:-1]), names[-1]]
    (folder / 'two, "in\r" one.png').write_bytes(photo)
    assert demo.main(['two, "in\r" one.png', *words, "-o", "scores.csv"]) == 0
    with open(folder / "scores.csv", newline="", encoding="utf-8") as text:
        assert [row[0] for row in csv.reader(text)] == ["path", 'two, "in\r" one.png']
    capsys.readouterr()
    assert demo.main(["a\x1b[31m.png", *words]) == 3
    assert "\x1b" not in capsys.readouterr().out


def test_a_folder_without_an_image_is_named(folder, capsys):
    (folder / "empty").mkdir()
    words = ("empty", "--model", "checkpoints/jit_new.pt")
    assert refused(capsys, *words) == "empty: no image in this folder or below it"


def test_an_export_that_is_none(folder, capsys):
    assert "missing.pt: " in refused(capsys, "--model", "checkpoints/missing.pt")
    model = folder / "checkpoints/jit_new.pt"
    model.write_bytes(b"no archive")
    said = refused(capsys, "--model", model)
    assert said.startswith(f"{model}: File is not a zip file: no export as checkpoints/jit_*.pt")
    model.write_bytes((folder / "checkpoints/jit_old.pt").read_bytes())
    sidecar = model.with_suffix(".json")
    about = json.loads(sidecar.read_text()) | {"file_sha256": "0"}
    sidecar.write_text(json.dumps(about))
    assert "json beside it describes: export again" in refused(capsys, "--model", model)
    for file in folder.glob("checkpoints/*"):
        file.unlink()
    with pytest.raises(SystemExit):
        demo.main([])
    assert f"no {folder}/checkpoints/jit_*.pt: pass --model FILE" in capsys.readouterr().err

"""The demo with an export made by hand: nothing that is there is written over, and what it leaves
out it says.
"""

import csv
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from demos import image_assessment as demo
from tests.cli import ROOT

ABOUT = {"columns": ["path", "score", "error"], "suffixes": [".png"], "max_pixels": 10**6}


class Mean(torch.nn.Module):
    def forward(self, pixels):
        return pixels.mean((1, 2, 3))

    @torch.jit.export
    def score_image(self, image: torch.Tensor) -> torch.Tensor:
        return image.float().mean().reshape(1) / 255


def write_model(file, network) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces the end of TorchScript
        about = json.dumps({**ABOUT, "num_classes": 1})
        torch.jit.save(torch.jit.script(network.eval()), file, _extra_files={"about.json": about})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """checkpoints/jit_new.pt, an older jit_old.pt, data/test/photo.png below the demo's root."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "data" / "test").mkdir(parents=True)
    pixels = np.full((30, 40, 3), 51, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "data" / "test" / "photo.png")
    for age, name in enumerate(("new", "old")):
        file = tmp_path / "checkpoints" / f"jit_{name}.pt"
        write_model(file, Mean() if name == "new" else torch.nn.Identity())
        os.utime(file, (10**9 - age, 10**9 - age))
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():  # the demo turns them off for its process
        yield tmp_path


def trust(model) -> str:
    return f"{model}: is a program: run only one that you trust (SECURITY.md)\n"


MODEL = ("--model", "checkpoints/jit_new.pt")
HEAD = "path,score,error\n"


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines(keepends=True)))[1:]


def test_the_newest_export_is_taken(folder, capsys):
    photo, model = folder / "data/test/photo.png", folder / "checkpoints/jit_new.pt"
    assert demo.main([]) == 0
    said = capsys.readouterr()
    assert said.out == f"{HEAD}{photo},0.2,\n"
    assert said.err == trust(model)
    for file in folder.glob("checkpoints/*"):
        file.unlink()
    with pytest.raises(SystemExit):
        demo.main([])
    assert "required: --model" in capsys.readouterr().err


def test_files_that_are_no_images_are_counted(folder, capsys):
    for name in ("label.txt", "photo.heic", ".hidden.png"):
        (folder / "data/test" / name).write_text("")
    assert demo.main(["data/test", *MODEL]) == 0
    said = capsys.readouterr()
    assert said.err == f"{trust(MODEL[1])}data/test: left out 2 files: no images\n"
    assert said.out == f"{HEAD}data/test/photo.png,0.2,\n"
    (folder / "empty").mkdir()
    assert demo.main(["empty", *MODEL]) == 3
    ((path, score, why),) = rows(capsys.readouterr().out)
    assert (path, score) == ("empty", "") and "directory" in why


def test_a_file_that_is_there_is_not_written_over(folder, capsys):
    (folder / "scores.csv").write_text("old")
    with pytest.raises(FileExistsError, match="scores.csv"):
        demo.main(["data/test", *MODEL, "-o", "scores.csv"])
    assert (folder / "scores.csv").read_text() == "old"
    assert demo.main(["data/test", *MODEL, "-o", "new.csv"]) == 0
    assert (folder / "new.csv").read_text() == f"{HEAD}data/test/photo.png,0.2,\n"
    assert capsys.readouterr().out == ""


def test_best_first_and_those_without_a_score_last(folder, capsys):
    for name, grey in (("a", 20), ("b", 60), ("d", 60)):
        Image.new("RGB", (8, 8), (grey,) * 3).save(folder / f"{name}.png")
    (folder / "c.png").write_text("no picture")
    assert demo.main([*(f"{name}.png" for name in "cabd"), *MODEL, "--sort"]) == 3
    assert [row[0][0] for row in rows(capsys.readouterr().out)] == ["b", "d", "a", "c"]


def test_names_that_a_spreadsheet_or_a_terminal_obeys(folder, capsys):
    photo = (folder / "data/test/photo.png").read_bytes()
    names = ["=1.png", "+1.png", "@1.png", "\uff1d1.png", "a=1.png", 'two, "in" one.png']
    for name in names:
        (folder / name).write_bytes(photo)
    assert demo.main([*names, "a\x1b[31m\n.png", *MODEL]) == 3
    found = rows(capsys.readouterr().out)
    assert [row[0] for row in found[:-1]] == [*(f"./{n}" for n in names[:4]), *names[4:]]
    assert found[-1][0] == "a?[31m?.png" and not [c for row in found for c in row if "\x1b" in c]


def test_an_export_of_pixels_or_none_is_refused(folder):
    """In a line that says how one is made, by the program as it is called."""
    (folder / "text.pt").write_text("no archive")
    torch.save({}, folder / "weights.pth")
    with pytest.raises(ValueError, match=f"^weights.pth: no file of {demo.HOW}: [^\\n]+$"):
        demo.main(["data/test", "--model", "weights.pth"])
    with pytest.raises(ValueError, match=f"^text.pt: no file of {demo.HOW}: .*not a zip file"):
        demo.main(["data/test", "--model", "text.pt"])
    name = "checkpoints/jit_old.pt"
    done = subprocess.run(
        [sys.executable, ROOT / "demos/image_assessment.py", "data/test", "--model", name],
        capture_output=True, text=True,
    )  # fmt: skip
    head, line, *rest = done.stderr.splitlines()
    assert head + "\n" == trust(name) and "takes pixels only" in line
    assert line.startswith(f"error: {name}: no file of python main.py --jit ")
    assert done.returncode == 1 and done.stdout == "" and rest == []

"""--jit: the artefact computes what the network computes, and the demo what --predict computes."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch

from applications import convert
from tests.cli import ROOT, TINY, call
from tests.tiny_data import write_data
from utils import checkpoint
from utils.images import ViewRule

BEST = "checkpoints/model_best_resnet10t.pth"
CASES = {
    "rank": "",
    "emd": "",
    "regress": "--resize native --crop random --crop_size 32 --test_crops 3 --crop_pool median "
    "--crop_seed 5",
}


@pytest.fixture(scope="module", params=CASES)
def exported(request, tmp_path_factory) -> tuple[str, Path, str]:
    """(task, folder, what the export said) of a network trained for one epoch."""
    task = request.param
    folder = tmp_path_factory.mktemp(task)
    write_data(folder / "data", task)
    call(folder, f"--train --criterion {task} {TINY} --epochs 1 {CASES[task]}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch's own notices about TorchScript stay unheard
        done = call(folder, f"--jit --resume {BEST} -g 0")
    return task, folder, done.err


def demo():
    """demos/image_assessment.py as a module, without its package."""
    path = ROOT / "demos" / "image_assessment.py"
    spec = importlib.util.spec_from_file_location("image_assessment", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scores(file: Path) -> dict[str, list[float]]:
    with open(file, encoding="utf-8", newline="") as text:
        table = list(csv.DictReader(text))
    return {
        row["path"]: [float(v) for k, v in row.items() if k not in ("path", "std")] for row in table
    }


def test_the_demo_scores_what_predict_scores(exported):
    _, folder, _ = exported
    images = folder / "data" / "test"
    call(folder, f"--predict {images} --resume {BEST} -j 0 -g 0 -o predict.csv")
    code = demo().main(
        [str(images), "--model", str(folder / "checkpoints/jit_resnet10t.pt"),
         "-o", str(folder / "demo.csv")]
    )  # fmt: skip
    assert code == 0
    ours, theirs = scores(folder / "predict.csv"), scores(folder / "demo.csv")
    assert ours.keys() == theirs.keys() and len(ours) == 6
    for name, values in ours.items():
        assert theirs[name] == pytest.approx(values, abs=1e-5)


def test_any_batch_size(exported):
    task, folder, said = exported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torch.jit.load(str(folder / "checkpoints/jit_resnet10t.pt"))
    facts = json.loads((folder / "checkpoints/jit_resnet10t.json").read_text())
    pixels = torch.rand(5, 3, *facts["input_size"])
    whole = convert._outputs(network(pixels))
    assert whole[0].shape == (5,) and len(whole) == len(facts["outputs"])
    if task == "emd":
        assert whole[1].shape == (5, 5) and torch.allclose(whole[1].sum(1), torch.ones(5))
    for i in range(5):
        alone = convert._outputs(network(pixels[i : i + 1]))
        assert torch.allclose(alone[0], whole[0][i], atol=1e-5)
    assert "7 images of data" in said or "6 images of data" in said


def test_the_sidecar(exported):
    task, folder, _ = exported
    artefact = folder / "checkpoints/jit_resnet10t.pt"
    facts = json.loads(artefact.with_suffix(".json").read_text())
    assert facts["file_sha256"] == hashlib.sha256(artefact.read_bytes()).hexdigest()
    weights = checkpoint.load(folder / BEST)["model"]
    assert facts["weights_sha256"] == checkpoint.digest(weights)
    assert facts["task"] == task and facts["versions"]["torch"]
    assert facts["score_range"] == ([1, 5] if task == "emd" else [None, None])
    rule = ViewRule.from_dict(facts["view"])
    assert (rule.crops, rule.crop_seed) == ((3, 5) if task == "regress" else (0, None))
    assert facts["score_units"] == {"rank": "ranking only", "emd": "bins 1..K"}.get(task, "MOS")
    names = sorted(p.name for p in artefact.parent.iterdir())
    assert not [n for n in names if n.endswith(".tmp")]


def test_a_file_that_computes_something_else_is_not_kept(exported, monkeypatch):
    _, folder, _ = exported
    target = folder / "checkpoints/jit_resnet10t.pt"
    before = target.read_bytes()
    monkeypatch.setattr(convert, "compare", lambda *_: 1e-3)
    done = call(folder, f"--jit --resume {BEST} -g 0", 1)
    assert "not kept" in done.err and target.read_bytes() == before
    monkeypatch.setattr(convert, "compare", lambda *_: float("nan"))
    call(folder, f"--jit --resume {BEST} -g 0 -o new.pt", 1)
    assert not (folder / "new.pt").exists() and not list(folder.glob(".new*"))


def test_compare_sees_a_difference(tmp_path):
    class Sum(torch.nn.Module):
        def __init__(self, shift: float) -> None:
            super().__init__()
            self.shift = torch.nn.Parameter(torch.tensor(shift))

        def forward(self, x):
            return x.sum((1, 2, 3)) + self.shift

    images = torch.rand(7, 3, 4, 4)
    convert.trace(Sum(0.0).eval(), images, tmp_path / "s.pt")
    assert convert.compare(Sum(0.0), tmp_path / "s.pt", images) < 1e-5
    assert convert.compare(Sum(0.5), tmp_path / "s.pt", images) == pytest.approx(0.5, abs=1e-5)


def test_the_demo_refuses_a_file_that_is_not_the_sidecars(exported, tmp_path, capsys):
    _, folder, _ = exported
    for name in ("jit_resnet10t.pt", "jit_resnet10t.json"):
        shutil.copy(folder / "checkpoints" / name, tmp_path / name)
    model = tmp_path / "jit_resnet10t.pt"
    model.write_bytes(model.read_bytes() + b" ")
    image = str(folder / "data/test/images/photo0_0.png")
    assert demo().main([image, "--model", str(model)]) == 1
    model.with_suffix(".json").unlink()
    assert demo().main([image, "--model", str(model)]) == 1
    said = capsys.readouterr().err
    assert "export again" in said and "missing" in said and "Traceback" not in said


def test_without_images_the_export_is_compared_on_drawn_ones(exported, tmp_path):
    _, folder, _ = exported
    done = call(tmp_path, f"--jit --resume {folder / BEST} -g 0 --data nowhere -o out/a.pt")
    assert "7 drawn images" in done.err
    assert (tmp_path / "out/a.pt").exists() and (tmp_path / "out/a.json").exists()

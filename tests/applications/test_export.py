"""--jit: the artefact computes what the network computes, and the demo what --predict computes."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import math
import warnings
from pathlib import Path

import pytest
import torch

from applications.convert import describe
from applications.export import keeping, torch_files
from applications.export.base import TOLERANCE, Artefact, Subject
from config import checked_config
from models.quality_net import build_model
from tests.cli import ROOT, TINY, call, inside
from tests.tiny_data import write_data
from utils.files import checkpoint
from utils.imaging.images import ViewRule

BEST = "checkpoints/model_best_test_resnet.pth"
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
        row["path"]: [float(v) for k, v in row.items() if k not in ("path", "std", "error")]
        for row in table
    }


def test_the_demo_scores_what_predict_scores(exported):
    task, folder, _ = exported
    images = folder / "data" / "test"
    call(folder, f"--predict {images} --resume {BEST} -j 0 -g 0 -o predict.csv")
    words = [str(images), "--model", str(folder / "checkpoints/jit_test_resnet.pt")]
    if task == "regress":  # places that are drawn for each size of an image are in no file
        with pytest.raises(ValueError, match="pixels only .*with --crop_seed"):
            demo().main(words)
        return
    assert demo().main([*words, "-o", str(folder / "demo.csv")]) == 0
    ours, theirs = scores(folder / "predict.csv"), scores(folder / "demo.csv")
    assert ours.keys() == theirs.keys() and len(ours) == 6
    for name, values in ours.items():
        assert theirs[name] == pytest.approx(values, abs=1e-5)


def outputs(found) -> tuple[torch.Tensor, ...]:
    return found if isinstance(found, tuple) else (found,)


def test_any_batch_size(exported):
    task, folder, said = exported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torch.jit.load(str(folder / "checkpoints/jit_test_resnet.pt"))
    facts = json.loads((folder / "checkpoints/jit_test_resnet.json").read_text())
    pixels = torch.rand(5, 3, *facts["input_size"])
    whole = outputs(network(pixels))
    assert whole[0].shape == (5,) and len(whole) == len(facts["outputs"])
    if task == "emd":
        assert whole[1].shape == (5, 5) and torch.allclose(whole[1].sum(1), torch.ones(5))
    for i in range(5):
        alone = outputs(network(pixels[i : i + 1]))
        assert torch.allclose(alone[0], whole[0][i], atol=1e-5)
    assert "7 images of data" in said or "6 images of data" in said


def test_what_a_score_means_goes_along_where_the_weights_say_it():
    network, rule = build_model("test_resnet", 1, (32, 32)), ViewRule((32, 32))
    config = checked_config({"predict": ["."], "criterion": "regress"})
    said = describe(config, network, {"about": "sharpness, 0 to 9"}, rule)
    assert said.pop("score_meaning") == "sharpness, 0 to 9"
    assert said == describe(config, network, {}, rule)


def test_the_sidecar(exported):
    task, folder, _ = exported
    artefact = folder / "checkpoints/jit_test_resnet.pt"
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
    target = folder / "checkpoints/jit_test_resnet.pt"
    before = target.read_bytes()
    monkeypatch.setattr(keeping, "compare", lambda *_: 1e-3)
    done = call(folder, f"--jit --resume {BEST} -g 0", 1)
    assert "not kept" in done.err and target.read_bytes() == before
    monkeypatch.setattr(keeping, "compare", lambda *_: float("nan"))
    call(folder, f"--jit --resume {BEST} -g 0 -o new.pt", 1)
    assert not (folder / "new.pt").exists() and not list(folder.glob(".new*"))


class Constant(torch.nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(value))

    def forward(self, x):
        return x.sum((1, 2, 3)) * 0 + self.value


@pytest.mark.parametrize(
    ("ours", "theirs", "worst"),
    [(1, 1, 0), (1.5, 1, 1 / 3), (0.5, 1, 0.5), (math.nan, math.nan, math.nan),
     (1, math.nan, math.nan), (math.nan, 1, math.nan)],
)  # fmt: skip
def test_every_difference_is_seen_and_nan_is_never_equal(ours, theirs, worst):
    pixels = torch.rand(7, 3, 4, 4)
    export = Artefact({}, torch_files.runner(Constant(float(theirs))))
    found = keeping.compare(Subject(Constant(float(ours)), pixels), export)
    assert found == pytest.approx(worst, nan_ok=True)
    assert (found <= TOLERANCE) == (worst == 0)


def test_the_demo_refuses_a_damaged_file(exported, tmp_path):
    _, folder, _ = exported
    model = tmp_path / "jit_test_resnet.pt"
    data = bytearray((folder / "checkpoints" / model.name).read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    words = [str(folder / "data/test/images/photo0_0.png"), "--model", str(model)]
    with pytest.raises(ValueError, match="damaged: export again"):
        demo().main(words)
    model.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="no file of python main.py --jit .* not a zip file"):
        demo().main(words)


def test_a_call_killed_between_the_two_files_leaves_a_model_that_works(tmp_path, monkeypatch):
    """The .json beside the file is that of an export with another view, and of other weights."""
    folder = tmp_path
    write_data(folder / "data", "rank")
    for seed in (0, 1):
        torch.manual_seed(seed)
        weights = build_model("test_vit", 1, (32, 32)).state_dict()
        torch.save({"model": weights} if seed else weights, folder / f"w{seed}.pth")
    words = "--jit --arch test_vit -g 0 -o m.pt --resume"
    call(folder, f"{words} w0.pth --image_size 32 --resize crop")
    before = (folder / "m.json").read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "write_json", killed)
        call(folder, f"{words} w1.pth --image_size 32 --resize pad", 130)
    assert (folder / "m.json").read_bytes() == before
    flags = "--arch test_vit --image_size 32 --resize pad -j 0 -g 0"
    call(folder, f"--predict data/test --resume w1.pth {flags} -o predict.csv")
    with inside(folder):
        words = ["data/test", "--model", "m.pt", "-o", "demo.csv"]
        assert demo().main(words) == 0
        (folder / "m.json").unlink()  # the file alone is enough
        (folder / "demo.csv").rename(folder / "with.csv")
        assert demo().main(words) == 0
    ours = scores(folder / "predict.csv")
    assert scores(folder / "with.csv") == scores(folder / "demo.csv")
    for name, values in scores(folder / "demo.csv").items():
        assert ours[name] == pytest.approx(values, abs=1e-5)


def test_the_file_holds_what_lies_beside_it(exported):
    _, folder, _ = exported
    artefact = folder / "checkpoints/jit_test_resnet.pt"
    held = {"about.json": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.load(str(artefact), _extra_files=held)
    facts = json.loads(artefact.with_suffix(".json").read_text())
    assert json.loads(held["about.json"]) == {k: facts[k] for k in facts if k != "file_sha256"}


def test_without_images_the_export_is_compared_on_drawn_ones(exported, tmp_path):
    _, folder, _ = exported
    done = call(tmp_path, f"--jit --resume {folder / BEST} -g 0 --data nowhere -o out/a.pt")
    assert "7 drawn images" in done.err
    assert (tmp_path / "out/a.pt").exists() and (tmp_path / "out/a.json").exists()

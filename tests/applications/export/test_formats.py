"""--export: each file, opened again from the disk, computes what --predict computes."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr

from applications.export import formats
from applications.export.formats import FORMATS, open_artefact
from models.quality_net import build_model
from tests.cli import call, refused
from tests.tiny_data import write_data
from utils.flag_words import EXPORTS

MADE = ("torchscript", "onnx", "openvino", "pt2", "ascend")  # aoti needs minutes of a compiler
VIEW = "--arch test_resnet --image_size 40 56"


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """A folder with data/, w.pth of five bins, and its exports in checkpoints/."""
    folder = tmp_path_factory.mktemp("exported")
    write_data(folder / "data", "emd")
    torch.manual_seed(3)
    torch.save(build_model("test_resnet", 5, (40, 56)).state_dict(), folder / "w.pth")
    words = f"--export {','.join(MADE)} --resume w.pth {VIEW} --num_classes 5 --criterion emd"
    done = call(folder, f"{words} -g 0 -j 0 -o table.json")
    (folder / "printed.txt").write_text(done.out, encoding="utf-8")
    assert done.err.count("largest difference") == len(MADE)
    return folder


def artefact(folder: Path, name: str) -> Path:
    title = {"torchscript": "jit"}.get(name, name)
    return folder / "checkpoints" / f"{title}_test_resnet{FORMATS[name].suffix}"


@pytest.mark.parametrize("name", MADE)
def test_an_artefact_scores_what_predict_scores(exported, name):
    images = sorted((exported / "data/test/images").glob("*.png"))
    call(exported, f"--predict data/test --resume w.pth {VIEW} --num_classes 5 -j 0 -g 0 -o p.csv")
    with open(exported / "p.csv", encoding="utf-8", newline="") as file:
        rows = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    pixels = [np.asarray(Image.open(file).convert("RGB").resize((56, 40), 2)) for file in images]
    batch = np.stack(pixels).transpose(0, 3, 1, 2).astype(np.float32) / 255
    opened = open_artefact(artefact(exported, name))
    for size in (1, 3, len(images)):
        found = opened.run(batch[:size])
        assert set(found) == {"scores", "probs"}
        for i in range(size):
            row = rows[images[i].name]
            assert found["scores"][i] == pytest.approx(float(row["score"]), abs=1e-4)
            expected = [float(row[f"p{k}"]) for k in range(1, 6)]
            assert found["probs"][i] == pytest.approx(expected, abs=1e-5)


def test_the_table(exported):
    """Accuracy of the network and of its exports is that of -e; sizes are those of the files."""
    data = f"--data data --resume w.pth {VIEW} --num_classes 5 --criterion emd -j 0 -g 0"
    call(exported, f"-e {data} --no_report --bootstrap 0 -o e.csv")
    with open(exported / "e.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    mos = [sum(k * float(row[f"t{k}"]) for k in range(1, 6)) for row in rows]
    expected = spearmanr([float(row["score"]) for row in rows], mos).statistic
    stored = json.loads((exported / "table.json").read_text())
    assert stored["images"] == len(rows)
    network, *others = stored["exports"]
    assert [row["format"] for row in others] == list(MADE)
    assert network["before"] == pytest.approx(expected) and network["metric"] == "srcc"
    for row in others:
        assert row["after"] == pytest.approx(expected) == row["before"]
        assert row["srcc_network"] == pytest.approx(1) and 0 <= row["difference"] <= 1e-4
        file = artefact(exported, row["format"])
        files = [
            file.with_suffix(suffix) for suffix in (file.suffix, *FORMATS[row["format"]].beside)
        ]
        assert row["megabytes"] == pytest.approx(sum(f.stat().st_size for f in files) / 1e6)
        assert (exported / row["file"]) == file
        assert min(row["latency_ms"], row["images_per_s"], row["startup_s"]) > 0
    printed = (exported / "printed.txt").read_text().splitlines()
    assert len(printed) == 2 + len(stored["exports"])
    assert printed[0].split()[:3] == ["format", "precision", "MB"]


def test_what_is_not_known_is_left_open(exported, tmp_path):
    """Without labels, and without any image."""
    words = f"--export torchscript --resume {exported / 'w.pth'} {VIEW} --num_classes 5 -g 0 -j 0"
    done = call(tmp_path, f"{words} --photos {exported / 'data/test'} -o t.csv")
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        network, script = csv.DictReader(file)
    assert float(script["srcc_network"]) == pytest.approx(1)
    assert network["before"] == script["after"] == "" and "6 images, without labels" in done.out
    done = call(tmp_path, f"{words} --data nowhere -o t.json")
    rows = json.loads((tmp_path / "t.json").read_text())["exports"]
    assert rows[1]["srcc_network"] is None and "no images" in done.out


@pytest.mark.parametrize("name", MADE)
def test_the_file_says_what_it_is(exported, name):
    file = artefact(exported, name)
    beside = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    assert beside.pop("file_sha256") == hashlib.sha256(file.read_bytes()).hexdigest()
    about = open_artefact(file).about
    assert about == beside and about["input_size"] == [40, 56] and about["num_classes"] == 5
    second = {"torchscript": "histogram (N,K)"}.get(name, "probs (N,K)")
    assert about["outputs"] == ["scores (N,)", second]


def test_the_table_and_the_command_line_know_the_same_formats():
    assert tuple(FORMATS) == EXPORTS


def test_weights_of_another_export_are_refused(exported, tmp_path):
    """A call that is killed between the two files leaves such a pair."""
    for suffix in (".xml", ".bin"):
        shutil.copy(artefact(exported, "openvino").with_suffix(suffix), tmp_path / f"m{suffix}")
    open_artefact(tmp_path / "m.xml")
    data = bytearray((tmp_path / "m.bin").read_bytes())
    data[100] ^= 1
    (tmp_path / "m.bin").write_bytes(data)
    with pytest.raises(ValueError, match="m.bin beside it is of another export: export again"):
        open_artefact(tmp_path / "m.xml")


def test_what_atc_needs_lies_beside_the_onnx_file(exported):
    file = artefact(exported, "ascend")
    aipp = file.with_suffix(".cfg").read_text(encoding="utf-8")
    assert "src_image_size_w: 56" in aipp and "src_image_size_h: 40" in aipp
    script = file.with_suffix(".sh").read_text(encoding="utf-8")
    assert '--input_shape="pixels:-1,3,40,56"' in script
    assert "--model=ascend_test_resnet.onnx" in script
    subprocess.run(["bash", "-n", file.with_suffix(".sh")], check=True)


@pytest.mark.parametrize("name", MADE)
def test_what_is_no_export_is_refused_in_a_line(exported, tmp_path, name):
    suffix = FORMATS[name].suffix
    with pytest.raises(ValueError, match="no such file"):
        open_artefact(tmp_path / f"m{suffix}")
    for part in (suffix, *FORMATS[name].beside):
        (tmp_path / f"m{part}").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=f"m{suffix}: .*export again") as error:
        open_artefact(tmp_path / f"m{suffix}")
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="m.txt: is no export: expected one of .pt, .onnx"):
        open_artefact(tmp_path / "m.txt")


def test_a_missing_package_is_named_with_its_file(tmp_path, monkeypatch):
    absent = formats.FORMATS["onnx"].__class__(".onnx", None, None, runs=("nowhere_at_all",))
    monkeypatch.setitem(formats.FORMATS, "onnx", absent)
    (tmp_path / "m.onnx").write_bytes(b"")
    said = "onnx needs nowhere_at_all: pip install -r requirements-export.txt"
    with pytest.raises(ValueError, match=said):
        open_artefact(tmp_path / "m.onnx")
    done = call(tmp_path, "--export onnx --resume w.pth -g 0", 1)
    assert said in done.err and done.err.count("\n") == 1


def test_formats_are_a_list_of_known_names(tmp_path):
    known = "unknown format 'onxx': did you mean onnx? (one of torchscript, onnx"
    refused(tmp_path, "--export onxx --resume w", known)
    refused(tmp_path, "--export onnx,onnx --resume w", "must name each format once")
    refused(tmp_path, "--export onnx --jit --resume w", "--jit and --export cannot go together")
    refused(tmp_path, "--export onnx", "--export needs weights")

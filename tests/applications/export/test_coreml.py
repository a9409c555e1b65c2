"""--export coreml: a folder, kept whole or not at all, and compared where its runtime is."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from applications.export import coreml_file, formats, keeping
from applications.export.base import Artefact, Subject
from applications.export.formats import FORMATS, open_artefact
from models.quality_net import build_model
from tests.cli import call, refused

WORDS = "--export coreml --resume w.pth --arch test_resnet --image_size 40 56 --num_classes 5 -g 0"
KIND = FORMATS["coreml"]
SUBJECT = Subject(torch.nn.Identity(), torch.zeros(7, 3, 2, 2))


@pytest.fixture
def folder(tmp_path) -> Path:
    torch.manual_seed(3)
    torch.save(build_model("test_resnet", 5, (40, 56)).state_dict(), tmp_path / "w.pth")
    return tmp_path


def test_a_package_is_made_and_says_what_it_is(folder):
    coremltools = pytest.importorskip("coremltools")
    done = call(folder, f"{WORDS} --precision fp32,fp16 --criterion emd -o t.json")
    network, *rows = json.loads((folder / "t.json").read_text())["exports"]
    assert [Path(row["file"]).name for row in rows] == [
        "coreml_test_resnet.mlpackage", "coreml_test_resnet_fp16.mlpackage"
    ]  # fmt: skip
    assert 0.45 < rows[1]["megabytes"] / rows[0]["megabytes"] < 0.75
    file = folder / rows[0]["file"]
    beside = json.loads(file.with_suffix(".json").read_text())
    assert beside.pop("file_sha256") == keeping.file_digest(file)
    opened = open_artefact(file)
    assert opened.about == beside and beside["export"] == "coreml"
    spec = coremltools.models.MLModel(str(file), skip_model_load=True).get_spec()
    (given,) = spec.description.input
    ranges = given.type.multiArrayType.shapeRange.sizeRanges
    assert given.name == "pixels"
    assert [(r.lowerBound, r.upperBound) for r in ranges] == [(1, 64), (3, 3), (40, 40), (56, 56)]
    assert [output.name for output in spec.description.output] == ["scores", "probs"]
    if platform.system() != "Darwin":
        assert done.err.count("not compared with the network: needs macOS") == 2
        assert done.out.count("not compared: needs macOS") == 2
        assert all(row["difference"] is None and row["latency_ms"] is None for row in rows)
        with pytest.raises(ValueError, match="Core ML runs on macOS alone"):
            opened.run(np.zeros((1, 3, 40, 56), np.float32))


def test_the_missing_library_is_said(folder, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "coremltools" else find(name)
    )
    done = call(folder, WORDS, 1)
    needs = "--export coreml needs coremltools: pip install -r requirements-coreml.txt"
    assert done.err.endswith(f"error: {needs}\n") and not (folder / "checkpoints").exists()
    (folder / "m.mlpackage").mkdir()
    with pytest.raises(ValueError, match="coreml needs coremltools: pip install"):
        open_artefact(folder / "m.mlpackage")


def test_what_it_cannot_do_is_refused(folder, monkeypatch):
    done = call(folder, f"{WORDS} --precision int8", 1)
    assert "--export coreml: --precision int8: only with onnx, openvino" in done.err
    refused(folder, f"{WORDS} --whole --precision int8", "cannot go together")


def package(text: str):
    """Makes a folder of two files."""

    def make(subject: Subject, about: object, path: Path) -> None:
        (path / "Data").mkdir(parents=True)
        (path / "Manifest.json").write_text("{}")
        (path / "Data/weights").write_text(text)

    return make


def kept(target: Path, make: object, monkeypatch: pytest.MonkeyPatch) -> float:
    opened = Artefact({}, lambda pixels: {"scores": pixels})
    words = {**vars(KIND), "make": make, "open": lambda *_: opened}
    return keeping.keep(KIND.__class__(**words), SUBJECT, {"export": "coreml"}, target)


def test_a_folder_is_replaced_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    target = tmp_path / "m.mlpackage"
    assert kept(target, package("old"), monkeypatch) != 0
    (target / "Data/more").write_text("of an older export")
    kept(target, package("new"), monkeypatch)
    assert sorted(p.name for p in target.rglob("*")) == ["Data", "Manifest.json", "weights"]
    assert (target / "Data/weights").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.json", "m.mlpackage"]
    hashes = [hashlib.sha256(text).hexdigest() for text in (b"new", b"{}")]
    lines = f"{hashes[0]}  Data/weights\n{hashes[1]}  Manifest.json\n"
    beside = json.loads((tmp_path / "m.json").read_text())
    lines = "".join(sorted(lines.splitlines(True), key=lambda line: line[66:]))
    assert beside["file_sha256"] == hashlib.sha256(lines.encode()).hexdigest()

    def fails(*_: object) -> None:
        package("half")(*_)
        raise RuntimeError("no rule for this")

    with pytest.raises(ValueError, match="m.mlpackage: not made: coreml .*: no rule for this"):
        kept(target, fails, monkeypatch)
    assert (target / "Data/weights").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.json", "m.mlpackage"]


def test_where_the_new_folder_cannot_take_its_place_the_old_one_comes_back(tmp_path):
    target = tmp_path / "m.mlpackage"
    package("old")(SUBJECT, {}, target)
    with pytest.raises(OSError, match="m.mlpackage"):
        keeping.replace_folder(tmp_path / "gone", target)
    assert (target / "Data/weights").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["m.mlpackage"]


def test_what_a_killed_export_left_is_removed_but_nothing_of_a_living_one(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    for name in ("dead", "living"):
        (tmp_path / f".m.mlpackage.{name}").mkdir()
        (tmp_path / f".m.mlpackage.{name}/lock").touch()
    (tmp_path / ".m.json.dead.tmp").write_text("half")
    lock = tmp_path / ".m.mlpackage.living/lock"
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX)"
    code += "; print(); input()"
    words = [sys.executable, "-c", code, str(lock)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living:
        assert living.stdin and living.stdout and living.stdout.readline()
        seen = []

        def make(*given: object) -> None:
            seen.extend(p.name for p in tmp_path.glob(".m.*/lock"))
            package("new")(*given)

        kept(tmp_path / "m.mlpackage", make, monkeypatch)
        living.stdin.close()
    assert len(list(tmp_path.glob(".*"))) == 1 and lock.exists() and len(seen) == 2
    kept(tmp_path / "m.mlpackage", package("new"), monkeypatch)
    assert not list(tmp_path.glob(".*"))


def test_where_it_runs_it_is_compared(tmp_path, monkeypatch):
    """On a Mac a package that computes something else is not kept."""
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert kept(tmp_path / "m.mlpackage", package("same"), monkeypatch) == 0
    monkeypatch.setattr(keeping, "compare", lambda *_: 1.0)
    with pytest.raises(ValueError, match="not kept: it differs from the network"):
        kept(tmp_path / "other.mlpackage", package("other"), monkeypatch)
    assert not list(tmp_path.glob("other*"))


def test_every_format_says_where_it_runs():
    assert {name for name, kind in formats.FORMATS.items() if kind.system} == {"coreml"}
    assert coreml_file.make is KIND.make

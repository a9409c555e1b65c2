"""--runtime: scores of an export in the place of the network's, and which of them auto takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from applications.scoring import runtimes
from tests.cli import TINY, call, refused
from tests.tiny_data import write_data

BEST = "--resume checkpoints/model_best_test_resnet.pth -j 0 -g 0 -b 2 --threads 1"

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runtimes")
    write_data(folder / "data", "emd", train=2, held_out=1)
    call(folder, f"--train --criterion emd {TINY} --epochs 1 --no_check")
    return folder


@pytest.fixture(autouse=True)
def cache(trained, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(trained / "cache"))
    return runtimes.cache_folder()


def rows_of(folder: Path, name: str) -> list[dict]:
    return json.loads((folder / name).read_text())


def test_an_export_is_made_once_and_gives_the_same_scores(trained, cache):
    call(trained, f"--predict data/test {BEST} -o eager.json")
    said = call(trained, f"--predict data/test {BEST} -o onnx.json --runtime onnx").err
    (file,) = cache.glob("onnx_*.onnx")
    assert f"--runtime onnx: making {file}" in said
    before = file.stat().st_mtime_ns
    words = f"--predict data/test {BEST} -o again.json --runtime onnx --continue"
    assert "making" not in call(trained, words).err and file.stat().st_mtime_ns == before
    eager, onnx, again = (rows_of(trained, f"{n}.json") for n in ("eager", "onnx", "again"))
    assert onnx == again != eager and len(eager) == 3
    for row, other in zip(eager, onnx, strict=True):
        assert row["path"] == other["path"]
        for name in row.keys() - {"path"}:
            assert row[name] == pytest.approx(other[name], abs=1e-4)
    of = json.loads((trained / "again.json.run.json").read_text())["of"]
    assert of["runtime"] == "onnx"
    said = call(trained, words.replace("onnx ", "eager "), code=1).err
    assert 'runtime "eager" in place of "onnx"' in said
    assert "is whole" in call(trained, words.replace("onnx ", "auto ")).err


def test_auto_measures_once_and_says_what_it_took(trained, cache, monkeypatch):
    took = iter([0.5, 0.2])
    monkeypatch.setattr(runtimes, "EXPORTS", ("onnx",))
    monkeypatch.setattr(runtimes, "FEW", 1)
    monkeypatch.setattr(runtimes, "measure", lambda network, batch: network(batch) and next(took))
    said = call(trained, f"--predict data/test {BEST} -o auto.json --runtime auto").err
    assert "--runtime auto: onnx: 200 ms a batch of 2 (500 ms eager)" in said
    monkeypatch.setattr(runtimes, "measure", lambda network, batch: 1.0)
    words = f"--predict data/test {BEST} --runtime auto"
    (kept,) = cache.glob("auto_*.json")
    again = f"onnx: 200 ms a batch of 2 (500 ms eager); measured before: remove {kept} to measure"
    assert again in call(trained, words).err
    for content in ("", "[]", "{}", '{"eager": 0.5, "onnx": "a"}', '{"eager": 0.5, "other": 0.1}'):
        kept.write_text(content)
        assert runtimes._remembered(kept) is None
    said = call(trained, words).err
    assert "--runtime auto: eager: 1000 ms a batch of 2 (1000 ms onnx)" in said
    assert json.loads(kept.read_text()) == {"eager": 1.0, "onnx": 1.0}


def test_auto_makes_nothing_for_few_images(trained, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said = call(trained, f"--predict data/test {BEST} --runtime auto").err
    assert "--runtime auto: eager: 3 images are too few for an export" in said
    assert not list(tmp_path.iterdir())


def test_what_an_export_cannot_do(trained):
    said = call(trained, f"--predict data/test {BEST} --runtime onnx --amp bf16", code=1).err
    assert "exports compute in float32: leave out --amp bf16" in said
    said = call(trained, f"--predict data/test {BEST} --runtime auto --amp bf16").err
    assert "--runtime auto: eager: exports compute in float32" in said
    refused(trained, f"-e {BEST} --runtime onnx", "--runtime onnx: only with --predict")


def test_what_a_cache_can_be_like(trained, cache, tmp_path, monkeypatch):
    """A damaged export is made anew; a cache that cannot be written leaves eager."""
    words = f"--predict data/test {BEST} -o -"
    wanted = call(trained, f"{words} --runtime onnx").out
    (file,) = cache.glob("onnx_*.onnx")
    whole = file.read_bytes()
    for content in (b"", whole[:1000]):
        file.write_bytes(content)
        done = call(trained, f"{words} --runtime onnx")
        assert f"making {file} anew: {file}: " in done.err and done.out == wanted
        # Once for real is enough: it takes seconds.
        monkeypatch.setattr(runtimes.Runtimes, "_make", lambda *_: file.write_bytes(whole))
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    said = call(trained, f"{words} --runtime onnx", code=1).err.splitlines()[-1]
    assert "exports: cannot be written: Not a directory" in said and "XDG_CACHE_HOME=DIR" in said
    monkeypatch.setattr(runtimes, "FEW", 1)
    said = call(trained, f"{words} --runtime auto").err
    assert "--runtime auto: eager: " in said and "XDG_CACHE_HOME=DIR" in said


def test_a_package_that_is_missing_is_named(trained, monkeypatch):
    real = runtimes.need

    def without(who, packages, requirements):
        real(who, (*packages, "no_such_package"), requirements)

    monkeypatch.setattr(runtimes, "need", without)
    said = call(trained, f"--predict data/test {BEST} --runtime onnx", code=1).err
    assert re.search(r"--runtime onnx needs no_such_package: pip install -r requirements", said)


def test_a_measure_is_the_median():
    calls = []
    found = runtimes.measure(calls.append, torch.zeros(1))
    assert len(calls) == 4 and 0 <= found < 1

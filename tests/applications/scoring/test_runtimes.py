"""--runtime: scores of an export in the place of the network's, and which of them auto takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from applications.scoring import runtimes
from applications.scoring.runtimes import Runtimes, Way
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
    monkeypatch.setattr(runtimes, "default_amp", lambda device: "off")
    monkeypatch.setattr(runtimes, "measure", lambda network, batch: network(batch) and next(took))
    said = call(trained, f"--predict data/test {BEST} -o auto.json --runtime auto").err
    assert "--runtime auto: onnx: 200 ms a batch of 2 (500 ms eager)" in said
    monkeypatch.setattr(runtimes, "measure", lambda network, batch: 1.0)
    words = f"--predict data/test {BEST} --runtime auto"
    (kept,) = cache.glob("auto_*.json")
    again = f"onnx: 200 ms a batch of 2 (500 ms eager); measured before: remove {kept} to measure"
    assert again in call(trained, words).err
    of = {"eager": [0.5, 0.0]}
    for other in ({"onnx": 0.2}, {"onnx": [0.2]}, {"onnx": [0.2, "a"]}, {"other": [0.1, 0.0]}):
        kept.write_text(json.dumps(of | other))
        assert runtimes._remembered(kept, ["eager", "onnx"]) is None
    for content in ("", "[]", "{}", '{"onnx": [0.2, 0.0]}'):
        kept.write_text(content)
        assert runtimes._remembered(kept, ["eager", "onnx"]) is None
    said = call(trained, words).err
    assert "--runtime auto: eager: 1000 ms a batch of 2 (1000 ms onnx)" in said
    found = json.loads(kept.read_text())
    assert [found[name][0] for name in ("eager", "onnx")] == [1.0, 1.0]
    assert found["eager"][1] == 0 <= found["onnx"][1] < 0.01


@pytest.mark.parametrize(
    "fast, noise, given, wanted",
    [
        (0.4, 1e9, "", "bf16"),
        (0.4, 0, "", "off"),  # scores would change too much
        (0.45, 1e9, "", "off"),  # hardly faster
        (0.4, 1e9, "--amp off", "off"),
        (0.45, 0, "--amp bf16", "bf16"),
    ],
)
def test_auto_takes_bf16_where_it_pays(trained, tmp_path, monkeypatch, fast, noise, given, wanted):
    """Of torch itself: a test on any processor, as its bf16 is only slow where it is not native."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(runtimes, "EXPORTS", ("openvino",))
    monkeypatch.setattr(runtimes, "FEW", 1)
    monkeypatch.setattr(runtimes, "NOISE", noise)
    monkeypatch.setattr(runtimes, "default_amp", lambda device: "bf16")
    monkeypatch.setattr(runtimes, "need", without("openvino"))
    inside = torch.is_autocast_enabled
    monkeypatch.setattr(runtimes, "measure", lambda *_: fast if inside("cpu") else 0.5)
    words = f"--predict data/test {BEST} {given} --runtime auto --continue -o {tmp_path}/a.json"
    said = call(trained, words).err
    took = f"eager in bf16: {1000 * fast:.0f} ms" if wanted == "bf16" else "eager: 500 ms"
    assert f"--runtime auto: {took} a batch of 2" in said
    assert ("--amp off is float32" in said) == (wanted == "bf16" and not given)
    of = json.loads((tmp_path / "a.json.run.json").read_text())["of"]
    assert (of["runtime"], of["amp"]) == ("eager", wanted)
    call(trained, f"--predict data/test {BEST} --amp {wanted} -o {tmp_path}/b.json")
    assert rows_of(tmp_path, "a.json") == rows_of(tmp_path, "b.json")
    # What goes on takes the way of the rows that are there, whatever would be faster now.
    monkeypatch.setattr(runtimes, "measure", None)
    assert "is whole" in call(trained, words.replace(given, "")).err


@pytest.mark.parametrize(
    "amp, torchs, exports, wanted",
    [
        (None, 0.04, 0.049, Way("openvino", "bf16")),
        (None, 0.04, 0.051, Way("eager", "bf16")),
        ("bf16", 0.04, 0.057, Way("openvino", "bf16")),  # asked for: torch's own rounds, too
        ("bf16", 0.04, 0.5, Way("eager", "bf16")),
    ],
)
def test_rounding_that_auto_takes(tmp_path, monkeypatch, amp, torchs, exports, wanted):
    """The fastest way is openvino in bf16; where it rounds too much, that is said."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ways = [
        Way(name, one)
        for name in ("eager", "openvino")
        for one in ([amp] if amp else ["off", "bf16"])
    ]
    found = {"eager": [9.0, 0.0], "openvino": [8.0, 0.0]}
    found |= {"eager in bf16": [5.0, torchs], "openvino in bf16": [1.0, exports]}
    found = {str(way): found[str(way)] for way in ways}
    chooser = Runtimes(None, None, None, None)
    monkeypatch.setattr(chooser, "_file", lambda name: Path(name))
    monkeypatch.setattr(chooser, "_measured", lambda *_: (found, []))
    best, line = chooser._fastest(ways, 8)
    assert best == wanted
    left_out = f"openvino in bf16 is left out: its rounding is {100 * exports:.2g}%"
    assert (left_out in line) == (best.runtime == "eager")


def test_auto_of_a_network_that_scores_all_alike(trained, tmp_path, monkeypatch):
    """Its scores have no spread that anything could be a share of."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(runtimes, "EXPORTS", ("openvino",))
    monkeypatch.setattr(runtimes, "FEW", 1)
    monkeypatch.setattr(runtimes, "need", without("openvino"))
    content = torch.load(trained / "checkpoints/model_best_test_resnet.pth")["model"]
    weights = {name: of.zero_() if "heads" in name else of for name, of in content.items()}
    torch.save(weights, tmp_path / "alike.pth")
    words = "--arch test_resnet --num_classes 5 --image_size 32 -j 0 -g 0 --runtime auto"
    said = call(trained, f"--predict data/test {words} --resume {tmp_path}/alike.pth").err
    assert "--runtime auto: eager" in said and "nan" not in said


def test_auto_makes_nothing_for_few_images(trained, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said = call(trained, f"--predict data/test {BEST} --runtime auto").err
    assert "--runtime auto: eager: 3 images are too few for an export" in said
    assert not list(tmp_path.iterdir())


def test_what_an_export_cannot_do(trained, monkeypatch):
    said = call(trained, f"--predict data/test {BEST} --runtime onnx --amp bf16", code=1).err
    assert "onnx computes in float32: leave out --amp bf16" in said
    monkeypatch.setattr(runtimes, "default_amp", lambda device: "off")
    for name, code in (("openvino", 1), ("auto", 0)):
        words = f"--predict data/test {BEST} --runtime {name} --amp bf16"
        assert "this processor has no bf16: leave out --amp bf16" in call(trained, words, code).err
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
    said = call(trained, f"{words} --runtime auto").err  # in bf16 where that happens to be faster
    assert "--runtime auto: eager" in said and "XDG_CACHE_HOME=DIR" in said


def without(*packages: str) -> Callable:
    """`need` where these are not installed."""
    real = runtimes.need

    def need(who: str, asked: tuple[str, ...], requirements: str) -> None:
        real(who, tuple(f"no_{name}" if name in packages else name for name in asked), requirements)

    return need


def test_a_package_that_is_missing_is_named(trained, monkeypatch):
    monkeypatch.setattr(runtimes, "need", without("onnxruntime"))
    said = call(trained, f"--predict data/test {BEST} --runtime onnx", code=1).err
    assert re.search(r"--runtime onnx needs no_onnxruntime: pip install -r requirements", said)


def test_a_measure_is_the_median_without_the_first_batch(monkeypatch):
    now, took, calls = [0.0], iter([90.0, 3.0, 1.0, 2.0]), []

    def network(batch):
        calls.append(batch)
        now[0] += next(took)

    monkeypatch.setattr(runtimes.time, "perf_counter", lambda: now[0])
    assert runtimes.measure(network, torch.zeros(1)) == 2.0 and len(calls) == 4

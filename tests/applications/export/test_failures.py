"""What a converter cannot do ends in one line, exit code 1, and no file; other formats go on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from applications.export import formats
from applications.export.base import Deployed
from models.quality_net import build_model
from tests.cli import call

MODEL = "--resume w.pth --arch test_resnet --image_size 32 -g 0 -j 0 --data nowhere"


@pytest.fixture
def folder(tmp_path) -> Path:
    torch.save(build_model("test_resnet", 1, (32, 32)).state_dict(), tmp_path / "w.pth")
    return tmp_path


def rare(self: Deployed, pixels: torch.Tensor) -> torch.Tensor:
    """A function that torch has and no other format."""
    return torch.special.bessel_j0(pixels.mean((1, 2, 3)))


def forked(self: Deployed, pixels: torch.Tensor) -> torch.Tensor:
    """A way that depends on what the pixels are, which a graph cannot hold."""
    scores = pixels.mean((1, 2, 3))
    return scores if scores.mean() > 0 else -scores


def left(folder: Path) -> set[str]:
    return {file.name for file in (folder / "checkpoints").iterdir()}


def test_an_unknown_operation_is_named(folder, monkeypatch):
    monkeypatch.setattr(Deployed, "forward", rare)
    done = call(folder, f"--export onnx,pt2,openvino {MODEL}", 1)
    onnx, openvino = done.err.splitlines()[-2:]
    cure = "choose another format or backbone (docs/export.md has those that were tried)"
    assert onnx.startswith(
        "error: checkpoints/onnx_test_resnet.onnx: not made: onnx cannot hold test_resnet: "
    )
    assert "No ONNX function found for" in onnx and "bessel_j0" in onnx and onnx.endswith(cure)
    assert openvino == (
        "checkpoints/openvino_test_resnet.xml: not made: openvino cannot hold test_resnet: "
        f"No conversion rule found for operations: aten.special_bessel_j0.default: {cure}"
    )
    assert left(folder) == {"pt2_test_resnet.pt2", "pt2_test_resnet.json"}
    assert "pt2_test_resnet.pt2" in done.out and "Traceback" not in done.err


def test_a_network_that_is_no_graph_is_named_for_each_format(folder, monkeypatch):
    monkeypatch.setattr(Deployed, "forward", forked)
    monkeypatch.setattr("applications.convert.need_programs", lambda *_: None)
    names = ("onnx", "openvino", "pt2", "aoti", "ascend")
    lines = call(folder, f"--export {','.join(names)} {MODEL}", 1).err.splitlines()[-5:]
    for name, line in zip(names, lines, strict=True):
        said = f"not made: {name} cannot hold test_resnet: Could not guard on data-dependent"
        assert said in line
    assert not left(folder)


@pytest.mark.parametrize("broken", ["make", "open"])
def test_whatever_a_library_raises(folder, monkeypatch, broken):
    """KeyError and the like have a text that says little, and may have none."""

    def fails(*_: object) -> None:
        raise KeyError

    plain = {"makes": (), "runs": (), "programs": (), "make": lambda *_: None, broken: fails}
    for name, kind in formats.FORMATS.items():
        monkeypatch.setitem(formats.FORMATS, name, kind.__class__(**{**vars(kind), **plain}))
    names = tuple(formats.FORMATS)
    lines = call(folder, f"--export {','.join(names)} {MODEL}", 1).err.splitlines()[-len(names) :]
    for name, line in zip(names, lines, strict=True):
        assert f"not made: {name} cannot hold test_resnet: KeyError(): choose another" in line
    assert not left(folder)


def test_too_little_memory_stays_what_it_is(folder, monkeypatch):
    def fails(*_: object) -> None:
        raise MemoryError

    kind = formats.FORMATS["pt2"]
    monkeypatch.setitem(formats.FORMATS, "pt2", kind.__class__(**{**vars(kind), "make": fails}))
    assert "error: not enough memory" in call(folder, f"--export pt2 {MODEL}", 1).err
    assert not left(folder)


def test_what_making_runs_is_looked_for(folder, monkeypatch):
    kind = formats.FORMATS["aoti"]
    assert kind.programs == ("g++",)
    words = {**vars(kind), "programs": ("no-such-compiler",)}
    monkeypatch.setitem(formats.FORMATS, "aoti", kind.__class__(**words))
    done = call(folder, f"--export aoti {MODEL}", 1)
    assert "--export aoti needs no-such-compiler: install it, or take another format" in done.err


@pytest.mark.parametrize("name", ["ascend", "executorch"])
def test_formats_of_one_size_say_so(folder, monkeypatch, name):
    kind = formats.FORMATS[name]
    words = {**vars(kind), "makes": (), "runs": ()}
    monkeypatch.setitem(formats.FORMATS, name, kind.__class__(**words))
    done = call(folder, f"--export {name} {MODEL} --resize native", 1)
    assert f"{name} wants one size of images: pass --resize squash, crop or pad" in done.err

"""--whole and --precision: what is in the file beside the network, and what fewer bits cost.
tests/demos/test_clients.py scores with whole files.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from applications.export.whole import FILTERS, WholeImage
from models.quality_net import build_model
from tests.cli import call, refused
from tests.tiny_data import write_data
from utils.imaging.images import view
from utils.imaging.view_rule import INTERPOLATIONS, ViewRule

WIDE = ((37, 53), (301, 307), (40, 57), (11, 230), (47, 95), (2, 5), (201, 1001))
TALL = (
    (333, 99),
    (75, 75),
    (49, 10),
    (300, 65),
    (200, 128),
    (150, 128),
    (50, 65),
    (51, 65),
    (400, 1),
)
CROPS = {"crops": 5, "crop_size": (40, 40)}
RULES = [
    *({"interpolation": name} for name in INTERPOLATIONS if name not in ("box", "nearest")),
    *({"resize": way, "interpolation": "bicubic"} for way in ("pad", "native")),
    *({"resize": "crop", "interpolation": name} for name in INTERPOLATIONS),
    {"resize": "native", **CROPS},
    {"resize": "native", "crops": 3, "crop_size": (64, 48), "interpolation": "bicubic"},
    {"resize": "native", "crops": 1, "crop_size": (64, 48), "interpolation": "lanczos"},
    {"crops": 4, "crop_size": (32, 32)},
    {"crops": 3, "crop_size": (32, 32), "crop_seed": 4},
    {"resize": "pad", "crops": 2, "crop_size": (70, 80)},
]


def noise(height: int, width: int) -> Image.Image:
    rng = np.random.default_rng(height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("values", RULES, ids=str)
def test_the_graph_sees_what_the_network_sees(values):
    """Each pixel; of tall images as well, which Pillow resizes down before across."""
    rule = ViewRule((48, 64), **values)
    network = WholeImage(torch.nn.Identity(), rule)
    for size in WIDE + TALL:
        image = noise(*size)
        found = network.views(torch.from_numpy(np.array(image))).numpy()
        expected = view(image, rule)
        if len(expected) == 1:
            expected = np.repeat(expected, len(found), 0)
        assert np.array_equal(found, expected), (size, np.abs(found - expected).max())


@pytest.mark.parametrize("name", ["box", "nearest"])
def test_elsewhere_pixels_differ_by_rounding(name):
    rule = ViewRule((48, 64), interpolation=name)
    network = WholeImage(torch.nn.Identity(), rule)
    for size in ((333, 99), (75, 75), *WIDE):
        image = noise(*size)
        found = network.views(torch.from_numpy(np.array(image))).numpy()
        assert np.abs(found - view(image, rule)).mean() < 0.6


def test_every_filter_is_known():
    assert set(FILTERS) == set(INTERPOLATIONS)


def test_places_drawn_for_each_size_cannot_be_in_a_file():
    rule = ViewRule((48, 64), "native", crops=3, crop_size=(32, 32), crop_seed=1)
    with pytest.raises(ValueError, match="--whole: crops at places drawn for each size"):
        WholeImage(torch.nn.Identity(), rule)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """data/, and w.pth of five bins."""
    folder = tmp_path_factory.mktemp("whole")
    write_data(folder / "data", "emd")
    torch.manual_seed(3)
    torch.save(build_model("test_resnet", 5, (40, 56)).state_dict(), folder / "w.pth")
    return folder


MODEL = "--resume w.pth --arch test_resnet --image_size 40 56 --num_classes 5 -g 0 -j 0"


def test_fewer_bits_make_smaller_files_and_their_cost_is_said(folder):
    names = "onnx,openvino" if importlib.util.find_spec("nncf") else "onnx"
    words = f"--export {names} --precision fp16,int8 {MODEL} --criterion emd -o t.json"
    done = call(folder, words)
    network, *rows = json.loads((folder / "t.json").read_text())["exports"]
    assert len(rows) == 2 * len(names.split(","))
    for row in rows:
        part = {"fp16": 0.65, "int8": 0.45}[row["precision"]]
        assert row["megabytes"] < part * network["megabytes"], row
        assert row["file"].split(".")[0].endswith("_" + row["precision"])
        assert row["difference"] < {"fp16": 1e-3, "int8": 5e-2}[row["precision"]]
        assert row["precision"] == "int8" or row["srcc_network"] > 0.9
        said = f"{row['file']}: {row['precision']} costs"
        assert (said in done.err) == (row["before"] - row["after"] > 0.005)


def test_a_broken_photograph_ends_it_before_a_file_is_made_or_is_left_out(folder):
    """The ninth of the photographs: those that an export is compared on come before it."""
    for i in range(9):
        noise(40, 56).save(folder / f"some/{i}.png") if i else (folder / "some").mkdir()
    (folder / "some/9.png").write_bytes(b"")
    words = f"--export onnx --precision fp32,int8 {MODEL} --photos some --checkpoints made"
    assert "some/9.png: is empty" in call(folder, words, 1).err
    assert not (folder / "made").exists()
    done = call(folder, f"{words.replace('fp32,', '')} --bad_images skip")
    assert "int8" in done.out and "\n8 images, " in done.out


def test_what_cannot_be_made_is_refused(folder):
    said = "--precision int8 and --whole cannot go together"
    refused(folder, f"--export onnx --whole --precision int8 {MODEL}", said)
    refused(folder, f"--jit --whole {MODEL}", "--whole: only with --export")
    done = call(folder, f"--export torchscript --precision int8 {MODEL}", 1)
    assert "--export torchscript: --precision int8: only with onnx, openvino" in done.err
    done = call(folder, f"--export torchscript --whole {MODEL}", 1)
    assert "--export torchscript: --whole: only with onnx, openvino" in done.err
    done = call(folder, f"--export onnx --precision int8 --data nowhere {MODEL}", 1)
    assert "--precision int8 is chosen on images: pass --data" in done.err

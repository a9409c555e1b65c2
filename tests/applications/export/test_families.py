"""One backbone of each family, small, as ONNX: any batch size, and each kind of head."""

from __future__ import annotations

import os

import pytest
import torch

from applications.export import executorch_file, onnx_file, openvino_file
from applications.export.base import PROBS, SCORES, Deployed, Subject
from applications.export.keeping import compare
from models.quality_net import build_model
from tests.random_networks import random_images, random_network

# Backbone, side of its input, bins of its head: 1 as rank and regress have it, 5 as emd has it.
NETWORKS = (
    ("resnet10t", 64, 1),
    ("mobilenetv3_small_050", 64, 5),
    ("mobilenetv1_100", 64, 1),
    ("test_efficientnet", 64, 5),
    ("tf_efficientnet_lite0", 64, 1),
    ("efficientnet_pytorch:efficientnet-b0", 64, 5),
    ("resnest14d", 64, 1),
    ("inception_resnet_v2", 96, 5),
    ("vgg11", 64, 1),
    ("swin_tiny_patch4_window7_224", 224, 5),
    ("test_vit", 64, 1),
)
FAST = ("test_efficientnet", "test_vit")


@pytest.mark.parametrize(("arch", "side", "bins"), NETWORKS)
def test_onnx_computes_what_the_network_computes(arch, side, bins, tmp_path):
    if arch not in FAST and not os.environ.get("ALL_EXPORTS"):
        pytest.skip("up to half a minute each: ALL_EXPORTS=1")
    model = random_network(arch, bins, (side, side))
    names = (SCORES, PROBS) if bins > 1 else (SCORES,)
    pixels = random_images(7, (side, side))
    assert model(pixels).scores.std() > 0.01
    subject = Subject(Deployed(model).eval(), pixels, names)
    file = tmp_path / "m.onnx"
    onnx_file.make(subject, {"view": {}, "num_classes": bins}, file)
    assert compare(subject, onnx_file.open_file(file)) <= 1e-4


def test_openvino_resizes_a_table_of_positions(tmp_path):
    """That of test_vit is of 160 pixels a side: it is resized to whatever the images are."""
    model = build_model("test_vit", 1, (32, 32)).eval()
    subject = Subject(Deployed(model).eval(), torch.rand(7, 3, 32, 48), any_size=True)
    openvino_file.make(subject, {"view": {}, "num_classes": 1}, tmp_path / "m.xml")
    opened = openvino_file.open_file(tmp_path / "m.xml")
    assert compare(subject, opened) <= 1e-5
    pixels = torch.rand(2, 3, 64, 32)
    found = opened.run(pixels.numpy())[SCORES]
    assert torch.allclose(subject.network(pixels), torch.from_numpy(found), atol=1e-5)


def test_executorch_computes_what_the_network_computes(tmp_path):
    pytest.importorskip("executorch")
    model = build_model("test_resnet", 5, (40, 56)).eval()
    subject = Subject(Deployed(model).eval(), torch.rand(7, 3, 40, 56), (SCORES, PROBS))
    about = {"view": {}, "num_classes": 5, "title": "é"}
    executorch_file.make(subject, about, tmp_path / "m.pte")
    opened = executorch_file.open_file(tmp_path / "m.pte")
    assert opened.about == about and compare(subject, opened) <= 1e-4

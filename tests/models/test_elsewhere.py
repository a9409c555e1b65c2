"""Weights that other programs trained: the backbone is taken, the head is new, and only --train
takes them. Networks without data (meta) stand for the large ones.
"""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision

from models.elsewhere import find_backbone, propose_arch
from models.quality_net import build_model
from models.sizes import build_backbone
from models.weight_files import NESTED, named_tensors
from tests.cli import call
from tests.tiny_data import write_data


def without_data(make):
    with torch.device("meta"):
        return make().state_dict()


def head(features: int, name: str = "classifier.1") -> dict[str, torch.Tensor]:
    return {f"{name}.weight": torch.empty(10, features, device="meta")}


def under(prefix: str, state: dict) -> dict:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def resnet18():
    return without_data(lambda: torchvision.models.resnet18(num_classes=1))


def numbered():
    """nn.Sequential(*list(network.children())[:-1]), as the oldest NIMA in PyTorch has it."""
    with torch.device("meta"):
        children = list(torchvision.models.resnet18().children())[:-1]
        return under("base_model.", torch.nn.Sequential(*children).state_dict())


def features_only(name: str):
    """IQA-PyTorch's NIMA."""
    made = without_data(lambda: timm.create_model(name, features_only=True))
    return under("base_model.", made) | {"default_mean": torch.empty(1, 3, 1, 1, device="meta")}


def vgg16(keep: str = ""):
    made = without_data(lambda: torchvision.models.vgg16(num_classes=10))
    return {name: tensor for name, tensor in made.items() if name.startswith(keep)}


CASES = {
    "torchvision": ("resnet18", resnet18, 0),
    "torchvision's backbone alone": (
        "resnet18", lambda: {n: t for n, t in resnet18().items() if "fc" not in n}, 0,
    ),
    "timm": ("resnet18", lambda: without_data(lambda: timm.create_model("resnet18")), 0),
    "distributed": ("resnet18", lambda: under("module.", resnet18()), 0),
    "compiled in a wrapper": ("resnet18", lambda: under("_orig_mod.model.", resnet18()), 0),
    "numbered children": (
        "resnet18", lambda: numbered() | head(512, "head.3"), 0,
    ),
    "IQA-PyTorch": ("resnet18", lambda: features_only("resnet18") | head(512, "classifier.2"), 0),
    "IQA-PyTorch's VGG16": ("vgg16", lambda: features_only("vgg16") | head(512, "classifier.2"), 4),
    "NIMA's VGG16": ("vgg16", lambda: vgg16("features.") | head(25088), 4),
    "NIMA's VGG16, torchvision": (
        "torchvision:vgg16", lambda: under("base_model.", vgg16("features.")) | head(25088), 4,
    ),
    "torchvision's VGG16 as timm's": ("vgg16", vgg16, 0),
    "of another size in a wrapper": (  # timm makes its tables of places anew, by its own names
        "maxvit_pico_rw_256",
        lambda: under("model.", without_data(lambda: timm.create_model("maxvit_pico_rw_256"))), 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_backbone_is_found(case):
    arch, make, fresh = CASES[case]
    made = build_backbone(arch, (64, 64), without_data=True)
    own = made.module.state_dict()
    found = find_backbone(arch, False, made.module, make())
    assert found is not None and len(own) - len(found) == fresh
    assert all(found[name].shape == own[name].shape for name in found)


@pytest.mark.parametrize("other", ["resnet34", "mobilenetv3_small_050", "resnet10t"])
def test_another_backbone_is_not(other):
    made = build_backbone("resnet18", (64, 64), without_data=True)
    state = without_data(lambda: timm.create_model(other))
    assert find_backbone("resnet18", False, made.module, state) is None
    del made.module.layer4
    assert find_backbone("resnet18", False, made.module, resnet18()) is None


def test_a_network_that_computes_something_else_takes_no_ones_tensors():
    made = build_backbone("keras:mobilenetv1_100", (64, 64), without_data=True)
    state = without_data(lambda: timm.create_model("mobilenetv1_100", num_classes=0))
    assert find_backbone("keras:mobilenetv1_100", False, made.module, state) is None


def test_an_arch_is_proposed():
    assert propose_arch(resnet18()) == ": they fit --arch resnet18"
    assert propose_arch(vgg16("features.")) == ": they fit --arch vgg16"
    assert propose_arch({"anything": torch.empty(3)}) == ""


def test_values_go_where_they_belong():
    torch.manual_seed(1)
    theirs = torchvision.models.resnet18(num_classes=1).eval()
    ours = build_model("resnet18", 1, (32, 32)).eval()
    assert (found := find_backbone("resnet18", False, ours.backbone, theirs.state_dict()))
    ours.backbone.load_state_dict(found)
    images = torch.rand(2, 3, 32, 32)
    features = torch.nn.Sequential(*list(theirs.children())[:-1])(images).flatten(1)
    torch.testing.assert_close(ours.backbone(images), features, rtol=0, atol=1e-6)


@pytest.mark.parametrize("key", NESTED)
def test_wherever_their_program_put_them(key, tmp_path):
    state = {"w": torch.ones(2)}
    assert named_tensors({key: state, "epoch": 3}, tmp_path) == state
    assert named_tensors({"net": {key: state}}, tmp_path) == state
    assert named_tensors({(1, 2): torch.ones(1), **state}, tmp_path) == state


def test_the_command_line(tmp_path):
    """The issue's own example: trained on, refused by what needs a score, proposed elsewhere."""
    state = torchvision.models.resnet18(num_classes=1).state_dict()
    torch.save({"params": state}, tmp_path / "r.pth")
    write_data(tmp_path / "data", "regress", 2, 1)
    words = "--image_size 32 -b 8 -j 0 -g 0 --threads 1 --resume r"
    train = "--train -a resnet18 --criterion regress --epochs 1 --warmup 0 --no_report"
    done = call(tmp_path, f"{train} {words}.pth")
    assert "r.pth: 120 tensors taken, 2 left, 4 new" in done.err
    assert "left in the file: fc.weight, fc.bias" in done.err
    assert "of another program: pixels are normalised as resnet18.a1_in1k wants them" in done.err
    done = call(tmp_path, f"--predict data/test -a resnet18 {words}.pth", 1)
    assert done.err == (
        "error: r.pth: the backbone is resnet18, the head is another program's, which gives no "
        "score here: train one on it first, with --train --resume\n"
    )
    done = call(tmp_path, f"--predict data/test {words}.pth", 1)
    assert done.err.startswith("error: r.pth: the weights are of another backbone than efficient")
    assert done.err.endswith(": they fit --arch resnet18\n") and done.err.count("\n") == 1

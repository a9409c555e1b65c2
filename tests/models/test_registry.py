"""Names: the rule for bare ones, spellings, prefixes, and what an unknown one is answered with."""

import subprocess
import sys

import pytest
import timm
import torchvision

from models.registry import canonical_name, edits, list_archs, resolve


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        ("resnet18", ("timm", "resnet18")),
        ("ResNet18", ("timm", "resnet18")),
        ("Vgg16", ("timm", "vgg16")),
        ("efficientnet-b0", ("timm", "efficientnet_b0")),
        ("efficientnet_b8", ("timm", "efficientnet_b8")),
        ("resnest50d", ("timm", "resnest50d")),
        ("resnet18.a1_in1k", ("timm", "resnet18.a1_in1k")),
        ("timm:ResNet-18", None),
        ("alexnet", ("torchvision", "alexnet")),
        ("squeezenet1_1", ("torchvision", "squeezenet1_1")),
        ("torchvision:resnet18", ("torchvision", "resnet18")),
        ("TorchVision:Shufflenet-v2-x0-5", ("torchvision", "shufflenet_v2_x0_5")),
        (
            "efficientnet_pytorch:efficientnet_b3",
            ("efficientnet_pytorch", "efficientnet-b3"),
        ),
        ("efficientnet-pytorch:EfficientNet-B8", ("efficientnet_pytorch", "efficientnet-b8")),
        ("nasnet_mobile", ("keras", "nasnet_mobile")),
        ("mobilenetv1_100", ("timm", "mobilenetv1_100")),
        ("Keras:MobileNetV1-100", ("keras", "mobilenetv1_100")),
    ],
)
def test_resolve(arch, expected):
    if expected is None:  # there is no resnet_18
        with pytest.raises(ValueError, match=r"did you mean resnet18,"):
            resolve(arch)
    else:
        assert resolve(arch) == expected


@pytest.mark.parametrize(
    ("arch", "near"),
    [
        ("resnet81", "did you mean resnet18,"),
        ("efficientnet_bO", "did you mean efficientnet_b0,"),
        ("resnetl8", "did you mean resnet18,"),
        ("mobilenet3_large_100", "did you mean mobilenetv3_large_100,"),
        ("efficientnetb0", "efficientnet_b0"),
        ("squeezenet", "squeezenet1_"),
        ("torchvision:vgg99", "vgg19"),
        ("resnet18.no_such_weights", "resnet18.a1_in1k"),
        ("efficientnet_pytorch:efficientnet_b9", "efficientnet_b"),
        ("keras:mobilenet_100", "mobilenetv1_100"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(arch, near):
    with pytest.raises(ValueError, match=f"--arch {arch}: unknown backbone.*{near}.*list_archs"):
        resolve(arch)


@pytest.mark.parametrize(
    ("typed", "known", "expected"),
    [
        ("abc", "abc", 0), ("abc", "abd", 1), ("abc", "abcd", 1), ("abc", "ac", 1),
        ("abc", "acb", 1), ("", "abc", 3), ("kitten", "sitting", 3), ("bo", "b0", 0.25),
        ("l8", "18", 0.25), ("ab", "ba", 1), ("resnet81", "resnet152", 3),
    ],
)  # fmt: skip
def test_edits(typed, known, expected):
    assert edits(typed, known) == edits(known, typed) == expected


def test_a_name_like_no_other_still_gets_an_answer():
    with pytest.raises(ValueError, match=r"unknown backbone: python main.py --list_archs"):
        resolve("zzzzzzzzzzzz")


def test_unknown_library():
    with pytest.raises(ValueError, match="unknown library flax: use timm, torchvision"):
        resolve("flax:vgg16")


def test_canonical_name():
    assert canonical_name(" EfficientNet-B0 ") == "efficientnet_b0"
    assert canonical_name("torchvision:ResNet18") == "torchvision:resnet18"


def test_every_classification_model_of_torchvision_and_timm_is_listed_and_resolves():
    listed = set(list_archs())
    for name in torchvision.models.list_models(module=torchvision.models):
        assert name in listed, name
        assert resolve(f"torchvision:{name}") == ("torchvision", name)
    assert set(timm.list_models()) <= listed
    assert "torchvision:resnet18" in listed  # the bare name is timm's
    assert {f"efficientnet_pytorch:efficientnet_b{i}" for i in range(9)} <= listed
    assert {"nasnet_mobile", "keras:mobilenetv1_100"} <= listed
    for arch in listed:
        resolve(arch)


def test_list_archs_takes_wildcards():
    lite = [f"tf_efficientnet_lite{number}" for number in range(3)]
    assert list_archs("TF-EfficientNet_lite[0-2]") == lite
    assert list_archs("MobileNet-V3-*")
    assert all(name.startswith("mobilenet_v3_") for name in list_archs("MobileNet-V3-*"))
    assert list_archs("no_such_*") == []


def test_the_registry_itself_loads_no_library():
    code = (
        "import sys, models.registry as r; r.canonical_name('ResNet18');"
        "sys.exit(any(m in sys.modules for m in ('torch', 'timm', 'torchvision')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

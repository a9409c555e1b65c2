"""ImageNet files: what is found, taken, left, refused."""

import io
import os
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from models.quality_net import build_model
from models.weight_files import find_local, read_state
from utils.files.reading import UnreadableFile

SIZE = (64, 64)


def loaded(arch, folder, **options):
    return build_model(arch, image_size=SIZE, pretrained=True, pretrained_dir=folder, **options)


def imagenet_state(name="resnet18", library=torchvision.models):
    return library.get_model(name, weights=None).state_dict()


def equal(model, state):
    own = model.backbone.state_dict()
    return all(torch.equal(tensor, state[name]) for name, tensor in own.items())


@pytest.mark.parametrize("arch", ["resnet18", "ResNet18", "torchvision:resnet18"])
@pytest.mark.parametrize("file", ["resnet18.pth", "ResNet18.pth", "resnet18-f37072fd.pth"])
def test_a_local_file_is_loaded_exactly_without_its_classifier(tmp_path, arch, file):
    state = imagenet_state()
    torch.save(state, tmp_path / file)
    model = loaded(arch, tmp_path)
    assert equal(model, state)
    report = model.pretrained_report
    assert set(report.unexpected) == {"fc.weight", "fc.bias"}
    assert len(report.taken) == len(state) - 2
    lines = report.lines()
    assert "120 tensors taken, 2 left, 0 new" in lines[0] and file in lines[0]
    assert lines[1] == "left in the file: fc.weight, fc.bias"


def test_safetensors_come_first_and_wrappers_are_taken_off(tmp_path):
    state = imagenet_state()
    save_file(
        {f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "a.safetensors"
    )
    (tmp_path / "a.safetensors").rename(tmp_path / "resnet18.safetensors")
    (tmp_path / "resnet18.pth").write_bytes(b"damaged")
    model = loaded("resnet18", tmp_path)
    assert equal(model, state)


@pytest.mark.parametrize(
    "name", ["mobilenet_v3_small", "squeezenet1_1", "densenet121", "shufflenet_v2_x0_5"]
)
def test_torchvision_files_load_exactly(tmp_path, name):
    state = imagenet_state(name)
    torch.save(state, tmp_path / f"{name}.pth")
    model = loaded(f"torchvision:{name}", tmp_path)
    assert equal(model, state)


def test_auxiliary_classifiers_are_left(tmp_path):
    state = torchvision.models.googlenet(weights=None, init_weights=True).state_dict()
    torch.save(state, tmp_path / "googlenet.pth")
    model = loaded("googlenet", tmp_path)
    assert equal(model, state)
    assert all(n.startswith(("aux1.", "aux2.", "fc.")) for n in model.pretrained_report.unexpected)


def test_old_densenet_names(tmp_path):
    state = imagenet_state("densenet121")
    old = {
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): tensor
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save(old, tmp_path / "densenet121.pth")
    model = loaded("torchvision:densenet121", tmp_path)
    assert equal(model, state)


@pytest.mark.parametrize("arch", ["torchvision:vit_b_32", "timm:vit_tiny_patch16_224"])
def test_position_tables_are_resized(tmp_path, arch):
    made_for = build_model(arch, image_size=(224, 224)).backbone.state_dict()
    name = arch.split(":")[1]
    torch.save(made_for, tmp_path / f"{name}.pth")
    model = loaded(arch, tmp_path)
    taken = set(model.pretrained_report.taken)
    assert taken == set(model.backbone.state_dict())


def test_efficientnet_pytorch_files_load(tmp_path):
    from efficientnet_pytorch import EfficientNet

    state = EfficientNet.from_name("efficientnet-b0").state_dict()
    torch.save(state, tmp_path / "efficientnet-b0-355c32eb.pth")
    arch = "efficientnet_pytorch:efficientnet_b0"
    model = loaded(arch, tmp_path)
    assert equal(model, state)
    with pytest.raises(
        ValueError, match="save .*adv-efficientnet-b0-.* as .*adv_efficientnet_b0.pth"
    ):
        loaded(arch, tmp_path, advprop=True)


@pytest.mark.parametrize(("asked", "found"), [("resnet18", "resnet34"), ("resnet34", "resnet18")])
def test_a_file_of_another_backbone_is_refused(tmp_path, asked, found):
    # ResNet-34's file has every tensor of ResNet-18, in the same shapes.
    torch.save(imagenet_state(found), tmp_path / f"{asked}.pth")
    with pytest.raises(ValueError, match=f"is not of {asked}.*tensors.*first layer"):
        loaded(asked, tmp_path)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "resnet18.pth").write_bytes(b"not a weight file")
    with pytest.raises(ValueError, match=r"resnet18\.pth: not a weight file"):
        loaded("resnet18", tmp_path)


def test_objects_are_never_unpickled(tmp_path):
    torch.save({"model": io.StringIO("an object")}, tmp_path / "x.pth")
    with pytest.raises(ValueError, match="x.pth: not a weight file"):
        read_state(tmp_path / "x.pth")


def test_a_file_without_tensors(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "x.pth")
    with pytest.raises(ValueError, match="holds no named tensors"):
        read_state(tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        ("resnet18", r"save https://\S+resnet18\S+ as pretrained/resnet18.safetensors"),
        ("efficientnet-b0", r"save \S+ as pretrained/efficientnet_b0.safetensors"),
        ("torchvision:resnet18", r"save \S+resnet18\S+pth as pretrained/torchvision_resnet18.pth"),
    ],
)
def test_without_a_network_one_line_says_what_file_to_put_where(
    arch, expected, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"--pretrained: no file for .*{expected}") as error:
        build_model(arch, image_size=SIZE, pretrained=True)
    assert "\n" not in str(error.value)
    assert error.value.__cause__ is None and error.value.__suppress_context__


def test_the_file_that_was_asked_for_is_found_under_that_name(tmp_path):
    for arch, file in (
        ("torchvision:resnet18", "torchvision_resnet18.pth"),
        ("resnet18.a1_in1k", "resnet18.a1_in1k.pth"),
    ):
        torch.save(imagenet_state(), tmp_path / file)
        loaded(arch, tmp_path)
        (tmp_path / file).unlink()


def test_advprop_does_not_take_the_plain_file(tmp_path):
    plain = build_model("tf_efficientnet_b0", image_size=SIZE).backbone.state_dict()
    torch.save(plain, tmp_path / "efficientnet_b0.pth")
    with pytest.raises(ValueError, match="as .*tf_efficientnet_b0.ap_in1k.safetensors"):
        loaded("efficientnet_b0", tmp_path, advprop=True)
    torch.save(plain, tmp_path / "tf_efficientnet_b0.ap_in1k.pth")
    loaded("efficientnet_b0", tmp_path, advprop=True)


def test_a_backbone_whose_weights_were_never_published(tmp_path):
    with pytest.raises(
        ValueError, match="no weights for efficientnet_b6: use --arch tf_efficientn"
    ):
        loaded("efficientnet_b6", tmp_path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, r"is a pipe \(FIFO\)"),
        (Path.mkdir, "is a folder"),
        (lambda path: path.symlink_to("nowhere"), "links to no file"),
    ],
)
def test_what_is_no_file_is_never_opened(tmp_path, make, said):
    make(tmp_path / "resnet10t.pth")
    with pytest.raises(UnreadableFile, match=f"^[^:]*resnet10t.pth: {said}") as caught:
        loaded("resnet10t", tmp_path)
    assert str(caught.value).count("resnet10t.pth") == 1


def test_find_local_prefers_the_first_name(tmp_path):
    for name in ("b.pth", "A-1.pth", "a_1.safetensors", "a_12.pth", "readme.txt"):
        (tmp_path / name).touch()
    assert find_local(tmp_path, ("a-1", "b")).name == "a_1.safetensors"
    assert find_local(tmp_path, ("no", "B")).name == "b.pth"
    assert find_local(tmp_path, ("readme",)) is None
    assert find_local(tmp_path / "absent", ("b",)) is None

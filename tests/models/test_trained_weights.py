"""load_weights: rank -> regress -> emd, and the refusals."""

import pytest
import torch
import torchvision

from models.quality_net import build_model
from models.trained_weights import load_weights

SIZE = (64, 64)
SMALL = "mobilenetv3_small_050"
HEAD = ("heads.quality.fc.weight", "heads.quality.fc.bias")


def test_the_same_stage_takes_everything():
    torch.manual_seed(1)
    source = build_model(SMALL, 1, SIZE)
    source.heads["quality"].set_scale(3.0, 2.0)
    model = build_model(SMALL, 1, SIZE)
    report = load_weights(model, source.state_dict(), strict_head=True)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, source.state_dict()[name]), name
    assert set(report.taken) == set(model.state_dict())
    assert report.reinitialised == report.unexpected == report.missing == ()
    assert report.lines() == [f"{len(model.state_dict())} tensors taken, 0 left, 0 new"]


def test_a_head_of_another_shape_stays_fresh_as_a_whole():
    source = build_model(SMALL, 1, SIZE)
    model = build_model(SMALL, 5, SIZE)
    fresh = {name: model.state_dict()[name].clone() for name in HEAD}
    report = load_weights(model, source.state_dict())
    own = model.state_dict()
    for name, tensor in own.items():
        expected = fresh[name] if name in HEAD else source.state_dict()[name]
        assert torch.equal(tensor, expected), name
    assert report.reinitialised == HEAD
    assert set(report.unexpected) == {"heads.quality.offset", "heads.quality.scale"}
    assert len(report.taken) == len(own) - 2
    assert report.lines() == [
        f"{len(own) - 2} tensors taken, 2 left, 2 new",
        "left in the file: heads.quality.offset, heads.quality.scale",
        f"new, freshly initialised: {', '.join(HEAD)}",
    ]


def test_from_many_classes_to_one():
    source = build_model(SMALL, 5, SIZE)
    report = load_weights(build_model(SMALL, 1, SIZE), source.state_dict())
    assert report.reinitialised == HEAD
    assert report.missing == ("heads.quality.offset", "heads.quality.scale")


def test_strict_head_refuses_another_shape():
    state = build_model(SMALL, 1, SIZE).state_dict()
    with pytest.raises(ValueError, match=r"another head than num_classes 5: .*fc.weight \(1, "):
        load_weights(build_model(SMALL, 5, SIZE), state, strict_head=True)


def test_a_distributed_wrapper_is_taken_off():
    source = build_model(SMALL, 1, SIZE)
    state = {f"module.{name}": tensor for name, tensor in source.state_dict().items()}
    assert not load_weights(build_model(SMALL, 1, SIZE), state).missing


def test_pixels_are_normalised_as_in_the_file():
    state = build_model(SMALL, 1, SIZE).state_dict()
    state["mean"] = torch.full((1, 3, 1, 1), 0.25)
    model = build_model(SMALL, 1, SIZE)
    load_weights(model, state)
    assert model.mean.flatten().tolist() == [0.25] * 3


@pytest.mark.parametrize(
    ("asked", "found", "message"),
    [
        ("resnet18", "resnet34", "40.*more|tensors more, first backbone.layer"),
        ("resnet34", "resnet18", "lacks .* first backbone.layer"),
        ("resnet18", SMALL, "lacks .* first backbone.conv1.weight"),
        ("mobilenetv3_small_075", SMALL, "other shapes, first backbone.* instead of"),
    ],
)
def test_another_backbone_is_refused(asked, found, message):
    model = build_model(asked, 1, SIZE)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=f"of another backbone than {asked}: .*({message})"):
        load_weights(model, build_model(found, 1, SIZE).state_dict())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_plain_weights_are_refused_by_an_advprop_network_and_the_other_way_round():
    plain = build_model("efficientnet_b0", 1, SIZE)
    advprop = build_model("efficientnet_b0", 1, SIZE, advprop=True)
    for model, source in ((plain, advprop), (advprop, plain)):
        with pytest.raises(ValueError, match="differ in --advprop"):
            load_weights(model, source.state_dict())


@pytest.mark.parametrize("theirs", [False, True], ids=["ours", "torchvision's"])
def test_a_network_that_asks_for_its_version(theirs):
    """MNASNet's tensors are loaded only beside the version that torch notes with them."""
    arch = "torchvision:mnasnet0_5"
    source = torchvision.models.mnasnet0_5(weights=None) if theirs else build_model(arch, 1, SIZE)
    given = source.state_dict()
    model = build_model(arch, image_size=SIZE)
    load_weights(model, dict(given))
    name = "layers.0.weight"
    assert torch.equal(
        model.backbone.state_dict()[name], given[name if theirs else f"backbone.{name}"]
    )

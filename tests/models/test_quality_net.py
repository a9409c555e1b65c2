"""The network around a backbone: shapes, scores, normalisation, precision, tracing, sizes."""

import numpy as np
import pytest
import torch
from torch import nn

from models.backbone import Backbone
from models.heads import ScoreHead
from models.quality_net import QualityNet, build_model, check_training_batch
from models.registry import adapter
from models.sizes import fits

SMALL = "mobilenetv3_small_050"


class Means(nn.Module):
    """Features (N, 3): the mean of each channel."""

    def forward(self, images):
        return images.mean(dim=(2, 3))


def means_net(num_classes=1):
    backbone = Backbone(Means(), "means", 3, mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.5))
    return QualityNet(backbone, "means", num_classes)


@pytest.mark.parametrize("num_classes", [1, 5])
@pytest.mark.parametrize("count", [1, 3])
def test_scores_are_a_vector_also_for_one_image(count, num_classes):
    model = build_model(SMALL, num_classes, (64, 64)).eval()
    scores, logits = model(torch.rand(count, 3, 64, 64))
    assert scores.shape == (count,)
    assert logits.shape == (count, num_classes)


def test_normalisation_is_inside_and_in_the_weights():
    model = means_net()
    images = torch.rand(4, 3, 5, 6)
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    pixels = images.numpy().astype(np.float64)
    features = ((pixels - state["mean"]) / state["std"]).mean(axis=(2, 3))
    expected = features @ state["heads.quality.fc.weight"].T + state["heads.quality.fc.bias"]
    np.testing.assert_allclose(model(images).logits.detach(), expected, atol=1e-5)
    assert state["mean"].ravel().tolist() == pytest.approx([0.5, 0.4, 0.3])


@pytest.mark.parametrize(
    ("arch", "advprop", "mean"),
    [
        ("resnet18", False, 0.485),
        ("torchvision:resnet18", False, 0.485),
        ("googlenet", False, 0.5),
        ("inception_resnet_v2", False, 0.5),
        ("efficientnet_b0", False, 0.485),
        ("efficientnet_b0", True, 0.5),
        ("efficientnet_pytorch:efficientnet_b0", False, 0.485),
        ("efficientnet_pytorch:efficientnet_b0", True, 0.5),
    ],
)
def test_each_backbone_brings_its_own_normalisation(arch, advprop, mean):
    model = build_model(arch, image_size=(96, 96), advprop=advprop)
    assert model.mean.flatten()[0].item() == pytest.approx(mean)


def test_score_of_one_class_is_scaled_and_saved():
    head = ScoreHead(4, 1)
    scores, logits = head(torch.rand(3, 4))
    torch.testing.assert_close(scores, logits[:, 0])
    head.set_scale(offset=5.0, scale=2.0)
    again = ScoreHead(4, 1)
    again.load_state_dict(head.state_dict())
    scores, logits = again(torch.rand(3, 4))
    torch.testing.assert_close(scores, 5 + 2 * logits[:, 0])


def test_score_of_many_classes_is_the_mean_of_the_histogram():
    head = ScoreHead(4, 5)
    scores, logits = head(torch.rand(3, 4))
    powers = np.exp(logits.detach().numpy().astype(np.float64))
    expected = (powers / powers.sum(1, keepdims=True)) @ np.arange(1, 6)
    np.testing.assert_allclose(scores.detach(), expected, rtol=1e-6)
    assert "bins" not in head.state_dict()
    with pytest.raises(ValueError, match="only for num_classes 1"):
        head.set_scale(0.0, 1.0)


def test_no_classes():
    with pytest.raises(ValueError, match="num_classes: must be at least 1: got 0"):
        ScoreHead(4, 0)


def test_attributes():
    model = build_model("EfficientNet-B0", 3, (64, 96))
    assert (model.arch, model.num_classes, model.image_size) == ("efficientnet_b0", 3, (64, 96))
    assert model.backbone_name.startswith("efficientnet_b0.")


def test_logits_are_float32_under_autocast():
    model = build_model(SMALL, 5, (64, 64))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores, logits = model(torch.rand(2, 3, 64, 64))
    assert logits.dtype == scores.dtype == torch.float32
    scores.sum().backward()
    # The last layer itself ran in float32: its output has more than bfloat16's 8 bits.
    assert not torch.equal(logits, logits.bfloat16().float())


@pytest.mark.parametrize(
    "arch", ["resnet18", "torchvision:squeezenet1_1", "efficientnet_pytorch:efficientnet_b0"]
)
def test_channels_last_gives_the_same_scores(arch):
    model = build_model(arch, image_size=(64, 64)).eval()
    images = torch.rand(2, 3, 64, 64)
    expected = model(images).scores
    model = model.to(memory_format=torch.channels_last)
    scores = model(images.contiguous(memory_format=torch.channels_last)).scores
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    "arch",
    [
        "resnet18",
        "efficientnet_b0",
        "tf_efficientnet_b0",
        "efficientnet_pytorch:efficientnet_b0",
        "torchvision:shufflenet_v2_x0_5",
        "vit_tiny_patch16_224",
    ],
)
def test_traces_for_any_batch_size(arch):
    model = build_model(arch, 5, (64, 64)).eval()
    traced = torch.jit.trace(model, torch.rand(1, 3, 64, 64))
    images = torch.rand(3, 3, 64, 64)
    for out, expected in zip(traced(images), model(images), strict=True):
        torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("arch", ["resnet18", "vit_tiny_patch16_224", "torchvision:resnet18"])
def test_the_same_seed_gives_the_same_weights_the_second_time_too(arch):
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build_model(arch, image_size=(48, 48)).state_dict())
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name


def test_building_leaves_the_training_mode():
    assert all(module.training for module in build_model(SMALL, image_size=(64, 64)).modules())


@pytest.mark.parametrize(
    ("arch", "size", "message"),
    [
        ("vit_tiny_patch16_224", (65, 96), "patches of 16 x 16 .* use --image_size 64 96"),
        ("torchvision:vit_b_16", (64, 96), "squares only .* use --image_size 96 96"),
        ("torchvision:vit_b_16", (100, 100), "use --image_size 96 96"),
        ("maxvit_t", (200, 240), "not divisible by partition size 7.* use --image_size 224 224"),
        ("torchvision:inception_v3", (32, 32), "Kernel size .* use --image_size .*299 299"),
        ("alexnet", (32, 32), "use --image_size .*64 64"),
        ("resnet18", (0, 5), "must be positive"),
    ],
)
def test_an_impossible_size_is_explained(arch, size, message):
    with pytest.raises(ValueError, match=f"--image_size {size[0]} {size[1]}.*{message}") as error:
        build_model(arch, image_size=size)
    assert "\n" not in str(error.value)


def test_sizes_that_are_suggested_work():
    build_model("torchvision:vit_b_16", image_size=(96, 96))
    assert fits(adapter("torchvision"), "maxvit_t", (448, 448))
    assert not fits(adapter("torchvision"), "maxvit_t", (224, 448))


def test_the_size_that_a_model_was_published_at_is_always_accepted():
    # Its patches of 14 pixels do not cover 384 pixels, nor did they in its training.
    assert fits(adapter("timm"), "vit_so400m_patch14_siglip_384", (384, 384))
    assert not fits(adapter("timm"), "vit_so400m_patch14_siglip_384", (384, 400))


def test_a_batch_that_batch_norm_cannot_normalise():
    model = build_model("resnest14d", image_size=(64, 64))
    with pytest.raises(ValueError, match="--batch_size 1: resnest14d .* at least 2"):
        check_training_batch(model, 1)
    check_training_batch(model, 2)
    assert model.backbone.training
    before = model.state_dict()["backbone.bn1.num_batches_tracked"]
    assert before == 0  # the check left no trace
    check_training_batch(build_model("resnet18", image_size=(64, 64)), 1)


def test_advprop_is_of_efficientnets_only():
    for arch in ("resnet18", "torchvision:efficientnet_b0"):
        with pytest.raises(ValueError, match="--advprop: .*: use --arch efficientnet_b0"):
            build_model(arch, advprop=True)
    assert build_model("efficientnet_b0", image_size=(64, 64), advprop=True).advprop

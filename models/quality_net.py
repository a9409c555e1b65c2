"""The network of every task: pixels in [0, 1] -> backbone -> head -> quality scores."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.backbone import Backbone, run_without_data
from models.heads import ScoreHead
from models.pretrained import LoadReport, load_pretrained
from models.registry import canonical_name
from models.sizes import build_backbone


class Prediction(NamedTuple):
    """scores (N,), a higher one is better; logits (N, K). Both float32."""

    scores: Tensor
    logits: Tensor


class QualityNet(nn.Module):
    """Normalisation, backbone and head.

    Normalisation (buffers `mean` and `std`) is part of the weights, so that whoever has them, or
    an exported file, needs to know nothing but "pixels in [0, 1]".

    arch: the name that was asked for; backbone_name: the library's, with the tag of its weights.
    advprop: see Backbone. pretrained_report: what was loaded, if ImageNet weights were asked for.
    frozen: names of the backbone's modules that stay in evaluation mode (models/freezing.py).
    """

    def __init__(
        self,
        backbone: Backbone,
        arch: str,
        num_classes: int = 1,
        image_size: tuple[int, int] = (224, 224),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.arch = arch
        self.backbone_name = backbone.name
        self.num_classes = num_classes
        self.image_size = image_size
        self.advprop = backbone.advprop
        self.pretrained_report: LoadReport | None = None
        self.frozen: tuple[str, ...] = ()
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1))
        self.backbone = backbone.module
        self.heads = nn.ModuleDict({"quality": ScoreHead(backbone.features, num_classes, dropout)})

    def train(self, mode: bool = True) -> QualityNet:
        """As every module's, but frozen parts stay in evaluation mode."""
        super().train(mode)
        for name in self.frozen:
            # One by one: a frozen module's children are frozen modules, too.
            self.backbone.get_submodule(name).training = False
        return self

    def forward(self, images: Tensor) -> Prediction:
        """images: float (N, 3, H, W) in [0, 1] -> Prediction."""
        return self.judge(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """images: float (N, 3, H, W) in [0, 1] -> pooled features (N, F)."""
        return self.backbone((images - self.mean) / self.std)

    def judge(self, features: Tensor) -> Prediction:
        """features (N, F) -> Prediction: the network without its backbone."""
        return Prediction(*self.heads["quality"](features))


class HeadOnly(nn.Module):
    """The head of a network, whose tensors it shares: features (N, F) -> Prediction."""

    def __init__(self, model: QualityNet) -> None:
        super().__init__()
        self.heads = model.heads

    def forward(self, features: Tensor) -> Prediction:
        """features: pooled ones (N, F) -> Prediction."""
        return Prediction(*self.heads["quality"](features))


def build_model(
    arch: str,
    num_classes: int = 1,
    image_size: tuple[int, int] = (224, 224),
    dropout: float = 0.0,
    pretrained: bool = False,
    pretrained_dir: str | Path = "pretrained",
    advprop: bool = False,
    sha256: str | None = None,
    offline: str = "",
) -> QualityNet:
    """A network by name (the rule stands in models/registry.py), with random or ImageNet weights.

    image_size: (H, W) in pixels.
    pretrained: load `<pretrained_dir>/<arch>.safetensors` or `.pth`, spelled either way, if it is
        there, else an installed package's, the library's cached or its download; the result's
        `.pretrained_report` says what was loaded.
    advprop: the EfficientNet of the AdvProp weights, with their normalisation.
    sha256, offline: as of `models.pretrained.find_weights`.

    Raises ValueError for an unknown name, for an image size that the network cannot take (and says
    which ones it can), and for weights that cannot be had or are of another backbone.
    """
    size = (int(image_size[0]), int(image_size[1]))
    backbone = build_backbone(arch, size, advprop)
    model = QualityNet(backbone, canonical_name(arch), num_classes, size, dropout)
    if pretrained:
        model.pretrained_report = load_pretrained(
            backbone, model.arch, Path(pretrained_dir), sha256, offline
        )
    return model


def check_training_batch(model: QualityNet, batch_size: int) -> None:
    """ValueError when a batch of this many images leaves batch normalisation one value per channel.

    Some networks (ResNeSt) normalise after pooling, where each image gives one value, and only two
    have a variance. Of one image it costs a forward pass without data, no arithmetic.
    """
    if batch_size > 1:
        return
    training = model.training
    try:
        # The whole network's train(): a frozen layer does not normalise over the batch.
        run_without_data(model.train().backbone, model.image_size, batch_size)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            f"--batch_size {batch_size}: {model.arch} normalises over the batch after pooling, "
            "which needs more images: use at least 2 per device"
        ) from None
    finally:
        model.train(training)

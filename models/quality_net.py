"""The network of every task: pixels in [0, 1] -> backbone -> head -> quality scores."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from models.backbone import Backbone, on_meta
from models.heads import ScoreHead
from models.pretrained import LoadReport, download, find_local, load_imagenet, read_state
from models.registry import adapter, canonical_name, resolve
from models.sizes import SIZE_ERRORS, explain


class Prediction(NamedTuple):
    """scores (N,), a higher one is better; logits (N, K). Both float32."""

    scores: Tensor
    logits: Tensor


class QualityNet(nn.Module):
    """Normalisation, backbone and head. Normalisation is part of the weights, so an exported file takes pixels."""

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
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1))
        self.backbone = backbone.module
        self.heads = nn.ModuleDict({"quality": ScoreHead(backbone.features, num_classes, dropout)})

    def forward(self, images: Tensor) -> Prediction:
        """images: float (N, 3, H, W) in [0, 1] -> Prediction."""
        features = self.backbone((images - self.mean) / self.std)  # (N, F)
        return Prediction(*self.heads["quality"](features))


def build_model(
    arch: str,
    num_classes: int = 1,
    image_size: tuple[int, int] = (224, 224),
    dropout: float = 0.0,
    pretrained: bool = False,
    pretrained_dir: str | Path = "pretrained",
    advprop: bool = False,
) -> QualityNet:
    """A network by name (rule: models/registry.py), with random or ImageNet weights.

    image_size: (H, W) in pixels. pretrained: the file `<pretrained_dir>/<arch>.safetensors` or `.pth` if there is
    one, else the library's download; what was loaded is in `.pretrained_report`. advprop: the EfficientNet of the
    AdvProp weights, which takes pixels in [-1, 1] (normalised inside, like any other).

    Raises ValueError for an unknown name, an image size that the network cannot take, and weights that cannot be had.
    """
    library, name = resolve(arch)
    size = (int(image_size[0]), int(image_size[1]))
    backbone = _build_backbone(adapter(library), name, size, advprop)
    model = QualityNet(backbone, canonical_name(arch), num_classes, size, dropout)
    if pretrained:
        model.pretrained_report = _load_pretrained(
            backbone, model.arch, library, Path(pretrained_dir)
        )
    return model


def _build_backbone(
    library: ModuleType, name: str, image_size: tuple[int, int], advprop: bool
) -> Backbone:
    if advprop:
        name = library.advprop_name(name)
    if min(image_size) < 1:
        raise ValueError(f"--image_size {image_size[0]} {image_size[1]}: must be positive")
    try:
        return library.build(name, image_size)
    except SIZE_ERRORS as error:
        raise ValueError(explain(library, name, image_size, error)) from None


def _load_pretrained(backbone: Backbone, arch: str, library: str, folder: Path) -> LoadReport:
    """Weights from `folder`, else from the library's own source; ValueError when there are none."""
    # An AdvProp network must not take the plain weights that stand under the bare name.
    names = backbone.file_names if backbone.advprop else (arch, *backbone.file_names)
    file = find_local(folder, names)
    if file is not None:
        return load_imagenet(backbone, read_state(file), str(file))
    source = backbone.source
    if source is None:
        raise ValueError(
            f"--pretrained: {library} has no weights for {backbone.name}: {backbone.other_weights}"
        )
    try:
        return load_imagenet(backbone, download(source), source)
    except OSError as error:
        kept = folder / f"{names[0]}{Path(source).suffix}"
        raise ValueError(
            f"--pretrained: no file for {arch} in {folder}/, and the download failed ({_first_line(error)}): "
            f"save {source} as {kept}"
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def check_training_batch(model: QualityNet, batch_size: int) -> None:
    """ValueError when batch normalisation would see one value per channel with this many images in training.

    Some networks (ResNeSt) normalise after pooling, where one image gives one value: no variance. Costs a forward
    pass without data.
    """
    images = torch.empty(batch_size, 3, *model.image_size, device="meta")
    backbone, training = model.backbone, model.training
    try:
        with torch.no_grad(), torch.device("meta"):
            functional_call(backbone.train(), on_meta(backbone), (images,))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            f"--batch_size: {model.arch} normalises over the batch after pooling and cannot train on {batch_size} "
            "image at a time: use at least 2 per device"
        ) from None
    finally:
        backbone.train(training)

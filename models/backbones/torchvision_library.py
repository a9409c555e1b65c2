"""Backbones of torchvision: all of its image classification models."""

from __future__ import annotations

from functools import lru_cache

from torch import Tensor, nn

from models.backbone import HALF, IMAGENET_MEAN, IMAGENET_STD, Backbone, Library
from utils.runtime.late_compiler import without_compiler

with without_compiler():
    import torchvision

# These two have auxiliary classifiers, which are left out, and were trained on pixels in [-1, 1].
INCEPTION = ("googlenet", "inception_v3")
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


class Torchvision(Library):
    """The library as the registry sees it."""

    title = "torchvision"

    @lru_cache(maxsize=1)  # noqa: B019 - there is one of it
    def names(self) -> frozenset[str]:
        """Of the classification models (no segmentation, detection, video or quantised ones)."""
        return frozenset(torchvision.models.list_models(module=torchvision.models))

    def default_size(self, name: str) -> tuple[int, int]:
        return (299, 299) if name == "inception_v3" else (224, 224)

    def build(self, name: str, image_size: tuple[int, int]) -> Backbone:
        """Layers before the last one (VGG's, AlexNet's and MobileNetV3's fully connected ones)
        stay, so that ImageNet weights load exactly.
        """
        module = torchvision.models.get_model(name, weights=None, **_options(name, image_size))
        classifier, features = _drop_classifier(module)
        if image_size != self.default_size(name):  # whether it takes others is seen when it runs
            features = self.features(name, image_size, module)
        half = name in INCEPTION
        weights = torchvision.models.get_model_weights(name).DEFAULT
        return Backbone(
            module=module,
            name=name,
            features=features,
            mean=HALF if half else IMAGENET_MEAN,
            std=HALF if half else IMAGENET_STD,
            classifier=(*classifier, *AUXILIARY) if half else classifier,
            adapt=_adapt,
            source=weights.url,
            file_names=(f"torchvision_{name}", name),
            interpolation=weights.transforms().interpolation.value,
        )


LIBRARY = Torchvision()


def _options(name: str, image_size: tuple[int, int]) -> dict[str, object]:
    if name.startswith("vit_"):
        if image_size[0] != image_size[1]:
            raise ValueError("torchvision's vit takes squares only (timm's takes others)")
        return {"image_size": image_size[0]}
    if name == "maxvit_t":
        return {"input_size": image_size}
    return {"aux_logits": False, "init_weights": True} if name in INCEPTION else {}


def _drop_classifier(module: nn.Module) -> tuple[tuple[str, ...], int]:
    """Put Identity in place of the last layer; returns how the names of its tensors begin, and how
    many features it took.
    """
    if isinstance(module, torchvision.models.SqueezeNet):
        # Its classifier is a convolution before the pool.
        features = module.classifier[1].in_channels
        module.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1))
        return ("classifier.1.",), features
    layers = [(name, m) for name, m in module.named_modules() if isinstance(m, nn.Linear)]
    name, last = layers[-1]
    parent, _, child = name.rpartition(".")
    owner = module.get_submodule(parent)
    setattr(owner, child, nn.Identity())
    # The dropout right before it gives way to the quality head's own.
    if isinstance(owner, nn.Sequential) and len(owner) > 1 and isinstance(owner[-2], nn.Dropout):
        owner[-2] = nn.Identity()
    elif isinstance(getattr(module, "dropout", None), nn.Dropout):
        module.dropout = nn.Identity()
    return (f"{name}.",), last.in_features


def _adapt(module: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Old DenseNet names, and a vision transformer's position table for another image size."""
    if isinstance(module, torchvision.models.DenseNet):
        return {_densenet_name(name): tensor for name, tensor in state.items()}
    if isinstance(module, torchvision.models.VisionTransformer):
        if "encoder.pos_embedding" in state:
            resize = torchvision.models.vision_transformer.interpolate_embeddings
            return dict(resize(module.image_size, module.patch_size, dict(state)))
    return state


def _densenet_name(name: str) -> str:
    """`denselayer1.norm.1.weight` -> `denselayer1.norm1.weight`; torchvision's files are older."""
    for part in ("norm", "relu", "conv"):
        for number in ("1", "2"):
            name = name.replace(f".{part}.{number}.", f".{part}{number}.")
    return name

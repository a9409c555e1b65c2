"""EfficientNet B0 to B8 of efficientnet-pytorch, kept for the weights of earlier toolkits.

That library is no longer maintained; timm's networks are the default.
"""

from __future__ import annotations

from efficientnet_pytorch import EfficientNet
from efficientnet_pytorch.utils import url_map, url_map_advprop
from torch import nn

from models.backbone import HALF, IMAGENET_MEAN, IMAGENET_STD, Backbone, Library


class EfficientNetPytorch(Library):
    """The library as the registry sees it."""

    title = "efficientnet_pytorch"

    def names(self) -> frozenset[str]:
        return frozenset(f"efficientnet_b{number}" for number in range(9))

    def spell(self, name: str) -> str | None:
        return name.replace("_", "-") if name in self.names() else None

    def default_size(self, name: str) -> tuple[int, int]:
        size = EfficientNet.get_image_size(name.removeprefix("adv-"))
        return size, size

    def advprop_name(self, name: str) -> str:
        return f"adv-{name}"

    def build(self, name: str, image_size: tuple[int, int]) -> Backbone:
        advprop = name.startswith("adv-")
        plain = name.removeprefix("adv-")
        # A given image size makes the padding constant, which can be traced; other sizes still run.
        module = EfficientNet.from_name(plain, image_size=image_size)
        # The memory-efficient swish is a Python autograd function, which jit.trace refuses.
        module.set_swish(memory_efficient=False)
        module._dropout = nn.Identity()
        module._fc = nn.Identity()
        return Backbone(
            module=module,
            name=name,
            features=self.features(name, image_size, module),
            mean=HALF if advprop else IMAGENET_MEAN,
            std=HALF if advprop else IMAGENET_STD,
            classifier=("_fc.",),
            source=(url_map_advprop if advprop else url_map).get(plain),
            file_names=(name,),
            other_weights="add --advprop",  # B8 was published with AdvProp only
            advprop=advprop,
            interpolation="bicubic",
        )


LIBRARY = EfficientNetPytorch()

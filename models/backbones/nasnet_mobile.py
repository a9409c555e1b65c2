"""NASNet-A (4 @ 1056), "NASNet mobile" (Zoph et al., CVPR 2018), as Keras builds it.

timm and torchvision have the large network only. Layers, order of concatenation and padding are
those of Keras's NASNetMobile, so that weights trained there mean the same here; like it this has
neither the paper's auxiliary classifier nor its dropped paths.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from utils.runtime.late_compiler import without_compiler

with without_compiler():
    from timm.layers import create_conv2d

BN_EPS = 1e-3  # Keras's; its momentum (torch's 0.0003) is for a million steps, so torch's own stays
STEM = 32
WIDTH = 44  # filters of the first normal cells: 1056 / 24
BLOCKS = 4  # normal cells of each resolution
# How many maps of its width a cell concatenates.
NORMAL_MAPS, REDUCTION_MAPS = 6, 4


def _conv_bn(inputs: int, outputs: int) -> nn.Sequential:
    """relu, 1 x 1 convolution, batch norm."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs, BN_EPS),
    )


class SeparableBlock(nn.Module):
    """Twice relu, separable convolution, batch norm; the first with the stride. TensorFlow's
    `same` padding.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise_1 = _depthwise(inputs, kernel, stride)
        self.pointwise_1 = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn_1 = nn.BatchNorm2d(outputs, BN_EPS)
        self.depthwise_2 = _depthwise(outputs, kernel, 1)
        self.pointwise_2 = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn_2 = nn.BatchNorm2d(outputs, BN_EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn_1(self.pointwise_1(self.depthwise_1(F.relu(x))))
        return self.bn_2(self.pointwise_2(self.depthwise_2(F.relu(x))))


def _depthwise(channels: int, kernel: int, stride: int) -> nn.Module:
    return create_conv2d(
        channels, channels, kernel, stride=stride, padding="same", depthwise=True, bias=False
    )


class HalveAndProject(nn.Module):
    """Brings the map of two cells before to half its size: every second pixel, and every second one
    of the map moved by one pixel up and left, each through a 1 x 1 convolution.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, outputs // 2, 1, bias=False)
        self.conv_2 = nn.Conv2d(inputs, outputs // 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs, BN_EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        even = self.conv_1(x[:, :, ::2, ::2])
        odd = self.conv_2(F.pad(x, (0, 1, 0, 1))[:, :, 1::2, 1::2])
        return self.bn(torch.cat([even, odd], dim=1))


def _adjust(inputs: int, outputs: int, how: str) -> tuple[nn.Module, int]:
    """(module, its number of maps) for the input of the cell before: `keep`, `project` or `halve`
    it.
    """
    if how == "keep":
        return nn.Identity(), inputs
    if how == "halve":
        return HalveAndProject(inputs, outputs), outputs
    return _conv_bn(inputs, outputs), outputs


def _average(x: Tensor) -> Tensor:
    """Mean of the 3 x 3 pixels around each, of those inside the map."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class NormalCell(nn.Module):
    """(N, inputs, H, W) and the cell's input before -> (N, 6 outputs, H, W); figure 4, left."""

    def __init__(self, inputs: int, before: int, outputs: int, how: str) -> None:
        super().__init__()
        self.adjust, _ = _adjust(before, outputs, how)
        self.squeeze = _conv_bn(inputs, outputs)
        self.left1 = SeparableBlock(outputs, outputs, 5)
        self.right1 = SeparableBlock(outputs, outputs, 3)
        self.left2 = SeparableBlock(outputs, outputs, 5)
        self.right2 = SeparableBlock(outputs, outputs, 3)
        self.left5 = SeparableBlock(outputs, outputs, 3)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        p, h = self.adjust(before), self.squeeze(x)
        x1 = self.left1(h) + self.right1(p)
        x2 = self.left2(p) + self.right2(p)
        x3 = _average(h) + p
        x4 = 2 * _average(p)
        x5 = self.left5(h) + h
        return torch.cat([p, x1, x2, x3, x4, x5], dim=1)


class ReductionCell(nn.Module):
    """(N, inputs, H, W) and the cell's input before -> (N, 4 outputs, H/2, W/2), odd sizes rounded
    up; figure 4, right.

    zeros: pooling sees a border of zeros, as in Keras since its padding layers; else only what lies
    inside the map, as in TensorFlow's `same`.
    """

    def __init__(self, inputs: int, before: int, outputs: int, how: str, zeros: bool) -> None:
        super().__init__()
        self.zeros = zeros
        self.adjust, adjusted = _adjust(before, outputs, how)
        self.squeeze = _conv_bn(inputs, outputs)
        self.left1 = SeparableBlock(outputs, outputs, 5, stride=2)
        self.right1 = SeparableBlock(adjusted, outputs, 7, stride=2)
        self.right2 = SeparableBlock(adjusted, outputs, 7, stride=2)
        self.right3 = SeparableBlock(adjusted, outputs, 5, stride=2)
        self.left4 = SeparableBlock(outputs, outputs, 3)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        p, h = self.adjust(before), self.squeeze(x)
        largest, mean = self._pools(h)
        x1 = self.left1(h) + self.right1(p)
        x2 = largest + self.right2(p)
        x3 = mean + self.right3(p)
        x4 = x2 + _average(x1)
        x5 = self.left4(x1) + largest
        return torch.cat([x2, x3, x4, x5], dim=1)

    def _pools(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Largest and mean value of 3 x 3 pixels, stride 2. `same` padding adds a row above where
        the height is odd, and one below always (columns alike).
        """
        odd = h.shape[2] % 2, h.shape[3] % 2
        if self.zeros:
            padded = F.pad(h, (odd[1], 1, odd[0], 1))
            return F.max_pool2d(padded, 3, 2), F.avg_pool2d(padded, 3, 2)
        # ceil_mode lets the last window hang over, and counts only what is inside.
        largest = F.max_pool2d(h, 3, 2, padding=odd, ceil_mode=True)
        mean = F.avg_pool2d(h, 3, 2, padding=odd, ceil_mode=True, count_include_pad=False)
        return largest, mean


class NASNetMobile(nn.Module):
    """Images (N, 3, H, W) -> pooled features (N, 1056).

    cell_names: of `cells`, in order, as Keras numbers them: stem_1, stem_2, 0 to 3, reduce_4, ...
    zeros: see ReductionCell.
    """

    def __init__(self, zeros: bool = True) -> None:
        super().__init__()
        self.stem_conv = nn.Conv2d(3, STEM, 3, stride=2, bias=False)
        self.stem_bn = nn.BatchNorm2d(STEM, BN_EPS)
        self.cells = nn.ModuleList()
        self.cell_names: list[str] = []
        maps = [STEM, STEM]  # of the cell before the last, and of the last
        self._reduce("stem_1", maps, WIDTH // 4, "keep", zeros)
        self._reduce("stem_2", maps, WIDTH // 2, "halve", zeros)
        for part in range(3):
            width, first = WIDTH * 2**part, part * BLOCKS
            if part:
                self._reduce(f"reduce_{first}", maps, width, "project", zeros)
                first += 1
            for block in range(BLOCKS):
                # The first one's second input is from before the reduction.
                how = "project" if block else "halve"
                self._add(str(first + block), NormalCell(maps[1], maps[0], width, how))
                maps[:] = maps[1], NORMAL_MAPS * width

    def _reduce(self, name: str, maps: list[int], width: int, how: str, zeros: bool) -> None:
        self._add(name, ReductionCell(maps[1], maps[0], width, how, zeros))
        maps[:] = maps[1], REDUCTION_MAPS * width

    def _add(self, name: str, cell: nn.Module) -> None:
        self.cells.append(cell)
        self.cell_names.append(name)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem_bn(self.stem_conv(images))
        before = x
        for cell in self.cells:
            x, before = cell(x, before), x
        return F.relu(x).mean(dim=(2, 3))

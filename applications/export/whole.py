"""--whole: the way from a decoded image to its score, in a graph: resizing as Pillow does it,
crops, the network, and the pooling of what it says of the crops.

A pass of Pillow's resizing is a matrix of weights, normalised by row, whose result is rounded to
whole numbers. Places are kept as whole numbers, so that 32 bits are enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from utils.imaging.crop_places import crop_places, lattice
from utils.imaging.images import PAD_GREY
from utils.imaging.view_rule import ViewRule

Size = Any  # a number, or an int64 tensor of one
Filter = Callable[[Tensor], Tensor]

_ONE = 1 << 22  # Pillow's weights are whole numbers of such parts


def _sinc(x: Tensor) -> Tensor:
    angle = torch.where(x == 0, 1.0, x * math.pi)
    return torch.where(x == 0, 1.0, torch.sin(angle) / angle)


def _hamming(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 1, _sinc(x) * (0.54 + 0.46 * torch.cos(math.pi * x)), 0.0)


def _bicubic(x: Tensor) -> Tensor:
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def _box(x: Tensor) -> Tensor:
    return ((x > -0.5) & (x <= 0.5)).double()


# Pillow's filters, and how far from the centre they reach (libImaging/Resample.c).
FILTERS: dict[str, tuple[Filter, int]] = {
    "nearest": (_box, 1),
    "box": (_box, 1),
    "bilinear": (lambda x: (1 - x.abs()).clamp(min=0), 1),
    "hamming": (_hamming, 1),
    "bicubic": (_bicubic, 2),
    "lanczos": (lambda x: torch.where(x.abs() < 3, _sinc(x) * _sinc(x / 3), 0.0), 3),
}


def can_be_whole(rule: ViewRule) -> bool:
    """Whether a graph knows all that makes views of an image: not places drawn for each size."""
    return rule.resize != "native" or rule.crop_seed is None


class WholeImage(nn.Module):
    """image uint8 (H,W,3), RGB, upright -> scores (1,), and probs (1,K) where the network has
    histograms. network: pixels (V,3,h,w) in [0,1] -> the same of V views; rule: how the image
    becomes views, and how they are pooled. ValueError for crops at places that a graph cannot draw.
    """

    def __init__(self, network: nn.Module, rule: ViewRule) -> None:
        super().__init__()
        if not can_be_whole(rule):
            raise ValueError(
                "--whole: crops at places drawn for each size (--crop_seed) cannot be in a file: "
                "leave --whole out, or pass --test_crops 5 to weights without --crop_seed"
            )
        self.network, self.rule = network, rule

    def forward(self, image: Tensor) -> Any:
        """One decoded image -> its scores."""
        found = self.network(self.views(image).float() / 255)
        if self.rule.crops == 0:
            return found
        scores, probs = found if isinstance(found, tuple) else (found, None)
        middle = torch.arange(self.rule.crops)
        if self.rule.crop_pool == "median":
            views = self.rule.crops
            middle = scores.argsort()[(views - 1) // 2 : views // 2 + 1]
        score = scores[middle].mean(dim=0, keepdim=True)
        return score if probs is None else (score, probs[middle].mean(dim=0, keepdim=True))

    def views(self, image: Tensor) -> Tensor:
        """float (V,3,h,w) of whole numbers 0..255: what utils.imaging.images.view makes, but V
        equal crops where it makes one of an image without room for others.
        """
        rule = self.rule
        pixels = image.permute(2, 0, 1).double()  # (3, H, W)
        ones = torch.ones_like(image[:, :, 0], dtype=torch.int64)
        height, width = ones[:, 0].sum(), ones[0].sum()
        if rule.resize == "native":
            return pixels[None] if rule.crops == 0 else self._native_crops(pixels, height, width)
        sized = self._resized(pixels, height, width)
        if rule.crop_size is None:
            return sized[None]
        (height, width), (tall, wide) = rule.image_size, rule.crop_size
        scale = max(wide / width, tall / height)
        if scale > 1:
            taller, wider = max(tall, round(height * scale)), max(wide, round(width * scale))
            sized = self._scaled(
                sized, self._weights(sized, 1, taller, height, taller),
                self._weights(sized, 2, wider, width, wider),
            )  # fmt: skip
            height, width = taller, wider
        places = crop_places(height, width, rule)
        places = places * (rule.crops // len(places))
        cut = [sized[:, y : y + tall, x : x + wide] for y, x in places]
        return torch.stack(cut)

    def _resized(self, pixels: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """The image at rule.image_size, by squash, crop or pad."""
        rule = self.rule
        tall, wide = rule.image_size
        narrow = width * tall <= height * wide  # than what it becomes
        if rule.resize == "squash":
            return self._scaled(
                pixels, self._weights(pixels, 1, tall, height, tall),
                self._weights(pixels, 2, wide, width, wide),
                _rows_first(height, tall, width, wide),
            )  # fmt: skip
        if rule.resize == "crop":
            scale = torch.minimum(width.double() / wide, height.double() / tall)
            return self._scaled(
                pixels, self._weights(pixels, 1, tall, height, box=_middle(height, tall, scale)),
                self._weights(pixels, 2, wide, width, box=_middle(width, wide, scale)),
                _rows_first(height, tall, width, wide),
            )  # fmt: skip
        inner_height = torch.where(narrow, tall, _half_even(height * wide, width).clamp(1, tall))
        inner_width = torch.where(narrow, _half_even(width * tall, height).clamp(1, wide), wide)
        top, left = (tall - inner_height) // 2, (wide - inner_width) // 2
        sized = self._scaled(
            pixels, self._weights(pixels, 1, tall, height, inner_height, first=-top),
            self._weights(pixels, 2, wide, width, inner_width, first=-left),
            _rows_first(height, inner_height, width, inner_width),
        )  # fmt: skip
        rows, columns = torch.arange(tall) - top, torch.arange(wide) - left
        rows_in = (rows >= 0) & (rows < inner_height)
        columns_in = (columns >= 0) & (columns < inner_width)
        return torch.where(rows_in[:, None] & columns_in, sized, float(PAD_GREY[0]))

    def _native_crops(self, pixels: Tensor, height: Tensor, width: Tensor) -> Tensor:
        """Crops on a grid of the image as it is, enlarged where they do not fit in it."""
        rule = self.rule
        assert rule.crop_size is not None
        tall, wide = rule.crop_size
        by_width = wide * height >= tall * width
        more, less = torch.where(by_width, wide, tall), torch.where(by_width, width, height)
        larger = more > less
        full_height = torch.where(larger, _half_even(height * more, less).clamp(min=tall), height)
        full_width = torch.where(larger, _half_even(width * more, less).clamp(min=wide), width)
        down, right = full_height - tall, full_width - wide
        cut = []
        for y, x in _grid(down, right, rule.crops):
            rows, of_rows = self._window(pixels, 1, tall, height, full_height, y)
            columns, of_columns = self._window(pixels, 2, wide, width, full_width, x)
            near = pixels.index_select(1, rows).index_select(2, columns)
            cut.append(self._scaled(near, of_rows, of_columns))
        return torch.stack(cut)

    def _window(
        self, pixels: Tensor, axis: int, count: int, size: Tensor, full: Tensor, first: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(positions (n,) of the pixels that a crop is made of, weights (count, n) of them), for an
        axis of `size` pixels that becomes `full`, never smaller, and a crop from `first` on.
        """
        reach = FILTERS[self.rule.interpolation][1] + 1
        begin = ((2 * first + 1) * size) // (2 * full) - reach
        places = begin + torch.arange(count + 2 * reach + 1)
        weights = self._weights(pixels, axis, count, size, full, first=first, places=places)
        return torch.minimum(places.clamp(min=0), size - 1), weights

    def _weights(
        self, pixels: Tensor, axis: int, count: int, part: Size, whole: Size = 1, first: Size = 0,
        places: Tensor | None = None, box: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:  # fmt: skip
        """(count, n) what each of `count` new pixels takes of each old one along an axis of the
        image, where `part` old ones become `whole` new ones. first: number of the first new one;
        places: (n,) of the old ones, where not all of them are asked; box: (where the new ones
        begin, how many old ones each is), where that is no whole number.
        """
        name = self.rule.interpolation
        every = torch.arange(pixels.shape[axis])
        old = every if places is None else places
        new = (torch.arange(count) + first)[:, None]
        if box is None:  # from centre to centre, in 2 * whole parts of an old pixel
            apart = whole * (2 * old + 1) - (2 * new + 1) * part  # (count, n)
            unit = whole if name == "nearest" else _larger(part, whole)
            apart = apart.double() / (2 * unit)
        else:
            begin, step = box
            apart = old - (begin + (new.double() + 0.5) * step) + 0.5
            apart = apart if name == "nearest" else apart / step.clamp(min=1)
        weights = FILTERS[name][0](apart)
        if places is not None:
            weights = weights * ((old >= 0) & (old <= every[-1]))
        # A row outside what "pad" shows has no weight at all.
        weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-6)
        return weights.sign() * torch.floor(weights.abs() * _ONE + 0.5) / _ONE

    @staticmethod
    def _scaled(
        pixels: Tensor, rows: Tensor, columns: Tensor, rows_first: Tensor | None = None
    ) -> Tensor:
        """(3,H,W) by weights (h,H) and (w,W) -> (3,h,w): first across, then down, or the other way
        where `rows_first` says so, each rounded to 8 bits. A graph computes both ways then.
        """
        across = _rounded(rows @ _rounded(pixels @ columns.T))
        if rows_first is None:
            return across
        return torch.where(rows_first, _rounded(_rounded(rows @ pixels) @ columns.T), across)


def _grid(down: Tensor, right: Tensor, crops: int) -> list[tuple[Tensor, Tensor]]:
    """utils.imaging.crop_places.grid of tensors; down, right: how far a crop can move."""
    if crops == 5:
        none, places = torch.zeros_like(down), [(down, right), (down // 2, right // 2)]
        return [(none, none), (none, right), (down, none), *places]
    ways = (lattice(down, right, crops), lattice(right, down, crops))
    return [
        (torch.where(right >= down, y, top), torch.where(right >= down, x, left))
        for (y, x), (left, top) in zip(*ways, strict=True)
    ]


def _rounded(pixels: Tensor) -> Tensor:
    return torch.floor(pixels + 0.5).clamp(0, 255)


def _rows_first(height: Size, tall: Size, width: Size, wide: Size) -> Tensor:
    """Whether Pillow (13 and later) resizes down before across: where the height shrinks by more
    than twice what the width shrinks by (python-pillow/Pillow#9549).
    """
    return height - tall > 2 * (width - wide).clamp(min=0)


def _middle(size: Tensor, new: int, scale: Tensor) -> tuple[Tensor, Tensor]:
    """(where the middle box of `new * scale` pixels begins along an axis of `size`, how many old
    pixels a new one is), of boxes of 32 bits, as Pillow keeps them.
    """
    left = ((size - new * scale) / 2).clamp(min=0)
    begin, end = left.float(), (size - left).float()
    return begin.double(), (end - begin).double() / new


def _half_even(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole as Python's round makes it a whole number."""
    doubled = 2 * part + whole
    rounded = doubled // (2 * whole)
    tie = (rounded * (2 * whole) == doubled) & (rounded % 2 == 1)
    return torch.where(tie, rounded - 1, rounded)


def _larger(a: Size, b: Size) -> Size:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return torch.maximum(torch.as_tensor(a), torch.as_tensor(b))
    return max(a, b)

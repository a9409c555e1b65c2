"""Pooling of the reduction cells against TensorFlow's rule in loops, and the network's size."""

import numpy as np
import pytest
import torch

from models.backbones.nasnet_mobile import ReductionCell
from models.summary import summarize


def same_padding(length: int, kernel: int = 3, stride: int = 2) -> int:
    """Pixels before the map; tensorflow.org, "Notes on padding": the odd one comes after it."""
    outputs = -(-length // stride)
    return max((outputs - 1) * stride + kernel - length, 0) // 2


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (8, 5), (1, 2)])
def test_pools(size, zeros):
    cell = ReductionCell(4, 4, 4, "keep", zeros)
    maps = torch.randn(2, 3, *size) - 3  # below zero, where a border of zeros is the largest
    largest, mean = cell._pools(maps)
    height, width = size
    assert largest.shape == mean.shape == (2, 3, -(-height // 2), -(-width // 2))
    top, left = same_padding(height), same_padding(width)
    for i in range(largest.shape[2]):
        for j in range(largest.shape[3]):
            rows = range(2 * i - top, 2 * i - top + 3)
            columns = range(2 * j - left, 2 * j - left + 3)
            inside = [
                maps[:, :, r, c].numpy()
                for r in rows
                for c in columns
                if r in range(height) and c in range(width)
            ]
            border = [np.zeros_like(inside[0])] * (9 - len(inside)) if zeros else []
            window = np.stack([*inside, *border])
            np.testing.assert_allclose(largest[:, :, i, j], window.max(0), atol=1e-6)
            np.testing.assert_allclose(mean[:, :, i, j], window.mean(0), atol=1e-5)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*is deprecated")
def test_a_trace_computes_the_same(zeros):
    """Paddings depend on the size; in a trace they must not depend on anything else."""
    cell = ReductionCell(8, 6, 4, "halve", zeros).eval()
    x, before = torch.randn(3, 8, 14, 11), torch.randn(3, 6, 28, 21)
    with torch.inference_mode():
        traced = torch.jit.trace(cell, (x[:2], before[:2]), check_trace=False)
        for n in (1, 3):
            torch.testing.assert_close(traced(x[:n], before[:n]), cell(x[:n], before[:n]))


def test_size_is_the_papers():
    """Table 2 of the paper: 5.3 M parameters with the classifier, 564 M multiply-adds."""
    found = summarize("nasnet_mobile", num_classes=1000)
    assert round(found.parameters / 1e6, 1) == 5.3
    assert abs(found.multiply_adds / 1e6 - 564) < 1

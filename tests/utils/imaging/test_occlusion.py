"""What is hidden, cell by cell, against loops over pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from utils.imaging.images import ViewRule
from utils.imaging.occlusion import Occlusion, divided, overlaps, weights
from utils.imaging.view_frame import frame_of


def noise(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(width)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


def weight(centre: float, borders: np.ndarray, cell: int) -> float:
    """Of one pixel: 1 in the middle of a cell, falling over half a cell across inner borders."""
    if not borders[0] < centre < borders[-1]:
        return 0.0
    fade = (borders[1] - borders[0]) / 2
    rise = 1.0 if cell == 0 else min(1.0, max(0.0, (centre - borders[cell]) / fade + 0.5))
    last = cell == len(borders) - 2
    fall = 1.0 if last else min(1.0, max(0.0, (borders[cell + 1] - centre) / fade + 0.5))
    return min(rise, fall)


@pytest.mark.parametrize("borders", [np.linspace(0, 30, 4), np.linspace(7.5, 25.25, 6)])
def test_weights_fade_across_borders_and_add_up_to_one(borders):
    found = weights(borders, 33)
    wanted = [[weight(p + 0.5, borders, c) for p in range(33)] for c in range(len(borders) - 1)]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    inside = [borders[0] < p + 0.5 < borders[-1] for p in range(33)]
    np.testing.assert_allclose(found.sum(0), inside, atol=1e-6)


def test_overlaps_of_intervals():
    found = overlaps(np.array([0.0, 2, 5]), np.array([1.0, 4, 4.5, 9]))
    assert found.tolist() == [[1, 0, 0], [2, 0.5, 0.5]]
    borders = np.linspace(0, 1, 11) * 3  # 0.1 * 3 is no number of the computer's
    assert np.count_nonzero(overlaps(borders, np.arange(11) * 0.3)) == 10


@pytest.mark.parametrize(
    ("size", "rule", "grid"),
    [
        ((64, 64), ViewRule((224, 224)), (10, 10)),
        ((90, 60), ViewRule((9, 9), "native"), (8, 12)),
        ((60, 90), ViewRule((9, 9), "native"), (12, 8)),
        ((60, 20), ViewRule((90, 90), "pad"), (6, 17)),
        ((16, 16), ViewRule((9, 9), "native"), (8, 8)),  # cells of two pixels
        ((1, 1), ViewRule((9, 9), "native"), (1, 1)),
        ((1000, 40), ViewRule((9, 9), "native"), (4, 100)),  # four across a view
        ((300, 200), ViewRule((9, 9), "native", crops=5, crop_size=(40, 40)), (20, 30)),
    ],
)
def test_the_grid(size, rule, grid):
    occlusion = Occlusion(frame_of(noise(*size), rule))
    assert occlusion.seen().shape == grid


def test_a_flat_image_has_nothing_to_hide():
    for rule in (ViewRule((40, 40), "pad"), ViewRule((9, 9), "native", crops=2, crop_size=(8, 8))):
        occlusion = Occlusion(frame_of(Image.new("RGB", (50, 30), (10, 200, 77)), rule))
        cells = np.argwhere(occlusion.seen()).tolist()
        assert len(cells) > 10 and all(occlusion.hidden(i, j, 0) is None for i, j in cells)


def test_a_hidden_cell_loses_its_detail_and_nothing_else_changes():
    rule = ViewRule((60, 60), "pad")
    frame = frame_of(noise(60, 30), rule)
    occlusion = Occlusion(frame)
    rows, columns = occlusion.cells.rows, occlusion.cells.columns
    for i, j in ((0, 0), (2, 5), (len(rows) - 2, len(columns) - 2)):
        view = occlusion.hidden(i, j, 0)
        down = np.array([weight(p + 0.5, rows, i) for p in range(60)])
        across = np.array([weight(p + 0.5, columns, j) for p in range(60)])
        hides = np.outer(down, across)
        assert np.array_equal(view[hides == 0], frame.pixels[hides == 0])
        full = hides == 1
        assert full.sum() >= 4 and view[full].std() < frame.pixels[full].std() / 4
        # Half hidden is half way between the two.
        middle = hides == 0.5
        mixed = (frame.pixels[middle] / 2 + occlusion._blurred[middle] / 2) - view[middle]
        assert np.abs(mixed).max(initial=0) <= 0.5 + 1e-3


def test_padding_is_not_blurred_into_the_image():
    frame = frame_of(Image.new("RGB", (60, 20), "white"), ViewRule((60, 60), "pad"))
    assert np.array_equal(Occlusion(frame)._blurred, frame.pixels)


def test_what_no_crop_shows_is_not_seen():
    rule = ViewRule((9, 9), "native", crops=2, crop_size=(20, 20))
    frame = frame_of(noise(100, 20), rule)
    seen = Occlusion(frame).seen()
    assert frame.places == ((0, 0), (0, 80))
    columns = divided(frame.inside, *seen.shape).columns
    for j in range(seen.shape[1]):
        shown = columns[j] < 20 or columns[j + 1] > 80
        assert seen[:, j].tolist() == [shown] * len(seen)
    assert seen.any() and not seen.all()

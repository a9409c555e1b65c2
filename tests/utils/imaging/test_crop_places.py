import hashlib

import numpy as np
import pytest

from utils.imaging.crop_places import crop_places, drawn, grid
from utils.imaging.view_rule import ViewRule


def test_grids_with_names():
    assert grid(100, 200, (20, 40), 1) == [(40, 80)]
    assert grid(100, 200, (20, 40), 5) == [(0, 0), (0, 160), (80, 0), (80, 160), (40, 80)]
    assert grid(100, 200, (20, 40), 4) == [(0, 0), (0, 160), (80, 0), (80, 160)]
    assert grid(100, 200, (20, 40), 2) == [(40, 0), (40, 160)]
    assert grid(200, 100, (40, 20), 2) == [(0, 40), (160, 40)]
    three = [(y, x) for y in (0, 40, 80) for x in (0, 80, 160)]
    assert grid(100, 200, (20, 40), 9) == three
    assert grid(100, 200, (20, 40), 7)[:4] == [(0, 0), (0, 53), (0, 107), (0, 160)]


@pytest.mark.parametrize("crops", [*range(1, 27), 50])
@pytest.mark.parametrize("size", [(64, 96), (97, 61), (32, 32), (33, 90)])
def test_grids_fit_spread_and_mirror(crops, size):
    boxes = grid(*size, (32, 32), crops)
    assert len(boxes) == crops and boxes == grid(*size, (32, 32), crops)
    assert all(0 <= y <= size[0] - 32 and 0 <= x <= size[1] - 32 for y, x in boxes)
    if size == (64, 96):
        assert len(set(boxes)) == crops
        assert np.mean(boxes, axis=0)[1] == pytest.approx(32, abs=1)


def test_drawn_places_are_those_of_the_formula():
    """Worked out with strings of hexadecimal digits: what a client in another language would do."""
    for i, (top, left) in enumerate(drawn(100, 201, (20, 40), 50, 7)):
        text = hashlib.sha256(b"7 100 201 %d" % i).hexdigest()
        assert (top, left) == (int(text[:16], 16) % 81, int(text[16:32], 16) % 162)


def test_drawn_places_fill_the_image():
    places = np.array(drawn(96, 64, (32, 32), 2000, 0))
    assert places.min(axis=0).tolist() == [0, 0] and places.max(axis=0).tolist() == [64, 32]
    assert places.mean(axis=0) == pytest.approx([32, 16], abs=1.5)
    assert drawn(32, 32, (32, 32), 3, 0) == [(0, 0)] * 3


def test_the_rule_says_which():
    rule = ViewRule((8, 8), "native", crops=3, crop_size=(8, 8))
    assert crop_places(40, 50, rule) == grid(40, 50, (8, 8), 3)
    seeded = ViewRule((8, 8), "native", crops=3, crop_size=(8, 8), crop_seed=2)
    assert crop_places(40, 50, seeded) == drawn(40, 50, (8, 8), 3, 2)
    assert crop_places(40, 50, seeded) != drawn(40, 50, (8, 8), 3, 1)
    # No room for another place: one crop in place of many alike.
    for one in (rule, seeded):
        assert crop_places(8, 8, one) == [(0, 0)]
    with pytest.raises(ValueError, match="takes no crops"):
        crop_places(40, 50, ViewRule((8, 8)))

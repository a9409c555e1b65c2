"""The colours of a quality map, read back from the picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from utils.quality_picture import map_picture

BORDERS = np.array([0.0, 200, 400])
AT = [(116, 126), (116, 326), (316, 126), (316, 326)]  # (y, x) in the four cells
BLUE, ORANGE = np.array((0, 114, 178)), np.array((213, 94, 0))


def drawn(grid, image: Image.Image, borders=BORDERS) -> np.ndarray:
    picture = map_picture(image, np.array(grid, float), borders, borders, "score 1")
    return np.asarray(picture).astype(float)


def test_zero_shows_the_image_and_the_ends_are_blue_and_orange():
    image = Image.new("RGB", (400, 400), (128, 128, 128))
    pixels = drawn([[0, 2], [-1, np.nan]], image)
    zero, most, half, unseen = (pixels[y, x] for y, x in AT)
    assert np.ptp(zero) == 0 and 100 < zero[0] < 170  # grey as the image
    np.testing.assert_allclose(most, 0.2 * zero + 0.8 * BLUE, atol=1)
    np.testing.assert_allclose(half, 0.6 * zero + 0.4 * ORANGE, atol=1)
    assert np.ptp(unseen) == 0 and zero[0] < unseen[0] < 255


def test_the_image_stands_in_grey_and_its_light_and_dark_stay_apart():
    pixels = np.zeros((400, 400, 3), np.uint8)
    pixels[:, :, 0] = np.linspace(0, 255, 400).astype(np.uint8)  # a red ramp
    found = drawn(np.zeros((2, 2)), Image.fromarray(pixels))[20:400, 26:420]
    assert not np.ptp(found, axis=2).any() and (np.diff(found[0, :, 0]) >= 0).all()
    assert np.ptp(found) > 30


def test_the_scale_runs_from_orange_over_white_to_blue():
    pixels = drawn([[0, 3], [0, 0]], Image.new("RGB", (400, 400), "white"))
    bars = pixels[420:]
    row = bars[np.argmax(np.ptp(bars[:, 16], axis=1))]  # a line that is colour at the left
    bar = row[16 : 16 + 400]
    np.testing.assert_allclose(bar[0], 0.2 * 255 + 0.8 * ORANGE, atol=1)
    np.testing.assert_allclose(bar[-1], 0.2 * 255 + 0.8 * BLUE, atol=1)
    np.testing.assert_allclose(bar[200], 255, atol=2)


def test_the_numbers_of_the_scale_depend_on_the_map():
    image = Image.new("RGB", (400, 400), "white")
    one, other = (drawn([[0, v], [0, 0]], image) for v in (3, 30))
    different = np.argwhere((one != other).any(axis=2))
    assert len(different) and different[:, 0].min() > 430  # colours are relative, numbers are not


def test_what_cannot_be_drawn_is_drawn_all_the_same():
    for size in ((1, 1), (16, 16), (640, 2), (3, 640)):
        image = Image.new("RGB", size, "white")
        rows, columns = np.linspace(0, size[1], 3), np.linspace(0, size[0], 3)
        for value in (0.0, np.nan, np.inf):
            picture = map_picture(image, np.full((2, 2), value), rows, columns, "score " * 20)
            assert 420 <= picture.width <= 672 and picture.height > size[1]


def test_a_small_image_is_enlarged_with_its_cells():
    borders = np.array([0.0, 8, 16])
    pixels = drawn([[0, 1], [0, 0]], Image.new("RGB", (16, 16), (128, 128, 128)), borders)
    blue = np.argwhere(np.abs(pixels[:340] - [25, 117, 168]).max(axis=2) < 5)
    assert np.ptp(blue, axis=0).tolist() == [159, 159]  # 8 pixels, 20 times as large

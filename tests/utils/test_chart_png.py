"""What stands where in a picture of a chart, found by its colours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import ImageColor

from utils.chart import COLOURS, Band, Bars, Chart, Level, Line, Points, Ranges, Upright
from utils.chart_png import png

SOFT, GRID = (0x59, 0x63, 0x6E), (0xD1, 0xD9, 0xE0)
BLUE = ImageColor.getrgb(COLOURS[0])


def pixels(chart, **size):
    return np.asarray(png(chart, **size)).astype(int)


def near(image, colour, within=40):
    """(H, W): where a picture has this colour."""
    return np.abs(image - np.array(colour)).max(axis=2) <= within


def plot_of(image):
    """left, top, right, bottom, from the two axes: the longest runs of their colour."""
    grey = near(image, SOFT, 60)
    bottom, left = int(np.argmax(grey.sum(axis=1))), int(np.argmax(grey.sum(axis=0)))
    across, up = np.flatnonzero(grey[bottom]), np.flatnonzero(grey[:, left])
    return left, int(up[up <= bottom].min()), int(across.max()), bottom


def placed(image, x, y):
    """The pixel of a place that is given in shares of the axes."""
    left, top, right, bottom = plot_of(image)
    return left + x * (right - left), bottom - y * (bottom - top)


@pytest.mark.parametrize(("x", "y"), [(5.0, 5.0), (2.5, 9.0), (9.5, 0.7)])
@pytest.mark.parametrize("size", [(640, 420), (300, 260)])
def test_a_single_point_is_at_its_pixel(x, y, size):
    chart = Chart("A title", "x", "y", (Points([x], [y]),), (0, 10), (0, 10))
    image = pixels(chart, width=size[0], height=size[1])
    assert image.shape == (size[1], size[0], 3)
    blue = (image[..., 2] - image[..., 0]) > 100  # nothing else of the picture is
    rows, columns = np.nonzero(blue)
    assert 30 < len(rows) < 90  # a dot of 4.4 pixels
    across, down = placed(image, x / 10, y / 10)
    assert columns.mean() == pytest.approx(across, abs=1) and rows.mean() == pytest.approx(
        down, abs=1
    )
    assert blue[round(down), round(across)]


def test_lines_are_where_their_numbers_are():
    marks = (Line([0, 10], [2, 8]), Upright(4, "", 1), Level(5, "", 2))
    image = pixels(Chart("", "", "", marks, (0, 10), (0, 10)))
    left, top, right, bottom = plot_of(image)
    assert near(image, BLUE)[tuple(map(round, placed(image, 0.7, 0.62)[::-1]))]
    upright, level = (
        near(image, ImageColor.getrgb(COLOURS[1])),
        near(image, ImageColor.getrgb(COLOURS[2])),
    )
    across, down = placed(image, 0.4, 0.5)
    assert np.nonzero(upright)[1].mean() == pytest.approx(across, abs=1)
    assert np.nonzero(level)[0].mean() == pytest.approx(down, abs=1)
    assert np.ptp(np.nonzero(upright)[1]) <= 2 and np.ptp(np.nonzero(level)[0]) <= 2
    # Dashes of 6 and gaps of 4 pixels, from end to end.
    share = upright.any(axis=1)[top:bottom].mean()
    assert 0.5 < share < 0.7 and np.nonzero(upright)[0].max() > bottom - 12


def test_an_area_is_pale_and_bars_stand_on_the_axis():
    marks = (Band([0, 10], [2, 2], [8, 8], "", 1), Bars([0, 5, 10], [1, 6], "", 0))
    image = pixels(Chart("", "", "", marks, (0, 10), (0, 10)))

    def at(x, y):
        return image[tuple(map(round, placed(image, x, y)[::-1]))]

    orange = np.array(ImageColor.getrgb(COLOURS[1]))
    np.testing.assert_allclose(at(0.23, 0.5), 255 - 0.2 * (255 - orange), atol=2)
    np.testing.assert_allclose(at(0.23, 0.87), 255, atol=2)
    strong = 255 - 0.85 * (255 - np.array(BLUE))
    np.testing.assert_allclose(at(0.23, 0.05), strong, atol=2)
    np.testing.assert_allclose(at(0.73, 0.05), strong, atol=2)
    assert at(0.73, 0.57)[0] < 60 and at(0.73, 0.63)[0] > 200


def test_a_forest_plot_grows_with_its_rows():
    names, values = [f"distortion {i}" for i in range(40)], np.linspace(0, 1, 40)
    chart = Chart("", "", "", (Ranges(names, values, values - 0.1, values + 0.1),))
    image = pixels(chart)
    assert image.shape[1] == 640 and image.shape[0] > 40 * 19
    blue = near(image, BLUE).any(axis=1).astype(int)
    assert int((np.diff(blue) == 1).sum()) == 40  # each row for itself


@pytest.mark.parametrize(
    "marks",
    [
        (),
        (Points([], []), Line([1], [math.nan]), Bars([0], [])),
        (Points([math.nan, 1], [1, 1]), Line([2], [2], "a", 1, True, True)),
        (Ranges(["a"], [math.nan], [0], [1], "b"),),
        (Line([0, 1, 1, 2], [1e300, -1e300, math.inf, 0], "huge \udcff 名", 0, dashed=True),),
    ],
)
def test_whatever_cannot_be_drawn_is_drawn_without(marks):
    image = pixels(Chart("t", "x", "y", marks, diagonal=True))
    assert image.shape == (420, 640, 3)
    left, top, right, bottom = plot_of(image)
    assert right - left > 300 and bottom - top > 200


def test_labels_are_written():
    """Title, names of axes and ticks: ink where they belong, the one of y turned upwards."""
    named = pixels(Chart("Title", "across", "upwards", (Line([0, 1], [0, 1]),)))
    dark = near(named, (0x1F, 0x23, 0x28), 70)
    left, top, right, bottom = plot_of(named)
    assert dark[: top - 5].any() and dark[bottom + 5 :, left:right].any()
    rows, columns = np.nonzero(dark[top:bottom, : left - 3])
    assert len(rows) and np.ptp(rows) > 2 * np.ptp(columns)

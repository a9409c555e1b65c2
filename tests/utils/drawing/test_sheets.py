"""Sheets of photographs and charts: the right images in the right places, charts whose numbers
differ differ in their own panel alone, and refusals. Quality maps: their colours, read back.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from tests.contents import HOSTILE
from utils.drawing.chart import Chart, Line
from utils.drawing.panels import evenly_spread, histogram_chart, ladder_charts
from utils.drawing.quality_map import map_picture, strength
from utils.drawing.sheet import Panel, batch_sheet, sheet, sorted_sheet
from utils.statistics.ladders import build_ladders

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG" and image.mode == "RGB"
        return np.asarray(image).astype(int)


def where(sheet: np.ndarray, colour: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Upper left corner (row, column) of every area of exactly this colour."""
    labels, _ = ndimage.label((sheet == np.array(colour)).all(2))
    parts = [part for part in ndimage.find_objects(labels) if part[0].stop - part[0].start > 20]
    return [(part[0].start, part[1].start) for part in parts]


def test_images_stand_in_the_order_of_their_scores():
    """Of many, best and worst among those that are shown."""

    def opened(place: int) -> Image.Image:
        return Image.new("RGB", (300, 200), {0: RED, 1: GREEN, 29: BLUE}.get(place, "grey"))

    found = pixels(sorted_sheet(["red", HOSTILE], [0.2, 0.9], opened, "by score"))
    (green,), (red,) = where(found, GREEN), where(found, RED)
    assert green[1] < red[1] and green[0] == red[0]
    found = pixels(sorted_sheet([""] * 30, np.arange(30.0), opened, "some of many", limit=3))
    ((_, blue),), ((_, red),) = where(found, BLUE), where(found, RED)
    assert blue < red and len(where(found, (128, 128, 128))) == 1


def test_a_batch_is_shown_pixel_for_pixel():
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 60, 80), dtype=np.uint8)
    found = pixels(batch_sheet(images, ["0.1", "two\nlines", "a long caption " * 9]))
    for image in images.transpose(0, 2, 3, 1):
        windows = np.lib.stride_tricks.sliding_window_view(found, (60, 80), axis=(0, 1))
        first = np.argwhere((windows[..., 0, 0] == image[0, 0]).all(-1))
        assert any(np.array_equal(found[y : y + 60, x : x + 80], image) for y, x in first)


def test_what_is_no_batch_is_refused():
    with pytest.raises(ValueError, match="one score per image"):
        sorted_sheet(["a.png"], [1.0, 2.0], lambda place: None, "t")
    with pytest.raises(ValueError, match="uint8"):
        batch_sheet(np.zeros((1, 3, 8, 8), np.float32), ["a"])
    with pytest.raises(ValueError, match="captions: expected 1"):
        batch_sheet(np.zeros((1, 3, 8, 8), np.uint8), [])
    with pytest.raises(ValueError, match="no panel"):
        sheet([], "t")


def test_a_change_of_one_panel_changes_no_other():
    """Panels stand in reading order; names too long for their line leave them in place."""
    probs, votes = np.random.default_rng(1).dirichlet(np.ones(7), (2, 5))

    def drawn(last: np.ndarray, name: str) -> np.ndarray:
        charts = [
            histogram_chart("", p, v) for p, v in zip([*probs[:-1], last], votes, strict=True)
        ]
        photo = Image.new("RGB", (90, 60), RED)
        panels = [Panel(name, photo, chart, ["EMD 1"]) for chart in charts]
        return pixels(sheet(panels, "t " * 99, columns=4, width=200, height=140))

    a, b = drawn(probs[-1], "name"), drawn(probs[-1][::-1], "name")
    assert a.shape == b.shape and (a[-1] == 255).all() and (a[:, -1] == 255).all()
    places = where(a, RED)
    assert len(places) == 5 and len({column for _, column in places}) == 4
    rows, changed = np.nonzero((a != b).any(2))
    assert rows.min() > places[-1][0] + 60
    assert places[-1][1] - 60 < changed.min() and changed.max() < places[1][1]
    assert drawn(probs[-1], "bell\x07 \udcff 花 " * 20).shape[1] == a.shape[1]


def test_ladders_fall_and_faults_are_told():
    rows = [(10.0, "a", "none", 0), (11.0, "b", "none", 0)]
    rows += [(score, "a", "jpeg", level) for level, score in ((1, 9.0), (2, 9.5), (3, 8.0))]
    rows += [(score, "b", "jpeg", level) for level, score in ((1, 9.0), (2, 8.5), (3, 8.0))]
    found = build_ladders(*map(list, zip(*rows, strict=True)))
    (chart,) = ladder_charts(found, {"jpeg": 0.75})
    photographs, fault, mean = chart.marks
    assert chart.title == "jpeg: 0.7500 of pairs in order" and chart.y_range == (7.82, 11.18)
    np.testing.assert_array_equal(fault.x, [1, 2, np.nan])
    np.testing.assert_array_equal(fault.y, [9.0, 9.5, np.nan])
    np.testing.assert_array_equal(photographs.y, [10, 9, 9.5, 8, np.nan, 11, 9, 8.5, 8, np.nan])
    np.testing.assert_array_equal(mean.y, [10.5, 9, 9, 8])
    constant = build_ladders([-3e30] * 6, list("aaabbb"), ["jpeg"] * 6, [0, 1, 2] * 2)
    pixels(sheet([Panel("jpeg", chart=c) for c in ladder_charts(constant, {})], "t"))


def test_evenly_spread_from_best_to_worst():
    distances = np.array([0.5, 0.1, 0.9, 0.3, 0.7])
    chosen, places = evenly_spread(distances, 3)
    assert chosen.tolist() == [1, 0, 2] and places.tolist() == [0, 2, 4]
    many = np.random.default_rng(0).permutation(1000) / 1000
    chosen, places = evenly_spread(many)
    assert many[chosen] == pytest.approx(places / 1000) and len(chosen) == 12
    assert places[0] == 0 and places[-1] == 999 and set(np.diff(places)) <= {90, 91}
    equal, _ = evenly_spread(np.zeros(4), 2)
    assert equal.tolist() == [0, 3]


def test_any_number_of_bins():
    charts = [histogram_chart("", np.eye(bins)[0], np.eye(bins)[-1]) for bins in (1, 2, 500)]
    empty = Panel(chart=Chart("", "x", "y", (Line([], []),)))
    pixels(sheet([empty, *(Panel(chart=chart) for chart in charts), Panel("no chart")], "t"))


# ---- quality maps

BORDERS = np.array([0.0, 200, 400])
AT = [(116, 126), (116, 326), (316, 126), (316, 326)]  # (y, x) in the four cells
RISES, FALLS = np.array((0, 114, 178)), np.array((213, 94, 0))


def mapped(grid, image: Image.Image, borders=BORDERS) -> np.ndarray:
    return np.asarray(map_picture(image, np.array(grid, float), borders, borders, "s")).astype(
        float
    )


@pytest.mark.parametrize(
    ("largest", "opacity"), [(2, 0.8), (0.6, 0.761), (0.01, 0.45), (0.0006, 0.236), (1e-7, 0.1)]
)
def test_a_small_change_is_pale_and_a_large_one_is_not(largest: float, opacity: float):
    """The largest value's opacity, 0.1 at 0.0001 and 0.8 from 1 on, grows with its logarithm; zero
    shows the image, and what no view has seen is faded.
    """
    grid = [[0, largest], [-largest / 2, np.nan]]
    found = mapped(grid, Image.new("RGB", (400, 400), (128, 128, 128)))
    zero, most, half, unseen = (found[y, x] for y, x in AT)
    assert strength(largest) == pytest.approx(opacity, abs=0.001)
    assert np.ptp(zero) == 0 and 100 < zero[0] < 170  # grey as the image
    assert np.ptp(unseen) == 0 and zero[0] < unseen[0] < 255
    np.testing.assert_allclose(most, (1 - opacity) * zero + opacity * RISES, atol=1)
    np.testing.assert_allclose(half, (1 - opacity / 2) * zero + opacity / 2 * FALLS, atol=1)
    bars = found[420:]  # the scale has the colours of the map
    row = bars[np.argmax(np.ptp(bars[:, 16], axis=1))][16:416]
    np.testing.assert_allclose(row[0], (1 - opacity) * 255 + opacity * FALLS, atol=1)
    np.testing.assert_allclose(row[-1], (1 - opacity) * 255 + opacity * RISES, atol=1)


def test_the_image_stands_in_grey_and_its_light_and_dark_stay_apart():
    ramp = np.zeros((400, 400, 3), np.uint8)
    ramp[:, :, 0] = np.linspace(0, 255, 400).astype(np.uint8)  # red
    found = mapped(np.zeros((2, 2)), Image.fromarray(ramp))[20:400, 26:416]
    assert not np.ptp(found, axis=2).any() and (np.diff(found[0, :, 0]) >= 0).all()
    assert np.ptp(found) > 30


def test_what_cannot_be_drawn_is_drawn_all_the_same():
    for size in ((1, 1), (640, 2), (3, 640)):  # the smallest are enlarged
        image = Image.new("RGB", size, "white")
        rows, columns = np.linspace(0, size[1], 3), np.linspace(0, size[0], 3)
        for value in (0.0, np.nan, np.inf):
            picture = map_picture(image, np.full((2, 2), value), rows, columns, "score " * 20)
            assert 420 <= picture.width <= 672 and picture.height > size[1]

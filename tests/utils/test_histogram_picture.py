"""The picture of histograms: bars as high as their shares, a panel per image, and its limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from utils.histogram_picture import evenly_spread, histogram_picture
from utils.text import printable

VOTED, PREDICTED = (156, 203, 235), (213, 94, 0)
COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30), (200, 30, 200)]
HEAD = 110  # pixels of title and legend


def drawn(folder: Path, probs: np.ndarray, votes: np.ndarray, **changed) -> np.ndarray:
    """The picture of these histograms, each beside an image of one colour, as int (H, W, 3)."""
    count = len(probs)
    images = (Image.new("RGB", (90, 60), COLOURS[i % len(COLOURS)]) for i in range(count))
    given = {
        "names": [f"photo_{i}.png" for i in range(count)],
        "places": [f"{i + 1}." for i in range(count)],
        "title": "title",
        "note": "note",
        **changed,
    }
    histogram_picture(images, probs=probs, votes=votes, path=folder / "h.png", **given)
    with Image.open(folder / "h.png") as image:
        assert image.mode == "RGB" and image.format == "PNG"
        return np.asarray(image).astype(int)


def exactly(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Which pixels below the legend have this colour."""
    found = (pixels == np.array(colour)).all(2)
    found[:HEAD] = False
    return found


def test_bars_and_outline_are_as_high_as_their_shares(tmp_path: Path) -> None:
    votes, probs = np.array([[0.1, 0.2, 0.4, 0.3]]), np.array([[0.05, 0.45, 0.3, 0.2]])
    pixels = drawn(tmp_path, probs, votes)
    labels, count = ndimage.label(exactly(pixels, VOTED) | exactly(pixels, PREDICTED))
    outline = exactly(pixels, PREDICTED)
    rows = np.nonzero(outline.any(1))[0]
    unit = np.ptp(rows) / (0.45 - 0.05)  # pixels of the whole share 1, measured on the outline
    left, right = np.nonzero(outline.any(0))[0][[0, -1]]
    edges = np.linspace(left, right, 5).round().astype(int)
    bottom = np.nonzero(exactly(pixels, VOTED).any(1))[0].max()
    for k in range(4):
        inner = slice(edges[k] + 12, edges[k + 1] - 12)
        blue = np.nonzero(exactly(pixels, VOTED)[:, inner].any(1))[0]
        line = np.nonzero(outline[:, inner].any(1))[0]
        assert bottom - line.mean() == pytest.approx(unit * probs[0, k], abs=4)
        if votes[0, k] > probs[0, k]:  # else the outline lies above the bar
            assert bottom - blue.min() == pytest.approx(unit * votes[0, k], abs=4)
    assert count >= 1 and labels.shape == outline.shape


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (3, 3), (5, 4), (12, 4)])
def test_one_panel_for_each_image_in_reading_order(count, columns, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    probs, votes = rng.dirichlet(np.ones(7), (2, count))
    pixels = drawn(tmp_path, probs, votes)
    corners = {}
    for i in range(min(count, len(COLOURS))):
        labels, found = ndimage.label(exactly(pixels, COLOURS[i]))
        assert found == len(range(i, count, len(COLOURS)))
        parts = ndimage.find_objects(labels)
        for place, part in zip(range(i, count, len(COLOURS)), parts, strict=True):
            corners[place] = (part[0].start, part[1].start)
    order = sorted(corners, key=lambda place: corners[place])
    assert order == list(range(count))
    assert len({corner[1] for corner in corners.values()}) == columns
    assert (pixels[-1] == 255).all() and (pixels[:, -1] == 255).all()  # nothing is cut off


def test_figures_stand_in_their_panel_alone(tmp_path: Path) -> None:
    """Another prediction for the second image changes pixels of the second panel, and no others."""
    rng = np.random.default_rng(1)
    probs, votes = rng.dirichlet(np.ones(5), (2, 3))
    a = drawn(tmp_path, probs, votes)
    probs[1] = probs[1, ::-1]
    b = drawn(tmp_path, probs, votes)
    rows, columns = np.nonzero((a != b).any(2))
    starts = [np.nonzero(exactly(a, COLOURS[i]).any(0))[0].min() for i in range(3)]
    width = starts[1] - starts[0]
    assert rows.min() < np.nonzero(exactly(a, COLOURS[1]).any(1))[0].min()  # the EMD, above it
    assert starts[1] - width / 2 < columns.min() and columns.max() < starts[2]


def test_names_of_any_kind_stay_in_their_line(tmp_path: Path) -> None:
    names = ["line\nend.png", "x" * 300, "bell\x07 \udcff.png"]
    assert printable(names[0]) == "line\\nend.png" and "\\x07 \\udcff" in printable(names[2])
    assert printable("schöne 花.png") == "schöne 花.png"
    flat = np.full((3, 4), 0.25)
    pixels = drawn(tmp_path, flat, flat, names=names, title="t\n" * 99)
    assert pixels.shape == drawn(tmp_path, flat, flat).shape
    assert (pixels[:, -1] == 255).all()


@pytest.mark.parametrize("bins", [1, 2, 100, 500])
def test_any_number_of_bins(bins, tmp_path: Path) -> None:
    one = np.eye(bins)[:1]
    pixels = drawn(tmp_path, one, one[:, ::-1])
    assert exactly(pixels, VOTED).any() and exactly(pixels, PREDICTED).any()


def test_evenly_spread_from_best_to_worst() -> None:
    distances = np.array([0.5, 0.1, 0.9, 0.3, 0.7])
    chosen, places = evenly_spread(distances, 3)
    assert chosen.tolist() == [1, 0, 2] and places.tolist() == [0, 2, 4]
    chosen, places = evenly_spread(distances)
    assert chosen.tolist() == [1, 3, 0, 4, 2] and places.tolist() == [0, 1, 2, 3, 4]
    rng = np.random.default_rng(0)
    many = rng.permutation(1000) / 1000
    chosen, places = evenly_spread(many)
    assert many[chosen] == pytest.approx(places / 1000) and len(chosen) == 12
    assert places[0] == 0 and places[-1] == 999 and set(np.diff(places)) <= {90, 91}
    equal, _ = evenly_spread(np.zeros(4), 2)
    assert equal.tolist() == [0, 3]


def test_without_images_nothing_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none to draw"):
        drawn(tmp_path, np.zeros((0, 5)), np.zeros((0, 5)))
    assert not list(tmp_path.iterdir())

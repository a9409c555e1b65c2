"""The picture of ladders: as many panels as distortions, faults where they are, and its limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from utils.ladder_picture import ladder_picture
from utils.statistics.ladders import Ladders, build_ladders

MEAN, FAULT = (0, 114, 178), (213, 94, 0)


def some(kinds: int, photographs: int, faults: tuple[tuple[int, int], ...] = ()) -> Ladders:
    """Scores fall by 1 a level; at (kind, level) the last photograph's score rises instead."""
    rows = []
    for number in range(photographs):
        rows.append((10.0 + number, number, "none", 0))
        for kind in range(kinds):
            for level in range(1, 6):
                up = 3.0 if (kind, level) in faults and number == photographs - 1 else 0.0
                rows.append((10.0 + number - level + up, number, f"kind_{kind}", level))
    return build_ladders(*map(list, zip(*rows, strict=True)))


def drawn(found: Ladders, folder: Path, **figures: float) -> np.ndarray:
    ladder_picture(found, figures, folder / "p.png", "title")
    with Image.open(folder / "p.png") as image:
        assert image.mode == "RGB" and image.format == "PNG"
        return np.asarray(image).astype(int)


def blobs(pixels: np.ndarray, colour: tuple[int, int, int]) -> list[tuple[slice, slice]]:
    """Places below the legend of parts of about this colour that lie no further than 8 pixels
    apart, such as a line and its dots.
    """
    near = (np.abs(pixels - np.array(colour)).sum(2) < 60)[110:]
    labels, _ = ndimage.label(ndimage.binary_dilation(near, np.ones((3, 3)), 4))
    return ndimage.find_objects(np.where(near, labels, 0))


@pytest.mark.parametrize(("kinds", "rows"), [(1, 1), (2, 1), (5, 2), (24, 4)])
def test_one_panel_for_each_distortion(kinds: int, rows: int, tmp_path: Path) -> None:
    pixels = drawn(some(kinds, 3), tmp_path)
    found = blobs(pixels, MEAN)
    assert len(found) == kinds
    assert len({part[0].start for part in found}) == rows
    assert not blobs(pixels, FAULT)
    assert (pixels[-1] == 255).all() and (pixels[:, -1] == 255).all()  # nothing is cut off


def test_a_score_that_does_not_fall_is_orange_in_its_panel_alone(tmp_path: Path) -> None:
    pixels = drawn(some(3, 4, faults=((1, 2),)), tmp_path)
    (fault,) = blobs(pixels, FAULT)
    panels = sorted((part[1].start, part[1].stop) for part in blobs(pixels, MEAN))
    inside = [left <= fault[1].start and fault[1].stop <= right for left, right in panels]
    assert inside == [False, True, False]


def test_all_panels_share_one_scale(tmp_path: Path) -> None:
    """A distortion that costs half as much falls half as far in the picture."""
    rows = [(10.0, "a", "none", 0), (10.0, "b", "none", 0)]
    for name, cost in (("strong", 2.0), ("weak", 1.0)):
        rows += [(10.0 - cost * k, r, name, k) for r in "ab" for k in range(1, 5)]
    pixels = drawn(build_ladders(*map(list, zip(*rows, strict=True))), tmp_path)
    parts = sorted(blobs(pixels, MEAN), key=lambda part: part[1].start)
    heights = [part[0].stop - part[0].start for part in parts]
    assert heights[0] - 6 == pytest.approx(2 * (heights[1] - 6), abs=4)  # 6: a dot's height


def test_figures_stand_beside_their_names(tmp_path: Path) -> None:
    found = some(2, 2)
    a = drawn(found, tmp_path, kind_0=0.5, kind_1=0.75)
    b = drawn(found, tmp_path, kind_0=0.5, kind_1=0.25)
    rows, columns = np.nonzero((a != b).any(2))
    first, second = sorted(blobs(a, MEAN), key=lambda part: part[1].start)
    assert columns.min() > first[1].stop and rows.max() < 110 + second[0].start


@pytest.mark.parametrize("score", [0.0, 1.5, -3e30])
def test_constant_scores_are_a_flat_line(score: float, tmp_path: Path) -> None:
    levels = [0, 1, 2, 0, 1, 2]
    found = build_ladders([score] * 6, list("aaabbb"), ["jpeg"] * 6, levels)
    (part,) = blobs(drawn(found, tmp_path), MEAN)
    assert part[0].stop - part[0].start <= 10 < part[1].stop - part[1].start


def test_a_lone_image_is_a_dot(tmp_path: Path) -> None:
    assert len(blobs(drawn(build_ladders([0.5], ["a"], ["jpeg"], [3]), tmp_path), MEAN)) == 1


def test_many_are_thinned_out(tmp_path: Path) -> None:
    assert len(blobs(drawn(some(60, 2), tmp_path), MEAN)) == 48
    pixels = drawn(some(1, 500), tmp_path)
    assert len(blobs(pixels, MEAN)) == 1
    far = build_ladders([2.0, 1.0, 0.0], ["a"] * 3, ["jpeg"] * 3, [0, 1, 10**9])
    assert blobs(drawn(far, tmp_path), MEAN)


def test_without_ladders_nothing_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none to draw"):
        ladder_picture(build_ladders([1.0], ["a"], ["none"], [0]), {}, tmp_path / "p.png", "t")
    assert not list(tmp_path.iterdir())

"""Pictures: right images in the right places, and refusals."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from utils.report import batch_sheet, scatter_picture, sorted_sheet

ROOT = Path(__file__).resolve().parents[2]
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def order_of_colours(sheet: Path) -> list[tuple[int, ...]]:
    """The saturated colours of the sheet's first row of images, from left to right."""
    with Image.open(sheet) as image:
        pixels = np.asarray(image)
    found: list[tuple[int, ...]] = []
    for colour in np.moveaxis(pixels, 1, 0):  # columns
        for candidate in (RED, GREEN, BLUE):
            if (colour == candidate).all(-1).sum() > 20 and candidate not in found:
                found.append(candidate)
    return found


def test_images_stand_in_the_order_of_their_scores(tmp_path: Path) -> None:
    paths = []
    for name, colour in (("red", RED), ("green", GREEN), ("blue", BLUE)):
        paths.append(tmp_path / f"{name}.png")
        Image.new("RGB", (300, 200), colour).save(paths[-1])
    sorted_sheet(paths, [0.2, 0.9, 0.5], tmp_path / "sheet.png", "by score")
    assert order_of_colours(tmp_path / "sheet.png") == [GREEN, BLUE, RED]


def test_best_and_worst_are_shown_of_many(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(30)]
    for number, path in enumerate(paths):
        colour = {0: RED, 29: BLUE}.get(number, (128, 128, 128))
        Image.new("RGB", (40, 40), colour).save(path)
    sorted_sheet(paths, np.arange(30.0), tmp_path / "sheet.png", "some of many", limit=3)
    assert order_of_colours(tmp_path / "sheet.png") == [BLUE, RED]


def test_a_batch_is_shown_pixel_for_pixel(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 60, 80), dtype=np.uint8)
    batch_sheet(
        images,
        ["0.1", "two\nlines", "a caption far too long for its column " * 3],
        tmp_path / "b.png",
    )
    with Image.open(tmp_path / "b.png") as image:
        sheet = np.asarray(image)
    inner = images[0, :, 1:-1, 1:-1].transpose(
        1, 2, 0
    )  # a frame is drawn over the outermost pixels
    windows = np.lib.stride_tricks.sliding_window_view(sheet, inner.shape[:2], axis=(0, 1))
    first = np.argwhere((windows[..., 0, 0] == inner[0, 0]).all(-1))
    assert any(
        np.array_equal(sheet[y : y + inner.shape[0], x : x + inner.shape[1]], inner)
        for y, x in first
    )


def test_scatter_is_a_picture_and_leaves_no_pyplot_behind(tmp_path: Path) -> None:
    file = str(tmp_path / "s.png")
    code = (
        "import sys; from utils.report import scatter_picture; "
        "scatter_picture([1, 2, 3.5], [1, 3, 2], sys.argv[1], 't', groups=['a', 'b', 'a']); "
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, file], cwd=ROOT, check=True)
    with Image.open(tmp_path / "s.png") as image:
        assert image.width > 800 and image.height > 600


def test_wrong_shapes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\(3, 1\) and \(3,\)"):
        scatter_picture(np.zeros((3, 1)), np.zeros(3), tmp_path / "x.png", "t")
    with pytest.raises(ValueError, match="groups: expected 3"):
        scatter_picture(np.arange(3), np.arange(3), tmp_path / "x.png", "t", groups=["a"])
    with pytest.raises(ValueError, match="one score per image"):
        sorted_sheet(["a.png"], [1.0, 2.0], tmp_path / "x.png", "t")
    with pytest.raises(ValueError, match="uint8"):
        batch_sheet(np.zeros((1, 3, 8, 8), np.float32), ["a"], tmp_path / "x.png")
    with pytest.raises(ValueError, match="captions: expected 1"):
        batch_sheet(np.zeros((1, 3, 8, 8), np.uint8), [], tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ValueError, match="requirements-quickstart.txt"):
        scatter_picture([1.0, 2.0], [1.0, 2.0], tmp_path / "x.png", "t")

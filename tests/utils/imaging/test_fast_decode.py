"""JPEGs decoded at a part of their size: how large they stay, and what of them stays as it was."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from utils.imaging.images import (
    TooManyPixels,
    ViewRule,
    image_in_memory,
    least_size,
    read_image,
    read_resized,
    resize_image,
)

FAST = ViewRule((20, 28), decode="fast")


def photograph(width: int, height: int) -> Image.Image:
    """Soft colours: what a scaled decoding and an antialiased resize agree about."""
    small = np.random.default_rng(3).integers(0, 256, (5, 7, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def saved(path: Path, image: Image.Image, orientation: int = 1, **options) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif, quality=92, **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_scale_is_that_of_the_upright_image(tmp_path, orientation):
    """Of 395x130 pixels half is enough for 56x40 when they lie, and no less when they stand."""
    path = saved(tmp_path / "a.jpg", photograph(395, 130), orientation)
    with Image.open(path) as image:
        image.draft("RGB", (56, 40) if orientation < 5 else (40, 56))
        expected = ImageOps.exif_transpose(image)
    assert expected.size == ((198, 65) if orientation < 5 else (65, 198))
    found = read_image(path, rule=FAST)
    assert type(found) is Image.Image and not found.info and not dict(found.getexif())
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    again = image_in_memory(path.read_bytes(), "a", rule=FAST)
    np.testing.assert_array_equal(np.asarray(again), np.asarray(expected))
    resized = np.asarray(read_resized(path, FAST))
    np.testing.assert_array_equal(resized, np.asarray(resize_image(expected, FAST)))
    whole = np.asarray(resize_image(read_image(path), FAST), np.int16)
    assert 0 < np.abs(resized - whole).max() < 8


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
def test_it_stays_twice_as_large_as_what_is_made_of_it(resize):
    """Of any size: by libjpeg's own arithmetic, against what Pillow is asked to resize it to."""
    rule = ViewRule((20, 28), resize, decode="fast")
    for width, height in itertools.product((9, 39, 55, 56, 57, 111, 113, 300, 2999), repeat=2):
        image = Image.new("RGB", (width, height))
        least, shrunk = least_size(image.size, rule), 1
        for scale in (2, 4, 8):
            if min(width // least[0], height // least[1]) >= scale:
                shrunk = scale
        if shrunk == 1:
            continue
        across, down = -(-width // shrunk), -(-height // shrunk)
        if resize == "pad":
            factor = max(across / 28, down / 20)
        else:
            factor = min(across / 28, down / 20)
        assert factor >= 2 * 0.95, (width, height, shrunk)  # the shorter side of pad is rounded


@pytest.mark.parametrize(
    ("mode", "options"),
    [("RGB", {"progressive": True}), ("CMYK", {}), ("L", {}), ("RGB", {"subsampling": 0})],
)
def test_every_kind_of_jpeg(tmp_path, mode, options):
    path = saved(tmp_path / "a.jpg", photograph(480, 360).convert(mode), 6, **options)
    found = read_image(path, rule=FAST)
    assert (found.mode, found.size) == ("RGB", (90, 120))
    whole = np.asarray(resize_image(read_image(path), FAST), np.int16)
    assert np.abs(np.asarray(read_resized(path, FAST)) - whole).max() < 8


def test_a_photograph_of_two_pictures(tmp_path):
    path = tmp_path / "a.mpo"
    photograph(480, 360).save(path, save_all=True, append_images=[photograph(90, 90)])
    assert read_image(path, rule=FAST).size == (60, 45)


@pytest.mark.parametrize("end", ["png", "tif", "webp", "bmp"])
def test_other_formats_and_images_in_memory_are_as_they_were(tmp_path, end):
    image = photograph(480, 360)
    image.save(tmp_path / f"a.{end}")
    found = read_image(tmp_path / f"a.{end}", rule=FAST)
    assert found.tobytes() == read_image(tmp_path / f"a.{end}").tobytes()
    image.save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as opened:
        assert image_in_memory(opened, "a", rule=FAST).size == opened.size == (480, 360)


def test_the_limit_is_on_the_size_of_the_file(tmp_path):
    path = saved(tmp_path / "a.jpg", photograph(480, 360))
    with pytest.raises(TooManyPixels, match="480x360 pixels are more than the cap of 172799"):
        read_image(path, 480 * 360 - 1, FAST)
    assert read_image(path, 480 * 360, FAST).size == (60, 45)


def test_what_is_cut_off_is_no_image(tmp_path):
    path = saved(tmp_path / "a.jpg", photograph(480, 360))
    path.write_bytes(path.read_bytes()[:-800])
    with pytest.raises(ValueError, match=r"a\.jpg: cannot be decoded"):
        read_image(path, rule=FAST)


def test_a_rule_says_what_goes_together():
    assert "decode" not in ViewRule((20, 28)).to_dict()  # as files of before know it
    assert ViewRule.from_dict(FAST.to_dict()) == FAST and FAST.to_dict()["decode"] == "fast"
    with pytest.raises(ValueError, match="native takes their own pixels: use decode exact"):
        ViewRule((20, 28), "native", decode="fast")
    with pytest.raises(ValueError, match="decode must be one of exact, fast, not 'slow'"):
        ViewRule((20, 28), decode="slow")

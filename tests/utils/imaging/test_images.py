"""The reader's rules on fabricated files of every kind, and the geometry of the test-time view."""

import json
import pickle
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.png_files import chunk, png
from utils.imaging.crop_places import crop_places
from utils.imaging.images import (
    ImageError,
    ViewRule,
    enlarge_to_fit,
    read_image,
    resize_image,
    view,
)

ROOT = Path(__file__).resolve().parents[3]


def noise(*shape: int, high: int = 256, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(7).integers(0, high, shape).astype(dtype)


def pixels(path: Path) -> np.ndarray:
    image = read_image(path)
    assert image.mode == "RGB" and type(image) is Image.Image
    return np.asarray(image)  # (H, W, 3)


def refused(path: Path, **options) -> str:
    """The reason, after checking that the text begins with the path and is one line."""
    with pytest.raises(ImageError) as caught:
        read_image(path, **options)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    assert "\n" not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["jpg", "png", "tif", "webp"])
def test_orientation(tmp_path, orientation, extension):
    stored = Image.fromarray(noise(8, 16, 3)).resize((48, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"o.{extension}"
    options = {"quality": 95} if extension == "jpg" else {"lossless": True}
    stored.save(path, exif=exif, **({} if extension in ("png", "tif") else options))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert expected.shape[:2] == ((48, 32) if orientation > 4 else (32, 48))
    np.testing.assert_array_equal(pixels(path), expected)
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(read_image(path))
    np.testing.assert_array_equal(np.asarray(upright), expected)  # nothing is left to apply again


def test_damaged_exif_leaves_the_image_as_stored(tmp_path):
    path = tmp_path / "e.jpg"
    Image.fromarray(noise(16, 24, 3)).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage")
    assert pixels(path).shape == (16, 24, 3)


@pytest.mark.parametrize("extension", ["png", "tif", "pgm"])
def test_16_bit_grey_is_scaled(tmp_path, extension):
    values = np.array([[0, 1, 128, 129, 255], [256, 32767, 32768, 65407, 65535]], np.uint16)
    path = tmp_path / f"g.{extension}"
    if extension == "pgm":
        path.write_bytes(b"P5 5 2 65535\n" + values.astype(">u2").tobytes())
    else:
        Image.fromarray(values).save(path)
    expected = np.floor(values / 65535 * 255 + 0.5)
    assert expected[1, 2] == 128
    np.testing.assert_array_equal(pixels(path), np.repeat(expected[..., None], 3, axis=2))


def tiff(path: Path, values: np.ndarray, byte_order: str, photometric: int, bits: int = 16) -> None:
    """A one-strip grey TIFF, written by hand: Pillow writes neither of the odd kinds."""
    height, width = values.shape
    if bits == 12:
        a, b = values.reshape(-1, 2).T.astype(int)
        data = np.stack([a >> 4, (a & 15) << 4 | b >> 8, b & 255], 1).astype(np.uint8).tobytes()
    else:
        data = values.astype(f"{byte_order}u2").tobytes()
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 134)]
    tags += [(277, 1), (278, height), (279, len(data)), (339, 1)]
    head = (b"II*\0" if byte_order == "<" else b"MM\0*") + struct.pack(byte_order + "I", 8)
    entries = b"".join(struct.pack(byte_order + "HHIHH", t, 3, 1, v, 0) for t, v in tags)
    table = struct.pack(byte_order + "H", len(tags)) + entries + bytes(4)
    assert len(head + table) == 134
    path.write_bytes(head + table + data)


@pytest.mark.parametrize(
    ("byte_order", "photometric", "bits"), [("<", 1, 16), (">", 1, 16), ("<", 0, 16), ("<", 1, 12)]
)
def test_deep_tiff_kinds(tmp_path, byte_order, photometric, bits):
    white = 2**bits - 1
    values = noise(6, 8, high=white + 1, dtype=np.uint16)
    path = tmp_path / "t.tif"
    tiff(path, values, byte_order, photometric, bits)
    shown = white - values if photometric == 0 else values
    np.testing.assert_array_equal(pixels(path)[..., 1], np.floor(shown / white * 255 + 0.5))


def test_16_bit_colour_keeps_the_high_byte(tmp_path):
    values = noise(4, 5, 3, high=65536, dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    path = tmp_path / "rgb16.png"
    path.write_bytes(png(5, 4, rows, depth=16))
    np.testing.assert_array_equal(pixels(path), values >> 8)


def test_the_transparent_value_of_16_bit_grey_is_white(tmp_path):
    rows = b"\0" + struct.pack(">4H", 0, 300, 301, 65535)
    path = tmp_path / "key.png"
    extra = chunk(b"tRNS", struct.pack(">H", 300))
    path.write_bytes(png(4, 1, rows, depth=16, colour=0, extra=extra))
    assert pixels(path)[0, :, 0].tolist() == [0, 255, 1, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_alpha_is_composited_over_white(tmp_path, mode, extension):
    values = noise(9, 7, 4 if mode == "RGBA" else 2)
    path = tmp_path / f"a.{extension}"
    Image.fromarray(values).save(path)
    alpha = values[..., -1:] / 255
    expected = np.broadcast_to(values[..., :-1] * alpha + 255 * (1 - alpha), (9, 7, 3))
    assert np.abs(pixels(path) - expected).max() <= 1


def test_palette_with_transparency(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8), "L").convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    one, several, plain = (tmp_path / f"{name}.png" for name in ("one", "several", "plain"))
    image.save(plain)
    image.save(one, transparency=2)
    image.save(several, transparency=bytes([255, 0, 128]))
    colours = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90], [100, 110, 120]])
    np.testing.assert_array_equal(pixels(plain)[0], colours)
    np.testing.assert_array_equal(pixels(one)[0], np.where([[0], [0], [1], [0]], 255, colours))
    half = 255 + (colours[2] - 255) * 128 / 255
    expected = np.stack([colours[0], [255] * 3, half, colours[3]])
    assert np.abs(pixels(several)[0] - expected).max() <= 1


def test_transparent_colour_of_rgb(tmp_path):
    path = tmp_path / "key.png"
    Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)).save(path, transparency=(1, 2, 3))
    assert pixels(path)[0].tolist() == [[255] * 3, [4, 5, 6]]


@pytest.mark.parametrize("extension", ["png", "tif", "bmp", "pbm"])
def test_one_bit(tmp_path, extension):
    bits = noise(5, 13, high=2).astype(bool)
    path = tmp_path / f"b.{extension}"
    Image.fromarray(bits).save(path)
    np.testing.assert_array_equal(pixels(path)[..., 2], bits * 255)


@pytest.mark.parametrize("extension", ["jpg", "tif"])
def test_cmyk(tmp_path, extension):
    path = tmp_path / f"c.{extension}"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path)
    red = pixels(path)
    assert np.abs(red.astype(int) - [255, 0, 0]).max() <= 4


@pytest.mark.parametrize("extension", ["gif", "webp", "png", "tif"])
def test_first_frame(tmp_path, extension):
    frames = [Image.new("RGB", (12, 10), colour) for colour in ("red", "lime", "blue")]
    path = tmp_path / f"f.{extension}"
    options = {"lossless": True} if extension == "webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    assert (pixels(path) == [255, 0, 0]).all()


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "gif", "tif", "bmp", "jp2", "ppm"])
def test_truncated_at_any_place(tmp_path, extension):
    path = tmp_path / f"t.{extension}"
    options = {"progressive": True} if extension == "jpg" else {}
    Image.fromarray(noise(64, 64, 3)).save(path, **options)
    whole = path.read_bytes()
    pixels(path)
    for share in (0.02, 0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        assert refused(path)


def test_what_is_not_an_image(tmp_path):
    text, empty = tmp_path / "t.jpg", tmp_path / "e.png"
    text.write_text("not a picture")
    empty.touch()
    assert refused(text).startswith("not an image of a known format: convert it to one of JPEG,")
    assert refused(empty) == "is empty (0 bytes): replace the file, or take it out"
    assert refused(tmp_path) == "is a folder: name an image file"
    assert refused(tmp_path / "none.png") == "no such file: check the path"
    assert refused(Path("/dev/zero")) == "is not a regular file: name an image file"
    assert refused(text / "under.png").startswith("cannot be opened (Not a directory)")
    with pytest.raises(ImageError, match="null byte"):
        read_image("a\0.png")


@pytest.mark.parametrize("extension", ["eps", "ico", "tga", "pcx"])
def test_formats_off_the_list(tmp_path, extension):
    path = tmp_path / f"x.{extension}"
    Image.new("RGB", (16, 16)).save(path)
    assert refused(path.rename(tmp_path / "x.png")).startswith("not an image of a known format")


def test_grey_without_a_white_point_is_refused(tmp_path):
    path = tmp_path / "f.tif"
    Image.fromarray(np.ones((4, 4), np.float32)).save(path)
    grey = "grey does not say what white is: convert it to 16 bits"
    assert refused(path) == f"floating-point {grey}"
    Image.fromarray(np.ones((4, 4), np.int32)).save(path)
    assert refused(path) == f"32-bit integer {grey}"


def test_the_cap_is_checked_on_the_header(tmp_path):
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png(50_000, 50_000, b""))  # there is nothing to decode
    remedy = "shrink the image, or raise max_pixels"
    assert refused(bomb) == f"50000x50000 pixels are more than the cap of 179000000: {remedy}"
    small = tmp_path / "small.png"
    Image.new("RGB", (10, 10)).save(small)
    assert refused(small, max_pixels=99).startswith("10x10 pixels are more than the cap of 99")
    assert read_image(small, max_pixels=100).size == (10, 10)


def test_no_warning_leaks(tmp_path):
    path = tmp_path / "w.png"
    no_frames = chunk(b"acTL", struct.pack(">II", 0, 0))
    path.write_bytes(png(2, 1, b"\0\1\2", colour=0, extra=no_frames))
    with pytest.warns(UserWarning, match="Invalid APNG"), Image.open(path):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pixels(path)[0, :, 0].tolist() == [1, 2]


def test_the_error_travels_between_processes(tmp_path):
    error = ImageError(tmp_path / "a.png", "is broken: mend it")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.path, again.reason) == (str(error), error.path, error.reason)
    assert str(ImageError("finished text")) == "finished text"


@pytest.mark.parametrize(
    "rule",
    [
        ViewRule((224, 160)),
        ViewRule((1, 1), "pad", "lanczos", 9, (32, 48), "median", 7),
        ViewRule((5, 7), "native", crops=1, crop_size=(3, 2)),
    ],
)
def test_rule_round_trip(rule):
    again = ViewRule.from_dict(json.loads(json.dumps(rule.to_dict())))
    assert again == rule and hash(again) == hash(rule)
    assert isinstance(again.image_size, tuple)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_size": [4, 4], "resise": "pad"}, "unknown key 'resise': known are image_size"),
        ({}, "image_size is missing"),
        ({"image_size": [4]}, "image_size must be two whole numbers above 0"),
        ({"image_size": [4, 0]}, "image_size must be two whole numbers above 0"),
        ({"image_size": [4, 4.5]}, "image_size must be two whole numbers above 0"),
        ({"image_size": 4}, "image_size must be two whole numbers above 0"),
        ({"image_size": [4, 4], "resize": "stretch"}, "resize must be one of squash, crop, pad"),
        ({"image_size": [4, 4], "interpolation": "cubic"}, "interpolation must be one of nearest"),
        ({"image_size": [4, 4], "crop_pool": "max"}, "crop_pool must be one of mean, median"),
        ({"image_size": [4, 4], "crops": -1}, "crops must be a whole number from 0"),
        ({"image_size": [4, 4], "crops": True}, "crops must be a whole number from 0"),
        ({"image_size": [4, 4], "crops": 2}, "give both, or neither"),
        ({"image_size": [4, 4], "crop_size": [2, 2]}, "give both, or neither"),
        ({"image_size": [4, 4], "crops": 1, "crop_size": [2]}, "crop_size must be two whole"),
        ({"image_size": [4, 4], "crop_seed": -1}, "crop_seed must be null or a whole number"),
    ],
)
def test_rule_faults(values, message):
    with pytest.raises(ValueError, match=message):
        ViewRule.from_dict(values)


def test_squash_is_pillows_resize():
    image = Image.fromarray(noise(31, 47, 3))
    result = view(image, ViewRule((16, 20), interpolation="bicubic"))
    expected = np.asarray(image.resize((20, 16), Image.Resampling.BICUBIC))
    assert result.shape == (1, 3, 16, 20) and result.dtype == np.uint8 and result.flags.c_contiguous
    np.testing.assert_array_equal(result[0], expected.transpose(2, 0, 1))


def test_crop_takes_the_centre_of_the_targets_aspect():
    values = noise(20, 50, 3)
    image = Image.fromarray(values)
    result = np.asarray(resize_image(image, ViewRule((20, 30), "crop")))
    np.testing.assert_array_equal(result, values[:, 10:40])
    result = np.asarray(
        resize_image(Image.fromarray(values[:, :20]), ViewRule((5, 20), "crop", "box"))
    )
    np.testing.assert_array_equal(result[:, :, 0].shape, (5, 20))
    for height, width in ((7, 3), (3, 7), (1, 13), (224, 224)):
        assert resize_image(image, ViewRule((height, width), "crop")).size == (width, height)


def test_pad_keeps_the_aspect_on_grey():
    image = Image.new("RGB", (40, 20), "white")
    result = np.asarray(resize_image(image, ViewRule((31, 20), "pad")))
    assert (result[10:20] == 255).all()
    assert (result[:10] == 128).all() and (result[20:] == 128).all()
    thin = Image.new("RGB", (1000, 1), "white")
    assert (np.asarray(resize_image(thin, ViewRule((9, 9), "pad")))[4] == 255).all()


def test_native_is_untouched():
    values = noise(11, 13, 3)
    result = view(Image.fromarray(values), ViewRule((224, 224), "native"))
    np.testing.assert_array_equal(result[0], values.transpose(2, 0, 1))


@pytest.mark.parametrize("seed", [None, 3])
def test_crops_are_windows_of_the_resized_image(seed):
    values = noise(40, 60, 3)
    rule = ViewRule((224, 224), "native", crops=6, crop_size=(16, 24), crop_seed=seed)
    result = view(Image.fromarray(values), rule)
    assert result.shape == (6, 3, 16, 24)
    for crop, (y, x) in zip(result, crop_places(40, 60, rule), strict=True):
        np.testing.assert_array_equal(crop, values[y : y + 16, x : x + 24].transpose(2, 0, 1))
    squashed = view(Image.fromarray(values), ViewRule((20, 30), crops=1, crop_size=(20, 30)))
    np.testing.assert_array_equal(squashed, view(Image.fromarray(values), ViewRule((20, 30))))


@pytest.mark.parametrize(
    ("size", "enlarged"), [((10, 40), (160, 40)), ((39, 39), (40, 40)), ((40, 41), (40, 41))]
)
def test_small_images_are_enlarged_just_enough(size, enlarged):
    """(width, height) to hold a crop of 40x40."""
    image = Image.fromarray(noise(size[1], size[0], 3))
    expected = enlarged if size != (10, 40) else (40, 160)
    assert enlarge_to_fit(image, (40, 40)).size == expected
    rule = ViewRule((224, 224), "native", crops=3, crop_size=(40, 40))
    crops = 1 if enlarged == (40, 40) else 3  # there is no second place
    assert view(image, rule).shape == (crops, 3, 40, 40)


def test_view_wants_rgb():
    with pytest.raises(ValueError, match="the image is L, not RGB"):
        view(Image.new("L", (4, 4)), ViewRule((4, 4)))

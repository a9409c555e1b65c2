"""What one decoding tells of a file: depth, frames, digest, thumbnail, and whether it was cut."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.contents import blotches
from tests.png_files import png
from utils.duplicates.image_facts import inspect_image, inspect_images, thumbnails
from utils.imaging.images import DEFAULT_MAX_PIXELS, read_image

DEEP = np.random.default_rng(0).integers(0, 65536, (20, 30)).astype(np.uint16)
# 16 bits a channel: Pillow reads such a PNG, but does not write one.
DEEP_ROWS = b"".join(b"\0" + row.astype(">u2").repeat(3).tobytes() for row in DEEP)


def facts(path, smallest=1, max_pixels=DEFAULT_MAX_PIXELS):
    return inspect_image(path, max_pixels, smallest)


def packed(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "bits"),
    [
        ("grey.png", packed(Image.fromarray(DEEP), "PNG"), 16),
        ("grey.tif", packed(Image.fromarray(DEEP), "TIFF"), 16),
        ("grey.pgm", packed(Image.fromarray(DEEP), "PPM"), 16),
        ("colour.png", png(30, 20, DEEP_ROWS, depth=16), 16),
        ("colour.ppm", b"P6 30 20 65535\n" + DEEP.astype(">u2").repeat(3).tobytes(), 16),
        ("usual.png", packed(blotches(0), "PNG"), 8),
        ("usual.ppm", packed(blotches(0), "PPM"), 8),
        ("usual.jpg", packed(blotches(0), "JPEG"), 8),
        ("two.tif", packed(blotches(0).convert("1"), "TIFF"), 1),
    ],
)
def test_depth(tmp_path, name, content, bits):
    (tmp_path / name).write_bytes(content)
    found = facts(tmp_path / name)
    assert found.reason is None and found.file.bits == bits and found.file.frames == 1


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_frames(tmp_path, kind):
    path = tmp_path / "many"
    path.write_bytes(packed(blotches(0), kind, save_all=True, append_images=[blotches(1)] * 1))
    found = facts(path)
    assert (found.file.format, found.file.frames, found.reason) == (kind, 2, None)


@pytest.mark.parametrize(
    ("kind", "share"),
    [("JPEG", 0.9), ("JPEG", 0.3), ("PNG", 0.5), ("BMP", 0.9), ("GIF", 0.9), ("PPM", 0.5),
     ("WEBP", 0.9), ("TIFF", 0.9)],
)  # fmt: skip
def test_a_file_that_was_cut(tmp_path, kind, share):
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    whole, path = packed(blotches(0), kind, **options), tmp_path / "cut"
    path.write_bytes(whole)
    assert not facts(path).truncated and facts(path).readable
    path.write_bytes(whole[: int(len(whole) * share)])
    found = facts(path)
    assert found.truncated and found.reason and not found.readable


@pytest.mark.parametrize("content", [b"", b"no picture at all, but some text"])
def test_another_fault_is_no_cut(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    found = facts(tmp_path / "x.png")
    assert found.reason and not found.truncated
    assert not facts(tmp_path / "nothing.png").truncated


def test_pixels_decide_over_the_file(tmp_path):
    """The same pixels in two formats are equal; one other value, or another shape, is not."""
    image = blotches(2)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "a.bmp")
    other = image.copy()
    other.putpixel((5, 5), (1, 2, 3))
    other.save(tmp_path / "b.png")
    flat = Image.frombytes("RGB", (image.height, image.width), image.tobytes())
    flat.save(tmp_path / "c.png")
    a, same, changed, turned = (
        facts(tmp_path / n).pixels for n in ("a.png", "a.bmp", "b.png", "c.png")
    )
    assert a == same and len({a, changed, turned}) == 3


def test_the_thumbnail_is_of_the_upright_image(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    blotches(3).save(tmp_path / "turned.jpg", exif=turned, quality=95)
    found = facts(tmp_path / "turned.jpg")
    assert found.size == (72, 96)
    upright = read_image(tmp_path / "turned.jpg").convert("L")
    (thumbnail,) = thumbnails([found])
    expected = np.asarray(upright.resize((32, 32), Image.Resampling.BILINEAR))
    assert (thumbnail == expected).all()


def test_too_small_is_unusable_but_comparable(tmp_path):
    blotches(4, 20, 10).save(tmp_path / "low.png")
    found = facts(tmp_path / "low.png", smallest=16)
    assert found.reason.startswith("20x10 pixels, at least 16x16") and found.readable
    found = facts(tmp_path / "low.png", max_pixels=100)
    assert "cap of 100" in found.reason and not found.readable


def test_the_same_facts_from_any_number_of_processes(tmp_path):
    for n in range(20):
        blotches(n, 24, 20).save(tmp_path / f"{n:02}.png")
    (tmp_path / "07.png").write_bytes(b"broken")
    paths = sorted(tmp_path.glob("*.png"))
    here = inspect_images(paths, workers=0)
    assert [one.path for one in here] == paths and here[7].reason
    assert inspect_images(paths, workers=2) == here


def test_processes_that_decode_or_shrink_need_no_torch():
    program = (
        "import sys, utils.duplicates.image_facts, utils.duplicates.groups\n"
        "assert 'torch' not in sys.modules and 'scipy' not in sys.modules"
    )
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True)

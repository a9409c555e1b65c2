"""Files that Pillow would refuse, or take, wrongly, or read for minutes; pixels against what was
written.
"""

import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngInfo

from tests.png_files import chunk, png
from utils.duplicates.image_facts import file_facts, inspect_image
from utils.imaging.image_folders import READABLE_EXTENSIONS
from utils.imaging.images import ImageError, read_image

CURE = ": replace the file, or take it out"
SIZE = (24, 40)  # height, width
LARGE = b"many words " * 300_000  # 3.3 MB
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
ADAM7 += [(0, 1, 1, 2)]


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (*SIZE, 3), np.uint8)


def of_pixels(pixels: np.ndarray, extra: bytes = b"", behind: bytes = b"", rows=None, passes=None):
    """RGB; `rows` of them only, or interlaced with so many `passes` of 7."""
    raw = b""
    for x, y, dx, dy in [(0, 0, 1, 1)] if passes is None else ADAM7[:passes]:
        raw += b"".join(b"\0" + row.tobytes() for row in pixels[y::dy, x::dx][:rows])
    size = pixels.shape[1], pixels.shape[0]
    return png(*size, raw, extra=extra, behind=behind, interlaced=passes is not None)


def refused(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("extension", ["avif", "heic"])
def test_photographs_of_phones(tmp_path, extension, monkeypatch):
    if extension == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    smooth = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20, np.ones((16, 16), np.uint8))
    Image.fromarray(np.stack([smooth] * 3, axis=2)).save(file := tmp_path / f"a.{extension}")
    found = np.asarray(read_image(file)).astype(int)
    assert found.shape == (48, 64, 3) and np.abs(found[..., 0] - smooth).max() <= 6
    assert Path(f"x.{extension}").suffix in READABLE_EXTENSIONS
    if extension == "heic":
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        assert refused(file) == "reading .heic needs pillow-heif: pip install pillow-heif"


METADATA = {
    "zTXt": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LARGE)),
    "iTXt": chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(LARGE)),
    "plain": chunk(b"iTXt", b"Comment\0\0\0\0\0" + LARGE),
    "iCCP": chunk(b"iCCP", b"icc\0\0" + zlib.compress(LARGE)),
    "private": chunk(b"prVt", LARGE),
    "many": 30 * chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LARGE)),
    # Pillow would take these words for facts of the image.
    "names": chunk(b"tEXt", b"transparency\0x") + chunk(b"tEXt", b"bbox\0x"),
}


@pytest.mark.parametrize("kind", METADATA)
@pytest.mark.parametrize("behind", [False, True])
def test_metadata_is_left_alone(tmp_path, kind, behind):
    path = tmp_path / "m.png"
    path.write_bytes(of_pixels(picture(), **{"behind" if behind else "extra": METADATA[kind]}))
    np.testing.assert_array_equal(np.asarray(read_image(path)), picture())
    assert (file_facts(path).format, file_facts(path).frames) == ("PNG", 1)


@pytest.mark.parametrize("padding", [0, 3 << 20, 17 << 20])
@pytest.mark.parametrize("kind", ["eXIf", "iTXt", "packed", "zTXt"])
def test_the_orientation_in_metadata_of_any_size(tmp_path, kind, padding):
    exif = Image.Exif()
    exif[0x0112] = 6
    text = b'<x tiff:Orientation="6"/>' + padding * b" "
    raw = b"\nexif\n%8d\n" % len(exif.tobytes()) + exif.tobytes().hex().encode() + padding * b"\n"
    content = {
        "eXIf": exif.tobytes().removeprefix(b"Exif\0\0") + bytes(padding),
        "iTXt": b"XML:com.adobe.xmp\0\0\0\0\0" + text,
        "packed": b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(text),
        "zTXt": b"Raw profile type exif\0\0" + zlib.compress(raw),
    }[kind]
    path = tmp_path / "o.png"
    path.write_bytes(
        of_pixels(picture(), chunk(b"iTXt" if kind == "packed" else kind.encode(), content))
    )
    kept = padding < 16 << 20  # what is larger is ignored
    turned = np.rot90(picture(), -1) if kept else picture()
    np.testing.assert_array_equal(np.asarray(read_image(path)), turned)


def test_an_animation_keeps_its_frames_and_loses_its_words(tmp_path):
    frames = [Image.fromarray(picture(seed)) for seed in range(3)]
    words = PngInfo()
    words.add_text("Comment", LARGE, zip=True)
    path = tmp_path / "a.png"
    frames[0].save(path, save_all=True, append_images=frames[1:], pnginfo=words)
    np.testing.assert_array_equal(np.asarray(read_image(path)), picture())
    assert file_facts(path).frames == 3


def test_every_bit_of_a_png_is_under_a_checksum(tmp_path):
    whole = of_pixels(picture(), chunk(b"tEXt", b"a\0b"), chunk(b"tEXt", b"behind\0the pixels"))
    path = tmp_path / "c.png"
    random = np.random.default_rng(0)
    for place in [*range(8, 80), *random.integers(80, len(whole), 60), *range(-40, 0)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        assert refused(path).endswith(CURE)
    path.write_bytes(whole[:-20] + b"IDAT" + whole[-16:])
    assert refused(path).endswith(CURE)


def test_a_wrong_checksum_is_named(tmp_path):
    path = tmp_path / "c.png"
    whole = bytearray(of_pixels(picture()))
    whole[-13] ^= 1  # of the last IDAT
    path.write_bytes(whole)
    what = "broken PNG file (wrong checksum of chunk IDAT)"
    assert refused(path) == f"cannot be decoded ({what}){CURE}"
    assert not inspect_image(path, 10**6, 1).truncated


def test_a_png_that_is_cut_anywhere_is_truncated(tmp_path):
    path = tmp_path / "t.png"
    whole = of_pixels(picture(), behind=chunk(b"tEXt", b"a\0b"))
    for length in [8, 20, 40, len(whole) // 2, *range(len(whole) - 30, len(whole))]:
        path.write_bytes(whole[:length])
        assert refused(path).startswith("cannot be decoded (image file is truncated: ")
        assert inspect_image(path, 10**6, 1).truncated
    path.write_bytes(whole + b"what others append")
    np.testing.assert_array_equal(np.asarray(read_image(path)), picture())


@pytest.mark.parametrize("less", [{"rows": 23}, {"rows": 1}, {"passes": 6}])
def test_too_few_rows(tmp_path, less):
    path = tmp_path / "r.png"
    path.write_bytes(of_pixels(picture(), **less))
    what = "image file is truncated: it holds fewer rows than its header says"
    assert refused(path) == f"cannot be decoded ({what}){CURE}"
    assert inspect_image(path, 10**6, 1).truncated


@pytest.mark.parametrize("passes", [None, 7])
@pytest.mark.parametrize("shape", [(24, 40), (1, 1), (1, 2), (2, 1), (3, 5)])
def test_black_rows_are_rows(tmp_path, shape, passes):
    path = tmp_path / "b.png"
    pixels = np.zeros((*shape, 3), np.uint8)
    path.write_bytes(of_pixels(pixels, passes=passes))
    np.testing.assert_array_equal(np.asarray(read_image(path)), pixels)


def test_ppm_comments_without_end(tmp_path):
    path = tmp_path / "p.ppm"
    pixels = b"255\n" + bytes([1, 2, 3])
    path.write_bytes(b"P6 1\n#" + 60_000 * b"a" + b"\n1 " + pixels)
    assert read_image(path).getpixel((0, 0)) == (1, 2, 3)
    for endless in (b"#" + 70_000 * b"a" + b"\n", 70_000 * b" ", 35_000 * b"#\n"):
        path.write_bytes(b"P6 1 " + endless + b"1 " + pixels)
        assert refused(path) == f"cannot be decoded (a PPM header of more than 65536 bytes){CURE}"
    path.write_bytes(b"P3 1 1 255\n" + 20_000 * b"#\n" + b"1 2 3")
    assert refused(path) == f"cannot be decoded (a plain PPM of more than 10000 comments){CURE}"
    path.write_bytes(b"P4 1024 1024\n" + bytes(range(128)) * 1024)  # three words, not four
    assert read_image(path).size == (1024, 1024)
    path.write_bytes(b"P5 1024 1024 255\n" + b"#" * 2**20)
    assert read_image(path).getpixel((5, 5)) == (35, 35, 35)


def test_a_jpeg_whose_header_has_no_end(tmp_path):
    path = tmp_path / "j.jpg"
    Image.fromarray(picture()).save(path, quality=95)
    plain, expected = path.read_bytes(), read_image(path).tobytes()
    exif = b"\xff\xe1\xea\x62Exif\0\0" + bytes(0xEA60 - 6)
    junk = bytes(1 << 20)
    large = b"\xff\xfe\xff\xff" + bytes(65533)  # a comment
    for before in (20 * exif, junk, 150 * large, b"\xff\xd0" + 150 * large, 20 * large + exif):
        path.write_bytes(plain[:20] + before + plain[20:])  # behind the JFIF segment
        assert read_image(path).tobytes() == expected
    for before in (150 * exif, 9 * junk, 150 * (b"\xff\xd0" + exif), 9 * (1 << 20) * b"\xff"):
        path.write_bytes(plain[:20] + before + plain[20:])  # behind the JFIF segment
        what = "a JPEG with more than 8388608 bytes of EXIF or of nothing"
        assert refused(path) == f"cannot be decoded ({what}){CURE}"


LARGEST = """
import resource, sys
from utils.imaging.images import read_image
read_image(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_image(sys.argv[2])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16"])
def test_memory_of_a_large_image(tmp_path, mode):
    """At most the decoded image, 4 bytes a pixel, and as much for the result; 2 and 1 for grey of
    16 bits on its way. Composed at once it was 13 to 18 bytes a pixel.
    """
    small, large = tmp_path / "s.png", tmp_path / "l.png"
    Image.new(mode, (64, 64)).save(small)
    Image.new(mode, (4000, 3000)).save(large, compress_level=1)
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", LARGEST, str(small), str(large)]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert float(found.stdout) < 12 * (8 + 1.5), found.stdout  # MB; a strip is a million pixels


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "I;16"])
def test_strips_join_without_a_seam(tmp_path, mode, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (50, 64, 4), np.uint8)
    image = Image.fromarray(noise[..., :2].copy().view(np.uint16)[..., 0])
    if mode != "I;16":
        image = Image.fromarray(noise).convert(mode)
    path = tmp_path / "s.tif"
    image.save(path.with_suffix(".png") if mode == "P" else path)
    path = path.with_suffix(".png") if mode == "P" else path
    whole = read_image(path)
    monkeypatch.setattr("utils.imaging.images._STRIP", 64 * 7)
    assert read_image(path).tobytes() == whole.tobytes()


def test_two_threads_read_at_once(tmp_path, monkeypatch):
    """One decodes while the other begins and ends its own reading, of a photograph above Pillow's
    own limit and of one that makes Pillow warn: neither hears of it, whoever is the last.
    """
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    filters = list(warnings.filters)
    whole = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    for name in ("slow.png", "quick.png"):
        Image.fromarray(whole).save(tmp_path / name)
    inside, others_done, found = threading.Event(), threading.Event(), {}
    load = ImageFile.ImageFile.load

    def waiting(image):
        if threading.current_thread().name == "slow" and not inside.is_set():
            inside.set()
            assert others_done.wait(99)
            told = ("from a decoder", Image.DecompressionBombWarning, "Image.py", 1, "PIL.Image")
            warnings.warn_explicit(*told)
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", waiting)

    def read(name: str) -> None:
        try:
            found[name] = np.asarray(read_image(tmp_path / f"{name}.png"))
        except Exception as error:
            found[name] = error

    slow = threading.Thread(target=read, args=("slow",), name="slow")
    slow.start()
    assert inside.wait(99)
    read("quick")
    assert Image.MAX_IMAGE_PIXELS is None  # the slow one is still reading
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        read("quick")
        others_done.set()
        slow.join()
        warnings.warn("of no decoder", stacklevel=1)
    assert [str(one.message) for one in heard] == ["of no decoder"]
    read("quick")
    for name in ("slow", "quick"):
        assert isinstance(found[name], np.ndarray), found[name]
        np.testing.assert_array_equal(found[name], whole)
    assert Image.MAX_IMAGE_PIXELS == 100 and list(warnings.filters) == filters  # noqa: SIM300

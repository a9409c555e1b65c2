"""The one image reader and the one test-time resize; Pillow and NumPy only, torch is not imported.

Reading rules (`read_image`), the same for training, evaluation, prediction, export and the demos:

- The first frame or page of an animation or multi-page file is the image.
- The EXIF (or XMP) orientation is applied; orientation data that cannot be parsed means upright.
- 16-bit grey is scaled, v * 255 / 65535 rounded, never clipped (32768 becomes 128); a 12-bit TIFF
  by 4095 in place of 65535. Of 16-bit colour the high byte is kept.
- Transparency, in any mode, is composited over white.
- CMYK, YCbCr and LAB are converted by Pillow's fixed rules; embedded colour profiles are ignored.
- HEIC is read where pillow-heif is installed.
- For a view rule with decode "fast", a JPEG is decoded at a half, a quarter or an eighth of its
  size, by libjpeg's own scaling; see `least_size`.
- Refused: 32-bit integer and floating-point grey, because the file does not say what white is; a
  PNG that is cut or fails its own checksums; headers without end (utils/imaging/image_files.py).
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from utils.files.tar_files import stat_file
from utils.imaging.crop_places import crop_places
from utils.imaging.image_files import FORMATS, PackageMissing, open_image, quiet_pillow
from utils.imaging.png_file import PngFile
from utils.imaging.view_rule import DEFAULT_MAX_PIXELS, MARGIN, ViewRule
from utils.text import printable

PAD_GREY = (128, 128, 128)

_EXIF_ORIENTATION = 0x0112
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262
_STRIP = 1_000_000  # pixels
_EMPTY = "is empty (0 bytes): replace the file, or take it out"

PathLike = str | os.PathLike[str]


class ImageError(ValueError):
    """An image that cannot be used: `<path>: <what>: <remedy>`; `reason` is what follows the path.

    The one-argument form takes a finished text: pickle and torch's loader rebuild an error so.
    """

    def __init__(self, path: PathLike, reason: str = ""):
        super().__init__(f"{printable(path)}: {reason}" if reason else str(path))
        self.path = os.fspath(path)
        self.reason = reason


class UnknownFormat(ImageError):
    """Content that no decoder takes for an image of its own."""


class TooManyPixels(ImageError):
    """An image larger than the reader was asked to take."""


def read_image(
    path: PathLike, max_pixels: int = DEFAULT_MAX_PIXELS, rule: ViewRule | None = None
) -> Image.Image:
    """A decoded, upright RGB image by the rules at the top of this file; else ImageError.

    max_pixels is compared with the size in the file's header, before any pixel is decoded. rule:
    what the image is read for, where that may be decoded at a part of its size; without one it is
    never. Processes and threads may read at once.
    """
    return _own(_read(path, max_pixels, rule))


def read_resized(
    path: PathLike, rule: ViewRule, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Image.Image:
    """`resize_image` of `read_image`, without a copy of all pixels in between."""
    return _own(resize_image(_read(path, max_pixels, rule), rule))


def _read(path: PathLike, max_pixels: int, rule: ViewRule | None) -> Image.Image:
    """An upright RGB image, which may be Pillow's own of the file."""
    _check_file(path)
    with _faults_named(path), open_image(path) as image:
        rgb, turn = _rgb(path, image, max_pixels, rule)
    del image  # up to 0.7 GB that need not stand beside a turned copy
    return rgb if turn is None else rgb.transpose(turn)


def _own(image: Image.Image) -> Image.Image:
    """A plain image without what its file said of it: an orientation that travels along would be
    applied twice.
    """
    plain = image.copy() if isinstance(image, ImageFile.ImageFile) else image
    plain.info.clear()
    return plain


def image_in_memory(
    given: np.ndarray | Image.Image | bytes,
    name: str,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    rule: ViewRule | None = None,
) -> Image.Image:
    """A Pillow image, or the content of a file, by the rules of `read_image`, or uint8 (H, W, 3)
    RGB or (H, W) grey as it is; always another image than the given one, RGB. ImageError with
    `name` in place of a path. Whether the file of an image that Pillow has opened is whole, Pillow
    alone has looked. rule: as of `read_image`, for the content of a file.
    """
    if isinstance(given, bytes):
        if not given:
            raise ImageError(name, _EMPTY)
        with _faults_named(name), open_image(given) as image:
            rgb, turn = _rgb(name, image, max_pixels, rule)
            return _own(rgb if turn is None else rgb.transpose(turn))
    with _faults_named(name), quiet_pillow:
        if isinstance(given, Image.Image):
            rgb, turn = _rgb(name, given, max_pixels, None)
            if turn is not None:
                return _own(rgb.transpose(turn))
            return _own(rgb.copy() if rgb is given else rgb)
        check_array(given, name)
        _check_pixels(name, (given.shape[1], given.shape[0]), max_pixels)
        return Image.fromarray(np.ascontiguousarray(given)).convert("RGB")


def check_array(pixels: np.ndarray, name: str) -> None:
    """ImageError for an array that is not uint8 (H, W, 3) or (H, W), or has no pixel."""
    shape = pixels.shape
    if pixels.dtype != np.uint8 or (shape[2:] != () and shape[2:] != (3,)) or len(shape) < 2:
        what = f"an array of {pixels.dtype} {shape}"
        raise ImageError(name, f"{what}: expected uint8 (H, W, 3), RGB, or uint8 (H, W), grey")
    if not pixels.size:
        raise ImageError(name, f"an array of shape {shape} has no pixel")


def _rgb(
    name: PathLike, image: Image.Image, max_pixels: int, rule: ViewRule | None
) -> tuple[Image.Image, Image.Transpose | None]:
    """(RGB as stored, which may be the given image, how to turn it upright)."""
    _check_pixels(name, image.size, max_pixels)
    if rule is not None and rule.decode == "fast":
        # Of a JPEG; nothing happens to others. Orientations above 4 lie on a side.
        image.draft(None, least_size(image.size, rule, _orientation(image) > 4))
    source = getattr(image, "fp", None)  # gone once the pixels are loaded
    image.load()
    if isinstance(source, PngFile):
        last = image.crop((0, image.height - 1, *image.size))
        if source.interlaced or not np.asarray(last).any():  # a row that never came is 0
            source.require_rows()
    return _to_rgb(name, image), _TRANSPOSE.get(_orientation(image))


def least_size(size: tuple[int, int], rule: ViewRule, turned: bool = False) -> tuple[int, int]:
    """(width, height) in pixels that an image of `size` must keep on both sides while it is
    decoded fast: MARGIN times what the rule resizes it to, so that the resize, which is
    antialiased, decides what is seen. turned: the image lies on its side as it is stored.
    """
    upright = size[::-1] if turned else size
    width, height = rule.image_size[::-1]
    if rule.resize == "pad":
        left, top, right, bottom = padded_box(upright, rule)
        width, height = right - left, bottom - top
    least = (MARGIN * width, MARGIN * height)
    return least[::-1] if turned else least


@contextmanager
def _faults_named(path: PathLike) -> Iterator[None]:
    """Whatever a decoder raises becomes an ImageError with the file's name."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except PackageMissing as error:
        raise ImageError(path, str(error)) from None
    except UnidentifiedImageError:
        what = "not an image of a known format"
        raise UnknownFormat(path, f"{what}: convert it to one of {', '.join(FORMATS)}") from None
    except Exception as error:  # damaged data makes decoders raise nearly anything
        detail = " ".join(str(error).split()) or type(error).__name__
        what = f"cannot be decoded ({detail})"
        raise ImageError(path, f"{what}: replace the file, or take it out") from error


def _check_file(path: PathLike) -> None:
    try:
        status = stat_file(path)
    except FileNotFoundError:
        raise ImageError(path, "no such file: check the path") from None
    except (OSError, ValueError) as error:
        what = f"cannot be opened ({getattr(error, 'strerror', None) or error})"
        raise ImageError(path, f"{what}: check the path and its permissions") from None
    if stat.S_ISDIR(status.st_mode):
        raise ImageError(path, "is a folder: name an image file")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(path, "is not a regular file: name an image file")
    if status.st_size == 0:
        raise ImageError(path, _EMPTY)


def _check_pixels(path: PathLike, size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        what = f"{size[0]}x{size[1]} pixels are more than the cap of {max_pixels}"
        raise TooManyPixels(path, f"{what}: shrink the image, or raise max_pixels")


def _orientation(image: Image.Image) -> int:
    """1..8, asked after decoding: by then Pillow has turned a TIFF itself, and found a PNG's EXIF
    that lies behind the pixels.
    """
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # damaged metadata does not make the pixels unreadable: left as stored
        return 1


def _to_rgb(path: PathLike, image: Image.Image) -> Image.Image:
    deep_file = image.format in ("PNG", "PPM")  # mode I, but 0..65535 by their definition
    if image.mode.startswith("I;16") or (image.mode == "I" and deep_file):
        return _deep_grey_to_rgb(image)
    if image.mode in ("I", "F"):
        kind = "32-bit integer" if image.mode == "I" else "floating-point"
        raise ImageError(path, f"{kind} grey does not say what white is: convert it to 16 bits")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    canvas = Image.new("RGB", image.size, "white")
    for top, bottom in _strips(image.size):
        box = (0, top, image.width, bottom)
        colours = image.crop(box).convert("RGBA")
        canvas.paste(colours, box, mask=colours.getchannel("A"))
    return canvas


def _strips(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """(top, bottom) of strips of _STRIP pixels or one row: what is computed strip by strip needs no
    further copies of a large image.
    """
    rows = max(1, _STRIP // size[0])
    yield from ((top, min(top + rows, size[1])) for top in range(0, size[1], rows))


def _deep_grey_to_rgb(image: Image.Image) -> Image.Image:
    stored = np.asarray(image)  # (H, W)
    grey = np.empty(stored.shape, np.uint8)
    white, inverted = 65535, False
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        white = (1 << tags.get(_TIFF_BITS, (16,))[0]) - 1
        inverted = tags.get(_TIFF_PHOTOMETRIC) == 0  # Pillow inverts 8 bits, but not 16
    key = image.info.get("transparency")
    for top, bottom in _strips(image.size):
        values = stored[top:bottom].astype(np.uint32)
        if inverted:
            values = white - values
        grey[top:bottom] = (values * 255 + white // 2) // white
        if isinstance(key, int):
            grey[top:bottom][values == key] = 255
    return Image.fromarray(grey).convert("RGB")


def resize_image(image: Image.Image, rule: ViewRule) -> Image.Image:
    """The resize half of `view`: an RGB image of rule.image_size; the same image for "native"."""
    if rule.resize == "native":
        return image
    height, width = rule.image_size
    if rule.resize == "squash":
        return image.resize((width, height), _filter(rule.interpolation))
    if rule.resize == "crop":
        box = centre_box(image.size, rule)
        return image.resize((width, height), _filter(rule.interpolation), box=box)
    left, top, right, bottom = padded_box(image.size, rule)
    inner = image.resize((right - left, bottom - top), _filter(rule.interpolation))
    canvas = Image.new("RGB", (width, height), PAD_GREY)
    canvas.paste(inner, (left, top))
    return canvas


def centre_box(size: tuple[int, int], rule: ViewRule) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of what "crop" takes of an image of (width, height)."""
    height, width = rule.image_size
    scale = min(size[0] / width, size[1] / height)
    left = max(0.0, (size[0] - width * scale) / 2)  # rounding may fall below 0
    top = max(0.0, (size[1] - height * scale) / 2)
    return left, top, size[0] - left, size[1] - top


def padded_box(size: tuple[int, int], rule: ViewRule) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) on the grey of "pad" of an image of (width, height)."""
    height, width = rule.image_size
    scale = min(width / size[0], height / size[1])
    inner_width = min(width, max(1, round(size[0] * scale)))
    inner_height = min(height, max(1, round(size[1] * scale)))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    return left, top, left + inner_width, top + inner_height


def _filter(interpolation: str) -> Image.Resampling:
    return Image.Resampling[interpolation.upper()]


def enlarge_to_fit(
    image: Image.Image, crop_size: tuple[int, int], interpolation: str = "bilinear"
) -> Image.Image:
    """The same image when a crop of (H, W) fits in it, else enlarged, aspect kept, just enough."""
    height, width = crop_size
    scale = max(width / image.width, height / image.height)
    if scale <= 1:
        return image
    size = (max(width, round(image.width * scale)), max(height, round(image.height * scale)))
    return image.resize(size, _filter(interpolation))


def view(image: Image.Image, rule: ViewRule) -> np.ndarray:
    """The network's input for one image: uint8 (V, 3, H, W), V = rule.views, or 1 where the image
    has room for one crop only.

    (H, W) is rule.crop_size with crops; else rule.image_size, or the image's own with "native".
    An image smaller than crop_size is enlarged by `enlarge_to_fit`. ValueError when not RGB.
    """
    if image.mode != "RGB":
        raise ValueError(f"view: the image is {image.mode}, not RGB: read it with read_image")
    return views_of(resize_image(image, rule), rule)


def views_of(resized: Image.Image, rule: ViewRule) -> np.ndarray:
    """The rest of `view`: uint8 (V, 3, H, W) of what `resize_image` or `read_resized` made."""
    if rule.crop_size is None:
        return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1)[None])  # (1, 3, H, W)
    fitting = enlarge_to_fit(resized, rule.crop_size, rule.interpolation)
    pixels = np.asarray(fitting).transpose(2, 0, 1)  # (3, H, W)
    height, width = rule.crop_size
    places = crop_places(fitting.height, fitting.width, rule)
    return np.stack([pixels[:, y : y + height, x : x + width] for y, x in places])

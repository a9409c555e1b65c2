"""How an image becomes network input at test time: a frozen record, kept beside every model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

RESIZES = ("squash", "crop", "pad", "native")
INTERPOLATIONS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
CROP_POOLS = ("mean", "median")
DECODES = ("exact", "fast")
MARGIN = 2  # times the target: so large a fast-decoded image is on both sides at least
DEFAULT_MAX_PIXELS = 179_000_000  # of an image that is read: 0.5 GB as RGB
MOST_PIXELS = 1 << 27  # of all crops of an image together: 1.6 GB of float32


@dataclass(frozen=True)
class ViewRule:
    """What `utils.imaging.images.view` does to an image; recorded in checkpoints and sidecars.

    image_size: (H, W) in pixels, what `resize` aims at; "native" does not use it.
    resize: "squash" resizes straight to (H, W); "crop" takes the largest centred box of the
        target's aspect, then resizes; "pad" keeps the aspect and centres the image on grey (128);
        "native" leaves the image as it is.
    interpolation: one of INTERPOLATIONS, Pillow's filters, antialiased when they shrink.
    crops: 0 for the whole resized image, else how many crops of crop_size (H, W) are taken.
    crop_pool: how the scores of the crops become one, and their histograms: their mean; or the
        median, with the histogram of the crop that has it (utils/imaging/pooling.py).
    crop_seed: None: crops on a grid; else at places drawn from this number
    (utils/imaging/crop_places.py).
    decode: "exact" decodes every pixel of a file; "fast" lets libjpeg decode a large JPEG at a
        half, a quarter or an eighth of its size, which stays MARGIN times as large as what `resize`
        makes of it, on both sides. Other formats, and images in memory, are as with "exact".

    ValueError for a value outside these, and for crops without crop_size or the reverse.
    """

    image_size: tuple[int, int]
    resize: str = "squash"
    interpolation: str = "bilinear"
    crops: int = 0
    crop_size: tuple[int, int] | None = None
    crop_pool: str = "mean"
    crop_seed: int | None = None
    decode: str = "exact"

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_size", _checked_size("image_size", self.image_size))
        _check_choice("resize", self.resize, RESIZES)
        _check_choice("interpolation", self.interpolation, INTERPOLATIONS)
        _check_choice("crop_pool", self.crop_pool, CROP_POOLS)
        _check_choice("decode", self.decode, DECODES)
        if self.decode == "fast" and self.resize == "native":
            raise ValueError(
                "view rule: decode fast shrinks images while they are decoded, and native takes "
                "their own pixels: use decode exact (--decode exact)"
            )
        if not _is_whole(self.crops) or self.crops < 0:
            raise ValueError(f"view rule: crops must be a whole number from 0, not {self.crops!r}")
        if (self.crops > 0) != (self.crop_size is not None):
            given = f"crops={self.crops} with crop_size={self.crop_size}"
            raise ValueError(f"view rule: {given}: give both, or neither")
        if self.crop_seed is not None and (not _is_whole(self.crop_seed) or self.crop_seed < 0):
            seed = f"crop_seed must be null or a whole number from 0, not {self.crop_seed!r}"
            raise ValueError(f"view rule: {seed}")
        if self.crop_size is not None:
            object.__setattr__(self, "crop_size", _checked_size("crop_size", self.crop_size))
            height, width = self.crop_size
            if self.crops * height * width > MOST_PIXELS:
                raise ValueError(
                    f"view rule: {self.crops} crops of {height} x {width} pixels are more than one "
                    f"image may become ({MOST_PIXELS} pixels): fewer crops"
                )

    @property
    def views(self) -> int:
        """How many inputs one image becomes at most: its crops, or itself. It is one where all
        crops would lie at the same place.
        """
        return max(1, self.crops)

    @property
    def own_size(self) -> bool:
        """Whether each image is seen whole and as large as it is."""
        return self.resize == "native" and self.crops == 0

    @cached_property  # asked for of every image
    def sized(self) -> "ViewRule":
        """The rule of the resize alone: before crops are taken, and their scores pooled."""
        return replace(self, crops=0, crop_size=None, crop_seed=None, crop_pool="mean")

    def to_dict(self) -> dict[str, Any]:
        """Builtin types only, ready for JSON; `from_dict` takes it back. Without `decode` where it
        is exact: files and programs from before there was another know no such key.
        """
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        if self.decode == "exact":
            del values["decode"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ViewRule":
        """The inverse of `to_dict`; ValueError for an unknown key, no image_size or a bad value."""
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"view rule: unknown key {unknown[0]!r}: known are {', '.join(known)}")
        if "image_size" not in values:
            raise ValueError("view rule: image_size is missing: give [height, width]")
        return cls(**values)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _checked_size(name: str, value: Any) -> tuple[int, int]:
    pair = isinstance(value, (tuple, list)) and len(value) == 2
    if not pair or not all(_is_whole(v) and v > 0 for v in value):
        expected = "two whole numbers above 0 (height, width)"
        raise ValueError(f"view rule: {name} must be {expected}, not {value!r}")
    return (value[0], value[1])


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"view rule: {name} must be one of {', '.join(choices)}, not {value!r}")

"""Images that can be read but are unlike what one expects: what counts as odd, and which are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from utils.duplicates.image_facts import ImageFacts

SMALL = 32  # pixels: a shorter side below this
LONG = 3  # the longer side is more than so many times the shorter one
USUAL = 0.9  # share of images of one size, portrait or landscape, above which others are odd
FEW = 10  # images: among fewer there is no usual size
APART = 16  # without a usual size: so many times more, or fewer, pixels than the median image

# Kind -> what counts, for a person.
KINDS = {
    "animated": "an animation; its first frame is the image",
    "several_pictures": "several pages or pictures in one file; the first one is the image",
    "deep": "more than 8 bits a channel; scaled to 8, never clipped",
    "small": f"a side below {SMALL} pixels",
    "long": f"one side more than {LONG} times the other",
    "other_size": f"not of the size that {USUAL:.0%} of the images have; or, where no size is so "
    f"usual, {APART} times more or fewer pixels than the median image",
}
_ANIMATIONS = ("GIF", "PNG", "WEBP")


@dataclass(frozen=True, slots=True)
class OddImage:
    """kind: a key of KINDS; detail: what was found, such as "12 frames"."""

    path: Path
    kind: str
    detail: str


def odd_images(facts: Sequence[ImageFacts]) -> list[OddImage]:
    """Every oddity of the readable ones of the images, by kind, then in input order."""
    pictures = [one for one in facts if one.readable]
    found = [odd for one in pictures for odd in _of_one(one)]
    found += _other_sizes(pictures)
    order = list(KINDS)
    return sorted(found, key=lambda odd: order.index(odd.kind))  # stable


def _of_one(one: ImageFacts) -> Iterator[OddImage]:
    (width, height), file = one.size, one.file
    if file.frames > 1 and file.format in _ANIMATIONS:
        yield OddImage(one.path, "animated", f"{file.format} of {file.frames} frames")
    elif file.frames > 1:
        yield OddImage(one.path, "several_pictures", f"{file.format} of {file.frames} pictures")
    if file.bits > 8:
        yield OddImage(one.path, "deep", f"{file.format} of {file.bits} bits")
    if min(one.size) < SMALL:
        yield OddImage(one.path, "small", f"{width}x{height}")
    if max(one.size) > LONG * min(one.size):
        ratio = max(one.size) / min(one.size)
        yield OddImage(one.path, "long", f"{width}x{height}, {ratio:.1f}:1")


def _other_sizes(pictures: list[ImageFacts]) -> list[OddImage]:
    if len(pictures) < FEW:
        return []
    counted = Counter(_turned(one.size) for one in pictures)
    usual, count = counted.most_common(1)[0]
    if count >= USUAL * len(pictures):
        share = f"{100 * count / len(pictures):.3g}% are {usual[0]}x{usual[1]}"
        odd = [one for one in pictures if _turned(one.size) != usual]
    else:
        middle = median(_area(one) for one in pictures)
        share = f"the median image has {middle:.0f} pixels"
        odd = [one for one in pictures if not middle / APART <= _area(one) <= middle * APART]
    return [
        OddImage(one.path, "other_size", f"{one.size[0]}x{one.size[1]}; {share}") for one in odd
    ]


def _turned(size: tuple[int, int]) -> tuple[int, int]:
    """Portrait and landscape are one size."""
    return max(size), min(size)


def _area(one: ImageFacts) -> int:
    return one.size[0] * one.size[1]

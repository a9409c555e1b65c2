"""Where the crops of a view lie: on a grid, or drawn from a seed."""

import hashlib
import math

from utils.imaging.view_rule import ViewRule


def crop_places(height: int, width: int, rule: ViewRule) -> list[tuple[int, int]]:
    """(top, left) of the rule's crops in an image of height x width pixels that they fit in; one
    place where all of them would be the same, because the image has no room for others.
    """
    if rule.crop_size is None:
        raise ValueError("crop_places: the view rule takes no crops")
    if rule.crop_seed is None:
        places = grid(height, width, rule.crop_size, rule.crops)
    else:
        places = drawn(height, width, rule.crop_size, rule.crops, rule.crop_seed)
    return places if len(set(places)) > 1 else places[:1]


def drawn(
    height: int, width: int, crop_size: tuple[int, int], crops: int, seed: int
) -> list[tuple[int, int]]:
    """N places anywhere in the image, the same for all images of one size and in every language:
    of SHA-256("seed height width i") as ASCII, i from 0, the first 8 bytes, a big-endian number,
    modulo (height - crop height + 1) are the top, the next 8 modulo (width - crop width + 1) the
    left.
    """
    down, right = height - crop_size[0] + 1, width - crop_size[1] + 1
    digests = (hashlib.sha256(f"{seed} {height} {width} {i}".encode()) for i in range(crops))
    numbers = (
        (int.from_bytes(d[:8], "big"), int.from_bytes(d[8:16], "big"))
        for d in (digest.digest() for digest in digests)
    )
    return [(y % down, x % right) for y, x in numbers]


def grid(height: int, width: int, crop_size: tuple[int, int], crops: int) -> list[tuple[int, int]]:
    """(top, left) of N crops in an image that they fit in, spread evenly, the same in every call.

    N=1 is the centre; N=5 the four corners, then the centre. Any other N is a near-square grid of
    floor(sqrt(N)) lines along the way with more room to move (rows, when both are equal). N is
    shared out over the lines, the first ones get one more. Places on a line, and the lines
    themselves, go from edge to edge at equal distances; a single one lies in the middle. So N=4
    is the corners and N=9 a 3x3 grid.
    """
    down, right = height - crop_size[0], width - crop_size[1]
    if crops == 5:
        return [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    if right >= down:
        return lattice(down, right, crops)
    return [(y, x) for x, y in lattice(right, down, crops)]


def lattice(across: int, along: int, crops: int) -> list[tuple[int, int]]:
    """The places of `grid` for N crops, not 5, with `along` the way that has more room: lines lie
    across it. Only arithmetic is done with both, so that they may be tensors, too.
    """
    lines = math.isqrt(crops)
    return [
        (a, b)
        for line, a in enumerate(_spread(across, lines))
        for b in _spread(along, crops // lines + (line < crops % lines))
    ]


def _spread(span: int, count: int) -> list[int]:
    """k * span / (count - 1), rounded half up in whole numbers."""
    if count == 1:
        return [span // 2]
    return [(2 * k * span + count - 1) // (2 * (count - 1)) for k in range(count)]

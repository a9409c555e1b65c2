"""Parts of an image hidden one after the other, to see what a score depends on (occlusion
sensitivity: Zeiler and Fergus, ECCV 2014, section 4.2).

They cover the part with grey. To a quality model a grey patch is a fault of its own, edges
included: it lowers the score wherever it lies. So does the mean colour, which is foreign to most
places. Here a part is blurred until only its brightness and colour are left, and fades into its
surroundings. That adds no edge and no colour, and hides nothing where there is nothing to hide: a
flat part stays as it is, and its fall is 0. Measured with a small ranking network, 8 photographs:
the falls of flat cells (standard deviation of grey below 4 of 255) are 0.81 of those of detailed
ones (above 20) with grey, 0.61 with the mean colour and 0.04 with blur. What remains: a model that
punishes blur finds some in every detailed part. Cells of one map can be compared; a fall is no
share of a score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from PIL import Image, ImageFilter

from utils.imaging.pooling import pool_scores
from utils.imaging.view_frame import Box, Frame
from utils.imaging.view_rule import ViewRule

CELLS = 100  # in all: 10x10 of a square, 8x12 of a photograph with sides as 2 to 3
_OF_A_VIEW = 4  # cells across a view at least: hiding all of a crop says nothing about its parts
_SMALLEST = 2.0  # pixels of a cell's side
_FADE = 0.5  # of a cell's side: how wide the transition to what is not hidden is
_BLUR = 0.5  # of a cell's side: standard deviation of the blur

Run = Callable[[list[np.ndarray]], np.ndarray]  # n views, uint8 (H, W, 3) -> scores (n,), float64
Place = tuple[int, int, int]  # row, column, view


@dataclass(frozen=True)
class Cells:
    """A grid: borders of its rows (h + 1,) and columns (w + 1,) in pixels, rising."""

    rows: np.ndarray
    columns: np.ndarray

    def moved(self, before: Box, after: Box) -> Cells:
        """The same grid where the box `before` lies at `after`."""
        return Cells(
            _moved(self.rows, before[1::2], after[1::2]),
            _moved(self.columns, before[::2], after[::2]),
        )


def _moved(borders: np.ndarray, before: tuple[float, ...], after: tuple[float, ...]) -> np.ndarray:
    share = (borders - before[0]) / (before[1] - before[0])
    return after[0] + share * (after[1] - after[0])


def divided(box: Box, down: int, across: int) -> Cells:
    """`down` x `across` equal cells that fill the box; at least one each way."""
    left, top, right, bottom = box
    return Cells(
        np.linspace(top, bottom, max(1, down) + 1), np.linspace(left, right, max(1, across) + 1)
    )


def overlaps(borders: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, m): by how many pixels each of n intervals overlaps each of m, from their borders. Less
    than a millionth of a pixel is rounding.
    """
    first = np.maximum(borders[:-1, None], others[None, :-1])
    last = np.minimum(borders[1:, None], others[None, 1:])
    return np.where(last - first > 1e-6, last - first, 0)


class Occlusion:
    """The image of a frame with one cell hidden at a time: about `CELLS` cells, more where these
    would be larger than a quarter of a view.

    A cell is hidden in the frame, before views are cut, so all views that see it see it hidden. Its
    weights fall from 1 to 0 over half a cell across each border, and those of all cells add up to 1
    at every pixel.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        left, top, right, bottom = frame.inside
        wide, high = right - left, bottom - top
        side = max(_SMALLEST, min(math.sqrt(wide * high / CELLS), min(frame.size) / _OF_A_VIEW))
        self.cells = divided(frame.inside, round(high / side), round(wide / side))
        self._down = weights(self.cells.rows, frame.pixels.shape[0])  # (h, H)
        self._across = weights(self.cells.columns, frame.pixels.shape[1])  # (w, W)
        self._blurred = _blurred(frame, self.cells)

    def seen(self) -> np.ndarray:
        """bool (h, w): whether any view shows a part of the cell."""
        found = np.zeros((len(self._down), len(self._across)), bool)
        for top, left in self.frame.places:
            down = np.array([top, top + self.frame.size[0]])
            across = np.array([left, left + self.frame.size[1]])
            rows = overlaps(self.cells.rows, down)[:, 0] > 0
            found |= rows[:, None] & (overlaps(self.cells.columns, across)[:, 0] > 0)
        return found

    def hidden(self, row: int, column: int, number: int) -> np.ndarray | None:
        """uint8 (h, w, 3): a view with this cell hidden; None where that leaves it as it is."""
        top, left = self.frame.places[number]
        down = self._down[row, top : top + self.frame.size[0]]
        across = self._across[column, left : left + self.frame.size[1]]
        if not (down.any() and across.any()):
            return None
        whole = self.frame.view(number)
        weight = (down[:, None] * across)[:, :, None]
        change = weight * (self.frame.view(number, self._blurred).astype(np.float32) - whole)
        changed = np.rint(whole + change).astype(np.uint8)
        return None if np.array_equal(changed, whole) else changed


def falls(
    frame: Frame, rule: ViewRule, batch: int, scores: Run, pooled: bool = False
) -> tuple[float, np.ndarray, Cells]:
    """(score, falls (h, w), cells in the frame) of an image: its views pooled, and by how much that
    falls when a cell is hidden, in all views that see it; nan where none does. The score is nan
    where any that a network answers is not finite.

    batch: how many views `scores` gets at most. They are those that hiding a cell changes: the
    others keep their score, to the bit. pooled: it takes whole frames, and cuts and pools itself.
    """
    occlusion = Occlusion(frame)
    seen = occlusion.seen()
    if pooled:
        height, width = frame.pixels.shape[:2]
        frame = occlusion.frame = replace(frame, places=((0, 0),), size=(height, width))
    count = len(frame.places)
    numbers = [range(first, min(first + batch, count)) for first in range(0, count, batch)]
    whole = np.concatenate([scores([frame.view(v) for v in group]) for group in numbers])
    found = np.broadcast_to(whole, (*seen.shape, count)).copy()  # (h, w, V)
    changed = _changed(occlusion, seen)
    while group := list(islice(changed, batch)):
        places, views = zip(*group, strict=True)
        found[tuple(zip(*places, strict=True))] = scores(list(views))
    # A nan of one hidden part would look like a part that no view sees.
    score = float(pool_scores(whole[None], rule)[0]) if np.isfinite(found).all() else math.nan
    fallen = score - pool_scores(found.reshape(-1, count), rule).reshape(seen.shape)
    return score, np.where(seen, fallen, np.nan), occlusion.cells


def _changed(occlusion: Occlusion, seen: np.ndarray) -> Iterator[tuple[Place, np.ndarray]]:
    """((row, column, view), pixels) of every view that is another one with a cell hidden."""
    for i, j in np.argwhere(seen).tolist():
        for number in range(len(occlusion.frame.places)):
            view = occlusion.hidden(i, j, number)
            if view is not None:
                yield (i, j, number), view


def weights(borders: np.ndarray, length: int) -> np.ndarray:
    """float32 (n, length): how strongly each of n intervals hides each of `length` pixels."""
    pixels = np.arange(length) + 0.5
    fade = _FADE * (borders[1] - borders[0])
    begun = np.clip((pixels - borders[:, None]) / fade + 0.5, 0, 1)  # (n + 1, length)
    inside = (pixels > borders[0]) & (pixels < borders[-1])
    begun[0], begun[-1] = 1, 0
    return ((begun[:-1] - begun[1:]) * inside).astype(np.float32)


def _blurred(frame: Frame, cells: Cells) -> np.ndarray:
    """uint8 (H, W, 3): the frame with its inside blurred, without the padding around it."""
    left, top, right, bottom = frame.inside
    rows = slice(math.floor(top), math.ceil(bottom))
    columns = slice(math.floor(left), math.ceil(right))
    side = max(cells.rows[1] - cells.rows[0], cells.columns[1] - cells.columns[0])
    strong = ImageFilter.GaussianBlur(_BLUR * float(side))
    blurred = frame.pixels.copy()
    blurred[rows, columns] = np.asarray(Image.fromarray(frame.pixels[rows, columns]).filter(strong))
    return blurred

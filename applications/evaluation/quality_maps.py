"""Quality maps: where in an image its score comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import nn

from applications.evaluation.evaluation import Evaluation, extremes
from applications.evaluation.scoring import CPU_VIEWS, Scorer, to_input
from dataloader.sources import Source, open_source, resized_source
from models.backbone import evaluating
from models.folding import folded
from models.grad_cam import grad_cam
from utils.drawing.quality_map import map_picture
from utils.imaging.images import ImageError, ViewRule
from utils.imaging.occlusion import Cells, divided, falls, overlaps
from utils.imaging.pooling import pool_scores
from utils.imaging.view_frame import Frame, frame_of
from utils.text import csv_of, printable

SIDE = 640  # pixels of the longer side of a map's image
WAYS = ("occlusion", "gradcam")
_MEANING = {
    "occlusion": "by how much it falls when a part is hidden",
    "gradcam": "what the places of the last feature map add to it",
}
_PIXELS = 224 * 224  # batch_size counts images of so many; fewer larger ones go at once

Found = tuple[float, np.ndarray, Cells]  # score; falls (h, w), nan where unseen; cells in the frame


@dataclass(frozen=True)
class QualityMap:
    """image: RGB, at most 640 pixels wide and high. score: of the whole image, its views pooled.
    way: one of WAYS.

    grid: (h, w) float64, in units of the score: by how much it falls when a cell is hidden
    (occlusion), or what the cell adds to it (gradcam), so positive where the score comes from; nan
    where no view sees the cell. cells: its borders, in pixels of the image as it was read, whose
    (width, height) is `size`; they leave out what "crop" cuts off.
    """

    image: Image.Image
    grid: np.ndarray
    score: float
    way: str
    cells: Cells
    size: tuple[int, int]


def quality_map(scorer: Scorer, source: Source, way: str = "occlusion") -> QualityMap:
    """The map of one image. Always in float32: the rounding of the scorer's precision is as large
    as the fall of a cell. The model is left as it is, in the mode it is in.

    occlusion: the fall of the pooled score when a cell is hidden, in all views that see it
    (utils/imaging/occlusion.py says how). Any backbone; about 100 passes, or 16 and more per crop.
    gradcam: models/grad_cam.py, for each view and its own score; a cell has the mean of all views'
    pixels that show it. One pass forward and a short one back.

    Raises:
        ImageError: the image cannot be read, or has scores that are not finite.
        ValueError: an unknown way, or gradcam for a backbone without a feature map.
    """
    if way not in WAYS:
        raise ValueError(f"--map_way {way}: choose from {', '.join(WAYS)}")
    model, rule, device = scorer.model, scorer.view, scorer.device
    image = open_source(source, scorer.max_pixels)
    fast = rule.decode == "fast"  # what is shown, and where its cells lie, is the whole image
    frame = frame_of(image, rule, resized_source(source, scorer.max_pixels, rule) if fast else None)
    pixels = max(_PIXELS, frame.size[0] * frame.size[1])
    views = scorer.batch_size if device.type != "cpu" else min(scorer.batch_size, CPU_VIEWS)
    batch = max(1, views * _PIXELS // pixels)
    compute = _occlusion if way == "occlusion" else _gradcam
    score, grid, cells = compute(model, frame, rule, batch, device)
    if not math.isfinite(score) or np.isinf(grid).any():
        raise ImageError(printable(source), "the scores of its parts are not finite numbers")
    shown = image.copy()
    shown.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return QualityMap(shown, grid, score, way, cells.moved(frame.inside, frame.source), image.size)


def overlay(found: QualityMap) -> Image.Image:
    """The image in grey under its map, blue where the score comes from and orange where it is
    lowered, and below it a scale with numbers.
    """
    width, height = found.size
    across, down = found.image.width / width, found.image.height / height
    return map_picture(
        found.image,
        found.grid,
        found.cells.rows * down,
        found.cells.columns * across,
        f"score {found.score:.4g}: {_MEANING[found.way]}",
    )


def map_csv(found: QualityMap) -> str:
    """row, column, left, top, right, bottom (pixels of the image as it was read) and fall of each
    cell that a view sees.
    """
    table: list[list[object]] = [["row", "column", "left", "top", "right", "bottom", "fall"]]
    rows, columns = found.cells.rows, found.cells.columns
    for i, j in np.argwhere(~np.isnan(found.grid)).tolist():
        place = columns[j], rows[i], columns[j + 1], rows[i + 1]
        table.append([i, j, *(f"{v:.9g}" for v in (*place, found.grid[i, j]))])
    return csv_of(table)


@dataclass(frozen=True)
class MapPicture:
    """A quality map as a page shows it: of which image of an evaluation, and its csv."""

    image: int
    score: float
    picture: Image.Image
    csv: str


def map_pictures(scorer: Scorer, e: Evaluation, count: int) -> list[MapPicture]:
    """Quality maps of the images that are most wrong, or of the lowest and highest scores."""
    found = []
    for image in _mapped(e, min(count, len(e.images))):
        own = quality_map(scorer, e.images[image])
        found.append(MapPicture(image, float(own.score), overlay(own), map_csv(own)))
    return found


def _mapped(e: Evaluation, count: int) -> list[int]:
    if e.opinions is None:
        order = [int(i) for i in np.argsort(e.scores, kind="stable")]
        low = (count + 1) // 2
        return [*order[:low], *order[len(order) - (count - low) :]]
    over, under = extremes(e.in_mos_units()[0] - e.opinions.mos.astype(np.float64), count)
    both = [i for pair in zip(over, under, strict=False) for i in pair]
    return list(dict.fromkeys([*both, *over, *under]))[:count]


# ---- occlusion


def _occlusion(
    model: nn.Module, frame: Frame, rule: ViewRule, batch: int, device: torch.device
) -> Found:
    with torch.inference_mode(), evaluating(model):
        quick = folded(model, _input([frame.view(0)], device))
        return falls(frame, rule, batch, lambda views: _scores(quick, views, device))


# ---- Grad-CAM


def _gradcam(
    model: nn.Module, frame: Frame, rule: ViewRule, batch: int, device: torch.device
) -> Found:
    with torch.inference_mode(), evaluating(model):
        score = float(pool_scores(_whole(model, frame, batch, device)[None], rule)[0])
    maps = np.concatenate(
        [
            grad_cam(model, _input([frame.view(v) for v in group], device)).cpu().numpy()
            for group in _batches(len(frame.places), batch)
        ]
    )
    left, top, right, bottom = frame.inside
    down = round((bottom - top) * maps.shape[1] / frame.size[0])
    across = round((right - left) * maps.shape[2] / frame.size[1])
    cells = divided(frame.inside, down, across)
    return score, _pasted(maps, frame, cells), cells


def _pasted(maps: np.ndarray, frame: Frame, cells: Cells) -> np.ndarray:
    """Maps (V, h, w) of the views at the places of these -> the mean in each cell; nan where none
    is.
    """
    total = np.zeros((len(cells.rows) - 1, len(cells.columns) - 1))
    pixels = np.zeros_like(total)
    height, width = frame.size
    for (top, left), values in zip(frame.places, maps.astype(np.float64), strict=True):
        box = (left, top, left + width, top + height)
        own = divided(box, *values.shape)
        down, across = overlaps(cells.rows, own.rows), overlaps(cells.columns, own.columns)
        total += down @ values @ across.T
        pixels += down.sum(1)[:, None] * across.sum(1)
    return np.divide(total, pixels, out=np.full_like(total, np.nan), where=pixels > 0)


# ---- both


def _whole(model: nn.Module, frame: Frame, batch: int, device: torch.device) -> np.ndarray:
    """Scores (V,) of the views as they are."""
    groups = _batches(len(frame.places), batch)
    return np.concatenate([_scores(model, [frame.view(v) for v in g], device) for g in groups])


def _batches(count: int, batch: int) -> list[range]:
    return [range(first, min(first + batch, count)) for first in range(0, count, batch)]


def _scores(model: nn.Module, views: list[np.ndarray], device: torch.device) -> np.ndarray:
    """float64 (n,) of n views, uint8 (H, W, 3)."""
    return model(_input(views, device)).scores.double().cpu().numpy()


def _input(views: list[np.ndarray], device: torch.device) -> torch.Tensor:
    return to_input(torch.from_numpy(np.stack(views).transpose(0, 3, 1, 2)), device)

"""The frame's views are the evaluation's, and its boxes say where pixels come from."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from utils.imaging.images import PAD_GREY, ViewRule, view
from utils.imaging.view_frame import frame_of

SIZES = ((60, 40), (40, 60), (33, 97), (5, 3), (1, 1))  # width, height
RULES = [
    ViewRule((32, 48), resize, crops=crops, crop_size=(24, 40) if crops else None, crop_seed=seed)
    for resize in ("squash", "crop", "pad", "native")
    for crops, seed in ((0, None), (5, None), (3, 7))
]


@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{r.resize}-{r.crops}")
@pytest.mark.parametrize("size", SIZES)
def test_the_views_are_those_of_the_evaluation(rule, size):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8))
    frame = frame_of(image, rule)
    views = np.stack([frame.view(n).transpose(2, 0, 1) for n in range(len(frame.places))])
    assert np.array_equal(views, view(image, rule))


@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{r.resize}-{r.crops}")
@pytest.mark.parametrize("size", SIZES[:3])
def test_a_pixel_lies_where_the_boxes_say(rule, size):
    # Red rises along x from 0 to 250, green along y: a pixel of the frame says where it was.
    across, down = np.linspace(0, 250, size[0]), np.linspace(0, 250, size[1])
    pixels = np.zeros((*size[::-1], 3), np.uint8)
    pixels[:, :, 0], pixels[:, :, 1] = np.rint(across), np.rint(down)[:, None]
    frame = frame_of(Image.fromarray(pixels), rule)
    left, top, right, bottom = frame.inside
    y, x = int((top + bottom) / 2), int(left + 0.7 * (right - left))
    far, near = frame.source[2], frame.source[0]
    share = (x + 0.5 - left) / (right - left)
    wanted = np.interp(near + share * (far - near) - 0.5, np.arange(size[0]), across)
    assert abs(float(frame.pixels[y, x, 0]) - wanted) < 250 / min(right - left, size[0]) + 2
    assert abs(float(frame.pixels[y, x, 1]) - 125) < 250 / min(bottom - top, size[1]) + 2


def test_the_boxes_of_each_rule():
    image = Image.new("RGB", (60, 20))
    whole = (0, 0, 60, 20)
    squashed = frame_of(image, ViewRule((30, 30)))
    assert squashed.inside == (0, 0, 30, 30) and squashed.source == whole
    padded = frame_of(image, ViewRule((30, 30), "pad"))
    assert padded.inside == (0, 10, 30, 20) and padded.source == whole
    assert (padded.pixels[:10] == PAD_GREY).all() and not padded.pixels[10:20].any()
    cut = frame_of(image, ViewRule((30, 30), "crop"))
    assert cut.inside == (0, 0, 30, 30) and cut.source == (20, 0, 40, 20)
    enlarged = frame_of(image, ViewRule((9, 9), "native", crops=1, crop_size=(40, 40)))
    assert enlarged.inside == (0, 0, 120, 40) and enlarged.source == whole

"""The bound against `similarity` itself, on both sides of every pair."""

from __future__ import annotations

from itertools import product

import numpy as np

from tests.contents import blotches
from tests.small_photos import NAMES, small_photo
from tests.utils.duplicates.test_near_duplicates import thumbnail
from utils.duplicates.near_duplicates import CROPPED, SIDE, similarity
from utils.duplicates.similarity_bound import SLACK, SimilarityBound


def pictures() -> np.ndarray:
    """Photographs, patterns, noise, ramps, and borders around nothing or nearly nothing, and all
    of them once more with noise and moved by a pixel.
    """
    rng = np.random.default_rng(0)
    smooth = [thumbnail(small_photo(name, 256)) for name in NAMES]
    smooth += [thumbnail(blotches(seed)) for seed in range(12)]
    ramp = np.broadcast_to(np.arange(SIDE) * 4, (SIDE, SIDE))
    border = np.pad(np.zeros((SIDE - 2, SIDE - 2)), 1, constant_values=200)
    odd = [rng.integers(0, 256, (SIDE, SIDE)), ramp, ramp.T, border]
    odd += [border + (rng.random((SIDE, SIDE)) < share) for share in (0.002, 0.5)]
    all_of_them = np.stack([*smooth, *odd]).astype(np.uint8)
    moved = np.roll(all_of_them, 1, axis=2) + rng.normal(0, 6, all_of_them.shape)
    return np.concatenate([all_of_them, np.clip(moved, 0, 255).astype(np.uint8)])


def test_what_is_left_out_is_less_alike():
    shown = pictures()
    i, j = (side.ravel() for side in np.indices((len(shown), len(shown))))
    alike = similarity(shown[i], shown[j])
    bound = SimilarityBound(shown, shown)
    for limit in np.linspace(-0.4, 1, 15):
        one_side = bound.may_reach(limit, i, j)
        kept = one_side | one_side.reshape(len(shown), -1).T.ravel()
        assert (alike[~kept] < limit).all()


def test_most_pairs_of_photographs_are_left_out():
    shown = pictures()[: len(NAMES) + 12]
    i, j = (side.ravel() for side in np.nonzero(~np.eye(len(shown), dtype=bool)))
    assert SimilarityBound(shown, shown).may_reach(0.65, i, j).mean() < 0.2


def test_the_bound_is_reached_where_all_frequencies_are_low():
    """Of two sums of few waves, uncropped, nothing is in the rest."""
    place = np.pi * (np.arange(SIDE) + 0.5) / SIDE
    waves = np.cos(np.arange(1, 6)[:, None] * place)
    shown = np.round(128 + 60 * waves[:, :, None] * waves[:1, None]).astype(np.uint8)
    i, j = np.zeros(1, int), np.zeros(1, int)
    bound = SimilarityBound(shown, shown)
    assert bound.may_reach(1.0, i, j).all()
    assert not bound.may_reach(1.0 + 5 * SLACK, i, j).any()


def faint_crops() -> np.ndarray:
    """Twice as many as dots: a frame with a dot of one grey level in a corner of it, of which the
    crop without the frame leaves a trace of the dot alone; and that crop, with all the contrast
    there is. The trace is lost in what rounding makes of the frame.
    """
    shown = []
    for edge, row, column in product((100, 128, 200, 255), range(1, 5), range(1, 5)):
        framed = np.pad(np.zeros((SIDE - 2, SIDE - 2), np.uint8), 1, constant_values=edge)
        framed[row, column] = 1
        inside = CROPPED[-1] @ framed.astype(np.float64) @ CROPPED[-1].T
        clear = (inside - inside.min()) / np.ptp(inside)
        shown += [framed, np.round(255 * clear).astype(np.uint8)]
    return np.stack(shown)


def test_a_crop_with_next_to_nothing_in_it_is_never_told_apart():
    shown = faint_crops()
    bound, pairs = SimilarityBound(shown, shown), np.arange(len(shown)).reshape(-1, 2)
    alike = similarity(*(shown[side] for side in pairs.T))
    assert (alike > 0.9).sum() > 40
    for limit, pair in zip(alike, pairs, strict=True):
        sides = [bound.may_reach(limit, pair[[i]], pair[[1 - i]]) for i in range(2)]
        assert np.any(sides)

"""How many views a network is given at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from applications.evaluation.scoring import ScoringOptions, score_readable
from dataloader.sources import GivenImage
from tests.known_networks import tiny_network
from utils.imaging.images import ViewRule

CPU = torch.device("cpu")


def scored(rule: ViewRule, batch_size: int) -> tuple[np.ndarray, list[int]]:
    """(scores of seven images, how many views each pass had)."""
    rng = np.random.default_rng(0)
    images = [GivenImage(rng.integers(0, 256, (40, 50, 3), np.uint8), f"{i}") for i in range(7)]
    model, sizes = tiny_network(), []
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    options = ScoringOptions(rule, batch_size, 0, 10**8)
    return score_readable(model, images, options, CPU, skip=False)[0].scores, sizes


@pytest.mark.parametrize(
    ("crops", "batch_size", "passes"),
    [
        (0, 4, [4, 3]),
        (2, 4, [4, 4, 4, 2]),
        (3, 4, [3] * 7),
        (9, 4, [9] * 7),
        (4, 64, [28]),
    ],
)
def test_crops_count_as_images_of_a_batch_and_never_change_a_score(crops, batch_size, passes):
    rule = ViewRule((32, 32), crops=crops, crop_size=(24, 24) if crops else None)
    scores, sizes = scored(rule, batch_size)
    assert sizes == passes
    alone, _ = scored(rule, 1)
    np.testing.assert_allclose(scores, alone, rtol=0, atol=1e-5)

"""How many views a network is given at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from applications.evaluation.scoring import Scorer, one_place, views_beside
from applications.training import trainer
from dataloader.sources import GivenImage
from tests.cli import TINY, call
from tests.known_networks import tiny_network
from tests.tiny_data import write_data
from utils.imaging.images import ViewRule

CPU = torch.device("cpu")


def scored(rule: ViewRule, batch_size: int) -> tuple[np.ndarray, list[int]]:
    """(scores of seven images, how many views each pass had)."""
    rng = np.random.default_rng(0)
    images = [GivenImage(rng.integers(0, 256, (40, 50, 3), np.uint8), f"{i}") for i in range(7)]
    model, sizes = tiny_network(), []
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    scorer = Scorer(model, CPU, rule, batch_size)
    return scorer.predict_readable(images, skip=False)[0].scores, sizes


@pytest.mark.parametrize(
    ("crops", "batch_size", "passes"),
    [
        (0, 4, [4, 3]),
        (2, 4, [4, 4, 4, 2]),
        (3, 4, [3] * 7),
        (9, 4, [5, 4] * 7),
        (4, 64, [7] * 4),
    ],
)
def test_crops_count_as_images_of_a_batch_and_never_change_a_score(crops, batch_size, passes):
    rule = ViewRule((32, 32), crops=crops, crop_size=(24, 24) if crops else None)
    scores, sizes = scored(rule, batch_size)
    assert sizes == passes
    alone, _ = scored(rule, 1)
    np.testing.assert_allclose(scores, alone, rtol=0, atol=1e-5)


def test_an_image_with_room_for_one_crop_is_looked_at_once():
    rng = np.random.default_rng(0)
    sizes = [(24, 24), (40, 50), (12, 12), (24, 30)]  # the third one is enlarged to just one crop
    images = [GivenImage(rng.integers(0, 256, (*s, 3), np.uint8), f"{s}") for s in sizes]
    model, passes = tiny_network(), []
    model.register_forward_pre_hook(lambda _, inputs: passes.append(len(inputs[0])))
    rule = ViewRule((24, 24), "native", crops=3, crop_size=(24, 24))
    found, _, _ = Scorer(model, CPU, rule, 99).predict_readable(images, False)
    assert passes == [1 + 3 + 1 + 3]
    said = (
        "2 of 4 images have no room for 3 different crops of 24x24 pixels: each of them is scored"
    )
    assert one_place(found, rule) == f"{said} once"
    whole = ViewRule((24, 24), "native", crops=1, crop_size=(24, 24))
    once, _, _ = Scorer(model, CPU, whole, 99).predict_readable(images, False)
    assert found.scores[[0, 2]].tolist() == once.scores[[0, 2]].tolist()
    assert one_place(once, whole) is None


def test_validation_on_a_device_takes_twice_the_images_of_a_step(tmp_path, monkeypatch):
    """The test in float32, after a training in 16 bits, has no such room."""
    card, seen, predict = torch.device("meta"), [], Scorer.predict
    assert [views_beside(6, device) for device in (CPU, card)] == [6, 12]
    monkeypatch.setattr(trainer, "views_beside", lambda views, _: views_beside(views, card))

    def noted(self, images, *more):
        seen.append((Path(images[0]).parts[-3], self.batch_size))
        return predict(self, images, *more)

    monkeypatch.setattr(Scorer, "predict", noted)
    write_data(tmp_path / "data", "regress", train=2, held_out=1)
    call(tmp_path, f"--train --criterion regress {TINY} --epochs 1 --no_check -b 6")
    assert seen == [("test", 6), ("val", 12), ("test", 6)]

"""Kept views against the training's own: the same pixels wherever they can be the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataloader.labels.labels import Labels, Version
from dataloader.labels.text import read_labels
from dataloader.loader import BatchPlan, StepDataset
from dataloader.targets.images import ScoreTargets
from dataloader.targets.pairs import PairTargets
from dataloader.views.kept_views import (
    DrawnViews,
    EvaluationViews,
    KeptViewDataset,
    MirroredViews,
    training_views,
    view_keys,
)
from dataloader.views.transforms import TrainTransform
from tests.tiny_data import write_data
from utils.imaging.images import ViewRule, read_image, view

RULE = ViewRule((24, 32))
CROPPED = ViewRule((24, 32), resize="native", crops=5, crop_size=(24, 32))
SEED = 3


@pytest.fixture(scope="module")
def targets(tmp_path_factory) -> ScoreTargets:
    data = write_data(tmp_path_factory.mktemp("data"), "regress", train=4)
    return ScoreTargets(read_labels("scores", data / "train/label.txt", data))


def kept(targets, views) -> np.ndarray:
    """uint8 (images, V, 3, H, W), read in groups of 5."""
    count = len(targets.paths)
    dataset = KeptViewDataset(
        targets.paths, RULE, views, view_keys(targets), 5, 10**6, list(range(count))
    )
    groups = [dataset[b] for b in range(len(dataset))]
    assert [len(g[1]) for g in groups] == [5, 5, 2]
    assert np.concatenate([g[1].numpy() for g in groups]).tolist() == list(range(count))
    assert all(g[2].tolist() == [views.count] * len(g[1]) for g in groups)
    pixels = np.concatenate([g[0].numpy() for g in groups])
    return pixels.reshape(count, views.count, *pixels.shape[1:])


@pytest.mark.parametrize(
    ("transform", "kind", "count", "epochs"),
    [
        (TrainTransform(RULE), MirroredViews, 2, range(12)),
        (TrainTransform(CROPPED), MirroredViews, 2, range(3)),
        (TrainTransform(RULE, flip=False), EvaluationViews, 1, range(3)),
        (TrainTransform(RULE, (16, 20), (32, 40)), DrawnViews, 4, range(4)),
        (TrainTransform(CROPPED, (24, 32), flip=False), DrawnViews, 4, range(4)),
        (TrainTransform(RULE, jitter=0.5), DrawnViews, 4, range(4)),
    ],
    ids=["whole", "whole, native test crops", "no flip", "resized crop", "native crop", "jitter"],
)
def test_an_epoch_takes_the_very_view_that_it_would_see(targets, transform, kind, count, epochs):
    views = training_views(transform, SEED, 4)
    assert isinstance(views, kind) and views.count == count
    have = kept(targets, views)
    assert have.shape[1] == count and have.dtype == np.uint8
    plan = BatchPlan(len(targets), 12, 1, SEED)
    steps, taken = StepDataset(targets, transform, plan, 0, 10**6), set()
    for epoch in epochs:
        share = steps.share(epoch, 0)
        chosen = views.choose(SEED, epoch, share.keys)
        assert np.array_equal(have[share.indices, chosen], steps[epoch, 0].images.numpy())
        taken |= set(chosen.tolist())
    assert taken == set(range(count))


def test_views_that_are_drawn_begin_again_after_the_last_one(targets):
    views = training_views(TrainTransform(RULE, (16, 20)), SEED, 4)
    keys = np.arange(3)
    assert [views.choose(SEED, e, keys).tolist() for e in (0, 3, 4, 9)] == [
        [0] * 3, [3] * 3, [0] * 3, [1] * 3,
    ]  # fmt: skip


def test_evaluation_keeps_what_evaluation_sees(targets):
    for rule in (RULE, CROPPED):
        have = kept(targets, EvaluationViews(rule))
        for path, views in zip(targets.paths, have, strict=True):
            assert np.array_equal(views, view(read_image(path), rule))


def test_all_that_decides_a_view_is_told():
    """Two kinds of views with one description would share their features."""
    transforms = [
        TrainTransform(RULE),
        TrainTransform(RULE, flip=False),
        TrainTransform(ViewRule((24, 40))),
        TrainTransform(ViewRule((24, 32), resize="pad")),
        TrainTransform(ViewRule((24, 32), interpolation="bicubic")),
        TrainTransform(RULE, (16, 16)),
        TrainTransform(RULE, (16, 20)),
        TrainTransform(RULE, (16, 16), (32, 40)),
        TrainTransform(RULE, (16, 16), flip=False),
        TrainTransform(RULE, jitter=0.5),
        TrainTransform(RULE, jitter=0.6),
    ]
    kinds = [training_views(t, SEED, 4) for t in transforms]
    kinds += [training_views(transforms[5], SEED + 1, 4), training_views(transforms[5], SEED, 5)]
    kinds += [EvaluationViews(CROPPED), EvaluationViews(ViewRule((24, 32), "native"))]
    assert len({repr(views.about()) for views in kinds}) == len(kinds)
    # The pool is of scores; and without a flip training sees what evaluation does.
    median = ViewRule((24, 32), "native", crops=5, crop_size=(24, 32), crop_pool="median")
    assert EvaluationViews(median).about() == EvaluationViews(CROPPED).about()
    assert training_views(transforms[1], SEED, 4).about() == EvaluationViews(RULE).about()


def test_images_that_any_batch_could_link_are_cropped_alike():
    def pairs(text: str, versions=None) -> PairTargets:
        named = [tuple(map(Path, pair.split(">"))) for pair in text.split()]
        return PairTargets(Labels.of("pairs", named, versions=versions))

    targets = pairs("a0>a1 b0>b1 a1>a2 b1>b2")
    names = [path.name for path in targets.paths]
    keys = dict(zip(names, view_keys(targets).tolist(), strict=True))
    assert len({keys[n] for n in ("a0", "a1", "a2")}) == 1
    assert len({keys[n] for n in ("b0", "b1", "b2")}) == 1 and keys["a0"] != keys["b0"]

    # No line links a0, a1 with a2, but the levels do; b1 and c1 are no versions of one photograph.
    names = ["a0", "a1", "a2", "a3", "b1", "c1"]  # in order of appearance
    versions = [Version(name[0], "blur", int(name[1])) for name in names]
    targets = pairs("a0>a1 a2>a3 b1>c1", versions)
    keys = dict(zip((p.name for p in targets.paths), view_keys(targets).tolist(), strict=True))
    assert len({keys[f"a{n}"] for n in range(4)}) == 1
    assert len({keys["a0"], keys["b1"], keys["c1"]}) == 3

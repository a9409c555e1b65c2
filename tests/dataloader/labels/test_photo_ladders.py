"""Pairs of photographs without files: the lines of the generator, and what an epoch draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dataloader.batch import Batch
from dataloader.labels.labels import Version
from dataloader.labels.photo_ladders import MOST_PAIRS, ladder_labels, ladders_per_epoch
from dataloader.labels.side_tables import read_versions
from dataloader.labels.text import read_labels
from dataloader.loader import BatchPlan, LoadFault, StepDataset, StepSampler, make_loader
from dataloader.sources import DistortedPhoto
from dataloader.targets.pairs import PairTargets
from dataloader.views.transforms import TrainTransform
from tests.small_photos import write_photos
from utils.data_generate.distortions import distortions_of
from utils.data_generate.generate import generate
from utils.imaging.images import DEFAULT_MAX_PIXELS, ViewRule

BASIC = distortions_of("basic")
CPU = torch.device("cpu")
QUICK = ("jpeg", "white_noise", "gaussian_blur")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> dict[str, Path]:
    folder = write_photos(tmp_path_factory.mktemp("photos"), ("coffee", "china", "rocket"), 48)
    return {path.stem: path for path in sorted(folder.glob("*.png"))}


def file_name(source: DistortedPhoto) -> str:
    kind = source.kinds[0] if source.level else ""
    part = f"{kind}/{kind}{source.level}" if source.level else "refimgs"
    return f"{part}/{source.name}.png"


def test_the_lines_are_those_of_the_generator(photos, tmp_path):
    generate({"test": list(photos.values())}, tmp_path, "basic", targets=None)
    split = tmp_path / "test"
    files = read_labels("pairs", split / "label.txt", tmp_path)
    labels = ladder_labels(photos, BASIC, 0)
    images = [split / file_name(source) for source in labels.sources]
    assert list(files.sources) == images and np.array_equal(files.images, labels.images)
    found = read_versions(split / "levels.csv", images)
    assert list(labels.versions) == list(found)
    assert [(s.name, s.level) for s in labels.sources] == [v[::2] for v in found]


def kinds_of(paths: list[DistortedPhoto], name: str, seed: int, epoch: int) -> list[str]:
    """The distortion of each ladder of a photograph; all its levels have the same."""
    ladders: dict[int, set[str]] = {}
    for source in paths:
        if source.name == name and source.level:
            ladders.setdefault(source.place, set()).add(source.distortion(seed, epoch))
    assert all(len(kinds) == 1 for kinds in ladders.values())
    return [kinds.pop() for kinds in ladders.values()]


def test_an_epoch_draws_some_distortions_of_each_photograph(photos):
    labels = ladder_labels(photos, BASIC, 0, 2)
    assert len(labels) == 3 * 2 * 15
    paths = labels.sources
    assert [(s.name, s.level) for s in paths] == [v[::2] for v in labels.versions]
    assert labels.versions[6] == Version("china", "ladder 1 of china", 1)
    drawn = {(e, n): kinds_of(paths, n, 3, e) for e in range(40) for n in photos}
    assert all(len(set(kinds)) == 2 for kinds in drawn.values())  # never one twice
    for name in photos:
        assert {kind for e in range(40) for kind in drawn[e, name]} == set(BASIC)
    assert any(drawn[e, "china"] != drawn[e, "coffee"] for e in range(40))
    assert drawn[5, "china"] == kinds_of(paths, "china", 3, 5)
    assert any(drawn[e, "china"] != kinds_of(paths, "china", 4, e) for e in range(40))


def test_how_many_ladders_an_epoch_has():
    assert ladders_per_epoch(90, 24, None) == 24
    assert ladders_per_epoch(5000, 24, None) == 1
    assert ladders_per_epoch(10**6, 24, None) == 1
    for photos in (300, 500, 1000, 3000):
        count = ladders_per_epoch(photos, 24, None)
        assert count * photos * 15 <= MOST_PAIRS < (count + 1) * photos * 15
    assert ladders_per_epoch(5000, 24, 24) == 24 and ladders_per_epoch(2, 24, 3) == 3
    with pytest.raises(ValueError, match="--ladders 5: the set has 4"):
        ladders_per_epoch(2, 4, 5)


def dataset(photos: dict[str, Path], drawn: int | None) -> StepDataset:
    targets = PairTargets(ladder_labels(photos, QUICK, 0, drawn))
    plan = BatchPlan(len(targets), 20, 1, 0, targets.groups())
    transform = TrainTransform(ViewRule((24, 24), "native"), (24, 24))
    return StepDataset(targets, transform, plan, 0, DEFAULT_MAX_PIXELS)


def same(a: Batch, b: Batch) -> bool:
    pairs = [(a.images, b.images), (a.indices, b.indices)]
    pairs += [(a.targets[name], b.targets[name]) for name in a.targets]
    return all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("drawn", [None, 2])
def test_batches_do_not_depend_on_workers_or_on_what_was_read_before(photos, drawn):
    steps = dataset(photos, drawn).plan.steps()
    first, *others = (
        list(make_loader(dataset(photos, drawn), StepSampler(steps, 2), workers, CPU))
        for workers in (0, 1, 2)
    )
    assert len(first) == 2 * steps and not any(isinstance(b, LoadFault) for b in first)
    for batches in others:
        assert all(same(a, b) for a, b in zip(first, batches, strict=True))
    alone = dataset(photos, drawn)[1, 2]
    assert same(alone, first[steps + 2]) and not same(alone, first[2])


def test_a_photograph_that_breaks_later_is_a_fault_with_its_name(photos, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(photos["china"].read_bytes()[:200])
    fault = dataset({"broken": broken}, None)[0, 0]
    assert isinstance(fault, LoadFault) and fault.message.startswith(f"{broken}: ")

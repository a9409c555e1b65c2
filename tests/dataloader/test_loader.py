"""Order and batches: every line once an epoch, whatever the processes and the interruptions."""

from __future__ import annotations

import itertools
import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dataloader import loader, reading_threads
from dataloader.batch import Batch
from dataloader.labels.labels import Labels, Version, Versions
from dataloader.labels.text import read_labels
from dataloader.loader import (
    BatchPlan,
    LoadFault,
    StepDataset,
    StepSampler,
    image_share,
    make_loader,
)
from dataloader.targets.images import DistributionTargets, ScoreTargets
from dataloader.targets.pairs import PairTargets
from dataloader.views.transforms import TrainTransform
from tests.cli import PATIENCE
from tests.label_rows import rows_of
from tests.tiny_data import write_data
from utils.imaging.images import ViewRule
from utils.runtime import child_processes

CPU = torch.device("cpu")
SIZE = (24, 32)

# torch's remark where a machine has one core.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


@pytest.mark.parametrize(
    ("lines", "batch", "world"),
    list(itertools.product((1, 2, 3, 7, 8, 9, 16, 17, 65), (1, 2, 4, 8, 100), (1, 2, 3))),
)
def test_every_line_exactly_once_an_epoch(lines, batch, world):
    if lines < world:
        with pytest.raises(ValueError, match="smaller -g"):
            BatchPlan(lines, batch, world, 0)
        return
    plan = BatchPlan(lines, batch, world, 0)
    order = plan.order(3)
    shares = [[plan.share(order, s, r) for r in range(world)] for s in range(plan.steps())]
    seen = np.concatenate([share for step in shares for share in step])
    assert sorted(seen) == list(range(lines))
    for step, parts in enumerate(shares):
        sizes = [len(part) for part in parts]
        assert sum(sizes) == plan.step_lines(step)
        assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1
        # Batch normalisation cannot train on one image: only a split of that size leaves one.
        if batch > 1 and lines >= 2 * world:
            assert min(sizes) >= 2
        assert max(sizes) <= batch + 2


def test_a_process_sees_its_part_of_the_same_step():
    """Two processes of batch 4 make the step of one of batch 8."""
    one, two = BatchPlan(40, 8, 1, 5), BatchPlan(40, 4, 2, 5)
    order = one.order(0)
    assert np.array_equal(order, two.order(0)) and one.steps() == two.steps()
    for step in range(one.steps()):
        parts = np.concatenate([two.share(order, step, rank) for rank in range(2)])
        assert np.array_equal(parts, one.share(order, step, 0))


def test_the_order_is_keyed_by_seed_and_epoch():
    plan = BatchPlan(50, 4, 1, 0)
    assert np.array_equal(plan.order(1), BatchPlan(50, 7, 3, 0).order(1))
    assert not np.array_equal(plan.order(0), plan.order(1))
    assert not np.array_equal(plan.order(0), BatchPlan(50, 4, 1, 1).order(0))


@pytest.mark.parametrize("world", [1, 2])
def test_lines_of_a_group_stand_together(world):
    """Groups come in a shuffled order, their lines in another, and none is lost."""
    groups = np.arange(60) % 7
    plan = BatchPlan(60, 8, world, 0, groups)
    orders = [plan.order(epoch) for epoch in range(2)]
    for order in orders:
        assert sorted(order) == list(range(60))
        assert np.count_nonzero(np.diff(groups[order])) == 6
    assert not np.array_equal(groups[orders[0]], groups[orders[1]])
    assert np.array_equal(orders[0], BatchPlan(60, 3, 3, 0, groups).order(0))


@pytest.mark.parametrize(("count", "world"), [(1, 1), (7, 2), (8, 3), (2, 2), (2, 5), (1, 3)])
def test_images_of_a_step_are_shared_out_in_their_order(count, world):
    parts = [image_share(count, rank, world) for rank in range(world)]
    assert min(map(len, parts)) >= 1 and max(map(len, parts)) <= -(-count // world)
    assert np.concatenate(parts)[:count].tolist() == list(range(count))
    assert sum(map(len, parts)) == max(count, world)


@pytest.mark.parametrize("levels", [False, True])
def test_processes_read_the_images_of_a_step_once_with_its_targets(tmp_path, levels):
    file = write_data(tmp_path, "rank") / "train" / "label.txt"
    labels = read_labels("pairs", file, tmp_path)
    if levels:
        known = [Version(p.stem[:-2], "noise", int(p.stem[-1])) for p in labels.sources]
        labels = replace(labels, versions=Versions(known))
    targets = PairTargets(labels)
    rule = ViewRule(image_size=SIZE)
    transform = TrainTransform(rule, SIZE, (30, 40), flip=True)

    def data(batch: int, world: int, rank: int) -> StepDataset:
        plan = BatchPlan(len(targets), batch, world, 0, targets.groups())
        return StepDataset(targets, transform, plan, rank, 10**6)

    whole, parts = data(6, 1, 0), [data(3, 2, rank) for rank in range(2)]
    assert whole.plan.steps() == 3
    for step in range(3):
        expected, found = whole[1, step], [part[1, step] for part in parts]
        assert torch.equal(torch.cat([b.images for b in found]), expected.images)
        assert torch.equal(torch.cat([b.indices for b in found]), expected.indices)
        for batch in found:
            assert batch.lines == expected.lines == 6
            for name, value in expected.targets.items():
                assert torch.equal(batch.targets[name], value)


def test_sampler_goes_on_where_it_is_told():
    whole = list(StepSampler(3, 4))
    assert whole == [(e, s) for e in range(4) for s in range(3)]
    for begin in range(len(whole) + 1):
        epoch, step = divmod(begin, 3)
        sampler = StepSampler(3, 4, epoch, step)
        assert list(sampler) == whole[begin:] and len(sampler) == len(whole) - begin


# ---- targets


def test_a_rank_batch_holds_each_image_once(tmp_path):
    file = write_data(tmp_path, "rank") / "train" / "label.txt"
    labels = read_labels("pairs", file, tmp_path)
    targets, rows = PairTargets(labels), rows_of(labels)
    lines = np.array([0, 1, 2, 5])
    indices, found = targets.select(lines)
    assert len(set(indices)) == len(indices)
    for row, line in enumerate(lines):
        ends = (targets.paths[indices[found[end][row]]] for end in ("better", "worse"))
        assert tuple(ends) == rows[line][:2]
    whole = targets.all()
    assert [targets.paths[i] for i in whole["better"]] == [row[0] for row in rows]
    assert len(targets.captions(found, len(indices))) == len(indices)


def test_linked_images_make_a_group_and_share_a_crop(tmp_path):
    """All versions of a photograph are linked by pairs, in a batch too, and by chains of pairs."""
    file = write_data(tmp_path, "rank") / "train" / "label.txt"
    labels = read_labels("pairs", file, tmp_path)
    targets = PairTargets(labels)
    photo = [better.name.split("_")[0] for better, _, _ in rows_of(labels)]
    groups = targets.groups()
    for a, b in itertools.combinations(range(len(labels)), 2):
        assert (groups[a] == groups[b]) == (photo[a] == photo[b])
    lines = np.array([0, 2, 5])  # 0-1 and 1-2 of one photograph, a pair of another
    indices, found = targets.select(lines)
    keys = targets.view_keys(indices, found)
    names = [targets.paths[i].name.split("_")[0] for i in indices]
    for a, b in itertools.combinations(range(len(indices)), 2):
        assert (keys[a] == keys[b]) == (names[a] == names[b])
    for path in targets.paths:  # without noise, versions cropped alike are equal
        path.write_bytes(path.with_name(path.name.split("_")[0] + "_0.png").read_bytes())
    rule = ViewRule(image_size=SIZE)
    plan = BatchPlan(len(targets), 3, 1, 0, groups)
    data = StepDataset(targets, TrainTransform(rule, SIZE), plan, 0, 10**6)
    for step in range(plan.steps()):
        batch = data[0, step]
        assert torch.equal(
            batch.images[batch.targets["better"]], batch.images[batch.targets["worse"]]
        )


def test_scores_and_histograms_follow_their_images():
    paths = [Path(f"{name}.png") for name in "abca"]
    scores = ScoreTargets(Labels.of("scores", paths, [1, 2, 3, 1]))
    assert [p.stem for p in scores.paths] == ["a", "b", "c"] and len(scores) == 4
    assert scores.all()["mos"].tolist() == [1, 2, 3]
    indices, found = scores.select(np.array([3, 1]))
    assert indices.tolist() == [0, 1] and found["mos"].tolist() == [1, 2]
    assert scores.captions(found, 2) == ["MOS 1", "MOS 2"]
    rows = [(0.5, 0.5), (0, 1), (1, 0), (0.5, 0.5)]
    probs = DistributionTargets(Labels.of("distributions", paths, rows))
    assert probs.all()["probs"].shape == (3, 2)
    indices, found = probs.select(np.array([0, 2]))
    assert probs.captions(found, 2) == ["1.50 ± 0.50", "1.00 ± 0.00"]


# ---- whole batches


@pytest.fixture
def scores(tmp_path) -> ScoreTargets:
    file = write_data(tmp_path, "regress") / "train" / "label.txt"
    return ScoreTargets(read_labels("scores", file, tmp_path))


def dataset(targets: ScoreTargets, batch: int = 4, world: int = 1, rank: int = 0) -> StepDataset:
    rule = ViewRule(image_size=SIZE)
    transform = TrainTransform(rule, SIZE, (30, 40), flip=True)
    plan = BatchPlan(len(targets), batch, world, 0)
    return StepDataset(targets, transform, plan, rank, 10**6)


def batches(targets: ScoreTargets, workers: int, epoch: int = 0, step: int = 0) -> list[Batch]:
    data = dataset(targets)
    sampler = StepSampler(data.plan.steps(), 2, epoch, step)
    return list(make_loader(data, sampler, workers, CPU))


def same(one: list[Batch], two: list[Batch]) -> bool:
    pairs = list(zip(one, two, strict=True))
    images = all(torch.equal(a.images, b.images) for a, b in pairs)
    return images and all(torch.equal(a.targets["mos"], b.targets["mos"]) for a, b in pairs)


def test_shapes(scores):
    found = batches(scores, 0)
    assert [len(b.images) for b in found] == [4, 4, 4, 4, 2] * 2
    for batch in found:
        assert batch.images.dtype == torch.uint8
        assert batch.images.shape == (batch.lines, 3, *SIZE)
        assert batch.indices.shape == batch.targets["mos"].shape == (batch.lines,)
        expected = scores.all()["mos"][batch.indices.numpy()]
        assert np.array_equal(batch.targets["mos"].numpy(), expected)


@pytest.mark.parametrize(("workers", "threads"), [(1, 4), (3, 4), (2, 1)])
def test_workers_change_neither_order_nor_augmentation(scores, workers, threads, monkeypatch):
    monkeypatch.setattr(reading_threads, "MOST", threads)
    assert same(batches(scores, 0), batches(scores, workers))


def test_going_on_in_the_middle_repeats_the_rest(scores):
    whole = batches(scores, 0)
    assert same(whole[7:], batches(scores, 0, epoch=1, step=2))


def test_augmentation_is_drawn_anew_every_epoch(scores):
    found = batches(scores, 0)
    views = [{}, {}]
    for number, batch in enumerate(found):
        for index, image in zip(batch.indices.tolist(), batch.images, strict=True):
            views[number // 5][index] = image
    changed = [not torch.equal(views[0][i], views[1][i]) for i in views[0]]
    assert np.mean(changed) > 0.8


@pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="no forks here")
def test_a_fork_that_hangs_at_its_start_is_started_again(scores, tmp_path, monkeypatch, capfd):
    """As before Python 3.12 one of a few thousand does, beside threads of gloo."""
    begin, begun = loader._begin_worker, child_processes.begun

    def once_stuck(worker):
        if worker == 1 and not (tmp_path / "stuck").exists():
            (tmp_path / "stuck").touch()
            time.sleep(PATIENCE)
        begin(worker)

    def patient_from_now_on(children):
        found = begun(children)
        child_processes.PATIENCE = PATIENCE
        return found

    data = dataset(scores)
    before = set(multiprocessing.active_children())
    monkeypatch.setattr(loader, "_begin_worker", once_stuck)
    monkeypatch.setattr(child_processes, "begun", patient_from_now_on)
    monkeypatch.setattr(child_processes, "PATIENCE", 0.3)
    monkeypatch.setattr(reading_threads, "MOST", 0)
    made = make_loader(data, StepSampler(data.plan.steps(), 2), 2, CPU)
    assert same(list(loader.batches(made)), batches(scores, 0))
    assert set(multiprocessing.active_children()) == before
    assert capfd.readouterr().err.count("hangs at its start: all are started again\n") == 1


def test_loading_draws_nothing_from_the_global_generator(scores):
    before = torch.get_rng_state()
    batches(scores, 1)
    assert torch.equal(before, torch.get_rng_state())


def test_an_unreadable_image_is_one_line_not_a_neighbour(scores):
    bad = scores.paths[0]
    bad.write_bytes(bad.read_bytes()[:100])
    for workers in (0, 1):
        faults = [b for b in batches(scores, workers) if isinstance(b, LoadFault)]
        assert len(faults) == 2  # one an epoch
        assert all(str(bad) in f.message and "\n" not in f.message for f in faults)

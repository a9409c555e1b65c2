"""The pairs that an epoch draws from buckets: the recipe's, of (seed, epoch) alone, and few images
for many of them.
"""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dataloader.labels.labels import Labels
from dataloader.loader import BatchPlan, StepDataset
from dataloader.targets.buckets import BucketedDistributions, BucketTargets, bucket_of, following
from dataloader.views.transforms import TrainTransform
from utils.imaging.images import ViewRule


def drawn_buckets(count: int, buckets: int = 5, seed: int = 0) -> np.ndarray:
    """Of unequal sizes, in no order."""
    return np.random.default_rng(seed).binomial(buckets - 1, 0.5, count)


def targets(buckets: np.ndarray) -> BucketTargets:
    paths = [Path(f"{i}.png") for i in range(len(buckets))]
    return BucketTargets(Labels.of("buckets", paths, buckets))


def dataset(found: BucketTargets, batch: int, rank: int = 0, world: int = 1, seed: int = 0):
    plan = BatchPlan(len(found), batch, world, seed)
    transform = TrainTransform(ViewRule((8, 8)), None, None, False)
    return StepDataset(found, transform, plan, rank, 10**6)


def epoch_pairs(steps: StepDataset, epoch: int) -> Counter:
    """(image, image, same) of all steps of an epoch."""
    pairs: Counter = Counter()
    for step in range(steps.plan.steps()):
        lines = steps.plan.step(steps.plan.order(epoch), step)
        steps.share(epoch, step)
        images, found = steps._epoch[2].select(lines)
        named = zip(images[found["first"]], images[found["second"]], found["same"], strict=True)
        pairs.update((int(a), int(b), bool(s)) for a, b, s in named)
    return pairs


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("count", [2, 3, 7, 40])
def test_the_next_line_of_the_same_and_of_another_bucket_equal_a_loop(seed, count):
    rng = np.random.default_rng(seed)
    bucket = rng.integers(0, 3, count)
    bucket[0], bucket[-1] = 5, 6  # never all in one
    order = rng.permutation(count)
    same, other = following(order, bucket)
    for place, line in enumerate(order):
        after = [order[(place + step) % count] for step in range(1, count + 1)]
        assert same[line] == next(x for x in after if bucket[x] == bucket[line])
        assert other[line] == next(x for x in after if bucket[x] != bucket[line])


def test_an_epoch_has_the_recipe_s_pairs():
    buckets = np.append(drawn_buckets(60), [9])  # one image is alone in its bucket
    pairs = epoch_pairs(dataset(targets(buckets), 7), epoch=2)
    together = [(a, b) for a, b, same in pairs.elements() if same]
    apart = [(a, b) for a, b, same in pairs.elements() if not same]
    assert all(buckets[a] == buckets[b] and a != b for a, b in together)
    assert all(buckets[a] != buckets[b] for a, b in apart)
    assert sorted(a for a, _ in apart) == list(range(61))  # each image once with another bucket
    assert sorted(a for a, _ in together) == sorted(b for _, b in together) == list(range(60))
    for bucket in range(5):  # "the next one" leads through the whole bucket
        members = {int(i) for i in np.flatnonzero(buckets == bucket)}
        next_of, place, seen = dict(together), min(members), set()
        for _ in members:
            place = next_of[place]
            seen.add(place)
        assert seen == members


def test_every_pair_of_two_buckets_is_as_likely():
    """20 images, 4000 epochs: each partner of an image as often as any other, within noise."""
    buckets = np.repeat([0, 1, 2, 3], [9, 5, 4, 2])
    counts = np.zeros((20, 20))
    rng = np.random.default_rng(0)
    for _ in range(4000):
        same, other = following(rng.permutation(20), buckets)
        counts[np.arange(20), other] += 1
        counts[np.arange(20), same] += 1
    for image in range(20):
        for wanted in (buckets == buckets[image], buckets != buckets[image]):
            partners = wanted & (np.arange(20) != image)
            expected = 4000 / partners.sum()
            worst = np.abs(counts[image, partners] - expected).max()
            assert worst < 5 * np.sqrt(expected)


def test_pairs_are_of_the_seed_and_the_epoch_alone():
    found = targets(drawn_buckets(50))
    pairs = epoch_pairs(dataset(found, 7), 1)
    assert pairs == epoch_pairs(dataset(found, 16), 1)  # whatever the batch
    assert pairs == epoch_pairs(dataset(found, 4, rank=1, world=2), 1)  # or the processes
    late = dataset(found, 7)  # or what was loaded before: a worker begins anywhere
    late.share(5, 3)
    late.share(1, 2)
    assert pairs == epoch_pairs(late, 1)
    assert pairs != epoch_pairs(dataset(found, 7), 2)
    assert pairs != epoch_pairs(dataset(found, 7, seed=1), 1)


@pytest.mark.parametrize("world", [1, 2])
def test_each_image_of_a_step_is_forwarded_once_and_there_are_few(world):
    found = targets(drawn_buckets(200))
    shares = [dataset(found, 32 // world, rank, world) for rank in range(world)]
    images = pairs = 0
    for step in range(shares[0].plan.steps()):
        parts = [share.share(0, step) for share in shares]
        indices = np.concatenate([part.indices for part in parts])
        assert len(set(indices)) == len(indices)
        drawn = parts[0].targets
        assert np.array_equal(found.bucket[indices], drawn["bucket"])
        equal = drawn["bucket"][drawn["first"]] == drawn["bucket"][drawn["second"]]
        assert np.array_equal(equal, drawn["same"])
        images, pairs = images + len(indices), pairs + len(drawn["same"])
    assert pairs == 400
    assert images < 0.35 * 2 * pairs  # of the 800 that one pass per pair would forward


def test_evaluation_has_one_draw_for_all_epochs():
    found = targets(drawn_buckets(30))
    fixed = found.all()
    again = found.in_order(np.arange(30)[::-1])
    assert len(fixed["same"]) == 60 and fixed["bucket"].tolist() == drawn_buckets(30).tolist()
    assert all(np.array_equal(fixed[name], array) for name, array in targets(
        drawn_buckets(30)).all().items())  # fmt: skip
    assert not np.array_equal(again.all()["second"], fixed["second"])
    assert np.array_equal(found.all()["second"], fixed["second"])  # a draw leaves these as they are


def test_an_image_of_two_lines_is_no_pair_with_itself():
    pairs = BucketTargets(Labels.of("buckets", map(Path, "aab"), [1, 1, 2])).all()
    assert not pairs["same"].any()
    assert sorted(zip(pairs["first"], pairs["second"], strict=True)) == [(0, 1), (0, 1), (1, 0)]


def test_one_bucket_has_no_pairs():
    with pytest.raises(ValueError, match="all 3 images are in bucket 4: .*--bucket_width"):
        targets(np.full(3, 4))


def test_a_mean_belongs_to_the_nearest_multiple():
    means = np.array([4.49, 4.5, np.float32(4.5) * (1 - 1e-7), 5.0, 5.49, 5.5, -0.6])
    assert bucket_of(means, 1.0).tolist() == [4, 5, 5, 5, 5, 6, -1]
    assert bucket_of(means, 0.5).tolist() == [9, 9, 9, 10, 11, 11, -1]
    assert bucket_of(np.array([0.0, 44, 46]), 10).tolist() == [0, 4, 5]


def test_histograms_and_the_buckets_of_their_means():
    votes = np.random.default_rng(0).dirichlet([1] * 5, 12)
    labels = Labels.of("distributions", [Path(f"{i}") for i in range(12)], votes)
    found = BucketedDistributions(labels, 0.5)
    images, step = found.select(np.array([7, 2]))
    means = [sum(k * p for k, p in enumerate(votes[i], start=1)) for i in range(12)]
    wanted = [int(np.floor(mean / 0.5 + 0.5)) for mean in means]
    assert images.tolist() == [7, 2] and step["bucket"].tolist() == [wanted[7], wanted[2]]
    assert found.all()["bucket"].tolist() == wanted
    assert np.allclose(step["probs"], votes[[7, 2]]) and found.relational
    for a, b in itertools.combinations(range(12), 2):  # wide enough apart for what they are called
        assert wanted[a] != wanted[b] or abs(means[a] - means[b]) <= 0.5

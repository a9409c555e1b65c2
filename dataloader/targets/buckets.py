"""Images in buckets of mean scores, and the pairs that Siamese NIMA draws from them every epoch."""

from __future__ import annotations

import copy

import numpy as np

from dataloader.labels.labels import Labels
from dataloader.targets.images import RelatedDistributions
from utils.runtime.seed import permutation
from utils.statistics.ties import TIE


def bucket_of(means: np.ndarray, width: float) -> np.ndarray:
    """int64 (N,): the multiple of `width` that is nearest to each mean score (N,), halves upwards.

    Bucket 5 of width 1 holds the means from 4.5 up to 5.5, bucket 5 of width 0.5 those from 2.25.
    """
    # A half that rounding has made a little less, as histograms of float32 do, is still one.
    multiple = np.asarray(means, dtype=np.float64) / width * (1 + TIE)
    return np.floor(multiple + 0.5).astype(np.int64)


def following(order: np.ndarray, bucket: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(of the same bucket (L,), of another one (L,)): for each line the next such line in `order`,
    which goes on from its start after its end; a line alone in its bucket follows itself.

    In a random order the next line of the same bucket, and the next of another one, is a random
    one of those. Both are near, so that a run of consecutive lines holds nearly all images that
    its pairs need.

    order: int64 (L,), a permutation; bucket: (L,), at least two different ones.
    """
    count = len(order)
    same, other = np.empty(count, np.int64), np.empty(count, np.int64)
    by_bucket = order[np.argsort(bucket[order], kind="stable")]
    starts = np.flatnonzero(np.diff(bucket[by_bucket], prepend=bucket[by_bucket[-1]]))
    # Within a bucket the next one; the last one goes on with its first.
    after = np.arange(1, count + 1)
    after[np.append(starts[1:], count) - 1] = starts
    same[by_bucket] = by_bucket[after]
    # Where runs of one bucket begin in the order: the first line behind a run is of another one.
    begins = np.flatnonzero(bucket[order] != bucket[np.roll(order, 1)])
    run = np.searchsorted(begins, np.arange(count), side="right")
    other[order] = order[begins[run % len(begins)]]
    return same, other


class BucketTargets:
    """Pairs of one and of two buckets: targets {"first": int64 (P,), "second": int64 (P,), "same":
    bool (P,)}, positions among a batch's images, and {"bucket": int64 (N,)} of these.

    A label line stands for two pairs: its image with the next one of its bucket, and with one of
    another bucket, both as `following` finds them in the order of an epoch (`in_order`), or in one
    fixed order, for evaluation. A line that is alone in its bucket has the second only.

    ValueError where all labels are in one bucket.
    """

    relational = True

    def __init__(self, labels: Labels) -> None:
        self.paths, self.versions = labels.sources, labels.versions
        self.image, self.line_bucket = labels.images, labels.values  # (L,), (L,)
        if (self.line_bucket == self.line_bucket[0]).all():
            raise ValueError(
                f"all {len(labels)} images are in bucket {self.line_bucket[0]}: pairs of two "
                "buckets are wanted, so make narrower ones (--bucket_width of --make_buckets)"
            )
        self.bucket = labels.of_sources(self.line_bucket)  # (M,)
        drawn_once = permutation(len(labels), "buckets")
        self.same, self.other = following(drawn_once, self.line_bucket)  # (L,), (L,)

    def __len__(self) -> int:
        return len(self.image)

    def in_order(self, order: np.ndarray) -> BucketTargets:
        drawn = copy.copy(self)
        drawn.same, drawn.other = following(order, self.line_bucket)
        return drawn

    def _pairs(self, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """first (P,), second (P,) of `paths`, and same (P,)."""
        first = np.tile(self.image[lines], 2)
        second = self.image[np.concatenate([self.same[lines], self.other[lines]])]
        same = np.repeat([True, False], len(lines))
        two = first != second  # a bucket of one image, or one that two lines name
        return first[two], second[two], same[two]

    def select(self, lines: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        first, second, same = self._pairs(lines)
        images, inverse = np.unique(np.concatenate([first, second]), return_inverse=True)
        inverse = inverse.reshape(-1)  # numpy 2.0.0 alone keeps another shape
        pairs = {"first": inverse[: len(first)], "second": inverse[len(first) :], "same": same}
        return images, {**pairs, "bucket": self.bucket[images]}

    def groups(self) -> None:
        return None

    def view_keys(self, images: np.ndarray, targets: dict[str, np.ndarray]) -> np.ndarray:
        return images

    def all(self) -> dict[str, np.ndarray]:
        first, second, same = self._pairs(np.arange(len(self)))
        return {"first": first, "second": second, "same": same, "bucket": self.bucket}

    def captions(self, targets: dict[str, np.ndarray], count: int) -> list[str]:
        return [f"bucket {bucket}" for bucket in targets["bucket"][:count]]


class BucketedDistributions(RelatedDistributions):
    """Opinion histograms and the buckets of their means: targets {"probs": float32 (N, K),
    "bucket": int64 (N,)}.
    """

    def __init__(self, labels: Labels, width: float) -> None:
        super().__init__(labels)
        self.width = width

    def _bucketed(self, targets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        probs = targets[self.name].astype(np.float64)
        means = probs @ np.arange(1, probs.shape[1] + 1) / probs.sum(axis=1)
        return {**targets, "bucket": bucket_of(means, self.width)}

    def select(self, lines: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        images, targets = super().select(lines)
        return images, self._bucketed(targets)

    def all(self) -> dict[str, np.ndarray]:
        return self._bucketed(super().all())

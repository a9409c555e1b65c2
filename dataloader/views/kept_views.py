"""Views of images that are looked at once, so that a frozen backbone's features of them can be
kept.

In training that is a fixed set of views per image:

- the whole view, and its mirror unless --no_flip: an epoch draws one of the two by the very number
  that flips the image without a cache, so that nothing is different;
- with random crops or --jitter, the views of the first N epochs, which later epochs take in turn:
  nothing is different in these N epochs, but for a ranking's crops. Images that a batch's pairs
  link are cropped alike; kept views cannot know the batch, so that all images that any label line
  links (with levels.csv: all versions of a photograph) are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
from PIL import Image

from dataloader.batch import Batch, Targets
from dataloader.dataset import ViewDataset
from dataloader.image_cache import ImageCache
from dataloader.loader import LoadFault, Share, StepDataset
from dataloader.sources import Source, resized_source
from dataloader.views.transforms import TrainTransform
from utils.files.row_store import Rows
from utils.imaging.images import ImageError, ViewRule, views_of
from utils.runtime.seed import numpy_generator


class KeptViews(Protocol):
    """count: V, views of each image; keyed: whether they depend on its key beside its pixels."""

    count: int
    keyed: bool

    @property
    def sized(self) -> ViewRule:
        """How an image is resized before its views are taken."""

    def of(self, image: Image.Image, key: int) -> np.ndarray:
        """uint8 (V, 3, H, W) of an RGB image that is resized by `sized`."""

    def choose(self, seed: int, epoch: int, keys: np.ndarray) -> np.ndarray:
        """int64 (n,): which view an epoch of training takes of images with these keys."""

    def about(self) -> dict[str, Any]:
        """All that the views depend on beside image and key, as JSON."""


@dataclass(frozen=True)
class EvaluationViews:
    """What evaluation sees: one view, or the crops of the rule."""

    rule: ViewRule
    keyed = False

    @property
    def count(self) -> int:
        return self.rule.views

    @property
    def sized(self) -> ViewRule:
        return self.rule

    def of(self, image: Image.Image, key: int) -> np.ndarray:
        return views_of(image, self.rule)

    def choose(self, seed: int, epoch: int, keys: np.ndarray) -> np.ndarray:
        return np.zeros(len(keys), dtype=np.int64)

    def about(self) -> dict[str, Any]:
        return {"view": replace(self.rule, crop_pool="mean").to_dict()}  # pools scores, not pixels


@dataclass(frozen=True)
class MirroredViews:
    """The whole view and its mirror."""

    rule: ViewRule
    count = 2
    keyed = False

    @property
    def sized(self) -> ViewRule:
        return self.rule

    def of(self, image: Image.Image, key: int) -> np.ndarray:
        pixels = views_of(image, self.rule)
        return np.concatenate([pixels, pixels[..., ::-1]])

    def choose(self, seed: int, epoch: int, keys: np.ndarray) -> np.ndarray:
        drawn = [numpy_generator(seed, "view", epoch, int(key)).random() for key in keys]
        return (np.array(drawn) < 0.5).astype(np.int64)

    def about(self) -> dict[str, Any]:
        return {**EvaluationViews(self.rule).about(), "mirror": True}


@dataclass(frozen=True)
class DrawnViews:
    """The random views of the first `count` epochs."""

    transform: TrainTransform
    seed: int
    count: int
    keyed = True

    @property
    def sized(self) -> ViewRule:
        return self.transform.sized

    def of(self, image: Image.Image, key: int) -> np.ndarray:
        epochs = range(self.count)
        rngs = (numpy_generator(self.seed, "view", epoch, key) for epoch in epochs)
        return np.stack([self.transform.drawn(image, rng) for rng in rngs])

    def choose(self, seed: int, epoch: int, keys: np.ndarray) -> np.ndarray:
        return np.full(len(keys), epoch % self.count)

    def about(self) -> dict[str, Any]:
        return {"transform": asdict(self.transform), "seed": self.seed, "views": self.count}


def training_views(transform: TrainTransform, seed: int, count: int) -> KeptViews:
    """What is kept for training; `count` views where the transform draws more than a flip."""
    whole = replace(transform.rule, crops=0, crop_size=None, crop_pool="mean")
    if transform.crop is not None or transform.jitter:
        return DrawnViews(replace(transform, rule=whole), seed, count)
    return MirroredViews(whole) if transform.flip else EvaluationViews(whole)


def view_keys(targets: Targets) -> np.ndarray:
    """int64 (images,): images with one key have the same kept views, as far as their sizes are."""
    images = np.arange(len(targets.paths))
    if targets.relational and targets.versions is not None:
        references = targets.versions.reference_id.tolist()
        _, first, code = np.unique(references, return_index=True, return_inverse=True)
        return first[code.reshape(-1)]
    return targets.view_keys(images, targets.all())


class KeptViewDataset(ViewDataset):
    """item b, as of ViewDataset: the kept views of the b-th group of images, or LoadFault."""

    def __init__(
        self,
        paths: Sequence[Source],
        rule: ViewRule,
        views: KeptViews,
        keys: np.ndarray,
        group_size: int,
        max_pixels: int,
        indices: Sequence[int],
        cache: ImageCache | None = None,
    ) -> None:
        super().__init__(paths, rule, group_size, max_pixels, indices, cache)
        self.kept, self.keys = views, keys

    def _views(self, index: int) -> np.ndarray:
        source = self.paths[index]
        image = resized_source(source, self.max_pixels, self.kept.sized, self.cache)
        return self.kept.of(image, int(self.keys[index]))


class FeatureSteps(StepDataset):
    """The steps of `pixels`, with kept features float32 (n, F) in place of images."""

    def __init__(self, pixels: StepDataset, views: KeptViews, features: Rows) -> None:
        super().__init__(
            pixels.targets, pixels.transform, pixels.plan, pixels.rank, pixels.max_pixels
        )
        self.pixels, self.kept, self.features = pixels, views, features

    def _images(self, epoch: int, share: Share) -> np.ndarray:
        chosen = self.kept.choose(self.plan.seed, epoch, share.keys)
        return self.features.read(share.indices, chosen)

    def seen(self, epoch: int, step: int) -> Batch:
        """The images themselves. ImageError with the name of one that cannot be read."""
        batch = self.pixels[epoch, step]
        if isinstance(batch, LoadFault):
            raise ImageError(batch.message)
        return batch

"""The pairs that photographs give without files: every two levels of every ladder, level 0 above
all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from dataloader.labels.labels import Labels, Version
from dataloader.sources import DistortedPhoto
from utils.data_generate.distortions import LEVELS
from utils.data_generate.worker import PRISTINE

PAIRS = LEVELS * (LEVELS + 1) // 2  # of one ladder
# A longer epoch would put off validation, and its lists would fill the memory.
MOST_PAIRS = 100_000


def ladders_per_epoch(photos: int, kinds: int, asked: int | None) -> int:
    """Distortions of each photograph in one epoch: `asked`; or all, fewer where an epoch would have
    more than MOST_PAIRS. ValueError when more are asked for than there are.
    """
    if asked is None:
        return min(kinds, max(1, MOST_PAIRS // (PAIRS * photos)))
    if not 1 <= asked <= kinds:
        raise ValueError(f"--ladders {asked}: the set has {kinds} distortions: pass 1 to {kinds}")
    return asked


def ladder_labels(
    photos: Mapping[str, Path], kinds: Sequence[str], seed: int, drawn: int | None = None
) -> Labels:
    """The pairs and the versions of their images, photograph by photograph, as `--generate` writes
    them for whole photographs.

    photos: by name. drawn: how many of `kinds` each epoch draws; a ladder then has a number and its
    photograph's name for its distortion, so that it is compared with no other. None: all, as they
    are. seed: see DistortedPhoto.
    """
    everything = tuple(kinds)
    fixed = drawn is None or drawn == len(everything)
    ladders = (
        [((kind,), 0, kind) for kind in everything]
        if fixed
        else [(everything, place, None) for place in range(drawn or 0)]
    )
    pairs: list[tuple[DistortedPhoto, ...]] = []
    versions: list[Version] = []  # of the images in order of first appearance
    for name, photo in photos.items():
        pristine = DistortedPhoto(photo, name, (), 0, 0, seed)
        versions.append(Version(name, PRISTINE, 0))
        for choice, place, title in ladders:
            ladder = [pristine]
            for level in range(1, LEVELS + 1):
                ladder.append(DistortedPhoto(photo, name, choice, place, level, seed))
                versions.append(Version(name, title or f"ladder {place} of {name}", level))
            pairs += combinations(ladder, 2)
    return Labels.of("pairs", pairs, versions=versions)

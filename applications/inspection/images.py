"""Images of --check looked at: unusable, odd, twice in the data set, or of a shared reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dataloader.labels.labels import Labels
from utils.duplicates.groups import NearGroup, Skip, equal_groups, near_groups, same_bytes
from utils.duplicates.image_facts import ImageFacts, inspect_images, thumbnails
from utils.duplicates.near_duplicates import is_flat
from utils.duplicates.odd_images import OddImage, odd_images
from utils.runtime.progress import CountBar
from utils.text import printable

Owners = Mapping[Path, tuple[str, ...]]  # the splits of each image
References = Mapping[str, Mapping[Path, str]]  # split -> image -> reference_id


@dataclass(frozen=True)
class Copies:
    """Images that are one picture. equal: "bytes", "pixels" (decoded) or "near"; links: how near
    duplicates hold together, two paths and how alike they are; splits: all that hold one of them.
    """

    equal: str
    images: tuple[Path, ...]
    splits: tuple[str, ...]
    links: tuple[dict[str, Any], ...] = ()

    @property
    def leak(self) -> bool:
        return len(self.splits) > 1


@dataclass(frozen=True)
class SharedReference:
    """A reference_id with versions in several splits; images: by split."""

    reference_id: str
    images: dict[str, list[Path]]


@dataclass(frozen=True)
class Inspection:
    """flat: how many images show nothing that could be compared."""

    owners: Owners
    bad: list[ImageFacts]
    odd: list[OddImage]
    exact: list[Copies]
    near: list[Copies]
    references: list[SharedReference]
    flat: int


def decode(
    paths: Iterable[Path], workers: int, max_pixels: int, smallest: int = 1
) -> list[ImageFacts]:
    """Every image once, whole; smallest: side in pixels below which one cannot be used."""
    bar = CountBar("checking images")
    facts = inspect_images(paths, workers, max_pixels, bar.update, smallest)
    bar.finish()
    return facts


def inspect(
    facts: list[ImageFacts],
    owners: Owners,
    splits: Mapping[str, Labels] | None = None,
    references: References | None = None,
    mirrored: bool = False,
) -> Inspection:
    """Compares the images with each other; splits: labels, whose pairs are not compared; mirrored:
    an image with left and right exchanged is a near duplicate, too.
    """
    pictures = [one for one in facts if one.readable]
    equal = equal_groups(one.pixels for one in pictures)
    exact = [_exact([pictures[n] for n in group], owners) for group in equal]
    # Of equal images the first one stands for all.
    copies = {group[0]: group for group in equal}
    spare = {n for group in equal for n in group[1:]}
    kept = [n for n in range(len(pictures)) if n not in spare]
    shown = thumbnails(pictures[n] for n in kept)
    paths = [pictures[n].path for n in kept]
    skip = _expected(paths, owners, splits or {}, references or {})
    bar = CountBar("comparing images")
    groups = near_groups(shown, skip, mirrored, bar.update)
    bar.finish()
    members = [[pictures[m].path for m in copies.get(n, [n])] for n in kept]
    return Inspection(
        owners,
        [one for one in facts if one.reason is not None],
        odd_images(facts),
        exact,
        [_near(group, paths, members, owners) for group in groups],
        _shared(references or {}),
        int(is_flat(shown).sum()),
    )


def _exact(group: list[ImageFacts], owners: Owners) -> Copies:
    paths = tuple(one.path for one in group)
    return Copies("bytes" if same_bytes(paths) else "pixels", paths, _splits(paths, owners))


def _near(group: NearGroup, paths: list[Path], members: list[list[Path]], owners: Owners) -> Copies:
    images = tuple(path for n in group.members for path in members[n])
    links = tuple(
        {
            "images": [printable(paths[link.a]), printable(paths[link.b])],
            "bits_apart": link.bits,
            "similarity": round(link.similarity, 3),
            **({"mirrored": True} if link.mirrored else {}),
        }
        for link in group.links
    )
    return Copies("near", images, _splits(images, owners), links)


def _splits(paths: tuple[Path, ...], owners: Owners) -> tuple[str, ...]:
    return tuple(dict.fromkeys(split for path in paths for split in owners[path]))


def _shared(references: References) -> list[SharedReference]:
    """References of several splits, by name."""
    found: dict[str, dict[str, list[Path]]] = {}
    for split, named in references.items():
        for path, reference in named.items():
            found.setdefault(reference, {}).setdefault(split, []).append(path)
    return [SharedReference(name, found[name]) for name in sorted(found) if len(found[name]) > 1]


def _expected(
    paths: list[Path], owners: Owners, splits: Mapping[str, Labels], references: References
) -> Skip:
    """Pairs that are alike by construction: versions of one reference, wherever they are (one in
    two splits is a leak of its own), and the two images of a label line.
    """
    place = {path: n for n, path in enumerate(paths)}
    reference = np.full(len(paths), -1)
    codes: dict[str, int] = {}
    for path, n in place.items():
        for split in owners[path]:
            if path in references.get(split, {}):
                reference[n] = codes.setdefault(references[split][path], len(codes))
    coded = [np.full(1, -1)]
    for labels in splits.values():
        if labels.kind == "pairs":
            ends = np.array([place.get(path, -1) for path in labels.sources])[labels.images]
            ends = np.sort(ends[(ends >= 0).all(axis=1)])
            coded.append(ends[:, 0] * len(paths) + ends[:, 1])
    known = np.unique(np.concatenate(coded))

    def skip(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        alike = (reference[a] >= 0) & (reference[a] == reference[b])
        code = np.minimum(a, b) * len(paths) + np.maximum(a, b)
        return alike | (known[np.searchsorted(known[:-1], code)] == code)

    return skip

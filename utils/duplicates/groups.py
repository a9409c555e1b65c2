"""Groups of images that are the same: by their pixels, or nearly so."""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.duplicates.near_duplicates import (
    CANDIDATE_BITS,
    SAME_SCENE,
    Progress,
    close_hashes,
    is_flat,
    mirrored_signs,
    signs,
    similarity,
)
from utils.duplicates.similarity_bound import SimilarityBound

_STEP = 1024  # candidates between two looks at what is joined already
Skip = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Link:
    """Two near duplicates by their positions. bits: of 64 that differ; similarity: up to 1."""

    a: int
    b: int
    bits: int
    similarity: float
    mirrored: bool


@dataclass(frozen=True, slots=True)
class NearGroup:
    """Positions in ascending order, and the links that hold them together, one fewer: of the pairs
    of a group, only so many are compared as it takes to join it.
    """

    members: tuple[int, ...]
    links: tuple[Link, ...]


def equal_groups(digests: Iterable[bytes]) -> list[list[int]]:
    """Positions of equal digests, two or more at a time, in order of first appearance."""
    found: dict[bytes, list[int]] = {}
    for position, digest in enumerate(digests):
        found.setdefault(digest, []).append(position)
    return [group for group in found.values() if len(group) > 1]


def same_bytes(paths: Sequence[Path]) -> bool:
    """Whether all files hold the same bytes. OSError for one that cannot be read any more."""
    return all(filecmp.cmp(paths[0], path, shallow=False) for path in paths[1:])


def near_groups(
    thumbnails: np.ndarray,
    skip: Skip | None = None,
    mirrored: bool = False,
    progress: Progress | None = None,
) -> list[NearGroup]:
    """Near duplicates among uint8 thumbnails (N, SIDE, SIDE), each group once, by first member.

    skip(i, j): bool (P,), pairs of positions that are not to be compared. mirrored: also find
    images with left and right exchanged. Flat thumbnails belong to no group.
    """
    kept = np.flatnonzero(~is_flat(thumbnails))
    pictures = thumbnails[kept]
    hashes = signs(pictures)
    sought = [(hashes, pictures, False)]
    if mirrored:
        sought.append((mirrored_signs(hashes), pictures[:, :, ::-1], True))
    groups = _Groups(len(kept))
    for turn, (others, views, flipped) in enumerate(sought):
        told = _turn_of(progress, turn, len(sought))
        bound = SimilarityBound(pictures, views)
        for pairs in close_hashes(hashes, others, CANDIDATE_BITS, told):
            rows, columns = groups.apart(*pairs)
            for start in range(0, len(rows), _STEP):
                i, j = groups.apart(rows[start : start + _STEP], columns[start : start + _STEP])
                if skip is not None:
                    wanted = ~skip(kept[np.minimum(i, j)], kept[np.maximum(i, j)])
                    i, j = i[wanted], j[wanted]
                close = bound.may_reach(SAME_SCENE, i, j)  # j is cropped when its own turn comes
                a, b = np.minimum(i, j)[close], np.maximum(i, j)[close]
                alike = similarity(pictures[a], views[b])
                for n in np.flatnonzero(alike >= SAME_SCENE):
                    bits = int(64 - hashes[a[n]] @ others[b[n]]) // 2
                    groups.join(Link(int(a[n]), int(b[n]), bits, float(alike[n]), flipped))
    return [_renamed(group, kept) for group in groups.found()]


def _turn_of(progress: Progress | None, turn: int, turns: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, total: progress((turn * total + done) // turns, total)


def _renamed(group: NearGroup, kept: np.ndarray) -> NearGroup:
    links = (
        Link(int(kept[x.a]), int(kept[x.b]), x.bits, x.similarity, x.mirrored) for x in group.links
    )
    return NearGroup(tuple(int(kept[m]) for m in group.members), tuple(links))


class _Groups:
    """Positions that links have joined; memory grows with them, never with the pairs."""

    def __init__(self, count: int) -> None:
        self.label = np.arange(count)
        self._members: dict[int, list[int]] = {}
        self._links: dict[int, list[Link]] = {}

    def apart(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of the pairs that are not in one group yet."""
        wanted = self.label[first] != self.label[second]
        return first[wanted], second[wanted]

    def join(self, link: Link) -> None:
        """Nothing, where an earlier link has joined the two."""
        large, small = int(self.label[link.a]), int(self.label[link.b])
        if large == small:
            return
        if len(self._members.get(large, ())) < len(self._members.get(small, ())):
            large, small = small, large
        moved = self._members.pop(small, [small])
        self.label[moved] = large
        self._members.setdefault(large, [large]).extend(moved)
        links = self._links.setdefault(large, [])
        links += [*self._links.pop(small, []), link]

    def found(self) -> list[NearGroup]:
        groups = [
            NearGroup(tuple(sorted(members)), tuple(self._links[label]))
            for label, members in self._members.items()
        ]
        return sorted(groups, key=lambda group: group.members)

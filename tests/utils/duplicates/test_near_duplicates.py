"""Hashes against SciPy's transform, the search against a loop, and copies of real photographs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tests.contents import blotches
from tests.small_photos import NAMES, small_photo
from utils.duplicates import groups as duplicates
from utils.duplicates import near_duplicates
from utils.duplicates.groups import NearGroup, equal_groups, near_groups, same_bytes
from utils.duplicates.near_duplicates import (
    CANDIDATE_BITS,
    SAME_SCENE,
    SIDE,
    close_hashes,
    mirrored_signs,
    signs,
    similarity,
)


def thumbnail(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def encoded(image: Image.Image, quality: int) -> Image.Image:
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=quality)
    return Image.open(packed).convert("RGB")


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float):
    width, height = image.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return image.crop(tuple(round(edge) for edge in box))


COPIES = {
    "jpeg 30": lambda image: encoded(image, 30),
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "double": lambda image: image.resize((image.width * 2, image.height * 2)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.9),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "crop 2%": lambda image: cropped(image, 0.02, 0.02, 0.02, 0.02),
    "crop 5% left": lambda image: cropped(image, 0.05, 0, 0, 0),
    "all": lambda image: encoded(
        cropped(ImageEnhance.Brightness(image).enhance(1.1), 0.03, 0, 0.03, 0.02), 50
    ),
}


def photographs() -> list[Image.Image]:
    return [small_photo(name, 256) for name in NAMES]


def test_signs_are_those_of_the_lowest_frequencies():
    pictures = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE)).astype(np.uint8)
    spectrum = dctn(pictures.astype(float), axes=(1, 2))
    places = sorted(
        ((u, v) for u in range(SIDE) for v in range(SIDE)), key=lambda place: (sum(place), place)
    )
    expected = [[1 if s[u, v] > 0 else -1 for u, v in places[1:65]] for s in spectrum]
    assert signs(pictures).tolist() == expected


def test_mirrored_signs_are_the_signs_of_mirrored_images():
    pictures = np.random.default_rng(1).integers(0, 256, (9, SIDE, SIDE)).astype(np.uint8)
    assert (mirrored_signs(signs(pictures)) == signs(pictures[:, :, ::-1])).all()


@pytest.mark.parametrize("most", [1 << 20, 5])
def test_the_search_finds_every_close_pair_from_both_sides(monkeypatch, most):
    monkeypatch.setattr(near_duplicates, "_ROWS", 7)
    monkeypatch.setattr(near_duplicates, "_COLUMNS", 9)
    monkeypatch.setattr(near_duplicates, "_MOST", most)
    rng = np.random.default_rng(2)
    bits = rng.random((60, 64)) > 0.5
    bits[40:] = bits[:20] ^ (rng.random((20, 64)) < 0.2)
    bits[3:5] = [[False] * 64, [True] * 64]
    hashes = np.where(bits, 1, -1).astype(np.float32)
    counts = []
    blocks = list(close_hashes(hashes, hashes, 15, lambda done, total: counts.append(done)))
    found = [(int(i), int(j)) for a, b in blocks for i, j in zip(a, b, strict=True)]
    expected = [
        (i, j) for i in range(60) for j in range(60) if i != j and (bits[i] != bits[j]).sum() <= 15
    ]
    assert sorted(found) == expected and 10 < len(expected) < 120
    assert all((np.diff(a) >= 0).all() for a, _ in blocks) and (len(blocks) > 9) == (most == 5)
    assert counts[-1] == 60


@pytest.mark.parametrize("kind", COPIES)
def test_copies_of_photographs_are_found(kind):
    originals = photographs()
    copies = [COPIES[kind](image) for image in originals]
    groups = near_groups(np.stack([thumbnail(image) for image in originals + copies]))
    count = len(originals)
    assert [group.members for group in groups] == [(n, n + count) for n in range(count)]
    assert all(SAME_SCENE <= link.similarity <= 1.0001 for g in groups for link in g.links)


def test_different_pictures_are_left_alone():
    pictures = photographs() + [blotches(seed) for seed in range(120)]
    assert near_groups(np.stack([thumbnail(image) for image in pictures])) == []


def test_similarity_is_the_correlation_of_gradients():
    """Of the same crop: no crop can fit better than none."""
    x = thumbnail(small_photo("coffee", 256)).astype(float)
    y = np.round(np.clip(x + np.random.default_rng(3).normal(0, 12, x.shape), 0, 255))
    edges = [
        np.concatenate([np.diff(i, axis=1).ravel(), np.diff(i, axis=0).ravel()]) for i in (x, y)
    ]
    expected = edges[0] @ edges[1] / np.linalg.norm(edges[0]) / np.linalg.norm(edges[1])
    assert 0.3 < expected < 0.95
    assert similarity(x[None], y[None])[0] == pytest.approx(expected, abs=1e-5)
    assert similarity(y[None], x[None])[0] == pytest.approx(expected, abs=1e-5)


def test_groups_are_those_of_every_pair_compared(monkeypatch):
    """Photographs, patterns, borders around nearly nothing, and crops and noise of all of them."""
    monkeypatch.setattr(near_duplicates, "_ROWS", 16)
    rng = np.random.default_rng(6)
    framed = rng.integers(0, 3, (4, SIDE, SIDE)) + np.pad(
        np.zeros((30, 30), int), 1, constant_values=90
    )
    base = [thumbnail(image) for image in photographs()] + [
        thumbnail(blotches(seed)) for seed in range(20)
    ]
    shown = np.concatenate([np.stack(base), framed.astype(np.uint8)])
    changed = [shown]
    for noise in (8, 25, 50):
        for x in (shown, np.roll(shown, 1, axis=1), shown[:, :, ::-1]):
            changed.append(np.clip(x + rng.normal(0, noise, x.shape), 0, 255).astype(np.uint8))
    pictures = np.concatenate(changed)
    i, j = np.triu_indices(len(pictures), 1)
    hashes = signs(pictures)
    joined = coo_array((len(pictures),) * 2, dtype=bool)
    for view in (pictures, pictures[:, :, ::-1]):
        near = (64 - (hashes[i] * signs(view)[j]).sum(axis=1)) // 2 <= CANDIDATE_BITS
        a, b = i[near], j[near]
        same = similarity(pictures[a], view[b]) >= SAME_SCENE
        joined = joined + coo_array((same[same], (a[same], b[same])), shape=joined.shape)
    count, label = connected_components(joined, directed=False)
    sets = [tuple(np.flatnonzero(label == n).tolist()) for n in range(count)]
    expected = sorted(one for one in sets if len(one) > 1)
    assert [group.members for group in near_groups(pictures, mirrored=True)] == expected
    assert 15 < len(expected) < 60


def test_mirror_images_are_an_option():
    originals = photographs()
    mirrored = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in originals]
    pictures = np.stack([thumbnail(image) for image in originals + mirrored])
    assert near_groups(pictures) == []
    groups = near_groups(pictures, mirrored=True)
    assert [group.members for group in groups] == [(n, n + 6) for n in range(6)]
    assert all(link.mirrored and link.bits <= 4 for group in groups for link in group.links)


def test_flat_images_are_not_compared():
    flat = np.full((4, SIDE, SIDE), 200, np.uint8)
    flat[1:] += np.random.default_rng(4).integers(0, 2, (3, SIDE, SIDE)).astype(np.uint8)
    assert near_duplicates.is_flat(flat).all() and near_groups(flat) == []
    assert near_groups(np.zeros((0, SIDE, SIDE), np.uint8)) == []


def test_groups_are_joined_by_one_link_fewer_than_members(monkeypatch):
    """Many copies of one picture: each is compared until it has found its group, no further."""
    compared = []

    def counting(a, b):
        compared.append(len(a))
        return similarity(a, b)

    monkeypatch.setattr(duplicates, "similarity", counting)
    monkeypatch.setattr(duplicates, "_STEP", 16)
    rng = np.random.default_rng(5)
    base = thumbnail(small_photo("china", 256)).astype(int)
    noisy = base + rng.integers(-2, 3, (80, SIDE, SIDE))
    other = thumbnail(small_photo("rocket", 256))
    pictures = np.clip(np.concatenate([noisy, other[None]]), 0, 255).astype(np.uint8)
    (group,) = near_groups(pictures)
    assert group.members == tuple(range(80)) and len(group.links) == 79
    assert sum(compared) < 400  # of 3,160 pairs
    joined = {0}
    for _ in range(80):
        joined |= {x for link in group.links for x in (link.a, link.b) if {link.a, link.b} & joined}
    assert joined == set(range(80))


def test_pairs_that_are_expected_are_not_compared():
    image = small_photo("flower", 256)
    ladder = np.stack([thumbnail(encoded(image, q)) for q in (90, 50, 20)])
    assert near_groups(ladder, lambda a, b: np.ones(len(a), bool)) == []
    (group,) = near_groups(ladder, lambda a, b: (a == 0) & (b == 1))
    assert isinstance(group, NearGroup) and group.members == (0, 1, 2)
    assert {(link.a, link.b) for link in group.links} == {(0, 2), (1, 2)}


def test_equal_groups_and_bytes(tmp_path):
    assert equal_groups([b"a", b"b", b"a", b"c", b"b", b"a"]) == [[0, 2, 5], [1, 4]]
    for name, content in (("x", b"12"), ("y", b"12"), ("z", b"13"), ("long", b"123")):
        (tmp_path / name).write_bytes(content)
    assert same_bytes([tmp_path / "x", tmp_path / "y"])
    assert not same_bytes([tmp_path / "x", tmp_path / "y", tmp_path / "z"])
    assert not same_bytes([tmp_path / "x", tmp_path / "long"])

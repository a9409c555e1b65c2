"""Columns of labels: chosen, joined and seen by image, against plain loops over lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataloader.labels.labels import Labels, Version, Versions, joined
from dataloader.sources import PathTable
from tests.label_rows import rows_of

KINDS = ("pairs", "scores", "distributions", "buckets")


def drawn(kind: str, seed: int, prefix: str = "") -> Labels:
    """30 lines about some of 12 images, as a reader makes them; those of one image agree."""
    rng = np.random.default_rng(seed)
    paths = [Path(f"/data/{prefix}{n}.png") for n in range(12)]
    if kind == "pairs":
        named = [tuple(paths[n] for n in rng.choice(12, 2, replace=False)) for _ in range(30)]
        labels = Labels.of(kind, named, lines=range(5, 35))
    else:
        of_image = {"distributions": rng.dirichlet(np.ones(4), 12)}.get(
            kind, rng.integers(9, size=12)
        )
        places = rng.integers(12, size=30)
        labels = Labels.of(kind, [paths[n] for n in places], of_image[places], range(5, 35))
    texts = list(map(str, labels.sources))
    columns = {**vars(labels), "sources": PathTable(texts), "reals": PathTable(texts)}
    versions = [Version(text[-6:], "blur", n % 3 or None) for n, text in enumerate(texts)]
    return Labels(**{**columns, "versions": Versions(versions)})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_some_lines_and_the_images_they_are_about(kind, seed):
    labels = drawn(kind, seed)
    rng = np.random.default_rng(seed)
    version_of = dict(zip(labels.sources, labels.versions, strict=True))
    for rows in (rng.permutation(30)[:11], rng.random(30) < 0.3):
        found = labels.select(rows)
        wanted = [rows_of(labels)[row] for row in np.arange(30)[rows]]
        assert rows_of(found) == wanted
        paths = [part for row in wanted for part in row if isinstance(part, Path)]
        assert list(found.sources) == list(found.reals) == list(dict.fromkeys(paths))
        assert list(found.versions) == [version_of[path] for path in found.sources]
    bad = {labels.sources[2], labels.sources[5], Path("/elsewhere.png")}
    assert rows_of(labels.without(bad)) == [row for row in rows_of(labels) if bad.isdisjoint(row)]
    assert labels.without([]) is labels


@pytest.mark.parametrize("kind", KINDS)
def test_parts_follow_each_other(kind):
    parts = [drawn(kind, seed, prefix) for seed, prefix in enumerate("abc")]
    found = joined(parts)
    assert rows_of(found) == [row for part in parts for row in rows_of(part)]
    assert list(found.versions) == [version for part in parts for version in part.versions]
    unknown = Labels(**{**vars(parts[1]), "versions": None})
    assert joined([parts[0], unknown]).versions is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_of_each_image(kind):
    labels = drawn(kind, 0)
    first, said = {}, {}
    for *parts, line in rows_of(labels):
        for path in (part for part in parts if isinstance(part, Path)):
            first.setdefault(path, line)
            said[path] = parts[-1]
    assert dict(zip(labels.sources, labels.first_lines().tolist(), strict=True)) == first
    if kind == "pairs":
        assert labels.values is None and labels.bins is None
        return
    values = labels.of_sources(labels.values).tolist()
    assert values == [list(v) if isinstance(v, tuple) else v for v in said.values()]
    means = [sum(k * p for k, p in enumerate(v, 1)) if kind == "distributions" else v
             for v in said.values()]  # fmt: skip
    scores = labels.as_scores()
    assert scores.of_sources(scores.values) == pytest.approx(means)
    assert (labels.bins, scores.kind, scores.bins) == (4 if kind == "distributions" else None,
                                                       "scores", None)  # fmt: skip


def test_versions_are_a_sequence():
    rows = [Version("a", "blur", 2), Version("", "", None), Version("b", "none", 0)]
    found = Versions(rows)
    assert list(found) == rows and found[-1] == rows[-1] and list(found[::2]) == rows[::2]
    assert list(found[np.array([1, 0])]) == [rows[1], rows[0]]
    assert found.level.tolist() == [2, -1, 0] and len(Versions([])) == 0
    with pytest.raises(IndexError):
        found[3]

"""The quick way through a label file says what the careful one says, or leaves it to that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataloader.labels import text as reading
from dataloader.labels.faults import LabelError
from dataloader.labels.text import check_splits, read_labels
from tests.label_rows import rows_of, split_of

NAMES = ("a.png", "b c.png", "sub/d.png", "sub/ü.png", "link.png", "./e.png", "sub/../f.png")


@pytest.fixture
def split(tmp_path) -> Path:
    names = ("a.png", "b c.png", "sub/d.png", "sub/ü.png", "e.png", "f.png", "x,y.png")
    folder = split_of(tmp_path, names)
    (folder / "link.png").symlink_to(tmp_path / "far.png")
    (tmp_path / "far.png").touch()
    return folder


def both(split: Path, kind: str, text: str, monkeypatch, **options):
    """(labels, bins, notes) or the faults, of the quick way and of the careful one."""
    file = split / "label.txt"
    file.write_text(text, encoding="utf-8")
    outcomes = []
    for quickly in (True, False):
        with monkeypatch.context() as patch:
            if not quickly:
                patch.setattr(reading, "read_quickly", lambda *a: None)
            try:
                found = read_labels(kind, file, split.parent, **options)
                outcomes.append((rows_of(found), found.bins, found.notes, columns(found)))
            except LabelError as error:
                outcomes.append(str(error))
    return outcomes


def columns(labels):
    votes = None if labels.votes is None else labels.votes.tolist()
    dtypes = [a.dtype for a in (labels.images, labels.values, labels.lines)]
    return list(labels.sources), list(labels.reals), votes, dtypes


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", ["scores", "distributions"])
def test_plain_files_are_read_alike(split, monkeypatch, kind, seed):
    rng = np.random.default_rng(seed)
    lines = []
    for name in rng.permutation(NAMES):
        if kind == "scores":
            figures = [f"{rng.normal():.{rng.integers(1, 6)}g}"]
        elif rng.random() < 0.5:
            figures = [str(v) for v in rng.integers(0, 50, 4) + np.eye(4, dtype=int)[0]]
        else:
            figures = [repr(float(p)) for p in rng.dirichlet(np.ones(4))]
        lines.append(f"{name} , {' ,'.join(figures)}" + " \r" * (rng.random() < 0.3))
        lines += ["# a note, with commas", "  "] * int(rng.integers(0, 2))
    quick, slow = both(split, kind, "\n".join(lines), monkeypatch)
    assert quick[1:] == slow[1:] and len(quick[0]) == len(NAMES)
    for a, b in zip(quick[0], slow[0], strict=True):
        assert (a[0], a[2]) == (b[0], b[2]) and a[1] == pytest.approx(b[1], rel=1e-15)
    monkeypatch.setattr(reading, "_read_lines", None)  # the quick way is taken
    assert len(read_labels(kind, split / "label.txt", split.parent)) == len(NAMES)


UNUSUAL = [
    ("scores", "a.png,1\na.png,1\n"),  # repeated
    ("scores", "a.png,1\na.png,2\n"),
    ("scores", "a.png,1\nsub/../a.png,2\n"),
    ("scores", "x,y.png,1\n"),  # a comma in a name
    ("scores", "a.png,1_0\n"),
    ("scores", "a.png,nan\n"),
    ("scores", "a.png,\n"),
    ("scores", "a.png,1\n,2\n"),
    ("scores", "a.png,0x10\n"),
    ("scores", "/a.png,1\n"),  # of the disk, not of this folder
    ("scores", "none.png,1\n"),
    ("scores", "../../far.png,1\n"),
    ("scores", "a.png,1\n\n# only\n"),
    ("scores", "# only\n"),
    ("distributions", "a.png,1,2\nb c.png,1,2,3\n"),
    ("distributions", "a.png,1\n"),
    ("distributions", "a.png,0.5,0.7\n"),
    ("distributions", "a.png,0,0\n"),
    ("distributions", "a.png,-1,2\n"),
    ("distributions", "x,y.png,1,2\n"),
    ("distributions", "a.png,1,\n"),
]


@pytest.mark.parametrize(("kind", "text"), UNUSUAL)
def test_the_unusual_is_read_alike(split, monkeypatch, kind, text):
    quick, slow = both(split, kind, text, monkeypatch)
    assert quick == slow


def test_given_bins_are_held(split, monkeypatch):
    quick, slow = both(split, "distributions", "a.png,1,2,3\n", monkeypatch, num_classes=2)
    assert quick == slow and "2 numbers expected" in quick


def test_a_name_that_ends_like_a_number(split, monkeypatch):
    (split / "a.png,1").touch()  # the longest path that exists counts
    quick, slow = both(split, "distributions", "a.png,1,2,3\n", monkeypatch)
    assert quick == slow and quick[1] == 2


def test_an_image_in_two_splits_is_found_through_a_link(split):
    val = split.parent / "val"
    val.mkdir()
    (val / "g.png").touch()
    (val / "same.png").symlink_to(split / "a.png")
    (split / "label.txt").write_text("b c.png,1\na.png,2\n")
    (val / "label.txt").write_text("g.png,1\n")

    def splits():
        return {f.name: read_labels("scores", f / "label.txt", f.parent) for f in (split, val)}

    check_splits(splits())
    (val / "label.txt").write_text("g.png,1\nsame.png,2\n")
    with pytest.raises(LabelError, match=r"val/label.txt:2:1: image of val that is in train too"):
        check_splits(splits())

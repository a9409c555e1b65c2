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


def both(split: Path, kind: str, text: str | bytes, monkeypatch, **options):
    """(labels, bins, notes) or the faults, of the quick way and of the careful one."""
    file = split / "label.txt"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
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
    images, values, lines = labels.images, labels.values, labels.lines
    dtypes = [None if a is None else a.dtype for a in (images, values, lines)]
    return list(labels.sources), list(labels.reals), images.tolist(), lines.tolist(), votes, dtypes


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


# Pairs, repeated lines, and what editors and other programs leave in a text file.
ODD = [
    ("pairs", "a.png,e.png\ne.png,f.png\na.png,f.png", True),  # no end to the last line
    ("pairs", "\n\na.png,e.png\n   \n\t\ne.png,f.png\n\n", True),
    ("pairs", "a.png,e.png\r\n# a, b\r\n\r\ne.png,f.png\r\n", True),
    ("pairs", "a.png,e.png\r\na.png,f.png\n", True),  # two kinds of line ends
    ("pairs", "# a note\na.png,e.png\n  # another one, of e.png\ne.png,f.png\n", True),
    ("pairs", "a.png,e.png\nf.png,e.png\na.png,e.png\n./a.png,e.png\n", True),  # repeated
    ("pairs", "b c.png, sub/d.png\n  sub/d.png  ,\ta.png\t\n", True),  # blanks, tabs
    ("pairs", "sub/ü.png,a.png\nsub/../sub/ü.png,e.png\n", True),
    ("pairs", b"\xef\xbb\xbfa.png,e.png\n", True),  # a byte order mark
    ("pairs", "link.png,a.png\n", True),
    ("pairs", "a.png,e.png\ne.png,a.png\n", False),  # turned round
    ("pairs", "a.png,e.png\n./e.png,sub/../a.png\n", False),
    ("pairs", "a.png,./a.png\n", False),
    ("pairs", "x,y.png,a.png\na.png,e.png\n", False),
    ("pairs", "a.png,e.png,f.png\n", False),
    ("pairs", "a.png\n", False),
    ("pairs", "a.png,\n,a.png\n", False),
    ("pairs", "a.png,gone.png\n", False),
    ("pairs", "a.png,\0.png\n", False),
    ("pairs", "a.png,sub\n", False),
    ("pairs", "a.png,e.png\re.png,f.png\r", False),  # line ends of old Macs
    ("pairs", "a.png,e\r.png\n", False),
    ("pairs", b"a.png,e\xff.png\n", False),
    ("pairs", "a.png,e.png\n".encode("utf-16"), False),
    ("pairs", "", False),
    ("pairs", "a.png,e.png\x0b\x0ce.png,f.png\n", False),  # what else Python cuts lines at
    ("pairs", "a.png,e.png\u2028\n\u3000e.png,f.png\n", True),
    ("scores", "a.png,1\n\na.png,1\nsub/../a.png,1.0\nb c.png,2", True),
    ("scores", "a.png,1\r\n\r\na.png,1\r\n", True),
    ("scores", "a.png,1\n# note\nlink.png,1\na.png,2\n", False),
    ("scores", "a.png, 1\t\n b c.png\t,\t2\n", True),
    ("distributions", "a.png,1,2\ne.png,0.25,0.75\na.png,1,2\n", True),
    ("distributions", "a.png,1,2\na.png,2,4\n", True),  # the same shares
    ("distributions", "a.png,1,2\na.png,1,3\n", False),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "quickly"), ODD)
def test_odd_files_are_read_alike(split, monkeypatch, kind, text, quickly):
    """quickly: that it is the quick way which reads them."""
    quick, slow = both(split, kind, text, monkeypatch)
    assert quick == slow
    if quickly:
        monkeypatch.setattr(reading, "_read_lines", None)
        assert len(read_labels(kind, split / "label.txt", split.parent))


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

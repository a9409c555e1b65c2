"""Lines of any length and any number cost what their bytes cost; names may begin with `#`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from applications.inputs.named_images import find_images
from dataloader.datasets.label_text import files_of
from dataloader.datasets.records import Record
from dataloader.labels import text as reading
from dataloader.labels.faults import MOST_FAULTS, LabelError
from dataloader.labels.lines import LineReader
from dataloader.labels.paths import PathFinder
from dataloader.labels.side_tables import read_spread, read_versions
from dataloader.labels.text import read_labels
from tests.label_rows import read, refused, split_of

KINDS = ("pairs", "scores", "distributions", "buckets")


@pytest.fixture
def split(tmp_path: Path) -> Path:
    return split_of(tmp_path, ("a.png", "b.png", "#1.png", "#2, x.png", "#sub/c.png"))


# ---- long lines, many lines


@pytest.fixture
def asked(monkeypatch) -> list[int]:
    """Lengths of the paths that the disk is asked about."""
    lengths: list[int] = []
    for name in ("isfile", "isdir"):
        real = getattr(os.path, name)
        monkeypatch.setattr(
            os.path, name, lambda path, real=real: lengths.append(len(path)) or real(path)
        )
    return lengths


@pytest.mark.parametrize(
    "line", ["a.png" + "," * 50_000, "," * 50_000, "a,/" * 17_000, "x" * 10**6]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_long_line_is_cut_in_a_bounded_number_of_ways(split, asked, kind, line):
    """Before: as many paths as commas, and all of them kept: 50,000 of 25,000 characters."""
    head = "file_name,label\n" if kind == "buckets" else ""
    found = refused(split, kind, f"{head}{line}\n")
    assert len(asked) < 1_500 and sum(asked) < 2**22
    assert len(found) <= 21 and len(str(LabelError(found))) < 4_000


def test_the_fields_of_a_line_have_few_faults(split):
    text = "a.png" + ",x" * 5_000
    found = refused(split, "distributions", text, 5_000)
    assert [f.column for f in found] == [*range(7, 47, 2), 47]
    assert found[-1].message == "... and 4980 more fields of this line"
    assert len(refused(split, "distributions", text.replace("x", "-1"), 5_000)) == 21


def test_a_csv_line_of_many_cells(split):
    """Before: the rest of the line was copied for every cell."""
    head = "file_name,label" + ",x" * 50_000
    (fault,) = refused(split, "buckets", f"{head}\na.png,5" + "," * 49_999)
    assert len(fault.message) < 300 and "50002 columns expected" in fault.message
    assert len(read(split, "buckets", f"{head}\na.png,5" + ", " * 50_000)) == 1


@pytest.mark.parametrize(
    ("kind", "line"), [("scores", "a.png,x\n"), ("pairs", "a\n"), ("distributions", "gone,1,2\n")]
)
def test_a_file_of_faults_is_read_up_to_a_number_of_them(split, kind, line):
    found = refused(split, kind, line * (MOST_FAULTS + 5_000))
    assert len(found) == MOST_FAULTS + 1
    assert found[-1].line == MOST_FAULTS + 1
    assert found[-1].message == f"not read from here on: {MOST_FAULTS} faults above"


@pytest.mark.parametrize(
    ("kind", "line"),
    [("scores", "a.png,1"), ("pairs", "a.png,b.png"), ("distributions", "a.png,1,2")],
)  # fmt: skip
def test_a_repeated_line_asks_the_disk_once(split, asked, kind, line):
    assert len(read(split, kind, f"{line}\n" * 20_000)) == 20_000
    assert len(asked) <= 4


# ---- names that begin with #


LINES = {
    "scores": ["#1.png,1", "#2, x.png,2", "#sub/c.png,3"],
    "distributions": ["#1.png,1,2", "#2, x.png,2,3", "#sub/c.png,3,4"],
    "pairs": ["#1.png,a.png", "#2, x.png,#1.png", "#sub/c.png,#2, x.png"],
    "buckets": ["#1.png 1", "#2, x.png 2", "#sub/c.png 3"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_that_begins_with_an_image_is_no_comment(split, kind):
    head = ["file_name label"] if kind == "buckets" else []
    text = "\n".join(["# a note, of a.png", "#", *head, *LINES[kind], "#gone.png,1", "# 1,2"])
    first = 3 + len(head)
    assert read(split, kind, text).lines.tolist() == [first, first + 1, first + 2]


def test_quickly_too(split, monkeypatch):
    monkeypatch.setattr(reading, "_read_lines", None)
    found = read(split, "scores", "# a.png,9\n#1.png,1\na.png,2\n")
    assert found.values.tolist() == [1, 2]


def test_a_comma_apart_bucket_of_such_a_name(split):
    found = read(split, "buckets", "file_name,label\n#1.png,4\n#2, x.png,5\n")
    assert [path.name for path in found.sources] == ["#1.png", "#2, x.png"]
    assert found.values.tolist() == [4, 5]


def test_comments_cost_nothing_where_no_name_begins_so(tmp_path, asked):
    (tmp_path / "a.png").touch()
    finder = PathFinder(tmp_path / "label.txt", tmp_path, tmp_path)
    assert all(finder.is_comment(f"# note {i}, of a.png, and more") for i in range(1_000))
    assert not asked and not finder.is_comment("a.png,1 # no comment")


def test_what_is_prepared_of_such_names_is_read_back(split):
    """--prepare left such images out."""
    names = {name: name for name in ("#1.png", "#2, x.png", "#sub/c.png")}
    records = [
        Record(path=n, mos=m, std=1.0, counts=(1, m), reference_id="r", distortion="d", level=m)
        for n, m in zip(names, (1, 2, 3), strict=True)
    ]
    for name, (kind, text) in files_of(records, names).items():
        (split / name).write_text(text, encoding="utf-8")
        if kind in KINDS:
            assert len(read_labels(kind, split / name, split.parent)) == 3
    paths = [split / name for name in names]
    versions = read_versions(split / "levels.csv", paths)
    assert versions is not None and versions.level.tolist() == [1, 2, 3]
    assert read_spread([split / "std.csv"], paths) is not None


def test_a_list_to_predict(split):
    file = split / "list.txt"
    file.write_text("# images\n#1.png\n#gone.png\n#2, x.png\na.png\n")
    assert find_images((str(file),)) == [split / n for n in ("#1.png", "#2, x.png", "a.png")]
    file.write_text(f"a.png\n{'x' * 100_000}\n")
    with pytest.raises(ValueError, match=r"list.txt:2: no such image: x{77}\.\.\. \("):
        find_images((str(file),))


def test_the_reader_asks_for_each_line_of_its_own_kind(split):
    reader = LineReader("scores", split / "l", PathFinder(split / "l", split, split), None)
    assert reader.is_comment("  # a.png,1") and not reader.is_comment("  #1.png,1")

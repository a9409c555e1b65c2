"""A label file that cannot be read is told once what it looks like, with the cure."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataloader.labels.faults import LabelError
from tests.cli import call
from tests.label_rows import read, refused, split_of
from tests.tiny_data import picture

SCORES = "a.png,0.7634\nsub/e.png,0.5\nx,y.png,0.25\nc.png,3\n"
PAIRS = "a.png,b.png\nsub/e.png,c.png\n"
VOTES = "a.png,1,2,3\nsub/e.png,3,3,1\nc.png,0.2,0.3,0.5\n"
BUCKETS = "file_name label\na.png 5\nb.png 6\n"
FILES = {"pairs": PAIRS, "scores": SCORES, "distributions": VOTES, "buckets": BUCKETS}
LEARN = {"pairs": "rank", "scores": "regress", "distributions": "emd", "buckets": "siamese"}


@pytest.fixture
def split(tmp_path: Path) -> Path:
    return split_of(tmp_path, ("a.png", "b.png", "c.png", "sub/e.png", "x,y.png"))


def faults(*args):
    return [(fault.line, fault.message) for fault in refused(*args)]


@pytest.mark.parametrize("other", FILES)
@pytest.mark.parametrize("kind", FILES)
def test_labels_of_another_task_are_one_fault(split, kind, other):
    if kind != other:
        ((line, message),) = faults(split, kind, FILES[other])
        assert line == 1 and "looks like" in message
        assert f"--criterion {LEARN[other]}" in message


def test_buckets_are_not_said_to_be_buckets(split):
    ((_, message),) = faults(split, "buckets", "index file_name label\n0 a.png 5\n1 b.png 6\n")
    assert message.startswith("a header is expected, 'file_name label'")
    assert "looks like buckets" not in message


@pytest.mark.parametrize("kind", FILES)
def test_line_ends_of_old_macs_are_named(split, kind):
    ((line, message),) = faults(split, kind, FILES[kind].replace("\n", "\r"))
    assert line == 1 and message.startswith("line ends of old Macs (CR alone): save the file")


def test_a_whole_vote_file_is_named(split):
    row = "1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396\n"
    for kind in FILES:
        ((_, message),) = faults(split, kind, row * 30)
        assert message.endswith("looks like AVA.txt: pass the file with --labels")


def quote(line: str) -> str:
    name, rest = line.split("png,", 1)
    return f'"{name}png",{rest}'


def plain(text: str) -> str:
    """Without the name that holds a comma."""
    return "".join(line for line in text.splitlines(keepends=True) if "x,y" not in line)


@pytest.mark.parametrize("kind", ["pairs", "scores", "distributions"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: plain(text).replace(",", ";"), "fields apart by ';': write "),
        (lambda text: plain(text).replace(",", "\t"), "fields apart by tabs: write "),
        (lambda text: plain(text).replace(",", "  "), "fields apart by blanks: write "),
        (lambda text: "\n".join(map(quote, text.splitlines())), "quotation marks: write "),
        (lambda text: text.replace("\n", ",\n"), "a separator too many at the end: write "),
        (lambda text: plain(text).replace("\n", ",\n").replace(",", ";"), "fields apart by ';'"),
    ],
    ids=["semicolons", "tabs", "blanks", "quotes", "trailing", "trailing semicolons"],
)  # fmt: skip
def test_another_way_to_write_the_lines_is_one_fault(split, kind, change, said):
    text = change(FILES[kind])
    ((line, message),) = faults(split, kind, text)
    first, count = FILES[kind].splitlines()[0], len(text.splitlines())
    assert line == 1 and message.startswith(said)
    assert message.endswith(f"write '{first}' (so in {count} lines)")


@pytest.mark.parametrize(
    ("kind", "text", "line", "said"),
    [
        ("scores", "a.png,0,76\nb.png,0,5\n", 1, "a decimal comma: write 'a.png,0.76'"),
        ("scores", "a.png;0,76\nb.png;1\n", 1, "';' and a decimal comma: write 'a.png,0.76'"),
        ("distributions", "a.png;0,4;0,6\n", 1, "decimal comma: write 'a.png,0.4,0.6'"),
        ("scores", SCORES + "sub\\e.png,1\n", 5, "between folders: write 'sub/e.png,1'"),
        ("scores", SCORES + "b.png,1,\n", 5, "too many at the end: write 'b.png,1'"),
        ("scores", "image_name,MOS\n" + SCORES, 1, "looks like a header: take it out"),
        ("pairs", "better,worse\n" + PAIRS, 1, "looks like a header"),
        ("distributions", '"name","1","2","3"\n' + VOTES, 1, "3 numbers expected"),
        ("distributions", "name,one,two,three\n" + VOTES, 1, "looks like a header"),
    ],
)  # fmt: skip
def test_a_single_line_has_its_sentence_too(split, kind, text, line, said):
    found = [fault for fault in faults(split, kind, text) if fault[0] == line]
    assert len(found) == 1 and (said in found[0][1] or said == "3 numbers expected")


@pytest.mark.parametrize("kind", ["pairs", "scores", "distributions"])
@pytest.mark.parametrize("marks", ['"', ""])
def test_the_nine_columns_of_a_published_table_are_one_fault(split, kind, marks):
    names = "image_name c1 c2 c3 c4 c5 c_total MOS SD".split()
    rows = [
        f"{marks}{name}{marks},0,0,25,73,7,105,3.828571429,0.527278894"
        for name in ("a.png", "b.png", "gone.jpg")
    ]
    header = ",".join(f"{marks}{name}{marks}" for name in names)
    ((line, message),) = faults(split, kind, "\n".join([header, *rows]))
    assert line == 1 and message.startswith("a table of 9 columns (")
    assert "MOS" in message and "--prepare" in message


def test_other_faults_stay_beside_the_advice(split):
    text = "image,MOS\na.png;1\nb.png,x\ngone.png,2\nc.png;2\nsub/e.png,3\nx,y.png,1\n"
    said = dict(faults(split, "scores", text))
    assert sorted(said) == [1, 2, 3, 4]
    assert "header" in said[1] and "(so in 2 lines)" in said[2]
    assert said[3] == "not a number: 'x'" and "image not found" in said[4]


WORDS = r"""a.png b.png sub/e.png , , ; " # \ 0 1 0.5 0,5 -1 nan 1e999 file_name label x é .."""
TEXTS = st.lists(st.sampled_from([*WORDS.split(), *"\t \n\n\r\0"]), max_size=40).map("".join)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(sorted(FILES)), TEXTS)
def test_whatever_the_text_there_are_labels_or_faults(split, kind, text):
    try:
        found = read(split, kind, text)
    except LabelError as error:
        assert error.faults and all(len(fault.message) < 1_000 for fault in error.faults)
        assert len(str(error).splitlines()) <= 21
    else:
        assert len(found)


# ---- names that are nearly there


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("A.PNG", "a.png"),
        ("a", "a.png"),
        ("a.jpg", "a.png"),
        ("SUB/e.png", "sub/e.png"),
        ("Sub/E", "sub/e.png"),
        ("./sub/E.png", "./sub/e.png"),
        ("x,Y.png", "x,y.png"),
    ],
)
def test_a_near_name_is_offered(split, name, there):
    ((_, message),) = faults(split, "scores", f"b.png,1\n{name},2\n")
    assert message.startswith("image not found (looked for ")
    assert message.endswith(f"{name!r}: write {there!r}, which is there")


@pytest.mark.parametrize(("disk", "label"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_another_unicode_form_is_named(split, disk, label):
    (split / unicodedata.normalize(disk, "Größe é.png")).touch()
    name = unicodedata.normalize(label, "Größe é.png")
    ((_, message),) = faults(split, "scores", f"{name},2\n")
    assert message.endswith(
        "the name on disk has the same letters in another Unicode form: copy it"
    )


@pytest.mark.parametrize("name", ["gone.png", "gone", "a.txt", "no/such/e.png", "sub/a", "../a"])
def test_nothing_is_offered_where_nothing_is_near(split, name):
    ((_, message),) = faults(split, "scores", f"b.png,1\n{name},2\n")
    assert "which is there" not in message and "Unicode" not in message


def test_folders_are_listed_once_for_all_missing_names(split, monkeypatch):
    listed: list[str] = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listed.append(str(folder)) or real(folder))
    found = faults(split, "scores", "".join(f"A{i}.PNG,1\nSUB/{i},2\n" for i in range(2_000)))
    assert len(found) == 4_000 and sorted(listed) == [str(split), str(split / "sub")]


def test_the_command_says_it_in_one_line(tmp_path):
    """Before: 'image not found: "0.7634"', twenty times."""
    (tmp_path / "data/train").mkdir(parents=True)
    lines = []
    for i in range(30):
        picture(np.random.default_rng(i), 5, (16, 16)).save(tmp_path / f"data/train/{i}.png")
        lines.append(f"{i}.png,0.{i}\n")
    (tmp_path / "data/train/label.txt").write_text("".join(lines))
    said = call(tmp_path, "--check data --criterion rank -j 0", 1).out
    assert [line for line in said.splitlines() if "label.txt" in line] == [
        "data/train/label.txt:1:7: looks like scores: --criterion regress"
    ]

"""Files of buckets: apart by spaces or a csv with the columns, and every fault's place."""

from pathlib import Path

import pytest

from tests.label_rows import read, refused, rows_of, split_of

IMAGES = ("a.png", "b.png", "with space.png", "x,y.png", 'say "hi".png')


@pytest.fixture
def split(tmp_path: Path) -> Path:
    return split_of(tmp_path, IMAGES)


def found(split: Path, text: str) -> list[tuple[str, int, int]]:
    return [(path.name, *rest) for path, *rest in rows_of(read(split, "buckets", text))]


def faults(split: Path, text: str) -> list[tuple[int, int, str]]:
    return [(f.line, f.column, f.message) for f in refused(split, "buckets", text)]


def test_the_recipe_s_data_file(split):
    text = "file_name label\na.png 5\n\n# note\nwith space.png 6\nx,y.png -1\n"
    assert rows_of(read(split, "buckets", text)) == [
        (split / "a.png", 5, 2), (split / "with space.png", 6, 5), (split / "x,y.png", -1, 6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("file_name,label\na.png,5\nwith space.png, 6.0\nx,y.png,7\n",
         [("a.png", 5, 2), ("with space.png", 6, 3), ("x,y.png", 7, 4)]),
        ('file_name,label\n"x,y.png",5\n"say ""hi"".png",4\n',
         [("x,y.png", 5, 2), ('say "hi".png', 4, 3)]),
        ('"label","id","file_name"\n5,17,"x,y.png"\n6,18, a.png \n',
         [("x,y.png", 5, 2), ("a.png", 6, 3)]),
        ("id,file_name,label\n1,b.png,3\n", [("b.png", 3, 2)]),
        ("\ufefffile_name   label\r\nb.png\t3\r\n", [("b.png", 3, 2)]),
    ],
    ids=["csv", "quotes", "other columns, another order", "an index", "tabs and a mark"],
)  # fmt: skip
def test_any_csv_that_has_the_columns(split, text, rows):
    assert found(split, text) == rows


@pytest.mark.parametrize(
    "text",
    ["a.png 5\nb.png 6\n", "a.png,5\n", "name,label\na.png,5\n", "file_name,file_name,label\n"],
)
def test_without_a_header_there_is_one_fault(split, text):
    ((line, column, message),) = faults(split, text)
    assert (line, column) == (1, 1) and "'file_name label'" in message


def test_every_fault_has_its_place(split):
    text = (
        "file_name label\n"
        "gone.png 5\n"
        "a.png five\n"
        "  with space.png  5.5\n"
        "b.png\n"
        "a.png 5\n"
        "a.png 6\n"
        "../../etc.png 1\n"
        "b.png 99999999999\n"
    )
    places = faults(split, text)
    assert [place[:2] for place in places] == [
        (2, 1), (3, 7), (4, 19), (5, 1), (7, 1), (8, 1), (9, 7),
    ]  # fmt: skip
    said = [place[2] for place in places]
    assert "image not found" in said[0] and "not a whole number" in said[1] and "'5.5'" in said[2]
    assert "2 columns expected (file_name label), found 1" in said[3]
    assert "line 6 gives this image another target" in said[4]
    assert "leaves the data root" in said[5] and "not a whole number" in said[6]


def test_faults_of_a_csv_point_into_the_line(split):
    text = 'id,label,file_name\n1,five,a.png\n2,5,"gone.png"\n3,5\n4,,a.png\n5,6,"a.png\n6,7,""\n'
    places = faults(split, text)
    assert [place[:2] for place in places] == [(2, 3), (3, 5), (4, 1), (5, 3), (6, 1), (7, 5)]
    said = [place[2] for place in places]
    assert "3 columns expected (id,label,file_name), found 2" in said[2]
    assert "empty field" in said[3] and "quotes that do not close" in said[4]
    assert "empty path" in said[5]


def test_a_header_alone_is_no_data(split):
    assert "no labels in this file" in faults(split, "file_name label\n")[0][2]


def test_an_image_named_twice_is_kept_and_told(split):
    labels = read(split, "buckets", "file_name label\na.png 5\nb.png 4\na.png 5\n")
    assert len(labels) == 3 and "1 lines repeat" in labels.notes[0]

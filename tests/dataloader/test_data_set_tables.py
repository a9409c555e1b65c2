"""Files of a download looked up in any case, and label tables whose faults name file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from dataloader.datasets import tables
from dataloader.datasets.source_tree import SourceTree
from tests.data_set_trees import book, cells, touch, write


def test_files_and_folders_in_any_case_the_uppermost_first(tmp_path: Path) -> None:
    touch(tmp_path, "b/MOS.TXT", "a/x/mos.txt", "Dist_Imgs/A.PNG", "old/dist_imgs/a.png", "c/a.png")
    tree = SourceTree(tmp_path)
    assert tree.file("scores.csv", "mos.txt") == tmp_path / "b/MOS.TXT"
    images = tree.images("DIST_imgs")
    assert images.find("a.png") == "Dist_Imgs/A.PNG"
    assert images.surplus() == ["old/dist_imgs/a.png"] and images.find("b.png") is None
    assert images.missing() == ["DIST_imgs/b.png"]
    assert tree.images().find("OLD/dist_imgs/a.png") == "old/dist_imgs/a.png"
    assert tree.images().find_stem("a") == "Dist_Imgs/A.PNG"
    assert tree.images().find("a.png", below="c") == "c/a.png"
    with pytest.raises(ValueError, match=r"no scores.csv or labels.csv there"):
        tree.file("scores.csv", "labels.csv")
    with pytest.raises(ValueError, match="no images in a folder nowhere"):
        tree.images("nowhere")


def test_links_to_folders_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    touch(tmp_path, "far/a.png", "source/b.png")
    (tmp_path / "source/images").symlink_to(tmp_path / "far")
    (tmp_path / "far/up").symlink_to(tmp_path / "source")
    assert SourceTree(tmp_path / "source").paths == ["b.png", "images/a.png"]


def test_a_list_names_nothing_outside_the_source(tmp_path: Path) -> None:
    touch(tmp_path, "source/in.png", "secret.png")
    images = SourceTree(tmp_path / "source").images()
    assert images.find("../secret.png") is None and images.find(f"{tmp_path}/secret.png") is None


def test_a_source_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a folder: --source takes"):
        SourceTree(tmp_path / "nowhere")


def test_csv_columns_by_name(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    write(file, ["\ufeff Image Name ,MOS,,", '"a, b.jpg",1.5,,', "", "c.jpg,2"], "\r\n")
    assert list(tables.csv_rows(file, "image name", "mos")) == [
        (f"{file}:2", {"image name": "a, b.jpg", "mos": "1.5"}),
        (f"{file}:4", {"image name": "c.jpg", "mos": "2"}),
    ]
    with pytest.raises(ValueError, match=r"x.csv:1: no column 'std': has image name, mos"):
        list(tables.csv_rows(file, "std"))
    write(file, ["a,b", "1"])
    with pytest.raises(ValueError, match=r"x.csv:2: 1 columns where the header has 2"):
        list(tables.csv_rows(file))
    file.write_text('image name,mos\na,"' + "x" * 140_000)
    with pytest.raises(ValueError, match=r"x.csv:2: not a csv row: .*quotation mark"):
        list(tables.csv_rows(file))


def test_columns_apart_by_blanks(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    write(file, ["index mos", "7  a.png", "", "8 b.png"], "\r\n")
    rows = [(f"{file}:2", ["7", "a.png"]), (f"{file}:4", ["8", "b.png"])]
    assert list(tables.columns(file, 2, header=True)) == rows
    assert next(tables.columns(file, 2)) == (f"{file}:1", ["index", "mos"])
    with pytest.raises(ValueError, match=r"x.txt:2: 3 columns expected, found 2: '7  a.png'"):
        list(tables.columns(file, 3, header=True))
    file.write_bytes(b"caf\xe9 1\n")
    with pytest.raises(ValueError, match="x.txt:1: not UTF-8 text"):
        list(tables.columns(file, 2))


def test_sheets_begin_anywhere_and_numbers_become_names(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    file = tmp_path / "x.xlsx"
    table = [["image", "dmos"], [1600, 0.25], [None, None], [1700.0, 1]]
    book(file, {"first": [["image", "other"]], "Second": table}, top=3, left=3)
    assert list(tables.sheet_rows(file, "second", "image", "dmos")) == [
        (f"{file}:5", {"image": "1600", "dmos": "0.25"}),
        (f"{file}:7", {"image": "1700", "dmos": "1"}),
    ]
    with pytest.raises(ValueError, match=r"no sheet 'third': has first, Second"):
        list(tables.sheet_rows(file, "third", "image"))
    with pytest.raises(ValueError, match=r"no row with the columns image, mos"):
        list(tables.sheet_rows(file, "second", "image", "mos"))
    file.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="x.xlsx: cannot be read"):
        list(tables.sheet_rows(file, "second", "image"))


def test_matlab_variables(tmp_path: Path) -> None:
    file = tmp_path / "x.mat"
    savemat(file, {"mos": [[1.5, 2.0]], "names": cells(["a b.bmp", "c.JPG"], (-1, 1))})
    assert tables.mat_numbers(file, "mos").tolist() == [1.5, 2.0]
    assert tables.mat_numbers(file, "mos").dtype == np.float64
    assert tables.mat_texts(file, "names") == ["a b.bmp", "c.JPG"]
    with pytest.raises(ValueError, match=r"x.mat: no variable std: has mos, names"):
        tables.mat_numbers(file, "std")
    with pytest.raises(ValueError, match=r"x.mat: names is no array of numbers"):
        tables.mat_numbers(file, "names")
    shutil.copy(__file__, file)
    with pytest.raises(ValueError, match=r"x.mat: cannot be read"):
        tables.mat_numbers(file, "mos")


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", None])
def test_numbers_are_finite(text: str | None) -> None:
    with pytest.raises(ValueError, match="f:3: .* is not a finite number"):
        tables.number("f:3", text)

"""images_root.txt: labels may name images of one other folder, said aloud, and of no third one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dataloader.labels.faults import LabelError
from dataloader.labels.paths import images_root
from dataloader.labels.text import read_labels
from tests.label_rows import rows_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root, a folder of images that it names, and a third folder."""
    for name in ("data/train/a.png", "store/sub/b.png", "store/a.png", "other/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "data" / "images_root.txt").write_text(f"{tmp_path / 'store'}\n")
    return tmp_path / "data"


def read(root: Path, text: str):
    file = root / "train" / "label.txt"
    file.write_text(text)
    return read_labels("scores", file, root, cwd=root.parent)


def test_images_are_found_there_and_it_is_said(root: Path) -> None:
    store = root.parent / "store"
    found = read(root, f"sub/b.png,1\na.png,2\n{store}/a.png,3\n")
    assert rows_of(found) == [
        (store / "sub/b.png", 1.0, 1),
        (root / "train/a.png", 2.0, 2),  # beside the label file comes first
        (store / "a.png", 3.0, 3),
    ]
    assert found.notes == (f"images outside the data root: {store} (images_root.txt)",)


def test_a_relative_folder_counts_from_the_data_root(root: Path) -> None:
    (root / "images_root.txt").write_text("../store\r\n")
    assert images_root(root) == root.parent / "store"
    assert read(root, "sub/b.png,1\n").sources[0] == root.parent / "store/sub/b.png"


@pytest.mark.parametrize("text", ["../other/c.png", "sub/../../other/c.png", "{}/other/c.png"])
def test_a_third_folder_is_refused(root: Path, text: str) -> None:
    with pytest.raises(LabelError) as caught:
        read(root, text.format(root.parent) + ",1\n")
    (fault,) = caught.value.faults
    assert "leaves the data root" in fault.message and str(root.parent / "store") in fault.message


def test_without_the_file_the_folder_is_refused(root: Path) -> None:
    (root / "images_root.txt").unlink()
    assert images_root(root) is None
    with pytest.raises(LabelError, match="leaves the data root"):
        read(root, f"{root.parent}/store/a.png,1\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a folder"),
        ("nowhere\n", "is not a folder: write where the images lie now"),
        ("images_root.txt\n", "is not a folder"),
        (os.path.abspath(os.sep), "is a whole disk"),
    ],
)
def test_a_folder_that_cannot_be_meant_is_one_fault(root: Path, text: str, said: str) -> None:
    (root / "images_root.txt").write_text(text)
    with pytest.raises(LabelError) as caught:
        read(root, "a.png,1\n")
    (fault,) = caught.value.faults
    assert "images_root.txt:1: " in fault.message and said in fault.message


def test_the_refusal_says_what_to_write_where(root: Path) -> None:
    other, file = root.parent / "other", root / "images_root.txt"
    with pytest.raises(LabelError) as caught:
        read(root, "../../other/c.png,1\n")
    said = f"if images may lie there, write {other} into {file}, as its only line"
    assert str(caught.value).endswith(said)
    file.write_text(f"{other}\n")  # as it says
    assert read(root, "../../other/c.png,1\n").sources[0] == other / "c.png"


def test_an_image_that_is_probably_meant_is_named(root: Path) -> None:
    (root / "train" / "more").mkdir()
    (root / "train" / "more" / "IMG_01.JPG").touch()
    for name in ("IMG_01", "other/IMG_01.jpg", "more/IMG_O1.JPG"):
        with pytest.raises(LabelError, match=r": did you mean 'more/IMG_01.JPG'\?$"):
            read(root, f"{name},1\n")

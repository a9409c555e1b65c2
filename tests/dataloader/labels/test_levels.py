"""levels.csv: rows become levels of the images asked for, or one line says what is wrong."""

from pathlib import Path

import pytest

from dataloader.labels.labels import Version
from dataloader.labels.side_tables import read_versions

HEADER = "path,reference_id,distortion,level\n"


def write(tmp_path, text):
    file = tmp_path / "levels.csv"
    file.write_text(text)
    return file


def test_the_levels_come_in_the_order_of_the_paths(tmp_path):
    file = write(tmp_path, HEADER + f"refimgs/a.png,a,none,0\n{tmp_path}/b.png,a,jpeg,3\n")
    paths = [tmp_path / "b.png", tmp_path / "refimgs" / "a.png"]
    assert list(read_versions(file, paths)) == [Version("a", "jpeg", 3), Version("a", "none", 0)]


def test_no_file_means_no_levels(tmp_path):
    assert read_versions(tmp_path / "levels.csv", [Path("a.png")]) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n", "levels.csv:1: the header must be path,reference_id,distortion,level"),
        ("", "levels.csv:1: the header"),
        (HEADER + "a.png,a,jpeg\n", "levels.csv:2: 3 columns"),
        (HEADER + "\na.png,a,jpeg,-1\n", "levels.csv:3: level '-1'"),
        (HEADER + "b.png,a,jpeg,1\n", "no row for "),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, said):
    with pytest.raises(ValueError) as error:
        read_versions(write(tmp_path, text), [tmp_path / "a.png"])
    assert said in str(error.value)


def test_an_empty_level_is_not_known(tmp_path):
    file = write(tmp_path, HEADER + "a.png,a,contrast change,\nb.png,a,jpeg,2\n")
    found = read_versions(file, [tmp_path / "a.png", tmp_path / "b.png"])
    assert list(found) == [Version("a", "contrast change", None), Version("a", "jpeg", 2)]


def test_rows_may_be_relative_to_the_folder_of_images(tmp_path):
    file = write(tmp_path, HEADER + "a.png,a,jpeg,1\n")
    source = tmp_path / "source"
    assert list(read_versions(file, [source / "a.png"], source)) == [Version("a", "jpeg", 1)]
    with pytest.raises(ValueError, match="no row for "):
        read_versions(file, [source / "a.png"])

"""levels.csv and std.csv: rows found by their paths, and every fault named with its line."""

from pathlib import Path

import pytest

from dataloader.labels.labels import Version
from dataloader.labels.side_tables import read_spread, read_versions, spread_rows

LEVELS = "path,reference_id,distortion,level\n"
SPREAD = "path,std,votes\n"


def written(folder: Path, text: str, name: str = "std.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_versions_come_in_the_order_of_the_paths(tmp_path):
    text = f"refimgs/a.png,a,none,0\n{tmp_path}/b.png,a,jpeg,3\nc.png,a,contrast change,\n"
    file = written(tmp_path, LEVELS + text, "levels.csv")
    paths = [tmp_path / name for name in ("b.png", "refimgs/a.png", "c.png")]
    assert list(read_versions(file, paths)) == [
        Version("a", "jpeg", 3), Version("a", "none", 0), Version("a", "contrast change", None),
    ]  # fmt: skip


def test_rows_may_be_relative_to_the_folder_of_images(tmp_path):
    file = written(tmp_path, LEVELS + "a.png,a,jpeg,1\n", "levels.csv")
    source = tmp_path / "source"
    assert list(read_versions(file, [source / "a.png"], source)) == [Version("a", "jpeg", 1)]
    with pytest.raises(ValueError, match="no row for "):
        read_versions(file, [source / "a.png"])
    std, _, _ = read_spread(
        [written(tmp_path, SPREAD + "a.png,0.5,2\n")], [source / "a.png"], images=source
    )
    assert std.tolist() == [0.5]


def test_no_file_says_nothing(tmp_path):
    assert read_versions(tmp_path / "levels.csv", [tmp_path / "a"]) is None
    assert read_spread([tmp_path / "std.csv"], [tmp_path / "a"]) is None


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("levels.csv", "a,b\n", "levels.csv:1: the header must be path,reference_id,distortion,"),
        ("levels.csv", "", "levels.csv:1: the header"),
        ("levels.csv", LEVELS + "a,a,jpeg\n", "levels.csv:2: 3 columns"),
        ("levels.csv", LEVELS + "\na,a,jpeg,-1\n", "levels.csv:3: level '-1'"),
        ("levels.csv", LEVELS + "b,a,jpeg,1\n", "no row for "),
        ("std.csv", "a,1,5\n", "std.csv:1: the header must be path,std,votes"),
        ("std.csv", SPREAD + "a,1\n", "std.csv:2: 2 columns"),
        ("std.csv", SPREAD + "a,1,5\nb,-1,5\n", "std.csv:3: '-1,5': std must be 0 or more"),
        ("std.csv", SPREAD + "a,nan,5\n", "std must be"),
        ("std.csv", SPREAD + "a,inf,5\n", "std must be"),
        ("std.csv", SPREAD + "a,x,5\n", "std must be"),
        ("std.csv", SPREAD + "a,1,0\n", "votes above 0"),
        ("std.csv", SPREAD + "a,1,inf\n", "votes above 0"),
        ("std.csv", SPREAD + "b,1,5\n", "a: add it, or take the file away"),
        ("std.csv", "path,standard_error\na,-1\n", "std.csv:2"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, name, text, said):
    file, paths = written(tmp_path, text, name), [tmp_path / "a"]
    with pytest.raises(ValueError) as error:
        read_versions(file, paths) if name == "levels.csv" else read_spread([file], paths)
    assert said in str(error.value)


def test_deviations_of_several_files(tmp_path):
    """One that is not there is no fault, unless it should have named an image."""
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
    one = written(tmp_path / "train", f"{SPREAD}a,1,5\nb,2,6\n{tmp_path}/x/c,0,7\nunused,1,1\n")
    files = [one, tmp_path / "val/std.csv", written(tmp_path / "test", SPREAD + "a,3,7\n")]
    paths = [tmp_path / name for name in ("test/a", "train/b", "x/c")]
    std, votes, spread = read_spread(files, paths)
    assert (std.tolist(), votes.tolist(), spread) == ([3, 2, 0], [7, 6, 7], True)
    with pytest.raises(ValueError, match="train/std.csv: no row for .*val/x and 1 more"):
        read_spread(files, [tmp_path / "val/x", paths[1], tmp_path / "val/y"])
    assert read_spread(files[1:2], [tmp_path / "val/x"]) is None


def test_votes_that_are_not_all_given_are_none(tmp_path):
    file = written(tmp_path, SPREAD + "a,1,5\nb,2,\n")
    std, votes, _ = read_spread([file], [tmp_path / "b", tmp_path / "a"])
    assert std.tolist() == [2, 1] and votes is None


def test_a_standard_error_is_that_of_one_vote(tmp_path):
    file = written(tmp_path, "path,standard_error\na,0.25\nb,0.5\n")
    std, votes, spread = read_spread([file], [tmp_path / "b", tmp_path / "a"])
    assert (std.tolist(), votes.tolist(), spread) == ([0.5, 0.25], [1, 1], False)
    assert len(spread_rows(file)) == 2

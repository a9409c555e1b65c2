"""std.csv: rows found by their paths, and every fault named."""

from pathlib import Path

import pytest

from dataloader.labels.faults import LabelError
from dataloader.labels.side_tables import read_spread, spread_rows

HEADER = "path,std,votes\n"


def written(folder: Path, rows: str, header: str = HEADER) -> Path:
    file = folder / "std.csv"
    file.write_text(header + rows, encoding="utf-8")
    return file


def test_rows_are_found_by_their_paths(tmp_path):
    far = tmp_path / "far"
    file = written(tmp_path, f"b.png,0.5,20\nx/a.png,0,7\n{far}/c.png,1.25,3\nunused.png,1,1\n")
    paths = [tmp_path / "x" / "a.png", far / "c.png", tmp_path / "b.png"]
    std, votes, spread = read_spread([file], paths)
    assert spread
    assert std.tolist() == [0, 1.25, 0.5] and votes.tolist() == [7, 3, 20]
    std, _, _ = read_spread([file], [far / "b.png"], images=far)
    assert std.tolist() == [0.5]


def test_images_of_several_files(tmp_path):
    """One that is not there is no fault, unless it should have named an image."""
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
    one = written(tmp_path / "train", "a,1,5\nb,2,6\n")
    files = [one, tmp_path / "val" / "std.csv", written(tmp_path / "test", "a,3,7\n")]
    std, votes, _ = read_spread(files, [tmp_path / "test" / "a", tmp_path / "train" / "b"])
    assert std.tolist() == [3, 2] and votes.tolist() == [7, 6]
    with pytest.raises(ValueError, match="train/std.csv: no row for .*val/x and 1 more"):
        read_spread(files, [tmp_path / "val" / "x", one.parent / "b", tmp_path / "val" / "y"])
    assert read_spread(files[1:2], [tmp_path / "val" / "x"]) is None


def test_votes_that_are_not_all_given_are_none(tmp_path):
    std, votes, _ = read_spread(
        [written(tmp_path, "a,1,5\nb,2,\n")], [tmp_path / "b", tmp_path / "a"]
    )
    assert std.tolist() == [2, 1] and votes is None


def test_no_file_is_no_deviations(tmp_path):
    assert read_spread([tmp_path / "std.csv"], [tmp_path / "a"]) is None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,1\n", r"std.csv:2: 2 columns"),
        ("a,1,5\nb,-1,5\n", r"std.csv:3: '-1,5': std must be 0 or more"),
        ("a,nan,5\n", "std must be"),
        ("a,inf,5\n", "std must be"),
        ("a,x,5\n", "std must be"),
        ("a,1,0\n", "votes above 0"),
        ("a,1,inf\n", "votes above 0"),
        ("b,1,5\n", "no row for .*a: add it"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, rows, said):
    with pytest.raises(ValueError, match=said):
        read_spread([written(tmp_path, rows)], [tmp_path / "a"])


def test_a_wrong_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="std.csv:1: the header must be path,std,votes"):
        read_spread([written(tmp_path, "a,1,5\n", header="")], [tmp_path / "a"])
    (tmp_path / "std.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="UTF-16 text: save the file as UTF-8"):
        read_spread([tmp_path / "std.csv"], [tmp_path / "a"])


def test_a_standard_error_is_that_of_one_vote(tmp_path):
    file = written(tmp_path, "a,0.25\nb,0.5\n", header="path,standard_error\n")
    std, votes, spread = read_spread([file], [tmp_path / "b", tmp_path / "a"])
    assert (std.tolist(), votes.tolist(), spread) == ([0.5, 0.25], [1, 1], False)
    assert len(spread_rows(file)) == 2
    written(tmp_path, "a,-1\n", header="path,standard_error\n")
    with pytest.raises(LabelError, match=r"std.csv:2"):
        read_spread([file], [tmp_path / "a"])
